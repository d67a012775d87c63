"""Near duplicates: candidates by MinHash bands, each verified and explained.

The bands are chosen for short texts, where one word replaced leaves a Jaccard similarity of 0.57-0.85 and web-scale
defaults find almost none; recall: docs/log.md. A near match with another label is the contrast a set should
have: both rows stay, and the second is counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synthgen.filters.base import Drop, FilterSpec, SetFilter, SetRows
from synthgen.filters.dedup.candidate_pairs import NEIGHBOURS, CandidatePairs, KeyFile
from synthgen.filters.dedup.hash_index import ByteStore, HashIndex
from synthgen.filters.dedup.minhash import array_row_keys, row_keys
from synthgen.filters.dedup.similarity import (
    VERSIONS,
    ComparedRow,
    NearSettings,
    answers,
    columns_of_texts,
    ranks,
    row_likeness,
)
from synthgen.formats import Format
from synthgen.formats.base import Row
from synthgen.text.words import words

REASON = "near duplicate"

_encode = json.JSONEncoder(ensure_ascii=False).encode


class NearDuplicates(SetFilter):
    """Drops a row nearly equal to a kept row with the same label."""

    name = "near"
    VERSION = 1

    def __init__(self, format_: Format, settings: NearSettings | None = None, *, neighbours: int = NEIGHBOURS) -> None:
        """Compare all texts of a row, in a whole set with at most so many `neighbours` for each key it shares."""
        self._neighbours = neighbours
        self._format, self._settings = format_, settings or NearSettings()
        self._index, self._kept = HashIndex(), ByteStore()
        self._prepared: dict[str, tuple[ComparedRow, Any]] = {}
        self.contrasts = 0

    def precompute(self, rows: Sequence[tuple[str, Row]]) -> None:
        """Sketch several rows at once; `add_kept` needs a row's sketch after `judge`."""
        entries = [ComparedRow.of(self._format, row_id, row) for row_id, row in rows]
        keys = row_keys(list(zip(*(entry.texts for entry in entries), strict=True)))
        self._prepared = {entry.row_id: (entry, own) for entry, own in zip(entries, keys.T, strict=True)}

    def check(self, row_id: str, row: Row) -> Drop | None:
        """Return a verdict with the nearest kept row, how near it is, and by which measure."""
        new, keys = self._entry(row_id, row)
        contrasts = 0
        for number in self._index.find(keys):
            old = ComparedRow.unpack(self._kept[number])
            found = row_likeness(new, old, self._settings)
            if found and new.agrees(old):
                return Drop(REASON, evidence(old, *found))
            contrasts += found is not None
        self.contrasts += bool(contrasts)
        return None

    def add_kept(self, row_id: str, row: Row) -> None:
        """Index the row."""
        new, keys = self._entry(row_id, row)
        self._index.add(keys, len(self._kept))
        self._kept.append(new.pack())

    def check_dataset(self, rows: SetRows) -> Iterator[tuple[int, Drop]]:
        """Yield number and verdict of the rows to drop: rows by `ranks`, each that is like one kept before it.

        Which rows stay depends on what the rows say alone, not on their order. Memory holds some 60 bytes a row, and
        the texts of rows that share a key with another.
        """
        with KeyFile(self._neighbours) as spool:
            for numbers, (ranks_, keys) in rows.mapped(partial(_sketched, self._format)):
                spool.add(numbers, ranks_, keys)
            spool.close()
            yield from self._drop(rows, spool)

    def close(self) -> None:
        """Forget the rows that were kept."""
        self._index, self._kept, self._prepared = HashIndex(), ByteStore(), {}

    def metadata(self) -> dict[str, Any]:
        """Return how many rows were kept beside a near match with another label."""
        return {"near_matches_with_another_label_kept": self.contrasts}

    def _drop(self, rows: SetRows, spool: KeyFile) -> Iterator[tuple[int, Drop]]:
        """Yield the drops among the spooled rows; compare again without them where not all pairs could be compared."""
        gone: set[int] = set()
        contrasts: list[tuple[int, int]] = []
        pairs = spool.pairs(gone)
        while len(pairs.packed):
            before = len(gone)
            entries = _Entries(self._format, rows, spool.numbers, pairs)
            for second, alike in groupby(pairs, key=itemgetter(1)):
                new = entries[second]
                for first in (first for first, _ in alike if first not in gone):
                    old = entries[first]
                    found = row_likeness(new, old, self._settings)
                    if found and new.agrees(old):
                        gone.add(second)
                        yield int(spool.numbers[second]), Drop(REASON, evidence(old, *found))
                        break
                    if found:
                        contrasts.append((first, second))
            if len(gone) == before or not pairs.is_cut:
                break
            pairs = spool.pairs(gone)
        self.contrasts += len({second for first, second in contrasts if not {first, second} & gone})

    def _entry(self, row_id: str, row: Row) -> tuple[ComparedRow, Any]:
        """Return a row's entry and keys."""
        if row_id not in self._prepared:
            self.precompute([(row_id, row)])
        return self._prepared[row_id]


SPEC = FilterSpec(
    "near",
    lambda context, settings: NearDuplicates(context.format, settings),
    NearSettings,
    check="deduplication",
    place=70,
    version=NearDuplicates.VERSION,
    shared=VERSIONS,
)


def evidence(old: ComparedRow, measure: str, score: float) -> str:
    """Return what shows that a row is a near duplicate: that row's id, the measure, its value, that row's words."""
    found = {"row": old.row_id, "measure": measure, "score": score, "text": " | ".join(old.texts)}
    return _encode(found)


class _Entries:
    """The entries of the rows of some pairs, by rank."""

    def __init__(self, format_: Format, rows: SetRows, numbers: npt.NDArray[np.int64], pairs: CandidatePairs) -> None:
        """Read the rows."""
        members = pairs.members()
        members = members[np.argsort(numbers[members])]
        self._kept, self._place = ByteStore(), {rank: place for place, rank in enumerate(members.tolist())}
        for _, packed in rows.mapped(partial(_packed, format_), numbers[members]):
            for entry in packed:
                self._kept.append(entry)

    def __getitem__(self, rank: int) -> ComparedRow:
        """Return the entry of a row."""
        return ComparedRow.unpack(self._kept[self._place[rank]])


def _packed(format_: Format, table: pa.Table) -> list[bytes]:
    """Return the entries of a table's rows, packed."""
    texts = zip(*(map(words, column.to_pylist()) for column in columns_of_texts(format_, table)), strict=True)
    rows = zip(texts, table.to_pylist(), strict=True)
    return [ComparedRow(row["id"], own, answers(format_, row)).pack() for own, row in rows]


def _sketched(format_: Format, table: pa.Table) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Return the ranks (rows,) and the keys (keys a row, rows) of a table's rows."""
    return ranks(table), array_row_keys(columns_of_texts(format_, table))
