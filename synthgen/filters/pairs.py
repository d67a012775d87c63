"""Candidate pairs of a set of any size: band keys and texts on disk, one band in memory at a time.

Rows are numbered by their rank, a hash of what they say, so that nothing depends on the order they came in.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from synthgen.filters.comparison import Entry
from synthgen.filters.exact import rank
from synthgen.filters.sketch import BANDS, band_keys
from synthgen.formats import Format
from synthgen.formats.base import Row

NEIGHBOURS = 32
"""In a band that more rows share, each is compared with so many that follow it by rank: cost stays linear in the
number of rows where thousands of them are alike. What is left is compared again, until nothing more goes."""
_PAIRS_AT_ONCE = 100_000

Numbers = npt.NDArray[np.int64]


class Spool:
    """Rows written to a temporary folder, to be compared; `spool[i]` is the entry of the i-th by rank."""

    def __init__(self, format_: Format) -> None:
        """Start with no rows."""
        self._format = format_
        self._folder = tempfile.TemporaryDirectory(prefix="synthgen-")
        folder = Path(self._folder.name)
        self._texts = (folder / "texts").open("w+b")
        self._bands = [(folder / f"band-{number}").open("w+b") for number in range(BANDS)]
        self._numbers: list[Numbers] = []
        self._ranks: list[npt.NDArray[np.uint64]] = []
        self._lengths: list[npt.NDArray[np.uint32]] = []
        self._order = self._rows = self._at = np.empty(0, dtype=np.int64)
        self.is_cut = False

    def __enter__(self) -> Spool:
        """Return the spool."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the folder."""
        for file in (self._texts, *self._bands):
            file.close()
        self._folder.cleanup()

    def add(self, numbers: Numbers, rows: Sequence[Row]) -> None:
        """Write rows and their numbers."""
        entries = [Entry.of(self._format, row["id"], row) for row in rows]
        keys = band_keys(list(zip(*(entry.texts for entry in entries), strict=True)))
        for file, column in zip(self._bands, np.ascontiguousarray(keys.T), strict=True):
            file.write(column.tobytes())
        packed = [entry.pack() for entry in entries]
        self._texts.write(b"".join(packed))
        self._lengths.append(np.array([len(item) for item in packed], dtype=np.uint32))
        self._numbers.append(numbers)
        self._ranks.append(np.frombuffer(b"".join(rank(row) for row in rows), dtype=">u8").astype(np.uint64))

    def close(self) -> None:
        """Order the rows by rank, once all are there."""
        self._texts.flush()
        numbers, ranks = _joined(self._numbers, np.int64), _joined(self._ranks, np.uint64)
        self._order = np.lexsort((numbers, ranks))
        self._rows = numbers
        self._at = np.concatenate(([0], np.cumsum(_joined(self._lengths, np.uint32), dtype=np.int64)))

    def candidates(self, gone: AbstractSet[int]) -> Iterator[tuple[int, int]]:
        """Yield pairs (first, second) of rows that share a band, first < second by rank, by second and then by first.

        Rows in `gone` are left out. `is_cut` says afterwards whether a band had more rows than are compared.
        """
        place = np.empty(len(self._order), dtype=np.int64)
        place[self._order] = np.arange(len(place))
        alive = np.ones(len(place), dtype=bool)
        alive[self._order[sorted(gone)]] = False
        pairs, self.is_cut = np.empty(0, dtype=np.uint64), False
        for file in self._bands:
            file.flush()
            keys = np.fromfile(file.name, dtype=np.uint64)
            found, is_cut = _pairs(keys[alive], place[alive])
            pairs = np.union1d(pairs, found)
            self.is_cut |= is_cut
        for first in range(0, len(pairs), _PAIRS_AT_ONCE):
            for packed in pairs[first : first + _PAIRS_AT_ONCE].tolist():
                yield packed & 0xFFFFFFFF, packed >> 32

    def number(self, index: int) -> int:
        """Return the number under which the row was added."""
        return int(self._rows[self._order[index]])

    def __getitem__(self, index: int) -> Entry:
        """Return the entry of a row."""
        row = int(self._order[index])
        self._texts.seek(int(self._at[row]))
        return Entry.unpack(self._texts.read(int(self._at[row + 1] - self._at[row])))


def _pairs(keys: npt.NDArray[np.uint64], place: Numbers) -> tuple[npt.NDArray[np.uint64], bool]:
    """Return the pairs of places whose rows have equal keys, packed as (larger << 32 | smaller), and whether some are
    left out because too many rows have one key.
    """
    order = np.argsort(keys)
    ordered = keys[order]
    same = ordered[1:] == ordered[:-1]
    shared = np.concatenate((same, [False])) | np.concatenate(([False], same))
    keys, places = ordered[shared], place[order[shared]]
    by_place = np.lexsort((places, keys))
    keys, places = keys[by_place], places[by_place].astype(np.uint64)
    found = [np.empty(0, dtype=np.uint64)]
    for step in range(1, NEIGHBOURS + 1):
        equal = keys[step:] == keys[:-step]
        if not equal.any():
            break
        found.append((places[step:][equal] << np.uint64(32)) | places[:-step][equal])
    is_cut = bool((keys[NEIGHBOURS + 1 :] == keys[: -NEIGHBOURS - 1]).any())
    return np.concatenate(found), is_cut


def _joined(parts: list[Any], kind: type) -> Any:  # noqa: ANN401 - an array of that kind
    return np.concatenate(parts) if parts else np.empty(0, dtype=kind)
