"""Exact duplicates after normalisation: NFKC, casefolded, white space as one space; punctuation counts."""

import hashlib
from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np
import pyarrow as pa

from synthgen.filters.base import Drop, FilterSpec, SetFilter, SetRows
from synthgen.filters.dedup.candidate_pairs import shared_places
from synthgen.filters.dedup.hash_index import ByteStore, HashIndex
from synthgen.filters.dedup.similarity import VERSIONS, columns_of_texts, compared_texts, ranks
from synthgen.formats import Format
from synthgen.formats.base import Row
from synthgen.text.hashes import equal_text_hashes, normalised
from synthgen.text.words import Hashes, mixed

REASON = "exact duplicate"


def digest(texts: Iterable[str]) -> bytes:
    r"""Return 16 bytes that are equal for rows with equal texts (BLAKE2b); the label makes no difference.

    >>> digest(["It  RAINS.", "Wet"]) == digest(["it rains.", "wet "])
    True
    """
    key = "\x1f".join(map(normalised, texts))
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class ExactDuplicates(SetFilter):
    """Drops a row whose texts equal those of a kept row. The evidence is the kept row's id."""

    name = "exact"
    VERSION = 1

    def __init__(self, format_: Format) -> None:
        self._format, self._checked = format_, ("", b"")
        self.close()

    def check(self, row_id: str, row: Row) -> Drop | None:
        """Return a drop naming the kept row with the same texts."""
        key = digest(compared_texts(self._format, row))
        self._checked = (row_id, key)
        for number in self._index.find(np.frombuffer(key[:8], dtype=np.uint64)):
            kept = self._kept[number]
            if kept[:16] == key:
                return Drop(REASON, kept[16:].decode())
        return None

    def add_kept(self, row_id: str, row: Row) -> None:
        """Hold the row's hash and id."""
        key = self._checked[1] if self._checked[0] == row_id else digest(compared_texts(self._format, row))
        self._index.add(np.frombuffer(key[:8], dtype=np.uint64), len(self._kept))
        self._kept.append(key + row_id.encode())

    def close(self) -> None:
        """Forget the rows that were kept."""
        self._index, self._kept = HashIndex(), ByteStore()

    def check_dataset(self, rows: SetRows) -> Iterator[tuple[int, Drop]]:
        """Yield number and reason of every row but one of each group of duplicates; that of least `ranks` stays."""
        parts = [(numbers, *halves) for numbers, halves in rows.mapped(partial(_digested, self._format))]
        numbers, keys, more = (np.concatenate(part) for part in zip(*parts, strict=True))
        _, shared = shared_places(keys, np.arange(len(keys)))
        if not len(shared):
            return
        shared.sort()
        numbers, keys, more = numbers[shared], keys[shared], more[shared]
        ranks_, ids = zip(*(ranked for _, ranked in rows.mapped(_ranked, numbers)), strict=True)
        order = np.lexsort((numbers, np.concatenate(ranks_), more, keys))
        keys, more = keys[order], more[order]
        repeats = np.zeros(len(keys), dtype=np.bool_)
        repeats[1:] = (keys[1:] == keys[:-1]) & (more[1:] == more[:-1])
        first = np.maximum.accumulate(np.where(repeats, 0, np.arange(len(repeats))))
        named = [row_id for some in ids for row_id in some]
        for gone, stays in zip(order[repeats].tolist(), order[first[repeats]].tolist(), strict=True):
            yield int(numbers[gone]), Drop(REASON, named[stays])


SPEC = FilterSpec(ExactDuplicates, check="deduplication", place=60, shared=VERSIONS)


def _digested(format_: Format, table: pa.Table) -> tuple[Hashes, Hashes]:
    """Return the two halves of a hash that is equal for rows with equal texts."""
    hashes = np.zeros((2, table.num_rows), dtype=np.uint64)
    for column in columns_of_texts(format_, table):
        hashes = mixed(hashes + equal_text_hashes(column))
    return hashes[0], hashes[1]


def _ranked(table: pa.Table) -> tuple[Hashes, list[str]]:
    return ranks(table), table["id"].to_pylist()
