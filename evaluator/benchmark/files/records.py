"""Test and training items from files of records, by the columns that a target's file names."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluator.benchmark.files.squad import read_questions
from evaluator.benchmark.files.tagged import tagged_split
from evaluator.benchmark.target import Split, UnlabelledError
from synthgen.corpora.readers.columns import ABSENT, OTHER_NAMES, label_text
from synthgen.corpora.readers.records import open_records
from synthgen.corpora.readers.squad import NOWHERE, answer_start
from synthgen.errors import UserError, listed, shorten, unknown
from synthgen.formats.base import text_fault
from synthgen.formats.choice import Choice
from synthgen.formats.pair import Pair
from synthgen.formats.span import Span
from synthgen.formats.tags import TaggedSentence
from synthgen.text.digits import whole_number

Columns = Mapping[str, str | Sequence[str]]
Item = tuple[Any, Any]
"""A record and its gold value."""


@dataclass(frozen=True, slots=True)
class RecordLayout:
    """How the records of a target's files are items: the format, the columns, and what the files call the labels.

    `names` are the files' labels in the order of `labels`. Without columns the files are of the format's usual kind:
    SQuAD's JSON, or a token and a tag a line.
    """

    format: str
    columns: Columns
    labels: tuple[str, ...]
    names: tuple[str, ...] = ()

    def read(self, path: Path, language: str, prefix: str = "", *, drops_unlabelled: bool = False) -> Split:
        """Return the items of a file; ids begin with the prefix. UnlabelledError where no row has a label."""
        if not self.columns:
            return (
                read_questions(path, language) if self.format == "span" else tagged_split(path, language, self.labels)
            )
        make, source, ids = _MAKERS[self.format], self.source, Counter[str]()
        items: list[tuple[str, Any, Any]] = []
        sources: list[str] = []
        unlabelled: list[str] = []
        for number, (where, row) in enumerate(_rows(path, self.columns)):
            try:
                record, gold = make(self, row)
            except _UnlabelledError:
                unlabelled.append(where)
                continue
            except ValueError as fault:
                raise UserError(f"{where}: {fault}") from None
            name = _id(row, self.columns.get("id", ()), number)
            ids[name] += 1
            items.append((f"{prefix}{name}" + (f".{ids[name]}" if ids[name] > 1 else ""), record, gold))
            if source:
                sources.append(label_text(row[source]))
        if unlabelled and not items:
            raise UnlabelledError(path, len(unlabelled), "no row has a label")
        if unlabelled and not drops_unlabelled:
            raise UserError(f"{unlabelled[0]} has no label, and {len(unlabelled) - 1} more rows have none")
        return Split.of(language, items, path, sources=sources)

    @property
    def source(self) -> str:
        """The column of what items share, empty where there is none: `cluster`, or the paragraph of a question."""
        return str(self.columns.get("cluster") or (self.columns.get("context", "") if self.format == "span" else ""))

    def label(self, value: object) -> int:
        """Return the position of a label that a file names or numbers."""
        text = label_text(value)
        if value in ABSENT or text in ABSENT:
            raise _UnlabelledError
        for names in (self.names, self.labels):
            for name in (OTHER_NAMES.get(text, text), text):
                if name in names:
                    return names.index(name)
        number = None if self.names or any(map(str.isdecimal, self.labels)) else whole_number(text)
        if number is not None and number < len(self.labels):
            return number
        raise unknown("label", text, self.names or self.labels)


class _UnlabelledError(Exception):
    """A row has no label."""


def _rows(path: Path, columns: Columns) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the records of a file, each with its place; UserError for what is none, or lacks a column."""
    file = open_records(path)
    needed = [name for value in columns.values() for name in ([value] if isinstance(value, str) else value)]
    for records in file.batches():
        if records.faults:
            fault = records.faults[0]
            raise UserError(f"{path} {file.unit} {fault.number}: {fault.reason}")
        for number, row in zip(records.numbers.tolist(), records.rows(), strict=True):
            where = f"{path} {file.unit} {number}"
            if missing := [name for name in needed if name not in row]:
                raise UserError(f"{where} has no column '{missing[0]}'; it has {listed(row)}")
            yield where, row


def _id(row: Mapping[str, Any], columns: str | Sequence[str], number: int) -> str:
    names = [columns] if isinstance(columns, str) else columns
    return "/".join(label_text(row[name]) for name in names) or str(number)


def _text(layout: RecordLayout, row: Mapping[str, Any], role: str) -> str:
    if (name := layout.columns.get(role)) is None:
        return ""
    value = row[str(name)]
    if (fault := text_fault(value, str(name))) and not fault.startswith("empty"):
        raise UserError(fault)
    return str(value)


def _pair(layout: RecordLayout, row: Mapping[str, Any]) -> Item:
    label = layout.label(row[str(layout.columns["label"])])
    return Pair(_text(layout, row, "text_a"), _text(layout, row, "text_b"), label), layout.labels[label]


def _choice(layout: RecordLayout, row: Mapping[str, Any]) -> Item:
    names = layout.columns["options"]
    options = row[names] if isinstance(names, str) else [row[name] for name in names]
    options = options.get("text") if isinstance(options, Mapping) else options
    if not isinstance(options, Sequence) or isinstance(options, str) or len(options) != len(layout.labels):
        raise UserError(f"options are {shorten(repr(options), 60)}; expected {len(layout.labels)} texts")
    if fault := next(filter(None, (text_fault(option, "option") for option in options)), None):
        raise UserError(fault)
    label = layout.label(row[str(layout.columns["label"])])
    return Choice(_text(layout, row, "context"), _text(layout, row, "question"), tuple(options), label), label


def _span(layout: RecordLayout, row: Mapping[str, Any]) -> Item:
    answers = row[str(layout.columns["answers"])]
    texts = answers.get("text") if isinstance(answers, Mapping) else None
    if not isinstance(texts, Sequence) or isinstance(texts, str):
        raise UserError(f"answers are {shorten(repr(answers), 60)}; expected SQuAD's text and answer_start")
    if not texts:
        raise _UnlabelledError
    starts = answers.get("answer_start") or [None]
    start = answer_start({"answer_start": starts[0]})
    context = _text(layout, row, "context")
    if start == NOWHERE or context[start : start + len(str(texts[0]))] != texts[0]:
        raise UserError(f"the answer {shorten(repr(texts[0]), 40)} does not stand at {starts[0]}")
    return Span(context, _text(layout, row, "question"), str(texts[0]), start), tuple(map(str, texts))


def _tags(layout: RecordLayout, row: Mapping[str, Any]) -> Item:
    tokens, tags = (row[str(layout.columns[role])] for role in ("tokens", "tags"))
    tokens, tags = (each.split() if isinstance(each, str) else each for each in (tokens, tags))
    if not isinstance(tokens, Sequence) or not isinstance(tags, Sequence) or not tokens:
        raise UserError(f"tokens are {shorten(repr(tokens), 40)}, tags {shorten(repr(tags), 40)}; expected lists")
    if not tags:
        raise _UnlabelledError
    if len(tokens) != len(tags):
        raise UserError(f"{len(tokens)} tokens and {len(tags)} tags; expected as many")
    if fault := next(filter(None, (text_fault(token, "token") for token in tokens)), None):
        raise UserError(fault)
    labels = tuple(map(layout.label, tags))
    return TaggedSentence(tuple(tokens), labels), tuple(layout.labels[label] for label in labels)


_MAKERS: dict[str, Callable[[RecordLayout, Mapping[str, Any]], Item]]
_MAKERS = {"pair": _pair, "choice": _choice, "span": _span, "tags": _tags}
