"""Two texts and a class label: natural language inference and paraphrase tasks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from synthgen.formats.base import Features, Row, class_label, clean_text, string, text_fault


@dataclass(frozen=True, slots=True)
class Pair:
    """One example, e.g. `Pair("A man sleeps.", "A person rests.", label=0)`; `label` indexes `PairFormat.labels`."""

    text_a: str
    text_b: str
    label: int


@dataclass(frozen=True, slots=True)
class PairFormat:
    """The columns of a pair task: two texts and a label.

    `fields` are the column names of the two texts, `labels` the class names; a row's quota cell is its label.

    >>> nli = PairFormat(("premise", "hypothesis"), ("entailment", "neutral", "contradiction"))
    >>> nli.to_row(Pair("It rains.", "It is wet.", 0))
    {'premise': 'It rains.', 'hypothesis': 'It is wet.', 'label': 0}
    """

    VERSION: ClassVar[int] = 1

    fields: tuple[str, str]
    labels: tuple[str, ...]
    name: str = "pair"

    @property
    def columns(self) -> tuple[str, ...]:
        """Column names of the real set, in order."""
        return (*self.fields, "label")

    @property
    def text_columns(self) -> tuple[str, ...]:
        """Columns that hold running text: what is translated, filtered and counted."""
        return self.fields

    def features(self) -> Features:
        """Return the Hugging Face features of a row, label as ClassLabel."""
        return {self.fields[0]: string(), self.fields[1]: string(), "label": class_label(self.labels)}

    def to_row(self, record: Pair) -> Row:
        """Return the row that the real set would have for this record."""
        return {self.fields[0]: record.text_a, self.fields[1]: record.text_b, "label": record.label}

    def from_row(self, row: Mapping[str, Any]) -> Pair:
        """Return the record of a row; a missing column raises KeyError with its name."""
        return Pair(row[self.fields[0]], row[self.fields[1]], int(row["label"]))

    def cell(self, row: Mapping[str, Any]) -> str:
        """Return the name of the quota cell a row belongs to: its label."""
        return self.labels[int(row["label"])]

    def translatable(self, row: Mapping[str, Any]) -> dict[str, str]:
        """Return the texts a translation replaces, by column."""
        return {field: row[field] for field in self.fields}

    def assemble(self, texts: Mapping[str, str], cell: str) -> Row:
        """Return the row made of the two generated texts and the label they were written for; ParseError if empty."""
        text_a, text_b = (clean_text(texts[field]) for field in self.fields)
        return self.to_row(Pair(text_a, text_b, self.labels.index(cell)))

    texts_of = translatable

    def check(self, row: Mapping[str, Any]) -> str | None:
        """Return the first reason that a row breaks the format, None when it is well-formed."""
        return next(self.faults(row), None)

    def faults(self, row: Mapping[str, Any]) -> Iterator[str]:
        """Yield every reason that a row breaks the format."""
        texts = [row.get(field) for field in self.fields]
        yield from filter(None, map(text_fault, texts, self.fields))
        if not 0 <= int(row["label"]) < len(self.labels):
            yield "label out of range"
        first, second = texts
        if isinstance(first, str) and isinstance(second, str) and first.casefold() == second.casefold():
            yield "both texts equal"
