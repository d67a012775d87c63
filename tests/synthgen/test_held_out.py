"""Held-out items are read from whatever holds them: texts that are missing or broken cost no more than themselves."""

from __future__ import annotations

import gzip
import json
import os
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
    f'{{"premise": ["{SENTENCE}", "{QUESTION}"], "label": [0, 1]}}': ((SENTENCE,), (QUESTION,)),
    f'{{"premise": "{SENTENCE}", "hypothesis": "{QUESTION}"}}': ((SENTENCE, QUESTION),),
    f'{{"version": 2, "dev": [{{"a": "{SENTENCE}"}}, {{"a": "{QUESTION}"}}]}}': ((SENTENCE,), (QUESTION,)),
    f'{{"rows": [{{"row_idx": 0, "row": {{"a": "{SENTENCE}", "b": ["{QUESTION}"]}}}}]}}': ((SENTENCE, QUESTION),),
    f'[["{SENTENCE}", "{QUESTION}"], ["{SENTENCE}"]]': ((SENTENCE, QUESTION), (SENTENCE,)),
    f'{{"q1": {{"a": "{SENTENCE}"}}, "q2": {{"a": "{QUESTION}"}}}}': ((SENTENCE,), (QUESTION,)),
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
    with pytest.raises(UserError, match=r"empty has no evaluation items: no texts of test"):
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


def test_files_count_by_their_own_names_and_the_folders_below_what_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ud" / "nli").mkdir(parents=True)
    root = tmp_path / "ud" / "nli"
    for name in ("constraints-test.tsv", "pretrained_eval.TSV", "test-de.tsv"):
        (root / name).write_text(f"{name} sails today.\t{SENTENCE}\n")
    for name in ("train.tsv", "nli.train.en.tsv", "trainset.tsv", "mnli_training_9k.tsv", "README.txt", "notes.md"):
        (root / name).write_text(f"{SENTENCE}\n")
    by_folder = read_held_out(root)
    assert [each.name for each in by_folder] == ["constraints-test.tsv", "pretrained_eval.TSV", "test-de.tsv"]
    assert by_folder[0].items == (("constraints-test.tsv sails today.", SENTENCE),)
    (tmp_path / "udpos").mkdir()
    (tmp_path / "udpos" / "test-xx.tsv").write_text("Ferries\tNOUN\nsail\tVERB\n")
    monkeypatch.chdir(tmp_path / "udpos")
    assert [each.items for each in read_held_out(Path("test-xx.tsv"))] == [(("Ferries sail",),)]
    assert [each.items for each in read_held_out(Path())] == [(("Ferries sail",),)]


def test_links_are_followed_and_never_in_circles(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "test.tsv").write_text(SENTENCE)
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "linked").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "back").symlink_to(tmp_path / "root")
    assert [each.name for each in read_held_out(tmp_path / "root")] == ["linked/test.tsv"]


def test_a_dataset_folder_inside_a_data_root_is_read_as_one(tmp_path: Path) -> None:
    rows = [{"id": str(number), "premise": SENTENCE, "hypothesis": QUESTION, "label": 0} for number in range(3)]
    write_set(tmp_path / "root" / "dev", *PAIR, rows)
    (tmp_path / "root" / "dev" / "rejected").mkdir()
    pq.write_table(pa.table({"a": ["A row that was dropped."]}), tmp_path / "root" / "dev" / "rejected" / "r.parquet")
    (found,) = read_held_out(tmp_path / "root")
    assert (found.name, found.items) == ("dev", ((SENTENCE, QUESTION),))
    (tmp_path / "root" / "dev" / "synthgen.json").unlink()
    with pytest.raises(UserError, match="no evaluation items"):
        read_held_out(tmp_path / "root")


def test_packed_files_are_read_as_those_in_them(tmp_path: Path) -> None:
    packed = gzip.compress(json.dumps({"a": SENTENCE}).encode())
    (tmp_path / "dev.jsonl.gz").write_bytes(packed)
    (tmp_path / "train.jsonl.gz").write_bytes(packed)
    (found,) = read_held_out(tmp_path)
    assert (found.name, found.items) == ("dev.jsonl.gz", ((SENTENCE,),))
    for broken in (packed[:-9], b"\x1f\x8b" + bytes(9), b"no gzip"):
        (tmp_path / "dev.jsonl.gz").write_bytes(broken)
        with pytest.raises(UserError, match=r"cannot read .*dev.jsonl.gz"):
            read_held_out(tmp_path)


def test_a_cell_of_a_table_may_hold_line_ends_of_any_kind(tmp_path: Path) -> None:
    text = "The ferry\u2028sailed\u001d at noon\nor later."
    (tmp_path / "test.csv").write_text(f'\ufeffa,b\n"{text}",{QUESTION}\n', encoding="utf-8")
    assert [each.items for each in read_held_out(tmp_path)] == [((text, QUESTION),)]


def test_a_list_of_very_many_texts_is_no_item(tmp_path: Path) -> None:
    texts = {str(number): f"Ferry {number} sailed." for number in range(40)}
    (tmp_path / "test.json").write_text(json.dumps(texts))
    assert [each.items for each in read_held_out(tmp_path)] == [tuple((text,) for text in texts.values())]


def test_columns_without_texts_are_not_looked_at(tmp_path: Path) -> None:
    far = pa.array([2**62], pa.timestamp("us"))
    pq.write_table(pa.table({"a": [SENTENCE], "when": far}), tmp_path / "test.parquet")
    assert [each.items for each in read_held_out(tmp_path)] == [((SENTENCE,),)]


def test_a_path_that_no_file_can_have_is_one_line() -> None:
    with pytest.raises(UserError, match="--against xxx.*: File name too long"):
        read_held_out(Path("x" * 5_000))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_or_file_that_may_not_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed" / "test.tsv").write_text(SENTENCE)
    for path in (tmp_path / "closed" / "test.tsv", tmp_path / "closed"):
        path.chmod(0)
        with pytest.raises(UserError, match=r"cannot read .*closed"):
            read_held_out(tmp_path)
        path.chmod(0o700)
