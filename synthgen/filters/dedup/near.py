"""Near duplicates: candidates by MinHash bands, each verified and explained.

The bands are chosen for short texts, where one word replaced leaves a Jaccard similarity of 0.57-0.85 and web-scale
defaults find almost none; docs/archive/log.md has the measured recall. A near match with another label is the contrast
that a set should have: both rows stay, and the second is counted.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synthgen.filters.base import Drop, FilterSpec, SetFilter, SetRows
from synthgen.filters.dedup.candidate_pairs import NEIGHBOURS, KeyFile
from synthgen.filters.dedup.hash_index import ByteStore, HashIndex
from synthgen.filters.dedup.minhash import array_row_keys, row_keys
from synthgen.filters.dedup.similarity import (
    MOST_COMPARED,
    VERSIONS,
    ComparedRow,
    NearSettings,
    columns_of_texts,
    ranks,
    row_likeness,
)
from synthgen.formats import Format
from synthgen.formats.base import Row

REASON = "near duplicate"

_encode = json.JSONEncoder(ensure_ascii=False).encode


class NearDuplicates(SetFilter):
    """Drops a row nearly equal to a kept row with the same label."""

    name = "near"
    VERSION = 1
    rows_at_once = 64

    def __init__(self, format_: Format, settings: NearSettings | None = None, *, neighbours: int = NEIGHBOURS) -> None:
        """Compare all texts of a row, in a whole set with at most so many `neighbours` for each key it shares."""
        self._format, self._settings, self._neighbours = format_, settings or NearSettings(), neighbours
        self.contrasts = 0
        self.close()

    def precompute(self, rows: Sequence[tuple[str, Row]]) -> None:
        """Sketch several rows at once; `add_kept` needs a row's sketch after `check`."""
        compared = [ComparedRow.of(self._format, row_id, row) for row_id, row in rows]
        keys = row_keys(list(zip(*(row.texts for row in compared), strict=True)))
        self._precomputed = {row.row_id: (row, of_row) for row, of_row in zip(compared, keys.T, strict=True)}

    def check(self, row_id: str, row: Row) -> Drop | None:
        """Return a drop with the nearest kept row, how near it is, and by which measure."""
        new, keys = self._compared(row_id, row)
        has_contrast = False
        for number in self._index.find(keys):
            old = ComparedRow.unpack(self._kept[number])
            if match := row_likeness(new, old, self._settings):
                if new.agrees(old):
                    return Drop(REASON, evidence(old, *match))
                has_contrast = True
        self.contrasts += has_contrast
        return None

    def add_kept(self, row_id: str, row: Row) -> None:
        """Index the row."""
        new, keys = self._compared(row_id, row)
        self._index.add(keys, len(self._kept))
        self._kept.append(new.pack())

    def check_dataset(self, rows: SetRows) -> Iterator[tuple[int, Drop]]:
        """Yield number and reason of the rows to drop: rows by `ranks`, each that is like one kept before it.

        Which rows stay depends on what the rows say alone, not on their order. Memory holds some 60 bytes a row, and
        the texts of rows that share a key with another.
        """
        with closing(KeyFile(self._neighbours)) as key_file:
            for numbers, (ranks_, keys) in rows.mapped(partial(_sketched, self._format)):
                key_file.add(numbers, ranks_, keys)
            key_file.sort()
            yield from self._drop(rows, key_file)

    def close(self) -> None:
        """Forget the rows that were kept."""
        self._index, self._kept, self._precomputed = HashIndex(), ByteStore(), {}

    def metadata(self) -> dict[str, Any]:
        """Return how many rows were kept beside a near match with another label."""
        return {"near_matches_with_another_label_kept": self.contrasts}

    def _drop(self, rows: SetRows, key_file: KeyFile) -> Iterator[tuple[int, Drop]]:
        """Yield the drops among the rows; compare again without them where not all pairs could be compared.

        A pair has the ranks of two rows, the `first` of which stays; `gone` are the ranks of those that were dropped.
        """
        gone: set[int] = set()
        contrasts: list[tuple[int, int]] = []
        pairs = key_file.pairs(gone)
        while len(pairs.packed):
            count_before = len(gone)
            compared = self._read(rows, key_file.numbers, pairs.members())
            for second, its_pairs in groupby(pairs, key=itemgetter(1)):
                later = ComparedRow.unpack(compared[second])
                for first, _ in its_pairs:
                    if first in gone:
                        continue
                    earlier = ComparedRow.unpack(compared[first])
                    match = row_likeness(later, earlier, self._settings)
                    if match and later.agrees(earlier):
                        gone.add(second)
                        yield int(key_file.numbers[second]), Drop(REASON, evidence(earlier, *match))
                        break
                    if match:
                        contrasts.append((first, second))
            if len(gone) == count_before or not pairs.is_cut:
                break
            pairs = key_file.pairs(gone)
        self.contrasts += len({second for first, second in contrasts if not {first, second} & gone})

    def _read(
        self, rows: SetRows, numbers: npt.NDArray[np.int64], members: npt.NDArray[np.int64]
    ) -> Mapping[int, bytes]:
        """Return the rows of these ranks, packed, by rank; `numbers[rank]` is a row's number in the set."""
        members = members[np.argsort(numbers[members])]
        packed = (row for _, batch in rows.mapped(partial(_packed, self._format), numbers[members]) for row in batch)
        return dict(zip(members.tolist(), packed, strict=True))

    def _compared(self, row_id: str, row: Row) -> tuple[ComparedRow, Any]:
        if row_id not in self._precomputed:
            self.precompute([(row_id, row)])
        return self._precomputed[row_id]


SPEC = FilterSpec(NearDuplicates, NearSettings, check="deduplication", place=70, shared=VERSIONS)


def evidence(old: ComparedRow, measure: str, score: float) -> str:
    """Return what shows that a row is a near duplicate: that row's id, the measure, its value, that row's words."""
    return _encode({"row": old.row_id, "measure": measure, "score": score, "text": " | ".join(old.texts)})


def _packed(format_: Format, table: pa.Table) -> list[bytes]:
    return [ComparedRow.of(format_, row["id"], row).pack() for row in table.to_pylist()]


def _sketched(format_: Format, table: pa.Table) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Return the ranks (rows,) and the keys (keys a row, rows) of a table's rows."""
    beginnings = [pc.utf8_slice_codeunits(column, 0, MOST_COMPARED) for column in columns_of_texts(format_, table)]
    return ranks(table), array_row_keys(beginnings)
