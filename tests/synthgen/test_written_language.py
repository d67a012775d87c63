"""`make --language`: what is asked for, which rows are kept, and what says so of the set."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from synthgen.analysis.inspect import inspect
from synthgen.cards import card
from synthgen.cards.card import check
from synthgen.dataset import read_rows
from synthgen.engines import Request
from synthgen.errors import UserError
from synthgen.filters.command import filter as filter_set
from synthgen.generation.run import default_folder, open_chain
from synthgen.generation.why import why
from synthgen.publishing.verify import verify
from synthgen.task.registry import read_task_file
from synthgen.task.task_file import check_task_text
from synthgen.text.language_id import foreign
from tests.synthgen.conftest import dataset_folder, make_scripted, model_folder

PARTS = {
    "de": (
        "Der Lehrer|Meine Schwester|Ein alter Bauer|Die Nachbarin|Unser Arzt|Das kleine Kind|Der neue Fahrer",
        "kauft|sucht|verliert|repariert|findet|verkauft|zeichnet",
        "ein rotes Fahrrad|die alte Lampe|einen großen Koffer|das kaputte Radio|eine lange Leiter|den blauen Mantel",
        "am Bahnhof|hinter der Schule|auf dem Markt|in der Küche|neben dem Fluss|vor dem Rathaus",
        "am frühen Morgen|nach dem Regen|kurz vor Mitternacht|während der Ferien|seit drei Wochen",
    ),
    "sw": (
        "Mwalimu wetu|Dada yangu|Mkulima mzee|Jirani yake|Daktari wa kijiji|Mtoto mdogo|Dereva mpya",
        "ananunua|anatafuta|amepoteza|anatengeneza|ameona|anauza|anachora",
        "baiskeli nyekundu|taa ya zamani|sanduku kubwa|redio mbovu|ngazi ndefu|koti la bluu",
        "karibu na kituo cha basi|nyuma ya shule|sokoni mjini|jikoni kwake|kando ya mto|mbele ya ofisi",
        "asubuhi na mapema|baada ya mvua kubwa|kabla ya usiku wa manane|wakati wa likizo|kwa wiki tatu sasa",
    ),
    "zh": (
        "我们的老师|我的妹妹|一位老农民|她的邻居|村里的医生|那个小孩子|新来的司机",
        "在清晨|下雨之后|在午夜之前|放假的时候|这三个星期以来",
        "在火车站旁边|在学校后面|在市场里|在厨房里|在河边|在市政府门口",
        "买了|寻找|丢了|修理了|发现了|卖掉了|画了",
        "一辆红色的自行车。|那盏旧台灯。|一个很大的箱子。|坏掉的收音机。|一架长梯子。|那件蓝色的大衣。",
    ),
    "en": (
        "Our teacher|My sister|An old farmer|Her neighbour|The village doctor|That small child|The new driver",
        "buys|looks for|loses|repairs|finds|sells|draws",
        "a red bicycle|the old lamp|a large suitcase|the broken radio|a long ladder|the blue coat",
        "at the station|behind the school|at the market|in the kitchen|by the river|outside the town hall",
        "early in the morning|after the rain|just before midnight|during the holidays|for three weeks now",
    ),
}  # fmt: skip


def written(language: str, request: Request) -> str:
    """Return a sentence of a language, another one for another request."""
    draw = random.Random(repr((request.nonce, request.tag)))
    return ("" if language == "zh" else " ").join(draw.choice(part.split("|")) for part in PARTS[language])


def often_english(language: str):
    """Return an answer function that replies in English to 30 % of the requests."""

    def answer(request: Request) -> str:
        is_wrong = random.Random(f"language {request.nonce} {request.tag}").random() < 0.3
        return written("en" if is_wrong else language, request)

    return answer


@pytest.fixture
def model(tmp_path: Path) -> str:
    return model_folder(tmp_path / "model")


def in_swahili(request: Request) -> str:
    return written("sw", request)


@pytest.mark.parametrize("language", ["de", "sw", "zh"])
def test_rows_in_another_language_than_the_one_asked_for_are_rejections_with_that_reason(
    model: str, language: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    manifest = make_scripted(model, out, often_english(language), n=45, language=language)
    rows = list(read_rows(out))
    assert len(rows) == manifest.kept == 45
    assert manifest.rejected["language"] > 15
    assert manifest.asked == manifest.kept + sum(manifest.rejected.values()) + manifest.failed
    assert not [row for row in rows for text in (row["premise"], row["hypothesis"]) if foreign(text, language)]
    assert {row["language"] for row in rows} == {language} == {manifest.language}
    assert manifest.checks["language"]["rows_judged"] >= manifest.kept + manifest.rejected["language"]
    assert verify(out).faults == ()


def test_a_short_text_that_is_surely_in_another_language_goes_too(model: str, tmp_path: Path) -> None:
    def answer(request: Request) -> str:
        is_hypothesis = "Sentence B" in request.prompt
        return "She never went home." if is_hypothesis and request.nonce % 2 else written("sw", request)

    manifest = make_scripted(model, tmp_path / "out", answer, n=9, language="sw")
    assert all("never" not in row["hypothesis"] for row in read_rows(tmp_path / "out"))
    assert manifest.rejected["language"] > 3


def test_the_language_is_identified_although_a_filter_file_does_not_name_it(model: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("[exact]\n")
    kept = make_scripted(
        model, tmp_path / "out", often_english("de"), n=9, language="de", filters=tmp_path / "mine.toml"
    )
    assert kept.rejected["language"]
    assert set(kept.checks["filters"]) == {"edits", "format", "language", "exact"}


def test_another_language_is_another_run_with_other_ids_and_folder(model: str, tmp_path: Path) -> None:
    make_scripted(model, tmp_path / "out", in_swahili, n=3, language="sw")
    assert all(row["id"].startswith("mnli-sw-s0-") for row in read_rows(tmp_path / "out"))
    with pytest.raises(UserError, match="contains another run"):
        make_scripted(model, tmp_path / "out", in_swahili, n=3, language="de")
    assert default_folder("mnli", 5, 0, "sw") == Path("runs/mnli-sw-n5-s0")


def test_a_run_in_the_language_of_the_file_is_the_run_without_the_option(model: str, tmp_path: Path) -> None:
    def english(request: Request) -> str:
        return written("en", request)

    one, other = (
        make_scripted(model, tmp_path / f"out{number}", english, n=6, language=language)
        for number, language in enumerate([None, "en"])
    )
    assert (one.content_hash, one.ledger_hash) == (other.content_hash, other.ledger_hash)
    assert "prompt_language" not in one.checks
    assert default_folder("mnli", 5, 0, "en") == default_folder("mnli", 5, 0)


@pytest.mark.parametrize("language", ["klingon", "jp", "mul", ""])
def test_what_is_no_language_is_refused(model: str, language: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--language .* is not a language code"):
        make_scripted(model, tmp_path / "out", in_swahili, n=3, language=language)
    assert not (tmp_path / "out").exists()


def test_the_card_the_filters_the_page_and_the_story_of_a_row_have_the_language(model: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make_scripted(model, out, often_english("sw"), n=12, language="sw")
    text = (out / "README.md").read_text(encoding="utf-8")
    assert check(out) == []
    assert "The rows are in Swahili" in text
    assert '"language": ["sw"]' in text or 'language: ["sw"]' in text
    assert "sw, from --language (24 of 24 identified texts agree)" in " ".join(text.split())
    rejected = next(kind for kind in why(out, reason="language"))
    story = why(out, rejected["examples"][0]["id"])
    assert (story["verdict"], story["reason"], story["stage"]) == ("rejected", "language", "language")
    smaller = filter_set(out, out=tmp_path / "filtered")
    assert (smaller.language, smaller.kept) == ("sw", 12)
    assert smaller.checks["prompt_language"]["asked for in English"] == ["premise", "hypothesis"]
    assert inspect(out).language == "sw"
    assert card.card(out).read_text(encoding="utf-8") == text


def prompts(**options) -> dict[str, str]:
    """Return the prompt of each step for a label of mnli, or of the task named."""
    chain = open_chain(options.pop("task", "mnli"), 0, options.pop("structured", False), **options)
    cell = next(iter(chain.task.label_counts))
    return {step.name: request.prompt for step, request in chain.trial_requests(cell, lambda _: "A text.")}


def test_a_line_asks_for_the_language_where_it_is_read_best() -> None:
    line = "Write in Swahili, whatever language the examples are in."
    assert all(prompt.startswith(f"{line}\n\n") for prompt in prompts(language="sw").values())
    for prompt in prompts(language="swa", structured=True).values():
        assert f"\n\n{line}\n\nAnswer with JSON: " in prompt
    assert not any("Write in" in prompt for prompt in prompts().values())


OWN = """+++
title = "A task"
format = "pair"
columns = ["premise", "hypothesis", "label"]
language = "en"
stem = "premise"
[label_counts]
no = 1
yes = 1
[definitions]
yes = "it follows"
no = "it does not"
[definitions.sw]
yes = "inafuata"
[attributes]
place = ["a shop", "a school"]
[attributes.sw]
place = ["duka"]
[steps.premise]
[steps.hypothesis]
[[shots.yes]]
premise = "The shop is open all day."
hypothesis = "The shop is open at noon."
[[shots.no]]
premise = "The shop is open all day."
hypothesis = "The shop is cheap."
[[shots.sw.yes]]
premise = "Duka liko wazi siku nzima."
hypothesis = "Duka liko wazi saa sita."
+++
## premise
{% for row in real_stems %}{{ row.premise }}{% else %}An English line.{% endfor %} {{ place }}:
## hypothesis
{{ definition }}{% for shot in shots %} {{ shot.hypothesis }}{% endfor %} {{ premise }}:
## hypothesis.sw
Sentensi B {{ definition }}{% for shot in shots %} {{ shot.hypothesis }}{% endfor %} {{ premise }}:
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "own.md").write_text(OWN, encoding="utf-8")
    return tmp_path / "own.md"


