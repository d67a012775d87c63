"""The Format protocol, feature declarations in the Hugging Face vocabulary, and text cleaning."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol

Row = dict[str, Any]
Features = dict[str, Any]

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff]")


class ParseError(ValueError):
    """A reply that does not hold an example; the message is the short rejection reason."""


class Format(Protocol):
    """The shape of an example: its columns and types, how replies become rows, what makes a row well-formed.

    `VERSION` is raised when the same texts come to another row. Each format has a record of its own, from which
    `to_row` makes the row that the real set would have, and which `from_row` reads; KeyError names a missing column.
    """

    VERSION: ClassVar[int]

    @property
    def name(self) -> str:
        """pair, choice, span or tags."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Column names of the real set, in order."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in ClassLabel order; the quota cells of generation and stratified sampling."""

    @property
    def text_columns(self) -> tuple[str, ...]:
        """Columns that hold running text."""

    def features(self) -> Features:
        """Return the Hugging Face features of a row."""

    def cell(self, row: Mapping[str, Any]) -> str:
        """Return the quota cell of a row."""

    def assemble(self, texts: Mapping[str, str], cell: str) -> Row:
        """Return the row of generated texts, or raise ParseError."""

    def texts_of(self, row: Mapping[str, Any]) -> dict[str, str]:
        """Return the texts that `assemble` would make the row of: an example as a prompt shows it."""

    def translatable(self, row: Mapping[str, Any]) -> dict[str, str]:
        """Return the texts a translation replaces, by path; none where tags belong to tokens."""

    def check(self, row: Mapping[str, Any]) -> str | None:
        """Return the first reason that a row breaks the format, None when it is well-formed."""

    def faults(self, row: Mapping[str, Any]) -> Iterator[str]:
        """Yield every reason that a row breaks the format."""


def string() -> Features:
    """Return the feature of a text column."""
    return {"dtype": "string", "_type": "Value"}


def integer() -> Features:
    """Return the feature of an integer column."""
    return {"dtype": "int32", "_type": "Value"}


def class_label(names: Sequence[str]) -> Features:
    """Return the feature of a label column with its names in order."""
    return {"names": list(names), "_type": "ClassLabel"}


def listed(feature: Features) -> Features:
    """Return the feature of a list of `feature`."""
    return {"feature": feature, "_type": "List"}


def text_fault(value: object, name: str) -> str | None:
    """Return why a value is no text of a row, None when it is one.

    >>> text_fault(None, "premise"), text_fault(7, "premise"), text_fault(" ", "premise"), text_fault("Hi", "premise")
    ('no premise', 'premise is no text', 'empty premise', None)
    """
    if value is None:
        return f"no {name}"
    if not isinstance(value, str):
        return f"{name} is no text"
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        return f"{name} has half a character"
    return None if value.strip() else f"empty {name}"


def clean_text(text: str) -> str:
    r"""Return the text NFC-normalised, without control characters, runs of white space as one space.

    Raises ParseError when nothing is left.

    >>> clean_text("  A  line\x00 of\ntext ")
    'A line of text'
    """
    cleaned = " ".join(_CONTROL.sub("", unicodedata.normalize("NFC", text)).split())
    if not cleaned:
        raise ParseError("empty text")
    return cleaned
