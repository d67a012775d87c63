"""Candidate pairs of a set of any size: keys on disk, one column of them in memory at a time.

Rows are numbered by their rank, a hash of what they say, so that nothing depends on the order they came in.
"""

import tempfile
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import IO

import numpy as np
import numpy.typing as npt

NEIGHBOURS = 32
"""Where more rows share a key, each is compared with so many that follow it by rank: cost stays linear in the number
of rows where thousands of them are alike. What is left is compared again, until nothing more goes."""

Numbers = npt.NDArray[np.int64]
_Packed = npt.NDArray[np.uint64]
_SECOND = np.uint64(32)
_PAIRS_AT_ONCE = 100_000


@dataclass(frozen=True, slots=True)
class CandidatePairs:
    """Pairs of ranks, first < second, by second, then first; `is_cut`: a key had more rows than are compared."""

    packed: _Packed
    is_cut: bool

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for at in range(0, len(self.packed), _PAIRS_AT_ONCE):
            for pair in self.packed[at : at + _PAIRS_AT_ONCE].tolist():
                yield pair & 0xFFFFFFFF, pair >> 32

    def members(self) -> Numbers:
        """Return the ranks that are in a pair, ascending."""
        return np.union1d(self.packed & np.uint64(0xFFFFFFFF), self.packed >> _SECOND).astype(np.int64)


class KeyFile:
    """Keys of rows in temporary files: `add` them all, `sort` once, then ask for `pairs`; `close` at the end."""

    def __init__(self, neighbours: int = NEIGHBOURS) -> None:
        """Start with no rows; of those that share a key each is compared with so many `neighbours`."""
        self._neighbours = neighbours
        self._columns: list[IO[bytes]] = []
        self._parts: list[tuple[Numbers, _Packed]] = [(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.uint64))]
        self._crowded: list[tuple[_Packed, _Packed]] | None = None
        self._listed: _Packed = np.empty(0, dtype=np.uint64)
        self.numbers = self._place = np.empty(0, dtype=np.int64)

    def close(self) -> None:
        """Close the files, which have no names and so end with the process."""
        for file in self._columns:
            file.close()

    def add(self, numbers: Numbers, ranks: _Packed, keys: _Packed) -> None:
        """Write the keys (keys a row, rows) of rows with these numbers and hashes of what they say."""
        self._columns = self._columns or [tempfile.TemporaryFile() for _ in keys]  # noqa: SIM115 - see close
        for file, column in zip(self._columns, keys, strict=True):
            file.write(column.tobytes())
        self._parts.append((numbers, ranks))

    def sort(self) -> None:
        """Order the rows by rank, once all are there: `numbers[rank]` is the number of a row."""
        numbers, ranks = map(np.concatenate, zip(*self._parts, strict=True))
        order = np.lexsort((numbers, ranks))
        self.numbers = numbers[order]
        self._place = np.empty(len(order), dtype=np.int64)
        self._place[order] = np.arange(len(order))
        self._parts = []

    def pairs(self, gone: AbstractSet[int]) -> CandidatePairs:
        """Return the pairs of rows that share a key; those whose ranks are in `gone` are left out.

        Asked again, only new ones: keys that had more rows than are compared can have some, and only they are looked at
        again.
        """
        alive = np.ones(len(self._place), dtype=np.bool_)
        alive[list(gone)] = False
        groups = self._groups(alive) if self._crowded is None else iter(self._crowded)
        self._crowded, packed, waiting = [], np.empty(0, dtype=np.uint64), [np.empty(0, dtype=np.uint64)]
        for tags, places in groups:
            here = alive[places]
            tags, places = tags[here], places[here]
            waiting.append(_pairs(tags, places, self._neighbours))
            if sum(map(len, waiting)) > len(packed):
                packed, waiting = np.unique(np.concatenate((packed, *waiting))), waiting[:1]
            beyond = tags[self._neighbours + 1 :]
            crowd = np.isin(tags, beyond[beyond == tags[: -self._neighbours - 1]])
            if crowd.any():
                self._crowded.append((tags[crowd], places[crowd]))
        before, self._listed = self._listed, np.unique(np.concatenate((packed, *waiting)))
        return CandidatePairs(np.setdiff1d(self._listed, before, assume_unique=True), bool(self._crowded))

    def _groups(self, alive: npt.NDArray[np.bool_]) -> Iterator[tuple[_Packed, _Packed]]:
        """Yield the `shared_places` places of each column."""
        stays = alive[self._place]
        for file in self._columns:
            file.seek(0)
            keys = np.fromfile(file, dtype=np.uint64)
            here = stays & (keys != 0)
            yield shared_places(keys[here], self._place[here])


def shared_places(keys: _Packed, places: Numbers) -> tuple[_Packed, _Packed]:
    """Return those places whose keys others have too, by key, then place, each with what is left of its key.

    Of each key the upper bits are kept and the place is put below them, so that sorting plain numbers brings the places
    of a key together. Two keys in millions may so become one; the caller compares before it decides anything.
    """
    if not len(keys):
        return keys, keys
    bits = np.uint64(int(places.max()).bit_length())
    entries = (keys >> bits << bits) | places.astype(np.uint64)
    entries.sort()
    tags = entries >> bits
    is_next = tags[1:] == tags[:-1]
    shared = np.flatnonzero(np.append(is_next, False) | np.insert(is_next, 0, False))
    return tags[shared], entries[shared] & ((np.uint64(1) << bits) - np.uint64(1))


def _pairs(tags: _Packed, places: _Packed, neighbours: int) -> _Packed:
    """Return the pairs of places with equal tags that are near enough, packed as (larger << 32 | smaller)."""
    packed = [np.empty(0, dtype=np.uint64)]
    for step in range(1, neighbours + 1):
        equal = tags[step:] == tags[:-step]
        if not equal.any():
            break
        packed.append((places[step:][equal] << _SECOND) | places[:-step][equal])
    return np.concatenate(packed)
