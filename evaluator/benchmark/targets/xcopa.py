"""XCOPA: choose the cause or effect of a premise, 11 languages, trained on SIQa and then on COPA."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluator.benchmark.files.predictions import index_lines
from evaluator.benchmark.files.writers import jsonl
from evaluator.benchmark.metrics.classification import accuracy
from evaluator.benchmark.target import DataRoot, HubFile, Split, Target, UnlabelledError, facts
from synthgen.corpora.readers.text import read_json_lines
from synthgen.errors import UserError, unknown
from synthgen.formats.base import text_fault
from synthgen.formats.choice import Choice

# The field `question` is wrong in some released translations; English has it right.
_ENGLISH = {"test": "xcopa/en/test.en.placeholder-labels.jsonl", "dev": "xcopa/en/val.en.jsonl"}

_LABELS = ("0", "1")
_COLUMNS = ("premise", "choice1", "choice2", "question", "label", "idx")


def read(root: DataRoot, language: str, split: str) -> Split:
    """Return the premises of a language; cause or effect is taken from the English row of the same number if there."""
    path = root.find(TARGET.split_sources(split)[0], language)
    english = root.path / _ENGLISH[split]
    kinds = {str(row["idx"]): row["question"] for row in _rows(english)} if english.is_file() else {}
    rows = [{**row, "question": kinds.get(str(row["idx"]), row["question"])} for row in _rows(path)]
    return _split(language, rows, path)


def train(root: DataRoot) -> Split:
    """Return COPA's English training premises."""
    path = root.find(TARGET.train_sources[1])
    return _split("en", list(_rows(path)), path)


def pretrain(root: DataRoot) -> Split:
    """Return SIQa's questions, the stage before COPA; the answer is given as text and equals one of the options."""
    path = root.find(TARGET.train_sources[0])
    rows = enumerate(read_json_lines(path, ("context", "question", "options", "answer")), start=1)
    records = (_siqa_record(row, f"{path} line {number}") for number, row in rows)
    return Split.of("en", ((str(number), record, record.label) for number, record in enumerate(records)), path)


def _siqa_record(row: Mapping[str, Any], where: str) -> Choice:
    _check_texts({name: row[name] for name in ("context", "question")}, where)
    if not isinstance(options := row["options"], list) or row["answer"] not in options:
        raise UserError(f"{where}: the answer is none of the options")
    return Choice(row["context"], row["question"], tuple(options), options.index(row["answer"]))


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file; UserError names the line of one that lacks something."""
    for number, row in enumerate(read_json_lines(path, _COLUMNS), start=1):
        _check_texts({name: row[name] for name in _COLUMNS[:4]}, f"{path} line {number}")
        yield row


def _check_texts(values: Mapping[str, Any], where: str) -> None:
    for name, value in values.items():
        if fault := text_fault(value, name):
            raise UserError(f"{where}: {fault}")


def _split(language: str, rows: Sequence[dict[str, Any]], path: Path) -> Split:
    if len(rows) > 1 and len({row["label"] for row in rows}) == 1:
        raise UnlabelledError(path, len(rows), f"every row has the placeholder {rows[0]['label']}")
    for number, row in enumerate(rows, start=1):
        if str(row["label"]) not in _LABELS:
            raise unknown("label", str(row["label"]), _LABELS, where=f"{path} line {number}")
    # XT run_xcopa.py, line 305: the premise and its question are one text, each choice the other.
    records = (
        Choice(row["premise"], f"What was the {row['question']}?", (row["choice1"], row["choice2"]), int(row["label"]))
        for row in rows
    )
    items = ((str(row["idx"]), record, record.label) for row, record in zip(rows, records, strict=True))
    return Split.of(language, items, path)


def _copa_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a hub row with its label as a number; the hub names the classes after the columns."""
    names = ("choice1", "choice2")
    return {**row, "label": names.index(row["label"]) if row["label"] in names else row["label"]}


def _siqa_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a hub row in the shape of the data root: options in order, the answer as text; labels are "1" to "3"."""
    options = [row[f"answer{letter}"] for letter in "ABC"]
    answer = options[int(row["label"]) - 1]
    return {"context": row["context"], "question": row["question"], "options": options, "answer": answer}


TARGET = Target(
    **facts(__file__),
    read=read,
    train=train,
    pretrain=pretrain,
    score=accuracy,
    parse=index_lines(2),
    hub_files=(
        HubFile("xcopa/{language}/test.{language}.jsonl", "cambridgeltl/xcopa", "{language}", "test", jsonl()),
        HubFile("xcopa/{language}/val.{language}.jsonl", "cambridgeltl/xcopa", "{language}", "validation", jsonl()),
        HubFile("xcopa/en/train.en.jsonl", "aps/super_glue", "copa", "train", jsonl(_copa_row), language="en"),
        HubFile("socialiqa/train.jsonl", "lighteval/siqa", "", "train", jsonl(_siqa_row), language="en"),
    ),
)
