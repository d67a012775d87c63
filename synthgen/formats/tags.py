"""Sentences with one tag a token: part of speech, named entities, supertags."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from synthgen.formats.base import Features, ParseError, Row, class_label, listed, string, text_fault

SENTENCE = "sentence"
"""The one quota cell of a tagging task: every sentence counts alike."""


@dataclass(frozen=True, slots=True)
class TaggedSentence:
    """One example, e.g. `TaggedSentence(("Dogs", "bark"), (7, 15))`; tags index `TagsFormat.labels`."""

    tokens: tuple[str, ...]
    tags: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TagsFormat:
    """The two columns of a tagging task, and its tag set in ClassLabel order.

    >>> upos = TagsFormat(("tokens", "tags"), ("NOUN", "VERB"))
    >>> upos.assemble({"tokens": "Dogs bark", "tags": "NOUN VERB"}, "sentence")
    {'tokens': ['Dogs', 'bark'], 'tags': [0, 1]}
    """

    VERSION: ClassVar[int] = 1
    text_columns: ClassVar[tuple[str, ...]] = ()

    columns: tuple[str, str]
    labels: tuple[str, ...]
    name: str = "tags"

    def features(self) -> Features:
        """Return the Hugging Face features of a row, tags as a list of ClassLabel."""
        return {self.columns[0]: listed(string()), self.columns[1]: listed(class_label(self.labels))}

    def to_row(self, record: TaggedSentence) -> Row:
        """Return the row that the real set would have for this record."""
        return {self.columns[0]: list(record.tokens), self.columns[1]: list(record.tags)}

    def from_row(self, row: Mapping[str, Any]) -> TaggedSentence:
        """Return the record of a row; a missing column raises KeyError with its name."""
        return TaggedSentence(tuple(row[self.columns[0]]), tuple(row[self.columns[1]]))

    def sentence(self, row: Mapping[str, Any]) -> str:
        """Return the tokens of a row joined by spaces."""
        return " ".join(row[self.columns[0]])

    def cell(self, row: Mapping[str, Any]) -> str:
        """Return the quota cell, the same for every row: tags are not drawn, a sentence has what it has."""
        return SENTENCE

    def assemble(self, texts: Mapping[str, str], cell: str) -> Row:
        """Return the row made of space-separated tokens and the tag names a teacher gave them; ParseError if not."""
        tokens, names = texts.get("tokens", "").split(), texts.get("tags", "").split()
        if unknown := [name for name in names if name not in self.labels]:
            raise ParseError(f"unknown tag {unknown[0]}")
        row = self.to_row(TaggedSentence(tuple(tokens), tuple(self.labels.index(name) for name in names)))
        if reason := self.check(row):
            raise ParseError(reason)
        return row

    def texts_of(self, row: Mapping[str, Any]) -> dict[str, str]:
        """Return the sentence; its tags are the teacher's to give."""
        return {SENTENCE: self.sentence(row)}

    def check(self, row: Mapping[str, Any]) -> str | None:
        """Return the first reason that a row breaks the format, None when it is well-formed."""
        return next(self.faults(row), None)

    def faults(self, row: Mapping[str, Any]) -> Iterator[str]:
        """Yield every reason that a row breaks the format."""
        tokens, tags = row[self.columns[0]], row[self.columns[1]]
        if not tokens:
            yield "no tokens"
        elif len(tokens) != len(tags):
            yield "tokens and tags differ in number"
        yield from dict.fromkeys(filter(None, (text_fault(token, "token") for token in tokens)))
        if not all(0 <= tag < len(self.labels) for tag in tags):
            yield "tag out of range"

    def translatable(self, row: Mapping[str, Any]) -> dict[str, str]:
        """Return no text: tags are of these tokens, and a translation has others."""
        return {}
