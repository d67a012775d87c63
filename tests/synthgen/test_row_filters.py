"""Filters that judge a row alone: shape, residue, language, personal data."""

from __future__ import annotations

import re
import sys
from re import _parser as parser  # type: ignore[attr-defined]  # what a pattern is made of is said nowhere else
from typing import Any

import pytest

from synthgen.filters.rows import residue as residue_module
from synthgen.filters.rows.language import Language
from synthgen.filters.rows.personal import PersonalData, personal_data
from synthgen.filters.rows.residue import Residue, residue
from synthgen.filters.rows.shape import Shape, ShapeLimits
from synthgen.formats.choice import ChoiceFormat
from synthgen.formats.span import SpanFormat
from synthgen.formats.tags import TagsFormat
from synthgen.text.language_id import is_known
from tests.synthgen.conftest import NLI

SWAG = ChoiceFormat(("ctx_a", "ctx_b", "ctx", "endings", "label"), ("0", "1"))
GOOD = {"premise": "The two brothers ran the old mill together.", "hypothesis": "The mill was old.", "label": 0}


def reason(verdict: object) -> str | None:
    return None if verdict is None else verdict.reason


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mill.", "too short"),
        ("no no no no no no no", "repetition"),
        ("it was so and it was so and it was so and it was so and", "repetition"),
        ("A bell\x07 rang in the hall.", "control characters"),
        ("word " * 1200, "too long"),
        ("The two brothers ran the old mill together.", "format"),
        ("A man and a woman and a dog ran.", None),
        ("他们昨天在河边钓鱼。", None),
        ("เด็กสองคนเล่นน้ำในแม่น้ำเมื่อวาน", None),
        ("きのう川で魚をつりました。", None),
        ("雨。", "too short"),
        ("天地玄黄宇宙洪荒" * 300, "too long"),
        ("好好好好好好好好", "repetition"),
        ("今天天气很好," * 5, "repetition"),
        ("ฝนตกหนักมาก " * 5, "repetition"),
    ],
)
def test_shape_names_what_is_wrong_with_a_text(text: str, expected: str | None) -> None:
    assert reason(Shape(NLI).check("1", GOOD | {"hypothesis": text})) == expected


def test_a_text_many_times_longer_than_the_other_is_dropped_only_beyond_the_limit() -> None:
    row = GOOD | {"hypothesis": " ".join(f"w{i}" for i in range(60))}
    assert Shape(NLI).check("1", row) is None
    assert reason(Shape(NLI, ShapeLimits(max_length_ratio=2)).check("1", row)) == "length ratio"


def test_options_are_judged_too_but_may_be_one_word() -> None:
    row = {
        "ctx_a": "It rained all day.",
        "ctx_b": "She",
        "ctx": "",
        "endings": ["left.", "as an AI I cannot"],
        "label": "0",
    }
    assert Shape(SWAG).check("1", row) is None
    found = Residue(SWAG).check("1", row)
    assert found is not None
    assert found.evidence.startswith("endings.1")


def test_an_answer_may_be_one_word() -> None:
    row = {"id": "", "title": "", "context": "Tea is hot.", "question": "What is hot?"}
    assert (
        Shape(SpanFormat(("answerable",))).check("1", row | {"answers": {"text": ["Tea"], "answer_start": [0]}}) is None
    )


def test_a_sentence_of_the_prompt_that_comes_back_is_leakage() -> None:
    prompt = "Sentence A: The match was called off because of the heavy rain on Friday.\nSentence B:"
    copied = GOOD | {"premise": "The match was called off because of the heavy rain, they say."}
    assert reason(Residue(NLI, prompt).check("1", copied)) == "prompt leakage"
    assert Residue(NLI, prompt).check("1", GOOD) is None


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't stay for dinner.",
        "How can I improve my programming skills?",
        "Solve \\frac{x}{2}^{a} for {x}.",
        "i'm sorry i don't know the answer to that question",
        "He studied artificial intelligence as an undergraduate.",
        "They sell certain answers: yes and no.",
    ],
)
def test_what_people_write_is_no_residue(text: str) -> None:
    assert residue(text) is None


