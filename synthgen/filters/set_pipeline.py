"""A set through filters: which rows go, at which stage, for what reason. `filtering` writes the result.

Filters that judge rows alone share one pass; those that compare rows with one another see the set as a whole, as the
filters before left it. Memory holds the verdicts of dropped rows, one bit a row, and what a filter itself holds.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synthgen import console
from synthgen.corpora.any_folder import InputDataset
from synthgen.dataset.shards import ROWS_PER_GROUP, Rejection
from synthgen.dataset.table_cache import TableCache
from synthgen.errors import UserError
from synthgen.filters.base import Drop, Edit, Filter, Found, RowFilter, SetFilter
from synthgen.filters.dedup.candidate_pairs import sharing
from synthgen.filters.pipeline import judged, objections
from synthgen.formats.base import Row
from synthgen.runtime.workers import Workers
from synthgen.text.hashes import value_hashes

Numbers = npt.NDArray[np.int64]

_WORTH_PROCESSES = 100_000


@dataclass(slots=True)
class FilteredDataset:
    """A set's rows, the edits made to them, and which of them go; `edited` counts changed rows by edit."""

    opened: InputDataset
    edits: tuple[Edit, ...]
    stays: npt.NDArray[np.bool_]
    edited: dict[str, int]
    dropped: dict[int, tuple[str, Drop]]
    workers: Workers = field(default_factory=Workers)
    _spool: TableCache = field(init=False)

    def __post_init__(self) -> None:
        """Edit and keep the tables when they are first read: filters that compare rows read them several times."""
        self._spool = TableCache(self._edited_tables)

    @property
    def total(self) -> int:
        """Number of rows, those that go included."""
        return len(self.stays)

    def reasons(self) -> dict[str, int]:
        """Return how many rows go for each reason, most frequent first."""
        return dict(Counter(verdict.reason for _, verdict in self.dropped.values()).most_common())

    def drop(self, number: int, stage: str, verdict: Drop) -> None:
        """Let a row go."""
        self.stays[number] = False
        self.dropped[number] = (stage, verdict)

    def numbers(self) -> Numbers:
        """Return the numbers of the rows that stay."""
        return np.flatnonzero(self.stays)

    def tables(self) -> Iterator[tuple[int, pa.Table]]:
        """Yield all rows as edited tables, each with the number of its first row."""
        yield from _numbered(self._spool)

    def batches(self) -> Iterator[tuple[Numbers, list[Row]]]:
        """Yield the rows that stay with their numbers."""
        for numbers, table in self._staying():
            yield numbers, table.to_pylist()

    def mapped(
        self, function: Callable[[pa.Table], Found], numbers: Numbers | None = None
    ) -> Iterator[tuple[Numbers, Found]]:
        """Yield what the function returns for the rows that stay, or for these, table by table, with their numbers."""
        read: deque[Numbers] = deque()

        def tables() -> Iterator[pa.Table]:
            for own, table in self._staying() if numbers is None else _taken(numbers, self.tables()):
                read.append(own)
                yield table

        for found in self.workers.map(function, tables()):
            yield read.popleft(), found

    def pick(self, numbers: Numbers) -> Iterator[tuple[int, Row]]:
        """Yield the rows with these ascending numbers."""
        for here, table in _taken(numbers, self.tables()):
            yield from zip(here.tolist(), table.to_pylist(), strict=True)

    def kept(self, labels: Counter[str], rows: int = ROWS_PER_GROUP) -> Iterator[pa.Table]:
        """Yield the rows that stay as tables of so many `rows`, counting their labels."""
        waiting = self.opened.schema.empty_table()
        for first, table in self.tables():
            staying = table.filter(self.stays[first : first + table.num_rows])
            labels.update(self._cells(staying))
            waiting = pa.concat_tables([waiting, staying])
            while waiting.num_rows >= rows:
                yield waiting.slice(0, rows)
                waiting = waiting.slice(rows)
        if waiting.num_rows or not self.stays.any():
            yield waiting

    def rejections(self) -> Iterator[Rejection]:
        """Yield the rows that go, in order."""
        for number, row in self.pick(np.flatnonzero(~self.stays)):
            stage, verdict = self.dropped[number]
            yield Rejection(row["id"], verdict.reason, stage, verdict.evidence, row)

    def _staying(self) -> Iterator[tuple[Numbers, pa.Table]]:
        for first, table in self.tables():
            stays = self.stays[first : first + table.num_rows]
            if stays.any():
                yield np.flatnonzero(stays) + first, table if stays.all() else table.filter(stays)

    def _cells(self, table: pa.Table) -> Counter[str]:
        """Return how many of a table's rows are in each cell; where labels are plain values, each is looked at once."""
        format_ = self.opened.format
        short = table.select([column for column in format_.columns if column not in format_.text_columns])
        if len(short.column_names) > 1 or pa.types.is_nested(short.schema[0].type):
            return Counter(map(format_.cell, short.to_pylist()))
        counted = short.column(0).value_counts()
        labels = pa.table([counted.field("values")], short.column_names).to_pylist()
        return Counter(dict(zip(map(format_.cell, labels), counted.field("counts").to_pylist(), strict=True)))

    def _edited_tables(self) -> Iterator[pa.Table]:
        """Yield the tables as the edits leave them, and count what they change."""
        self.edited = {edit.name: 0 for edit in self.edits}
        for table in self.opened.tables():
            yield self._edit(table) if self.edits else table

    def _edit(self, table: pa.Table) -> pa.Table:
        rows = table.to_pylist()
        for edit in self.edits:
            changed = [edit.apply(row) for row in rows]
            self.edited[edit.name] += sum(new is not old for new, old in zip(changed, rows, strict=True))
            rows = changed
        return pa.Table.from_pylist(rows, schema=table.schema)


