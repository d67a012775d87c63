"""The span format: answers are exact pieces of their context, in every script, or absent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.formats.base import ParseError, integer, listed, string
from synthgen.formats.span import Span, SpanFormat, locate

SQUAD_V1 = SpanFormat(("answerable",))
SQUAD_V2 = SpanFormat(("answerable", "unanswerable"))

texts = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)


def test_features_are_those_of_squad() -> None:
    assert list(SQUAD_V2.features()) == ["id", "title", "context", "question", "answers"]
    assert SQUAD_V2.features()["answers"] == {"text": listed(string()), "answer_start": listed(integer())}


@given(before=texts, answer=texts, after=texts)
def test_a_span_survives_its_row_and_lies_at_its_offset(before: str, answer: str, after: str) -> None:
    record = Span(before + answer + after, "Which?", answer, len(before))
    row = SQUAD_V1.to_row(record)
    assert SQUAD_V1.from_row(row) == record
    assert SQUAD_V1.check(row) is None
    assert row["context"][record.start : record.end] == answer


@pytest.mark.parametrize(
    ("context", "answer", "start"),
    [
        ("🎉 Party at 🏠 nine 👩‍👩‍👧 o'clock", "nine", 13),
        ("Ame\u0301lie a visite\u0301 Orle\u0301ans", "Orléans", 16),
        ("وُلِدَ سمير في القاهرة سنة 1950", "القاهرة", 15),
        ("दिल्ली भारत की राजधानी है", "राजधानी", 15),
    ],
)
def test_answers_are_found_among_emoji_combining_marks_and_right_to_left_text(
    context: str, answer: str, start: int
) -> None:
    row = SQUAD_V2.assemble({"context": context, "question": "?", "answer": answer}, "answerable")
    assert row["answers"] == {"text": [answer], "answer_start": [start]}
    assert row["context"][start : start + len(answer)] == answer
    assert SQUAD_V2.check(row) is None


def test_an_unanswerable_question_has_empty_lists() -> None:
    row = SQUAD_V2.assemble({"context": "Tea is hot.", "question": "Who drinks it?"}, "unanswerable")
    assert row["answers"] == {"text": [], "answer_start": []}
    assert SQUAD_V2.cell(row) == "unanswerable"
    assert SQUAD_V2.from_row(row).start is None
    assert SQUAD_V2.check(row) is None
    assert SQUAD_V1.check(row) == "no answer"


@pytest.mark.parametrize(
    ("given_texts", "reason"),
    [
        ({"context": "Tea is hot.", "question": "?", "answer": "coffee"}, "answer not in context"),
        ({"context": "aa, aa", "question": "?", "answer": "aa"}, "answer occurs more than once"),
        ({"context": "An antique", "question": "?", "answer": "ant"}, "answer cuts a word"),
        ({"context": "Cafe\u0323s close", "question": "?", "answer": "Cafe"}, "answer not in context"),
        ({"context": "A \U0001f44d\U0001f3fd here", "question": "?", "answer": "\U0001f44d"}, "answer cuts a word"),
        (
            {"context": "\U0001f469\u200d\U0001f52c works", "question": "?", "answer": "\U0001f469"},
            "answer cuts a word",
        ),
        ({"context": "Tea, tea", "question": "?", "answer": "tea", "answer_start": "0"}, "answer is not at its offset"),
        ({"context": "Tea", "question": "?", "answer": "Tea", "answer_start": "-3"}, "answer is not at its offset"),
        ({"context": "Tea", "question": " ", "answer": "Tea"}, "empty text"),
    ],
)
def test_a_faulty_reply_is_refused_with_its_reason(given_texts: dict[str, str], reason: str) -> None:
    with pytest.raises(ParseError, match=f"^{reason}$"):
        SQUAD_V2.assemble(given_texts, "answerable")


def test_a_given_offset_chooses_among_occurrences() -> None:
    assert locate("tea and tea", "tea", "8") == 8


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"context": ""}, "empty context"),
        ({"question": " "}, "empty question"),
        ({"answers": {"text": ["Tea"], "answer_start": []}}, "answers and offsets differ in number"),
        ({"answers": {"text": ["Tea"], "answer_start": [1]}}, "answer is not at its offset"),
        ({"answers": {"text": ["hot."], "answer_start": [-4]}}, "answer is not at its offset"),
        ({"answers": {"text": ["Tea", "hot"], "answer_start": [0, 7]}}, None),
    ],
)
def test_a_row_is_checked_with_a_reason(change: dict, reason: str | None) -> None:
    row = SQUAD_V2.to_row(Span("Tea is hot.", "What is hot?", "Tea", 0))
    assert SQUAD_V2.check(row | change) == reason


def test_translatable_texts_include_every_answer() -> None:
    row = SQUAD_V2.to_row(Span("Tea is hot.", "What is hot?", "Tea", 0))
    expected = {"context": "Tea is hot.", "question": "What is hot?", "answers.text.0": "Tea"}
    assert SQUAD_V2.translatable(row) == expected
