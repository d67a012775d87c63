"""Exact duplicates after normalisation: NFKC, casefolded, white space as one space; punctuation counts."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from synthgen.filters.base import BaseFilter, SetRows, Verdict
from synthgen.filters.comparison import compared_texts
from synthgen.filters.index import Blob, HashIndex
from synthgen.formats import Format
from synthgen.formats.base import Row

REASON = "exact duplicate"


def digest(format_: Format, row: Mapping[str, Any]) -> bytes:
    r"""Return 16 bytes that are equal for rows with equal texts (BLAKE2b); the label makes no difference.

    >>> from synthgen.formats.pair import PairFormat
    >>> pairs = PairFormat(("a", "b"), ("no", "yes"))
    >>> digest(pairs, {"a": "It  RAINS.", "b": "Wet"}) == digest(pairs, {"a": "it rains.", "b": "wet "})
    True
    """
    texts = (text if text.isascii() else unicodedata.normalize("NFKC", text) for text in compared_texts(format_, row))
    key = "\x1f".join(" ".join(text.casefold().split()) for text in texts)
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def rank(row: Mapping[str, Any]) -> bytes:
    """Return bytes that order rows by what they say: of several duplicates the least stays, wherever it stood."""
    content = repr([(name, row[name]) for name in sorted(row) if name != "id"])
    return hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=8).digest()


class ExactDuplicates(BaseFilter):
    """Drops a row whose texts equal those of a kept row. The evidence is the kept row's id."""

    name = "exact"

    def __init__(self, format_: Format) -> None:
        """Compare all texts of a row."""
        self._format = format_
        self._index, self._kept = HashIndex(), Blob()
        self._judged = ("", b"")

    def judge(self, row_id: str, row: Row) -> Verdict | None:
        """Return a verdict naming the kept row with the same texts."""
        key = digest(self._format, row)
        self._judged = (row_id, key)
        for number in self._index.find(np.frombuffer(key[:8], dtype=np.uint64)):
            kept = self._kept[number]
            if kept[:16] == key:
                return Verdict(REASON, kept[16:].decode())
        return None

    def remember(self, row_id: str, row: Row) -> None:
        """Hold the row's hash and id."""
        key = self._judged[1] if self._judged[0] == row_id else digest(self._format, row)
        self._index.add(np.frombuffer(key[:8], dtype=np.uint64), len(self._kept))
        self._kept.append(key + row_id.encode())

    def close(self) -> None:
        """Forget the rows that were kept."""
        self._index, self._kept = HashIndex(), Blob()

    def judge_set(self, rows: SetRows) -> Iterator[tuple[int, Verdict]]:
        """Yield number and verdict of every row but one of each group of duplicates; the one of least `rank` stays."""
        digests = np.empty((rows.total, 2), dtype=np.uint64)
        for numbers, batch in rows.batches():
            joined = b"".join(digest(self._format, row) for row in batch)
            digests[numbers] = np.frombuffer(joined, dtype=np.uint64).reshape(-1, 2)
        groups = _groups(digests, rows.numbers())
        best: dict[bytes, tuple[bytes, str, int]] = {}
        for number, row in rows.pick(groups):
            key = digests[number].tobytes()
            best[key] = min(best.get(key, (b"\xff" * 9, "", -1)), (rank(row), row["id"], number))
        for number in groups:
            _, kept_id, kept = best[digests[number].tobytes()]
            if kept != number:
                yield int(number), Verdict(REASON, kept_id)


def _groups(digests: np.ndarray[Any, Any], numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the numbers, ascending, of rows whose digest another row has too."""
    keys = digests[numbers]
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    same = (keys[order][1:] == keys[order][:-1]).all(axis=1)
    repeated = np.concatenate((same, [False])) | np.concatenate(([False], same))
    return np.sort(numbers[order[repeated]])
