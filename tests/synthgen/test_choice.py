"""The choice format: three ways to keep options, the label's type of the real set, and distractors around an answer."""

from __future__ import annotations

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.formats.base import ParseError, class_label, integer, listed, string
from synthgen.formats.choice import Choice, ChoiceFormat
from synthgen.formats.reply_schema import text_object

HELLASWAG = ChoiceFormat(("ctx_a", "ctx_b", "ctx", "endings", "label"), ("0", "1", "2", "3"))
COSMOSQA = ChoiceFormat(
    ("context", "question", "answer0", "answer1", "answer2", "answer3", "label"), ("0", "1", "2", "3")
)
COMMONSENSEQA = ChoiceFormat(("question", "question_concept", "choices", "answerKey"), ("A", "B", "C", "D", "E"))
SOCIALIQA = ChoiceFormat(("context", "question", "answerA", "answerB", "answerC", "label"), ("1", "2", "3"))
COPA = ChoiceFormat(("premise", "choice1", "choice2", "question", "label"), ("choice1", "choice2"))
ALL = (HELLASWAG, COSMOSQA, COMMONSENSEQA, SOCIALIQA, COPA)
WITH_CONTEXT = (HELLASWAG, COSMOSQA, SOCIALIQA, COPA)

words = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1)


def texts_for(format_: ChoiceFormat) -> dict[str, str]:
    return {name: f"The {name} text." for name in format_.generated_texts}


@pytest.mark.parametrize(
    ("format_", "feature"),
    [
        (HELLASWAG, string()),
        (COSMOSQA, integer()),
        (COMMONSENSEQA, string()),
        (SOCIALIQA, string()),
        (COPA, class_label(("choice1", "choice2"))),
    ],
)
def test_the_label_has_the_type_of_the_real_set(format_: ChoiceFormat, feature: dict) -> None:
    assert format_.features()[format_.columns[-1]] == feature


def test_options_are_kept_as_the_real_set_keeps_them() -> None:
    assert HELLASWAG.features()["endings"] == listed(string())
    assert COMMONSENSEQA.features()["choices"] == {"label": listed(string()), "text": listed(string())}
    assert COSMOSQA.option_columns == ("answer0", "answer1", "answer2", "answer3")
    assert SOCIALIQA.option_columns == ("answerA", "answerB", "answerC")


@pytest.mark.parametrize("format_", ALL)
def test_the_right_answer_stands_at_the_position_its_cell_names(format_: ChoiceFormat) -> None:
    for position, cell in enumerate(format_.labels):
        row = format_.assemble(texts_for(format_), cell)
        assert list(row) == list(format_.columns) == list(format_.features())
        assert format_.options(row)[position] == "The answer text."
        assert format_.cell(row) == cell
        assert format_.from_row(row).label == position
        assert format_.check(row) is None


@pytest.mark.parametrize("format_", WITH_CONTEXT)
@given(data=st.data())
def test_a_record_survives_its_row(format_: ChoiceFormat, data: st.DataObject) -> None:
    size = len(format_.labels)
    options = data.draw(st.lists(words, min_size=size, max_size=size))
    label = data.draw(st.integers(0, size - 1))
    record = Choice(data.draw(words), data.draw(words), tuple(options), label)
    assert format_.from_row(format_.to_row(record)) == record


def test_sentence_completion_joins_its_two_beginnings() -> None:
    row = HELLASWAG.assemble(texts_for(HELLASWAG) | {"ctx_a": "A man sits down.", "ctx_b": "he"}, "2")
    assert row["ctx"] == "A man sits down. he"
    assert HELLASWAG.from_row(row).context == "A man sits down."


def test_commonsenseqa_keeps_letters_beside_texts() -> None:
    row = COMMONSENSEQA.assemble(texts_for(COMMONSENSEQA), "C")
    assert row["choices"]["label"] == ["A", "B", "C", "D", "E"]
    assert row["answerKey"] == "C"
    assert row["question_concept"] == "The question_concept text."


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"answer": "  "}, "empty text"),
        ({"distractor1": "THE ANSWER TEXT."}, "two options equal"),
        ({"question": ""}, "empty text"),
    ],
)
def test_a_faulty_reply_is_refused_with_its_reason(change: dict[str, str], reason: str) -> None:
    with pytest.raises(ParseError, match=f"^{reason}$"):
        COSMOSQA.assemble(texts_for(COSMOSQA) | change, "0")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"endings": ["a", "b", "c"]}, "3 options"),
        ({"endings": ["a", "b", "c", " "]}, "empty option"),
        ({"endings": ["a", "b", "c", "A "]}, "two options equal"),
        ({"label": "4"}, "label out of range"),
        ({"ctx_a": "", "ctx_b": ""}, "empty question"),
        ({"ctx_b": ""}, None),
    ],
)
def test_a_row_is_checked_with_a_reason(change: dict, reason: str | None) -> None:
    row = HELLASWAG.to_row(Choice("A man sits.", "he", ("a", "b", "c", "d"), 1))
    assert HELLASWAG.check(row | change) == reason


def test_translatable_texts_are_all_texts_once_and_no_labels() -> None:
    row = HELLASWAG.to_row(Choice("A man sits.", "he", ("a", "b", "c", "d"), 1))
    assert HELLASWAG.translatable(row) == {
        "ctx_a": "A man sits.",
        "ctx_b": "he",
        "endings.0": "a",
        "endings.1": "b",
        "endings.2": "c",
        "endings.3": "d",
    }
    row = COMMONSENSEQA.assemble(texts_for(COMMONSENSEQA), "A")
    assert set(COMMONSENSEQA.translatable(row)) == {
        "question",
        "question_concept",
        *(f"choices.text.{index}" for index in range(5)),
    }


def test_the_reply_schema_is_flat_and_accepts_exactly_its_texts() -> None:
    schema = text_object("question", "answer")
    jsonschema.validate({"question": "Why?", "answer": "rain"}, schema)
    for wrong in ({"question": "Why?"}, {"question": "Why?", "answer": ""}, {"question": "W", "answer": "r", "x": "y"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)
