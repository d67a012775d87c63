"""One reader a format: the evaluator, the import and decontamination take the same items from the same file."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from evaluator.benchmark.registry import find
from evaluator.benchmark.target import DataRoot
from synthgen.corpora.catalogue import find_sources
from synthgen.corpora.corpus import open_corpus
from synthgen.corpora.import_corpus import import_task
from synthgen.corpora.readers.text import read_json, read_json_lines, read_lines
from synthgen.errors import UserError
from synthgen.filters.decontamination.evaluation_files import read_items
from synthgen.filters.decontamination.evaluation_sets import TAGGED
from synthgen.formats.choice import Choice
from synthgen.formats.pair import PairFormat
from synthgen.formats.span import Span
from synthgen.formats.tags import TaggedSentence, TagsFormat

PREMISE, HYPOTHESIS = "The ferry sailed\u2028at noon.", 'It left "on time" today.'
SQUAD = {
    "data": [
        {
            "title": "Ferries",
            "paragraphs": [
                {
                    "context": "The ferry sailed at noon.",
                    "qas": [
                        {"id": "a", "question": "When did it sail?", "answers": [{"text": "noon", "answer_start": 20}]},
                        {"id": "b", "question": "What sailed then?", "answers": [{"text": "ferry", "answer_start": 4}]},
                    ],
                }
            ],
        }
    ]
}
NLI = f"{PREMISE}\t{HYPOTHESIS}\tneutral\n{HYPOTHESIS}\t{PREMISE}\tcontradictory\n"
NLI_JSON = {"0": {"text_a": PREMISE, "text_b": HYPOTHESIS, "label": "neutral"}}
COPA = {"premise": PREMISE, "choice1": "It was noon.", "choice2": "It was late.", "question": "cause", "label": 0}
TAGS = "Ferries\tNOUN\nsail\tVERB\n \t\nBoats\tNOUN\nsail\tVERB\n.\tPUNCT\n"
CONLLU = (
    "# text = I'm off.\n1-2\tI'm"
    + "\t_" * 8
    + "".join(
        f"\n{number}\t{word}\t_\t{tag}" + "\t_" * 6
        for number, (word, tag) in enumerate((("I", "PRON"), ("'m", "AUX"), ("off.", "ADV")), start=1)
    )
)
FILES = [
    ("mnli", "xnli", "xnli/train-en.tsv", NLI),
    ("mnli", "xnli", "mnli/train_9k.json", json.dumps(NLI_JSON)),
    ("pawsx", "pawsx", "pawsx/train-en.tsv", f"{PREMISE}\t{HYPOTHESIS}\t1\n{HYPOTHESIS}\t{PREMISE}\t0\n"),
    ("squad_v1", "xquad", "squad/train-v1.1.json", json.dumps(SQUAD)),
    ("tydiqa", "tydiqa", "tydiqa/train/tydiqa.goldp.en.train.json", json.dumps(SQUAD)),
    ("udpos", "udpos", "udpos/train-en.tsv", TAGS),
    ("udpos", "udpos", "udpos/train-en.tsv", CONLLU),
    ("panx", "panx", "panx/train-en.tsv", "en:Anna\tB-PER\nen:sails\tO\n\nen:en:\tO\nen:Oslo\tB-LOC\n"),
    ("copa", "xcopa", "xcopa/en/train.en.jsonl", json.dumps(COPA | {"idx": 0, "changed": False})),
]
ENDS: dict[str, Callable[[str], bytes]] = {
    "as it is": str.encode,
    "with a byte order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "with CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "with blank last lines": lambda text: f"{text.rstrip()}\n\n \n".encode(),
    "without a last line end": lambda text: text.rstrip("\n").encode(),
}


def texts_of(record: Any) -> tuple[str, ...]:
    """Return the running texts of a record, which decontamination compares."""
    if isinstance(record, TaggedSentence):
        return (" ".join(record.tokens),)
    if isinstance(record, Choice):
        return (record.context, *record.options)
    return (record.context, record.question) if isinstance(record, Span) else (record.text_a, record.text_b)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(("task", "target", "name", "text"), FILES)
def test_three_ways_into_a_file_give_the_same_items(
    task: str, target: str, name: str, text: str, end: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_bytes(ENDS[end](text))
    items, format_ = list(open_corpus(task, path).items()), find_sources(task)[0].format
    assert not [item.fault for item in items if item.fault]
    train = find(target).train
    assert train is not None
    imported, records = [format_.from_row(item.row) for item in items], train(DataRoot(tmp_path)).records
    texts = [texts_of(record) for record in imported]
    assert len(texts) == len(records) > 0
    assert [texts_of(record) for record in records] == texts
    assert list(read_items(path, is_tagged=path.parent.name in TAGGED)) == [
        tuple(filter(_is_compared, each)) for each in texts
    ]
    if isinstance(format_, PairFormat | TagsFormat):
        assert list(records) == imported


@pytest.mark.parametrize(
    ("form", "name"),
    [("indexed", "dev.json"), *product(("lines", "array", "indented array"), ("dev.json", "dev.jsonl"))],
)
def test_json_lines_and_arrays_are_read_by_content_whatever_the_file_is_called(
    form: str, name: str, tmp_path: Path
) -> None:
    rows = [{"premise": PREMISE, "hypothesis": HYPOTHESIS, "label": label} for label in ("entailment", "neutral")]
    indent = 1 if form == "indented array" else None
    whole = json.dumps(
        {str(place): row for place, row in enumerate(rows)} if form == "indexed" else rows, indent=indent
    )
    path = tmp_path / name
    path.write_text("\n".join(map(json.dumps, rows)) if form == "lines" else whole, encoding="utf-8")
    assert [item.row["label"] for item in open_corpus("mnli", path).items()] == [0, 1]
    assert len(set(read_items(path))) == 1


def test_copa_in_a_json_array_is_read_and_its_broken_item_named(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    path.write_text(json.dumps([COPA, COPA]), encoding="utf-8")
    assert len(list(open_corpus("copa", path).items())) == 2
    path.write_text(json.dumps([COPA, "COPA"]), encoding="utf-8")
    assert [item.fault for item in open_corpus("copa", path).items()] == [None, "not a JSON object"]


def test_a_line_with_more_cells_than_the_header_is_malformed_wherever_its_label_stands(tmp_path: Path) -> None:
    cells = {"gold_label": "neutral", "sentence1": "He wrote it.", "sentence2": "It is on the board."}
    for order in (["gold_label", "sentence1", "sentence2"], ["sentence1", "sentence2", "gold_label"]):
        line = "\t".join(cells[name] for name in order)
        path = tmp_path / "train.tsv"
        path.write_text("\n".join(["\t".join(order), line, line.replace("wrote ", "wrote\t"), f"{line}\t"]))
        assert [item.fault for item in open_corpus("mnli", path).items()] == [None, "malformed line", None]


@pytest.mark.parametrize("write", [str, float])
def test_an_offset_written_as_text_or_as_a_float_is_that_number(write: Callable[[int], Any], tmp_path: Path) -> None:
    path = tmp_path / "squad" / "train-v1.1.json"
    path.parent.mkdir()
    starts = {f'"answer_start": {start}': f'"answer_start": {json.dumps(write(start))}' for start in (20, 4)}
    text = json.dumps(SQUAD)
    for before, after in starts.items():
        text = text.replace(before, after)
    path.write_text(text)
    items, train = list(open_corpus("squad_v1", path).items()), find("xquad").train
    assert train is not None
    assert [item.row["answers"]["answer_start"] for item in items] == [[20], [4]]
    assert [record.start for record in train(DataRoot(tmp_path)).records] == [20, 4]
    path.write_text(text.replace(json.dumps(write(20)), '"later"'))
    with pytest.raises(UserError, match="answer_start of question a is 'later'"):
        train(DataRoot(tmp_path))


def test_a_copa_label_that_counts_from_one_is_refused_with_its_line_by_import_and_evaluator(tmp_path: Path) -> None:
    path = tmp_path / "xcopa" / "en" / "train.en.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(json.dumps(COPA | {"label": label, "idx": label}) for label in (1, 2)))
    train = find("xcopa").train
    assert train is not None
    with pytest.raises(UserError, match=r"unknown labels '2' \(1\), first in train\.en\.jsonl line 2"):
        import_task("copa", source=path, out=tmp_path / "out")
    with pytest.raises(UserError, match=r"unknown label '2' in .*train\.en\.jsonl line 2"):
        train(DataRoot(tmp_path))


@pytest.mark.parametrize("columns", ["NNP I-NP ", ""])
def test_named_entities_parted_by_spaces_are_read_without_the_lines_that_begin_documents(
    columns: str, tmp_path: Path
) -> None:
    lines = ["-DOCSTART- -X- -X- O", "", f"Anna {columns}B-PER", f"sails {columns}O", "", f"Oslo {columns}B-LOC"]
    path = tmp_path / "panx" / "train-en.tsv"
    path.parent.mkdir()
    path.write_text("\n".join(lines))
    items, train = list(open_corpus("panx", path).items()), find("panx").train
    assert train is not None
    assert [(item.row["tokens"], item.row["ner_tags"], item.fault) for item in items] == [
        (["Anna", "sails"], [1, 0], None),
        (["Oslo"], [5], None),
    ]
    assert len(train(DataRoot(tmp_path)).records) == 2


def test_packed_files_and_lines_of_old_macs_are_read_by_the_same_opener(tmp_path: Path) -> None:
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"\xef\xbb\xbfone\r\n\ntwo\n \n\n"))
    (tmp_path / "b.txt").write_bytes(b"one\r\rtwo\r")
    (tmp_path / "c.txt").write_bytes(b"one\ra\n\ntwo")
    assert list(read_lines(tmp_path / "a.txt.gz")) == list(read_lines(tmp_path / "b.txt")) == ["one", "", "two"]
    assert list(read_lines(tmp_path / "c.txt")) == ["one\ra", "", "two"]
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b'\xef\xbb\xbf{"a": 1}\r\n'))
    assert read_json(tmp_path / "a.json.gz") == next(read_json_lines(tmp_path / "a.json.gz")) == {"a": 1}


def test_what_is_no_text_is_one_line_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"\xff{}")
    for read in (read_json, lambda path: list(read_lines(path)), lambda path: list(read_json_lines(path))):
        with pytest.raises(UserError, match=r"a\.json is not UTF-8"):
            read(tmp_path / "a.json")


def _is_compared(text: str) -> bool:
    return " " in text