def test_a_task_file_says_per_language_what_it_says(own: Path) -> None:
    task = read_task_file(own).in_language("sw-KE")
    assert task.definitions == {"yes": "inafuata", "no": "it does not"}
    assert [step.asks_for for step in task.steps] == ["Swahili (Kenya)", ""]
    found = prompts(task=str(own), language="sw")
    assert found["premise"].endswith("Duka liko wazi siku nzima. duka:")
    chain = open_chain(str(own), 0, False, language="sw")
    *_, (_, asked) = chain.trial_requests("yes", lambda _: "Duka.")
    assert asked.prompt == "Sentensi B inafuata Duka liko wazi saa sita. Duka.:"
    assert prompts(task=str(own))["premise"] in ("An English line. a shop:", "An English line. a school:")
    german = prompts(task=str(own), language="de")
    assert "The shop is cheap." in german["hypothesis"]
    assert german["hypothesis"].startswith("Write in German")


def test_a_label_that_is_also_a_code_of_a_language_stays_a_label(own: Path) -> None:
    own.write_text(OWN + "## premise.no\nSkriv:\n", encoding="utf-8")
    task = read_task_file(own)
    assert (task.definitions["no"], set(task.by_language)) == ("it does not", {"sw", "no"})
    assert len(task.shots["no"]) == 1


