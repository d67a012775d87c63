"""Files as programs and people write them that know nothing of ours: read rightly, or refused with what to do."""

from __future__ import annotations

import gzip
import json
import os
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from synthgen.corpora.catalogue import find_sources
from synthgen.corpora.corpus import open_corpus
from synthgen.corpora.import_corpus import import_task
from synthgen.corpora.readers.columns import record_options
from synthgen.corpora.readers.record_rows import open_reader
from synthgen.corpora.row_stream import RowStream
from synthgen.corpora.sampling import MOST_HELD, Survey, draw, quotas
from synthgen.dataset import read_rejected, read_rows
from synthgen.errors import UserError
from tests.synthgen.test_other_peoples_files import EXPECTED, LABELS, ROWS, pairs_of, parquet, table_text

NLI = find_sources("mnli")[0].format
TURKISH = [
    {"premise": f"Vapur {n} numara limandan öğleden önce ayrıldı.", "hypothesis": f"{n}. tekne yola çıktı.", "label": 1}
    for n in range(30)
]


def lines(rows: list[dict]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def with_label(change: Callable[[str], object]) -> str:
    return lines([{**row, "label": change(str(row["label"]))} for row in ROWS])


def rows_of(path: Path, task: str = "mnli", columns: tuple[str, ...] = (), split: str | None = None) -> list[dict]:
    format_ = find_sources(task)[0].format
    return list(open_reader(path, format_, record_options(format_, columns, (), (), ()), split).rows())


TABLE = table_text(ROWS, ",").decode()
READ: dict[str, str | bytes] = {
    "Excel's line of the delimiter": b"\xef\xbb\xbf" + ("sep=;\r\n" + table_text(ROWS, ";").decode()).encode(),
    "that line in UTF-16": ("sep=\t\n" + table_text(ROWS, "\t").decode()).encode("utf-16"),
    "UTF-32": TABLE.encode("utf-32"),
    "bars between the cells": table_text(ROWS, "|"),
    "quotes after a backslash": "premise,hypothesis,label\n"
    + "".join(f'"{row["premise"]}","{row["hypothesis"]}","{row["label"]}"\n' for row in ROWS),
    "a comma after each line of JSON": ",\n".join(map(json.dumps, ROWS)) + ",\n",
    "JSON over several lines, one after the other": "\n".join(json.dumps(row, indent=2) for row in ROWS),
    "the same with commas": ",\n".join(json.dumps(row, indent=2) for row in ROWS),
    "JSON values without a line end": "".join(map(json.dumps, ROWS)),
    "a sequence as RFC 7464 has it": "".join(f"\x1e{json.dumps(row)}\n" for row in ROWS),
    "a comment before JSON lines": "// my rows\n" + lines(ROWS),
    "splits in one document": json.dumps({"train": ROWS, "dev": ROWS[:3], "authors": [{"name": "A"}]}),
    "splits inside what holds the data": json.dumps({"meta": {"n": 30}, "data": {"train": ROWS, "test": ROWS[:3]}}),
    "labels in lists of one": with_label(lambda label: [label]),
    "labels in lists of one, as text": with_label(lambda label: f"['{label}']"),
    "labels with a decimal comma": with_label(lambda label: f"{LABELS.index(label)},0"),
    "texts in lists of one": lines([{**row, "premise": [row["premise"]]} for row in ROWS]),
    "columns of objects that are not used": parquet([{**row, "translation": {"de": "x"}, "e": ["a"]} for row in ROWS]),
}


@pytest.mark.parametrize("kind", READ)
def test_a_file_is_read_as_its_program_wrote_it(kind: str, tmp_path: Path) -> None:
    content = READ[kind]
    (tmp_path / "x").write_bytes(content.encode() if isinstance(content, str) else content)
    assert pairs_of(rows_of(tmp_path / "x")) == EXPECTED


def test_quotes_after_a_backslash_are_part_of_the_cell(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(
        'premise,hypothesis,label\n"He said \\"go, now\\" and left.","He is gone.",neutral\n'
    )
    assert [row["premise"] for row in rows_of(tmp_path / "x.csv")] == ['He said "go, now" and left.']


def packed_twice() -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("train.csv.gz", gzip.compress(TABLE.encode()))
    return buffer.getvalue()


REFUSED: dict[str, str | bytes] = {
    "a space between ',' and the quote": "premise, hypothesis, label\n"
    + "".join(f'"{row["premise"]}", "{row["hypothesis"]}", {row["label"]}\n' for row in ROWS),
    "has NUL characters in its text: .*`tr -d": TABLE.replace("ferry", "fer\0ry"),
    "is packed twice": packed_twice(),
    "names no columns in its first row, and so has no": f"# my rows\n{TABLE}",
    "several lists of rows: en, tr; --split says": json.dumps({"en": ROWS, "tr": TURKISH}),
    "'premise' holds objects of en, de; .* --columns premise=premise.en": lines(
        [{**row, "premise": {"en": row["premise"], "de": "x"}} for row in ROWS]
    ),
    "'label' holds objects of name; .* --columns label=label.name": with_label(lambda label: {"name": label}),
    "holds no record .* row 2: malformed line: A b c, D": "premise,hypothesis,label\nA b c, D e f, and g,neutral\n",
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_file_that_could_be_read_in_two_ways_or_none_is_refused_with_what_to_do(why: str, tmp_path: Path) -> None:
    content = REFUSED[why]
    (tmp_path / "x").write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(UserError, match=why) as caught:
        rows_of(tmp_path / "x")
    assert "\n" not in str(caught.value)


def test_what_an_object_holds_is_a_column_where_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(parquet([{"text": {"a": row["premise"]}, **row, "premise": {"x": 1}} for row in ROWS]))
    assert pairs_of(rows_of(tmp_path / "x", columns=("premise=text.a",))) == EXPECTED


def test_a_list_of_a_document_is_taken_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "x").write_text(json.dumps({"en": ROWS, "tr": TURKISH}))
    assert pairs_of(rows_of(tmp_path / "x", split="en")) == EXPECTED


def test_an_answer_that_is_the_text_of_an_option_is_its_label(tmp_path: Path) -> None:
    options = ["a bank", "a river", "a shop", "a ship", "a road"]
    row = {"question": "Where is money kept?", "choices": options, "answerKey": "a shop"}
    (tmp_path / "x").write_text(lines([row, {**row, "answerKey": "a sea"}]))
    assert [row["answerKey"] for row in rows_of(tmp_path / "x", "commonsenseqa")] == ["C"]


def test_answers_under_another_name_are_no_question_without_an_answer(tmp_path: Path) -> None:
    row = {"context": "Tea is hot.", "question": "What is hot?"}
    flat = {**row, "answers.text": "Tea", "answers.answer_start": 0}
    (tmp_path / "x").write_text(lines([{**row, "answers": {"texts": ["Tea"]}}, {**row, "answers": {"text": []}}]))
    (tmp_path / "flat").write_text(lines([flat]))
    assert [row["answers"]["text"] for row in rows_of(tmp_path / "x", "squad_v2")] == [[]]
    assert [row["answers"]["text"] for row in rows_of(tmp_path / "flat", "squad_v2")] == [["Tea"]]


def test_labels_with_a_colon_or_a_comma_are_named_whole(tmp_path: Path) -> None:
    for label, way_out in {"no: sure": "--labels 'no: sure=", "a, b": "Make them a column of names"}.items():
        (tmp_path / "x").write_text(lines([{**row, "label": label} for row in ROWS]))
        with pytest.raises(UserError, match=f"unknown labels '{label}' .*30.*first in x line 1; .*{way_out}"):
            import_task("mnli", source=tmp_path / "x", out=tmp_path / "out")


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


LANGUAGES = [
    ("train.en.jsonl", "train.tr.jsonl"),
    ("en/train.jsonl", "tr/train.jsonl"),
    ("data/en-00000-of-00001.jsonl", "data/tr-00000-of-00001.jsonl"),
]


@pytest.mark.parametrize(("english", "turkish"), LANGUAGES)
def test_files_of_several_languages_are_said_to_be_and_one_is_taken_by_option(
    english: str, turkish: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "set", {english: lines(ROWS), turkish: lines(TURKISH)})
    assert open_corpus("mnli", folder).language.code == "mul"
    assert f"several languages in one set (en: {english}; tr: {turkish})" in capfd.readouterr().err
    for said in ({"language": "tr"}, {"split": "tr"}):
        import_task("mnli", source=folder, out=tmp_path / str(said), **said)
        assert [row["premise"] for row in read_rows(tmp_path / str(said))] == [row["premise"] for row in TURKISH]
        assert f"left out: {english}" in capfd.readouterr().err


@pytest.mark.parametrize("names", [("data/train-00000-of-00002.parquet",), ("data-00001-of-00002.parquet",)])
def test_a_file_that_is_missing_by_the_names_of_the_others_is_named(names: tuple[str, ...], tmp_path: Path) -> None:
    write(tmp_path, dict.fromkeys(names, parquet(ROWS)))
    with pytest.raises(UserError, match=r"has no .*-0000\d-of-00002\.parquet: fetch what is missing"):
        open_corpus("mnli", tmp_path)


def test_a_link_to_nothing_is_named_and_hidden_files_are_none(tmp_path: Path) -> None:
    write(tmp_path, {"train.jsonl": lines(ROWS), "._train.jsonl": b"\0\5\x16\7"})
    assert sum(batch.table.num_rows for batch in RowStream(open_corpus("mnli", tmp_path))) == len(ROWS)
    os.symlink(tmp_path / "nowhere", tmp_path / "train2.jsonl")
    with pytest.raises(UserError, match=r"train2\.jsonl is a link to a file that is not there"):
        open_corpus("mnli", tmp_path)


def test_files_of_another_kind_beside_those_that_are_read_are_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    open_corpus("mnli", write(tmp_path, {"train.jsonl": lines(ROWS), "train.csv": TABLE, "dev.jsonl": lines(ROWS)}))
    told = capfd.readouterr().err
    assert "left out: train.csv, dev.jsonl" in told
    assert "read as mnli, by the names of its files, so with the licence " in told
    assert "; for another set give --origin, --licence or --source" in told


def test_a_draw_keeps_no_more_of_a_large_set_than_it_may_take(tmp_path: Path) -> None:
    many = [{**ROWS[n % 30], "hypothesis": f"Boat {n}."} for n in range(24_000)]
    (tmp_path / "x").write_text(lines(many))
    corpus = open_corpus("mnli", tmp_path / "x")
    few, all_ = Survey(corpus, 12, 3), Survey(corpus, 24_000, 3)
    assert sum(map(len, few.keys.values())) < sum(map(len, all_.keys.values())) == 24_000
    counts = quotas("mnli", dict(few.cells), 12)
    assert (draw(few, counts) == draw(all_, counts)).all()


def test_rejections_beyond_those_held_in_memory_are_counted_and_written_all(tmp_path: Path) -> None:
    few = MOST_HELD + 50
    many = [{**ROWS[n % 30], "hypothesis": f"Boat {n}." if n < few else ""} for n in range(2 * few)]
    (tmp_path / "x").write_text(lines(many))
    manifest = import_task("mnli", source=tmp_path / "x", out=tmp_path / "out", language="en")
    written = [each.id for each in read_rejected(tmp_path / "out")]
    assert (manifest.kept, manifest.asked) == (few, 2 * few)
    assert manifest.rejected == {"empty hypothesis": few}
    assert written == [f"mnli-x-{n:07d}" for n in range(few, 2 * few)]
