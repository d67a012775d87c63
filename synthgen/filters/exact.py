"""Exact duplicates after normalisation: NFKC, casefolded, white space as one space; punctuation counts."""

from __future__ import annotations

import hashlib
import unicodedata

from synthgen.filters.base import BaseFilter, Verdict
from synthgen.formats import Format
from synthgen.formats.base import Row


def normalised(row: Row, columns: tuple[str, ...]) -> str:
    r"""Return the row's texts as one comparable string, fields kept apart.

    >>> normalised({"a": "It  RAINS.", "b": "Wet"}, ("a", "b"))
    'it rains.\x1fwet'
    """
    texts = (" ".join(unicodedata.normalize("NFKC", str(row[column])).casefold().split()) for column in columns)
    return "\x1f".join(texts)


class ExactDuplicates(BaseFilter):
    """Drops a row whose texts equal those of a kept row; 16 bytes of hash and the row's id are held for each."""

    name = "exact"

    def __init__(self, format_: Format) -> None:
        """Compare the format's text columns; the label does not make equal texts different."""
        self._columns = format_.text_columns
        self._seen: dict[bytes, str] = {}

    def judge(self, row_id: str, row: Row) -> Verdict | None:
        """Return a verdict naming the kept row with the same texts."""
        earlier = self._seen.get(self._key(row))
        return Verdict("exact duplicate", earlier) if earlier is not None else None

    def remember(self, row_id: str, row: Row) -> None:
        """Hold the row's hash."""
        self._seen[self._key(row)] = row_id

    def _key(self, row: Row) -> bytes:
        return hashlib.blake2b(normalised(row, self._columns).encode(), digest_size=16).digest()
