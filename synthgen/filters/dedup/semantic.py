"""Semantic duplicates: rows with the same label that say the same in other words (SemDeDup, Abbas et al. 2023).

Off unless a configuration file names it: every text goes through a sentence encoder, and every row is compared with
every other in blocks, so it is for sets of some ten thousand rows.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synthgen.filters.base import Drop, FilterSpec, SetFilter, SetRows
from synthgen.filters.dedup.near import evidence
from synthgen.filters.dedup.similarity import VERSIONS, ComparedRow, columns_of_texts, compared_texts, ranks
from synthgen.formats import Format
from synthgen.formats.base import Row
from synthgen.models import sentence_encoder
from synthgen.models.sentence_encoder import PACK, PREFIX, SentenceEncoder, Vectors, alike_before
from synthgen.runtime.provenance import public_settings

REASON = "semantic duplicate"


@dataclass(frozen=True, slots=True)
class SemanticSettings:
    """The encoder, what it asks for before a text, and from which cosine on every text of two rows is the same.

    Of Quora's duplicate questions the default encoder puts 86 % at 0.93 and above, 62 % at 0.95, 35 % at 0.97; of its
    pairs that look like duplicates and are none 32, 18 and 7 %; of unrelated questions one pair in ten thousand at 0.95
    (docs/archive/log.md). Words in another order it does not tell apart: so are 99 % of PAWS's non-paraphrases at 0.95.
    """

    encoder: str = PACK
    prefix: str = PREFIX
    similarity: float = 0.95

    def __post_init__(self) -> None:
        if not 0 < self.similarity <= 1:
            raise ValueError(f"similarity = {self.similarity} is not above 0 and at most 1")


class _ComparedTable(NamedTuple):
    """A table's rows as they are compared, with their ranks, and their texts by column."""

    ranks: npt.NDArray[np.uint64]
    columns: list[list[str]]
    rows: list[ComparedRow]


class SemanticDuplicates(SetFilter):
    """Drops a row all of whose texts mean what those of a kept row with the same label mean."""

    name = "semantic"
    VERSION = 1

    def __init__(self, format_: Format, settings: SemanticSettings) -> None:
        """Load the encoder when the first row comes."""
        self._format, self._settings = format_, settings
        self.close()

    def check(self, row_id: str, row: Row) -> Drop | None:
        """Return a drop naming the most similar kept row with the same label."""
        new, vectors = self._compared(row_id, row)
        if not self._kept:
            return None
        scores = np.minimum.reduce(np.einsum("nfw,fw->fn", np.stack([kept for _, kept in self._kept]), vectors))
        for number in np.argsort(-scores):
            if scores[number] < self._settings.similarity:
                break
            if new.agrees(old := self._kept[number][0]):
                return _drop(old, float(scores[number]))
        return None

    def add_kept(self, row_id: str, row: Row) -> None:
        """Hold the row's vectors."""
        self._kept.append(self._compared(row_id, row))

    def close(self) -> None:
        """Forget the rows that were kept, and the encoder."""
        self._loaded: SentenceEncoder | None = None
        self._kept: list[tuple[ComparedRow, Vectors]] = []
        self._last: tuple[str, tuple[ComparedRow, Vectors]] | None = None

    def check_dataset(self, rows: SetRows) -> Iterator[tuple[int, Drop]]:
        """Yield number and reason of the rows to drop: rows by `ranks`, each that is like one kept before it."""
        places, tables = zip(*rows.mapped(partial(_read, self._format)), strict=True)
        numbers = np.concatenate(places)
        order = np.lexsort((numbers, np.concatenate([table.ranks for table in tables])))
        compared = [row for table in tables for row in table.rows]
        columns = (chain.from_iterable(same) for same in zip(*(table.columns for table in tables), strict=True))
        fields = [self._encoder().embed(list(column))[order] for column in columns]
        gone: set[int] = set()
        for first, second, score in alike_before(fields, self._settings.similarity):
            old, new = compared[order[first]], compared[order[second]]
            if first not in gone and second not in gone and new.agrees(old):
                gone.add(second)
                yield int(numbers[order[second]]), _drop(old, score)

    def metadata(self) -> dict[str, Any]:
        """Return the settings and the encoder's revision."""
        return {"semantic": public_settings(asdict(self._settings)) | (self._loaded.facts if self._loaded else {})}

    def _encoder(self) -> SentenceEncoder:
        self._loaded = self._loaded or SentenceEncoder(self._settings.encoder, self._settings.prefix)
        return self._loaded

    def _compared(self, row_id: str, row: Row) -> tuple[ComparedRow, Vectors]:
        """Return a row as it is compared and the vectors of its texts; `add_kept` follows `check` on the same row."""
        if self._last is None or self._last[0] != row_id:
            vectors = self._encoder().embed(compared_texts(self._format, row))
            self._last = (row_id, (ComparedRow.of(self._format, row_id, row), vectors))
        return self._last[1]


_SHARED = VERSIONS | {"encoder": sentence_encoder.VERSION}
SPEC = FilterSpec(SemanticDuplicates, SemanticSettings, runs="named", check="deduplication", place=80, shared=_SHARED)


def _read(format_: Format, table: pa.Table) -> _ComparedTable:
    """Return a table as it is compared."""
    columns = [column.to_pylist() for column in columns_of_texts(format_, table)]
    rows = [ComparedRow.of(format_, row["id"], row) for row in table.to_pylist()]
    return _ComparedTable(ranks(table), columns, rows)


def _drop(old: ComparedRow, score: float) -> Drop:
    return Drop(REASON, evidence(old, "cosine", round(score, 3)))
