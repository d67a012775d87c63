"""The rows of a corpus as tables with ids and languages, and those that cannot be used as rejections."""

from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from itertools import compress, islice

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synthgen.corpora.corpus import Corpus, CorpusPart, free_id
from synthgen.corpora.readers.item import row_faults
from synthgen.corpora.readers.record_rows import RowBatch, UnusableRecord
from synthgen.corpora.translation_pairs import EnglishRows, row_key
from synthgen.dataset.manifest import REPEATED
from synthgen.dataset.shards import ROWS_PER_GROUP, Rejection, arrow_schema, row_features

STAGE = "import"


@dataclass(slots=True)
class StreamBatch:
    """Rows as they are stored, those that are not kept, and what was odd or decided."""

    table: pa.Table
    rejected: list[Rejection] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    check: Counter[str] = field(default_factory=Counter)


class RowStream:
    """Every row of a corpus, the same ones in the same order each time it is read."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self.features = row_features(corpus.format, translated=bool(corpus.translation))
        self.schema = arrow_schema(self.features)

    def __iter__(self) -> Iterator[StreamBatch]:
        """Yield the rows; files of records are read in tables, others row by row."""
        if all(part.records for part in self._corpus.parts) and not self._corpus.translation:
            taken: set[str] = set()
            for part in self._corpus.parts:
                yield from self._of_records(part, taken)
        else:
            yield from self._of_items()

    def _of_records(self, part: CorpusPart, taken: set[str]) -> Iterator[StreamBatch]:
        assert part.records is not None
        known = self._corpus.earlier_keys(part)
        for batch in part.records.batches():
            if known:
                _drop_repeated(batch, known, self._corpus)
            if self._corpus.english:
                _keep_paired(batch, self._corpus.english, taken)
            ids = self._ids(part, batch, taken)
            columns = {name: batch.table[name] for name in batch.table.column_names}
            columns |= {"id": ids, "language": pa.repeat(part.language, len(ids))}
            table = pa.Table.from_arrays([columns[name] for name in self.schema.names], schema=self.schema)
            rejected = [_rejection(part, each) for each in batch.unusable]
            yield StreamBatch(table, rejected, Counter(filter(None, batch.notes or [])), batch.check)

    def _ids(self, part: CorpusPart, batch: RowBatch, taken: set[str]) -> pa.Array:
        """Return the ids of a batch: the file's own, else its prefix and the number of the record."""
        assert part.records is not None
        numbers = pa.array(batch.numbers - part.records.file.first)
        padded = pc.ascii_lpad(numbers.cast(pa.string()), 7, "0")
        names = pc.binary_replace_slice(padded, 0, 0, f"{part.id_prefix}-")
        if batch.ids is None and not part.records.plan.options.hypotheses:
            return names
        ids = []
        for own, name in zip(batch.ids or [None] * len(names), names.to_pylist(), strict=True):
            first = own or name
            ids.append(free_id(first, taken))
            taken.add(ids[-1])
        return pa.array(ids, pa.string())

    def _of_items(self) -> Iterator[StreamBatch]:
        items, format_, tolerated = iter(self._corpus.items()), self._corpus.format, self._corpus.tolerated
        while some := list(islice(items, ROWS_PER_GROUP)):
            batch, rows = StreamBatch(self.schema.empty_table()), []
            for item in some:
                worse, odd = (item.fault, None) if item.fault else row_faults(format_, item.row, tolerated)
                batch.notes.update([item.note] if item.note else [])
                if worse:
                    batch.rejected.append(Rejection(str(item.id), worse, STAGE, "", item.row))
                else:
                    rows.append(item.row)
                    batch.check.update([odd] if odd else [])
            batch.table = pa.Table.from_pylist(rows, schema=self.schema)
            yield batch


def _drop_repeated(batch: RowBatch, known: set[bytes], corpus: Corpus) -> None:
    rows = batch.table.to_pylist()
    is_new = np.array([row_key(row, corpus.format) not in known for row in rows], dtype=bool)
    repeated = np.flatnonzero(~is_new)
    batch.unusable += [UnusableRecord(int(batch.numbers[place]), REPEATED, "", rows[place]) for place in repeated]
    _keep(batch, is_new)


def _keep_paired(batch: RowBatch, english: EnglishRows, taken: Container[str]) -> None:
    """Keep the first row of each id that the English set has."""
    first: set[str] = set()
    is_first = []
    for own in batch.ids or [None] * batch.table.num_rows:
        is_first.append(own is not None and own in english.ids and own not in taken and own not in first)
        first |= {own} if own is not None else set()
    _keep(batch, np.array(is_first, dtype=bool))


def _keep(batch: RowBatch, these: npt.NDArray[np.bool_]) -> None:
    if batch.ids is not None:
        batch.ids = list(compress(batch.ids, these))
    if batch.notes is not None:
        batch.notes = list(compress(batch.notes, these))
    batch.table, batch.numbers = batch.table.filter(pa.array(these)), batch.numbers[these]


def _rejection(part: CorpusPart, unusable: UnusableRecord) -> Rejection:
    assert part.records is not None
    place = part.records.file.place(unusable.number)
    evidence = f"{place}: {unusable.evidence}" if unusable.evidence else place
    row_id = unusable.id or f"{part.id_prefix}-{unusable.number - part.records.file.first:07d}"
    return Rejection(row_id, unusable.reason, STAGE, evidence, unusable.row)