@pytest.mark.parametrize("word", ["insert", "your", "name of", "fill", "city", "date", "company", "subject", "topic"])
def test_a_word_in_brackets_that_stands_for_another_is_residue(word: str) -> None:
    assert residue(f"She wrote to him about [{word}] again.") == ("template residue", f"[{word}]")
    assert residue("She quoted [context] in brackets.") is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("IBAN GB29 NWBK 6016 1331 9268 19.", "iban"),  # the registry's example for the United Kingdom
        ("Pay with 4111 1111 1111 1111.", "card"),  # the card networks' test number
        ("Ping 81.2.69.142 first.", "ip"),
        ("Ping 2a00:1450:4001:82f::200e first.", "ip6"),
        ("Call +44 20 7946 0018 now.", "phone"),
        ("Mail lee@posteo.de.", "email"),
    ],
)
def test_personal_data_is_found_and_its_value_stays_out_of_the_evidence(text: str, kind: str) -> None:
    assert personal_data(text) is not None
    judge = PersonalData(NLI)
    found = judge.check("1", GOOD | {"hypothesis": text})
    assert found is not None
    assert found.evidence == f"hypothesis: {kind}"
    assert judge.metadata()["found"] == {kind: 1}


@pytest.mark.parametrize(
    "text",
    [
        "IBAN GB28 NWBK 6016 1331 9268 19.",
        "The number 4111 1111 1111 1112 is prime.",
        "In 1914-1918 and 1939-1945 it was 12,345,678.90 dollars.",
        "Version 1.2.3.4.5 came in 10:30:45.",
        "Write to info@example.com or 192.0.2.7.",
        "He scored 100-200-300 points in 2019/2020.",
    ],
)
def test_numbers_that_belong_to_nobody_are_kept(text: str) -> None:
    assert personal_data(text) is None


@pytest.mark.parametrize(
    ("text", "language", "dropped"),
    [
        ("Der Hund schläft heute auf dem alten Sofa.", "en", True),
        ("The dog sleeps on the old sofa today.", "en", False),
        ("The dog sleeps on the old sofa today.", "de", True),
        ("今天天气很好我们去公园玩吧", "en", True),
        ("今天天气很好我们去公园玩吧", "zh", False),
        ("Casa bella", "en", False),
        ("Dogs of no known language sleep here.", "wo", False),
    ],
)
def test_a_text_in_another_language_is_dropped_when_it_is_long_enough(text: str, language: str, dropped: bool) -> None:
    judge = Language(TagsFormat(("tokens", "tags"), ("X",)), language)
    assert (judge.check("1", {"tokens": text.split(), "tags": []}) is not None) == dropped


def test_a_rows_own_language_is_what_is_expected() -> None:
    row = {"premise": "Der Hund schläft heute auf dem Sofa.", "hypothesis": "Ein Tier schläft jetzt auf einem Möbel."}
    for code in ("de", "de-AT", "DEU", "deu_Latn"):
        assert Language(NLI, "en").check("1", row | {"language": code}) is None


@pytest.mark.parametrize("text", ["Shaker Efrunieh (1979)", "yawa, lele, hii.", "1943, hikiehii ngolamat, nyiibu"])
def test_names_and_invented_words_are_not_in_the_language_that_was_asked_for(text: str) -> None:
    row = {"premise": text, "hypothesis": text, "label": 0}
    asked = Language(NLI, "sw", is_asked=True)
    assert (drop := asked.check("a", row)) is not None
    assert drop.evidence.startswith("premise + hypothesis: ")
    assert asked.check("b", row | {"hypothesis": "Mtoto anacheza mpira nje ya nyumba na marafiki."}) is None
    assert Language(NLI, "sw").check("c", row) is None


