"""A whole set through filters: which rows go, at which stage, for what reason.

Filters that check rows alone share one pass; those that compare rows with one another see the set as a whole, as the
filters before left it. Memory holds the reasons of dropped rows, one byte a row, and what a filter itself holds.
"""

import operator
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rich.progress import Progress

from synthgen import console
from synthgen.corpora.any_folder import InputDataset
from synthgen.dataset.shards import ROWS_PER_GROUP, Rejection, cell_counts, regrouped
from synthgen.dataset.table_cache import TableCache
from synthgen.errors import UserError
from synthgen.filters.base import Drop, Filter, Result, SetFilter
from synthgen.filters.dedup.candidate_pairs import shared_places
from synthgen.filters.pipeline import check_table, first_drops, first_row_filters
from synthgen.filters.rows.edits import TextCleaning
from synthgen.formats.base import Row
from synthgen.runtime.workers import Workers
from synthgen.text.hashes import value_hashes

Numbers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_WORTH_PROCESSES = 100_000


@dataclass(slots=True)
class FilteredDataset:
    """A set's rows, the edits made to them, and which of them go; `edited` counts changed rows by edit."""

    source: InputDataset
    edits: tuple[TextCleaning, ...]
    stays: Mask
    edited: dict[str, int]
    dropped: dict[int, tuple[str, Drop]]
    workers: Workers = field(default_factory=Workers)
    _cache: TableCache = field(init=False)

    def __post_init__(self) -> None:
        """Edit and keep the tables when they are first read: filters that compare rows read them several times."""
        self._cache = TableCache(self._edited_tables)

    def reasons(self) -> dict[str, int]:
        """Return how many rows go for each reason, most frequent first."""
        return dict(Counter(drop.reason for _, drop in self.dropped.values()).most_common())

    def drop(self, number: int, stage: str, drop: Drop) -> None:
        """Let a row go."""
        self.stays[number] = False
        self.dropped[number] = (stage, drop)

    def batches(self) -> Iterator[tuple[Numbers, list[Row]]]:
        """Yield the rows that stay with their numbers."""
        for numbers, table in _select(self._cache, self.stays):
            yield numbers, table.to_pylist()

    def mapped(
        self, function: Callable[[pa.Table], Result], numbers: Numbers | None = None
    ) -> Iterator[tuple[Numbers, Result]]:
        """Yield what the function returns for the rows that stay, or for these, table by table, with their numbers."""
        chosen = self.stays if numbers is None else _mask(numbers, len(self.stays))
        numbers_read: deque[Numbers] = deque()

        def tables() -> Iterator[pa.Table]:
            """Yield the tables, and note the numbers of their rows."""
            for here, table in _select(self._cache, chosen):
                numbers_read.append(here)
                yield table

        for result in self.workers.map(function, tables()):
            yield numbers_read.popleft(), result

    def kept(self, labels: Counter[str], rows: int = ROWS_PER_GROUP) -> Iterator[pa.Table]:
        """Yield the rows that stay as tables of so many `rows`, counting their labels."""
        for table in regrouped((table for _, table in _select(self._cache, self.stays)), self.source.schema, rows):
            labels.update(cell_counts(self.source.format, table))
            yield table

    def rejections(self) -> Iterator[Rejection]:
        """Yield the rows that go, in order."""
        for numbers, table in _select(self._cache, ~self.stays):
            for number, row in zip(numbers.tolist(), table.to_pylist(), strict=True):
                stage, drop = self.dropped[number]
                yield Rejection(row["id"], drop.reason, stage, drop.evidence, row)

    def _edited_tables(self) -> Iterator[pa.Table]:
        """Yield the tables as the edits leave them, and count what they change."""
        self.edited = {edit.name: 0 for edit in self.edits}
        for table in self.source.tables():
            rows = table.to_pylist() if self.edits else []
            for edit in self.edits:
                changed = [edit.apply(row) for row in rows]
                self.edited[edit.name] += sum(map(operator.is_not, changed, rows))
                rows = changed
            yield pa.Table.from_pylist(rows, schema=table.schema) if self.edits else table


def workers_for(source: InputDataset, processes: int) -> Workers:
    """Return workers in so many processes; a small set is not worth starting any."""
    return Workers(processes if source.rows >= _WORTH_PROCESSES else 1)


