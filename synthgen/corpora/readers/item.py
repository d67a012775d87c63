"""What a reader yields: a row, the corpus's own id where it has one, and what was wrong or had to be guessed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgen.formats import Format
from synthgen.formats.base import Row

UNLABELLED = "unlabelled"
UNKNOWN_LABEL = "unknown label"
MALFORMED = "malformed line"


@dataclass(frozen=True, slots=True)
class Item:
    """One row as read. `fault` is why it cannot be kept, `note` what the reader decided where the file is silent,
    `english` the row that a translated one was made from, where the file has it, `odd` what our checks say of one kept.
    """

    row: Row
    id: str | None = None
    fault: str | None = None
    note: str | None = None
    english: Row | None = None
    odd: str | None = None


def is_labelled(row: Row, format_: Format) -> bool:
    """Say whether a row has one of the format's labels; hidden test labels are -1 or empty."""
    if format_.name in ("span", "tags"):
        return True
    value = row[format_.columns[-1]]
    return 0 <= value < len(format_.labels) if isinstance(value, int) else value in format_.labels


TOLERATED = ("both texts equal", "two options equal", "empty ")
"""Beginnings of the check reasons that released corpora give cause for, and that we keep."""
TOLERATED_ELSEWHERE = TOLERATED[:2]
"""An empty text is a translation that was lost, or nothing to train on."""


def row_faults(format_: Format, row: Row, tolerated: tuple[str, ...]) -> tuple[str | None, str | None]:
    """Return why a row cannot be kept, and what is odd about one that can; None for nothing.

    An answer of an empty context has no place: what is tolerated hides no other fault.
    """
    faults = list(format_.faults(row))
    worse = next((fault for fault in faults if not fault.startswith(tolerated)), None)
    return worse, None if worse else next(iter(faults), None)


Reader = Callable[[Path, Any], Iterator[Item]]
"""Reads one file in one format: (path, the task's format object) → items. The signature of every `read_…` function."""