def test_a_template_that_names_the_language_needs_no_line(own: Path) -> None:
    own.write_text(OWN.replace("An English line.", "A line in {{ language_name }} ({{ language }})."), encoding="utf-8")
    assert prompts(task=str(own), language="ta")["premise"].startswith("A line in Tamil (ta).")
    assert prompts(task=str(own))["premise"].startswith("A line in English (en).")


@pytest.mark.parametrize(
    ("change", "line", "said"),
    [
        (('yes = "inafuata"', 'maybe = "labda"'), 14, "in sw: unknown label 'maybe'"),
        (("[definitions.sw]", "[definitions.swa]"), 13, "in swa: language is 'swa'; expected 'sw'"),
        (("[[shots.sw.yes]]", "[[shots.sw.si]]"), 27, "in sw: unknown label 'si'"),
        (('saa sita."', 'saa sita."\nlebo = "x"'), 27, "in sw: example 1 of yes: unknown text 'lebo'"),
        (("Sentensi B {{ definition }}", "{{ maana }}"), 35, "in sw: step 'hypothesis': unknown variable 'maana'"),
        (("## hypothesis.sw", "## hypothese.sw"), 35, "section 'hypothese.sw' has no [steps.hypothese.sw]"),
        (('place = ["duka"]', "place = [1]"), 18, "in sw: attribute place is [1]"),
    ],
)
def test_a_fault_of_one_language_is_named_once_with_its_line(change: tuple[str, str], line: int, said: str) -> None:
    assert change[0] in OWN
    _, wrong = check_task_text("own", OWN.replace(*change, 1))
    assert [(fault.line, fault.message.startswith(said)) for fault in wrong] == [(line, True)], wrong


def rows_in(language: str, count: int, folder: Path) -> Path:
    requests = (Request((number, 0), "", None, nonce=number) for number in range(2 * count))  # type: ignore[arg-type]
    texts = [written(language, request) for request in requests]
    rows = [
        {"id": str(number), "premise": texts[number], "hypothesis": texts[-number - 1], "label": number % 3}
        for number in range(count)
    ]
    return dataset_folder(folder, [{**row, "language": language} for row in rows], language=language)


def test_real_rows_are_shown_in_the_language_alone(model: str, tmp_path: Path) -> None:
    swahili, english = (rows_in(language, 30, tmp_path / language) for language in ("sw", "en"))
    seen: list[str] = []

    def answer(request: Request) -> str:
        seen.append(request.prompt)
        return written("sw", request)

    make_scripted(model, tmp_path / "out", answer, n=3, language="sw", shots=swahili)
    premises = [row["premise"] for row in read_rows(swahili)]
    assert all(any(premise in prompt for premise in premises) for prompt in seen)
    with pytest.raises(UserError, match="has no usable row of entailment.* in 'sw', the requested language"):
        make_scripted(model, tmp_path / "other", answer, n=3, language="sw", shots=english)


def test_passages_are_in_the_language_or_refused(model: str, tmp_path: Path) -> None:
    for language in ("sw", "en"):
        rows_in(language, 20, tmp_path / language)
        lines = [row["premise"] for row in read_rows(tmp_path / language)]
        (tmp_path / f"{language}.txt").write_text("\n".join(lines), encoding="utf-8")
    made = make_scripted(model, tmp_path / "out", in_swahili, n=3, language="sw", passages=tmp_path / "sw.txt")
    assert made.kept == 3
    for passages in ("en.txt", "en"):
        with pytest.raises(UserError, match="the requested language"):
            make_scripted(model, tmp_path / "no", in_swahili, n=3, language="sw", passages=tmp_path / passages)


def test_a_language_that_no_model_knows_is_written_with_a_word_about_it(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = make_scripted(model, tmp_path / "out", in_swahili, n=3, language="gez")
    assert manifest.checks["language"]["rows_judged"] == 0
    assert "no language identifier knows 'gez'" in capsys.readouterr().err
