"""Held-out items are read from whatever holds them: texts that are missing or broken cost no more than themselves."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthgen.errors import UserError
from synthgen.filters.comparison import compared_texts, texts_apart
from synthgen.filters.held_out import read_held_out
from synthgen.formats import format_from_manifest
from tests.synthgen.test_translation import NLI, write_set

SENTENCE, QUESTION = "The ferry sailed at noon.", "When did the ferry sail?"
PAIR = ("pair", ("premise", "hypothesis", "label"), NLI)
COSMOS = ("choice", ("context", "question", "answer0", "answer1", "label"), ("0", "1"))
SWAG = ("choice", ("ctx_a", "ctx_b", "ctx", "endings", "label"), ("0", "1"))
LETTERS = ("choice", ("question", "choices", "answerKey"), ("A", "B"))
SPAN = ("span", ("id", "title", "context", "question", "answers"), ("answerable",))
TAGS = ("tags", ("tokens", "tags"), ("NOUN", "VERB"))
ANSWER = {"text": ["noon"], "answer_start": [20]}
CHOICES = {"label": ["A", "B"], "text": ["at noon", None]}

ODD_FILES = {
    "5": (),
    "null": (),
    f'"{SENTENCE}"': ((SENTENCE,),),
    f'["{SENTENCE}", 5, null]': ((SENTENCE,),),
    f'{{"data": [{{"x": "{SENTENCE}"}}, 5]}}': ((SENTENCE,),),
    f'{{"data": ["{SENTENCE}"]}}': ((SENTENCE,),),
    f'{{"data": [{{"paragraphs": [{{"context": "{SENTENCE}", "qas": [{{"question": null}}]}}]}}]}}': ((SENTENCE,),),
    f'{{"data": [{{"paragraphs": [{{"context": "{SENTENCE}"}}, null]}}]}}': ((SENTENCE,),),
    r'{"a": "half of a \ud83d face"}': (("half of a \N{REPLACEMENT CHARACTER} face",),),
}


@pytest.mark.parametrize(("text", "items"), ODD_FILES.items())
def test_the_texts_of_odd_files_are_read_whatever_is_around_them(
    tmp_path: Path, text: str, items: tuple[tuple[str, ...], ...]
) -> None:
    (tmp_path / "test.json").write_text(text)
    if items:
        assert [each.items for each in read_held_out(tmp_path)] == [items]
    else:
        with pytest.raises(UserError, match="no evaluation items"):
            read_held_out(tmp_path)


@pytest.mark.parametrize("text", ["{", "[" * 200_000, '{"a": "\x00"}', "9" * 5_000])
def test_a_file_that_is_not_json_is_one_line_that_names_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "test.json").write_text(text)
    with pytest.raises(UserError, match=r"cannot read .*test.json"):
        read_held_out(tmp_path)


def test_items_are_read_from_parquet_files_but_those_to_train_on(tmp_path: Path) -> None:
    for name in ("test-00000-of-00001", "train-00000-of-00001"):
        table = pa.Table.from_pylist(
            [{"premise": SENTENCE, "hypothesis": f"{name} sailed.", "label": 1, "pixels": b"x"}]
        )
        pq.write_table(table, tmp_path / f"{name}.parquet")
    (found,) = read_held_out(tmp_path)
    assert (found.name, found.items) == (
        "test-00000-of-00001.parquet",
        ((SENTENCE, "test-00000-of-00001 sailed."),),
    )
    (tmp_path / "dev.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"cannot read .*dev.parquet"):
        read_held_out(tmp_path)


@pytest.mark.parametrize(
    ("shape", "row", "apart"),
    [
        (PAIR, {"premise": SENTENCE, "hypothesis": None, "label": None}, (SENTENCE,)),
        (COSMOS, {"context": SENTENCE, "question": None, "answer0": "at noon", "answer1": None}, (SENTENCE, "at noon")),
        (SWAG, {"ctx_a": SENTENCE, "ctx_b": "It", "ctx": None, "endings": None, "label": "0"}, (SENTENCE, "It")),
        (LETTERS, {"question": QUESTION, "choices": CHOICES, "answerKey": "A"}, (QUESTION, "at noon")),
        (LETTERS, {"question": QUESTION, "choices": None, "answerKey": None}, (QUESTION,)),
        (SPAN, {"title": None, "context": SENTENCE, "question": QUESTION, "answers": ANSWER}, (SENTENCE, QUESTION)),
        (SPAN, {"context": SENTENCE, "question": None, "answers": None}, (SENTENCE,)),
        (TAGS, {"tokens": ["Ferries", None, "sail"], "tags": [0, 1, 1]}, ("Ferries sail",)),
    ],
)
def test_a_held_out_dataset_may_lack_texts(
    tmp_path: Path, shape: tuple[str, tuple[str, ...], tuple[str, ...]], row: dict[str, object], apart: tuple[str, ...]
) -> None:
    empty = dict.fromkeys(row)
    folder = write_set(tmp_path / "dev", *shape, [{"id": "a", **row}, {"id": "b", **empty}])
    (found,) = read_held_out(folder)
    assert found.apart == (apart,)
    assert len(found.items) == 1
    with pytest.raises(UserError, match=r"no evaluation items: its rows have no texts"):
        read_held_out(write_set(tmp_path / "empty", *shape, [{"id": "b", **empty}]))


@pytest.mark.parametrize(
    ("shape", "row"),
    [
        (PAIR, {"premise": SENTENCE, "hypothesis": QUESTION, "label": 0}),
        (COSMOS, {"context": SENTENCE, "question": QUESTION, "answer0": "at noon", "answer1": "late", "label": 0}),
        (SPAN, {"id": "a", "title": "", "context": SENTENCE, "question": QUESTION, "answers": ANSWER}),
        (TAGS, {"tokens": ["Ferries", "sail"], "tags": [0, 1]}),
    ],
)
def test_the_items_of_a_held_out_dataset_have_the_texts_that_its_rows_are_compared_by(
    tmp_path: Path, shape: tuple[str, tuple[str, ...], tuple[str, ...]], row: dict[str, object]
) -> None:
    format_ = format_from_manifest(*shape)
    (found,) = read_held_out(write_set(tmp_path / "dev", *shape, [{"id": "a", **row}]))
    assert (found.items, found.apart) == ((compared_texts(format_, row),), (texts_apart(format_, row),))