def filter_dataset(
    source: InputDataset, filters: Sequence[Filter], edits: tuple[TextCleaning, ...], workers: Workers | None = None
) -> FilteredDataset:
    """Return the set with the rows that go: each dropped by the first filter that objects, later ones do not see it.

    Filters that compare rows, or that check them by nothing else, let the `workers` read them.
    """
    dataset = FilteredDataset(source, edits, np.ones(source.rows, dtype=np.bool_), {}, {}, workers or Workers())
    with console.progress() as bar:
        for compares, group in groupby(filters, key=lambda each: isinstance(each, SetFilter)):
            if compares:
                for filter_ in cast(Iterator[SetFilter], group):
                    _run_comparison(dataset, filter_, bar)
            else:
                _run_row_checks(dataset, list(group), bar)
    return dataset


def _run_comparison(dataset: FilteredDataset, filter_: SetFilter, bar: Progress) -> None:
    """Drop what a filter finds when it compares the rows, with a line of progress."""
    line = bar.add_task(f"compare rows: {filter_.name}", total=None, note="")
    if dataset.stays.any():
        for number, drop in list(filter_.check_dataset(dataset)):
            dataset.drop(number, filter_.name, drop)
    bar.update(line, total=1, completed=1, note=f"{len(dataset.dropped)} dropped")


def _run_row_checks(dataset: FilteredDataset, filters: Sequence[Filter], bar: Progress) -> None:
    """Drop what filters find that check rows alone, in one pass, with a line of progress."""
    names = ", ".join(filter_.name for filter_ in filters)
    line = bar.add_task(f"filter: {names}", total=dataset.source.rows, note="")
    for done in _check_rows(dataset, filters):
        notes = [f"{len(dataset.dropped)} dropped", *(filter_.progress for filter_ in filters)]
        bar.update(line, completed=done, note=", ".join(filter(None, notes)))


def refuse_repeated_ids(source: InputDataset) -> None:
    """Raise UserError when two rows have one id: reasons and fingerprints name rows by it."""
    for row_id, first, second in repeated_ids(source):
        raise UserError(
            f"rows {first} and {second} of {source.name} have the same id '{row_id}'; ids must be unique: "
            "make them unique, or leave the column out and rows are numbered"
        )


def repeated_ids(source: InputDataset) -> Iterator[tuple[str, int, int]]:
    """Yield each row whose id an earlier one has: the id, that row's number, its own. Only ids are read, by hashes."""
    hashes = np.concatenate([value_hashes(table["id"]) for table in source.tables(columns=("id",))])
    _, places = shared_places(hashes, np.arange(len(hashes)))
    seen: dict[str, int] = {}
    for numbers, table in _select(source.tables(columns=("id",)), _mask(places, len(hashes))):
        for number, row_id in zip(numbers.tolist(), table["id"].to_pylist(), strict=True):
            if (first := seen.setdefault(row_id, number)) != number:
                yield row_id, first, number


def _check_rows(dataset: FilteredDataset, filters: Sequence[Filter]) -> Iterator[int]:
    """Give each table to one filter after the other; yield how far the set is."""
    row_filters = first_row_filters(filters)
    others = filters[len(row_filters) :]
    if row_filters:
        for numbers, (drops, counts) in dataset.mapped(partial(check_table, row_filters)):
            for filter_, counted in zip(row_filters, counts, strict=True):
                filter_.counts.update(counted)
            yield _drop_all(dataset, numbers, drops)
    if others:
        at_once = max(filter_.rows_at_once for filter_ in others)
        for numbers, rows in _gathered(dataset.batches(), at_once):
            yield _drop_all(dataset, numbers, first_drops(others, [(row["id"], row) for row in rows]))


def _gathered(batches: Iterable[tuple[Numbers, list[Row]]], least: int) -> Iterator[tuple[Numbers, list[Row]]]:
    """Yield rows with their numbers, at least so many together but for the last."""
    places: list[Numbers] = []
    gathered: list[Row] = []
    for numbers, rows in batches:
        places.append(numbers)
        gathered += rows
        if len(gathered) >= least:
            yield np.concatenate(places), gathered
            places, gathered = [], []
    if gathered:
        yield np.concatenate(places), gathered


def _drop_all(dataset: FilteredDataset, numbers: Numbers, drops: dict[int, tuple[str, Drop]]) -> int:
    """Let the rows of a table go whose places are among the drops; return how many rows were read with it."""
    for place, stage_drop in drops.items():
        dataset.drop(int(numbers[place]), *stage_drop)
    return int(numbers[-1]) + 1


def _mask(numbers: npt.NDArray[Any], total: int) -> Mask:
    mask = np.zeros(total, dtype=np.bool_)
    mask[numbers] = True
    return mask


def _select(tables: Iterable[pa.Table], chosen: Mask) -> Iterator[tuple[Numbers, pa.Table]]:
    first = 0
    for table in tables:
        places = np.flatnonzero(chosen[first : first + table.num_rows])
        if len(places):
            yield places + first, table if len(places) == table.num_rows else table.take(places)
        first += table.num_rows
