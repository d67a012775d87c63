"""Rows kept in memory without an object a row: a flat hash table of row numbers, and the rows' bytes end to end."""

from array import array

import numpy as np
import numpy.typing as npt

_SMALLEST = 1 << 12
_MOST_FULL = 0.75
_MOVED_AT_ONCE = 1 << 16


class HashIndex:
    """Row numbers by 64-bit keys, several rows a key: 8 bytes a place, linear probing, at most three quarters full.

    The upper half of a key decides its place and is stored beside the row number; `find` may return a row of another
    key with the same upper half (one in 4 billion), which the caller's comparison discards.
    """

    def __init__(self) -> None:
        self._count = 0
        self._allocate(_SMALLEST)

    def __len__(self) -> int:
        return self._count

    def find(self, keys: npt.NDArray[np.uint64]) -> list[int]:
        """Return the numbers of the rows that were added under any of the keys, ascending; 0 is no key."""
        view, shift, last = self._view, int(self._shift), self._size - 1
        rows: set[int] = set()
        # For the two dozen keys of a row, a plain loop takes less than numpy's calls do.
        for key in keys[keys != 0].tolist():
            place, tag = key >> shift, key >> 32
            while entry := view[place]:
                if entry >> 32 == tag:
                    rows.add((entry & 0xFFFFFFFF) - 1)
                place = (place + 1) & last
        return sorted(rows)

    def add(self, keys: npt.NDArray[np.uint64], row: int) -> None:
        """Add a row under each of the keys; 0 is none."""
        keys = keys[keys != 0]
        if self._count + len(keys) > _MOST_FULL * self._size:
            self._grow()
        shift = int(self._shift)
        for key in keys.tolist():
            self._put(key >> shift, (key >> 32 << 32) | (row + 1))
        self._count += len(keys)

    def _put(self, place: int, entry: int) -> None:
        """Write an entry to the first free place from its own on."""
        while self._view[place]:
            place = (place + 1) & (self._size - 1)
        self._view[place] = entry

    def _allocate(self, size: int) -> None:
        self._size, self._shift = size, np.uint64(64 - size.bit_length() + 1)
        self._table = np.zeros(size, dtype=np.uint64)
        self._view = memoryview(self._table.data)

    def _grow(self) -> None:
        """Move everything to a table of twice the size, in order; what runs over the end goes to the start."""
        entries = self._table[self._table != 0]
        entries.sort()
        self._allocate(2 * self._size)
        free = 0
        for start in range(0, len(entries), _MOVED_AT_ONCE):
            moved = entries[start : start + _MOVED_AT_ONCE]
            homes, numbers = (moved >> self._shift).astype(np.int64), np.arange(len(moved))
            homes[0] = max(homes[0], free)
            places = np.maximum.accumulate(homes - numbers) + numbers
            free = int(places[-1]) + 1
            fits = places < self._size
            self._table[places[fits]] = moved[fits]
            for entry in moved[~fits].tolist():
                self._put(0, entry)


class ByteStore:
    """Byte strings by number, end to end in one buffer."""

    def __init__(self) -> None:
        self._bytes, self._ends = bytearray(), array("Q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def append(self, item: bytes) -> None:
        """Add a byte string; its number is the length before."""
        self._bytes += item
        self._ends.append(len(self._bytes))

    def __getitem__(self, number: int) -> bytes:
        return bytes(self._bytes[self._ends[number] : self._ends[number + 1]])