def workers_for(opened: InputDataset, processes: int) -> Workers:
    """Return workers in so many processes; a small set is not worth starting any."""
    return Workers(processes if opened.rows >= _WORTH_PROCESSES else 1)


def filter_dataset(
    opened: InputDataset, filters: Sequence[Filter], edits: tuple[Edit, ...], workers: Workers | None = None
) -> FilteredDataset:
    """Return the set with the rows that go: each dropped by the first filter that objects, later ones do not see it.

    Filters that compare rows, or that judge them by nothing else, let the `workers` read them.
    """
    sieve = FilteredDataset(opened, edits, np.ones(opened.rows, dtype=np.bool_), {}, {}, workers or Workers())
    with console.progress() as bar:
        for compares, group in groupby(filters, key=lambda each: isinstance(each, SetFilter)):
            together = list(group)
            if compares:
                for filter_ in together:
                    shown = bar.add_task(f"compare rows: {filter_.name}", total=None, note="")
                    _compare(sieve, filter_)
                    bar.update(shown, total=1, completed=1, note=f"{len(sieve.dropped)} dropped")
            else:
                names = ", ".join(filter_.name for filter_ in together)
                shown = bar.add_task(f"filter: {names}", total=opened.rows, note="")
                for done in _judge(sieve, together):
                    bar.update(shown, completed=done, note=f"{len(sieve.dropped)} dropped")
    return sieve


def refuse_repeated_ids(opened: InputDataset) -> None:
    """Raise UserError when two rows have one id: verdicts and fingerprints name rows by it."""
    for row_id, first, second in repeated_ids(opened):
        raise UserError(
            f"rows {first} and {second} of {opened.name} have the same id '{row_id}'; ids tell rows apart: "
            "make them unique, or leave the column out and rows are numbered"
        )


def repeated_ids(opened: InputDataset) -> Iterator[tuple[str, int, int]]:
    """Yield each row whose id an earlier one has: the id, that row's number, its own. Only ids are read, by hashes."""
    hashes = np.concatenate([value_hashes(table["id"]) for table in opened.tables(columns=("id",))])
    _, places = sharing(hashes, np.arange(len(hashes)))
    seen: dict[str, int] = {}
    for numbers, table in _taken(np.sort(places).astype(np.int64), _numbered(opened.tables(columns=("id",)))):
        for number, row_id in zip(numbers.tolist(), table["id"].to_pylist(), strict=True):
            if (first := seen.setdefault(row_id, number)) != number:
                yield row_id, first, number


def _compare(sieve: FilteredDataset, filter_: Any) -> None:  # noqa: ANN401 - a SetFilter
    verdicts = list(filter_.check_dataset(sieve)) if sieve.stays.any() else []
    for number, verdict in verdicts:
        sieve.drop(number, filter_.name, verdict)


def _judge(sieve: FilteredDataset, filters: Sequence[Filter]) -> Iterator[int]:
    """Give each table to one filter after the other; yield how far the set is."""
    alone: list[RowFilter] = []
    for each in filters:
        if not isinstance(each, RowFilter):
            break
        alone.append(each)
    rest = filters[len(alone) :]
    for numbers, (found, counts) in sieve.mapped(partial(judged, alone)) if alone else ():
        for filter_, counted in zip(alone, counts, strict=True):
            filter_.counts.update(counted)
        for place, objection in found.items():
            sieve.drop(int(numbers[place]), *objection)
        yield int(numbers[-1]) + 1
    for numbers, rows in sieve.batches() if rest else ():
        for place, objection in objections(rest, [(row["id"], row) for row in rows]).items():
            sieve.drop(int(numbers[place]), *objection)
        yield int(numbers[-1]) + 1


def _numbered(tables: Iterable[pa.Table]) -> Iterator[tuple[int, pa.Table]]:
    """Yield tables with the number of their first row."""
    first = 0
    for table in tables:
        yield first, table
        first += table.num_rows


def _taken(numbers: Numbers, tables: Iterable[tuple[int, pa.Table]]) -> Iterator[tuple[Numbers, pa.Table]]:
    """Yield the rows with these ascending numbers, and the numbers, of tables that come with their first number."""
    for first, table in tables:
        here = numbers[np.searchsorted(numbers, first) : np.searchsorted(numbers, first + table.num_rows)]
        if len(here):
            yield here, table.take(here - first)