def test_rows_that_could_not_be_judged_are_counted_by_why() -> None:
    judge = Language(TagsFormat(("tokens", "tags"), ("X",)), "wo")
    for count, language in ((9, None), (2, "en"), (9, "en")):
        judge.check("1", {"tokens": ["Dogs"] * count, "tags": [], "language": language})
    facts = judge.metadata()
    assert [facts[f"rows_{what}"] for what in ("judged", "too_short", "in_unknown_languages")] == [1, 1, 1]


def test_the_models_know_every_language_of_xtreme_r_but_wolof() -> None:
    from synthgen.text.languages import LANGUAGES

    assert [code for code in LANGUAGES if not is_known(code)] == ["wo"]


@pytest.mark.parametrize(
    "text",
    [
        "<think> They want a sentence. </think> The ferry left.",
        "The ferry \ufffd left at noon.",
        "The ferry left \u202enoon\u202c at last.",
        "Fish &amp; chips were sold on the ferry.",
        "The cafÃ© on the ferry was shut.",
        "Itâ€™s late.",
    ],
)
def test_thinking_aloud_and_text_that_was_decoded_wrongly_are_residue(text: str) -> None:
    assert residue(text)


@pytest.mark.parametrize(
    "text", ["AT&T; R&D is dear.", "«Amanhã», disse São João.", "Âge d'or", "Vão à praça; I think so."]
)
def test_ampersands_and_accents_are_no_broken_text(text: str) -> None:
    assert residue(text) is None


def test_a_long_passage_is_not_dropped_for_one_broken_character() -> None:
    sentence = "The council of the town met on the first Monday of the month. "
    assert residue(f"Caf\ufffd owners met. {sentence}") == ("broken text", "\ufffd")
    assert residue(f"Caf\ufffd owners met. {sentence * 8}") is None


@pytest.mark.parametrize("reason_", ["refusal", "broken text", "template residue"])
def test_whatever_a_pattern_of_residue_matches_holds_one_of_its_signs(reason_: str) -> None:
    signs, pattern = residue_module._RULES[reason_]
    assert has_sign(parser.parse(pattern.pattern, pattern.flags), signs)
    assert not has_sign(parser.parse(pattern.pattern, pattern.flags), ("lorem",))


def has_sign(nodes: Any, signs: tuple[str, ...]) -> bool:
    """Say whether all that a parsed pattern matches holds one of the signs, letters without regard to case."""
    run = ""
    for kind, value in [*((str(kind), value) for kind, value in nodes), ("END", None)]:
        if kind == "LITERAL":
            run += chr(value).casefold()
            continue
        if any(sign in run for sign in signs):
            return True
        run = ""
        inner = {"SUBPATTERN": lambda: value[-1], "MAX_REPEAT": lambda: value[2] if value[0] else []}  # noqa: B023
        if kind in inner and has_sign(inner[kind](), signs):
            return True
        if kind == "BRANCH" and all(has_sign(each, signs) for each in value[1]):
            return True
        if kind == "IN" and all(letter in signs for letter in letters_of(value)):
            return True
    return False


def letters_of(class_: Any) -> list[str]:
    """Return the letters of a parsed class; one of another kind is none of the signs."""
    ranges = [(value, value) if str(kind) == "LITERAL" else value for kind, value in class_ if str(kind) in KINDS]
    other = [""] * (len(ranges) < len(class_))
    return other + [chr(code).casefold() for first, last in ranges for code in range(first, last + 1)]


KINDS = ("LITERAL", "RANGE")


def test_letters_that_a_pattern_takes_for_others_are_found_in_small_letters_too() -> None:
    every = "".join(map(chr, range(128, sys.maxunicode + 1)))
    for letter in "abcdefghijklmnopqrstuvwxyz\xe2\xe3":
        taken = re.findall(letter, every, re.IGNORECASE)
        assert [other for other in taken if letter not in residue_module._small(other)] == []
