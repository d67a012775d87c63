"""Filters one after the other over several rows: the first that objects drops a row, later ones do not see it.

`synthgen filter` gives whole sets to filters that compare rows; `synthgen make` has an `OnlinePipeline`, which checks
rows as they are generated, some at a time, each against those kept before it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from types import MappingProxyType
from typing import cast

import numpy as np
import pyarrow as pa

from synthgen.filters.base import Drop, Filter, RowFilter, SetFilter
from synthgen.formats.base import Row

StageDrop = tuple[str, Drop]
"""The name of the filter that drops a row, and why."""
NO_DROPS: Mapping[int, StageDrop] = MappingProxyType({})


def first_row_filters(filters: Sequence[Filter]) -> list[RowFilter]:
    """Return the filters that see every row alone, up to the first that does not."""
    return cast(list[RowFilter], list(takewhile(lambda each: isinstance(each, RowFilter), filters)))


def first_drops(
    filters: Sequence[Filter], rows: Sequence[tuple[str, Row]], drops: Mapping[int, StageDrop] = NO_DROPS
) -> dict[int, StageDrop]:
    """Return, for each row that any of the filters drops, by the row's place, the first drop; rows are seen alone.

    `drops` are those of earlier filters.
    """
    drops = dict(drops)
    for filter_ in filters:
        places = [place for place in range(len(rows)) if place not in drops]
        results = filter_.check_batch([rows[place] for place in places]) if places else []
        drops |= {place: (filter_.name, each) for place, each in zip(places, results, strict=True) if each is not None}
    return drops


def check_alone(
    filters: Sequence[RowFilter], row_id: str, row: Row
) -> tuple[StageDrop | None, dict[str, dict[str, int]]]:
    """Return the first drop of one row, and by filter what was counted meanwhile."""
    checked = ((filter_.name, filter_.check(row_id, row)) for filter_ in filters)
    first = next(((name, drop) for name, drop in checked if drop is not None), None)
    return first, {filter_.name: filter_.take_counts() for filter_ in filters if filter_.counts}


def check_table(filters: Sequence[RowFilter], table: pa.Table) -> tuple[dict[int, StageDrop], list[Counter[str]]]:
    """Return the `first_drops` of a table's rows, by place, and what copies of the filters counted meanwhile."""
    copies = [filter_.copied() for filter_ in filters]
    passed = np.ones(table.num_rows, dtype=np.bool_)
    for filter_ in reversed(copies):
        passed &= filter_.passes_fast(table) if passed.any() else False
    places = np.flatnonzero(~passed)
    rows = (table.take(places) if passed.any() else table).to_pylist()
    drops = first_drops(copies, [(row["id"], row) for row in rows])
    return {int(places[place]): each for place, each in drops.items()}, [filter_.counts for filter_ in copies]


class OnlinePipeline:
    """The filters of a run over rows as they come, in batches of any size: what is dropped does not depend on them.

    The first, `row_filters`, may be asked elsewhere with `check_alone`.
    """

    def __init__(self, filters: Sequence[Filter]) -> None:
        self.filters = tuple(filters)
        self.row_filters = first_row_filters(self.filters)
        self._counts = {filter_.name: filter_.counts for filter_ in self.row_filters}
        later = self.filters[len(self.row_filters) :]
        self._independent = tuple(takewhile(lambda each: not isinstance(each, SetFilter), later))
        self._comparing = later[len(self._independent) :]

    def count(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Add what copies of the row filters counted, by filter."""
        for name, counted in counts.items():
            for what, count in counted.items():
                self._counts[name][what] += count

    @property
    def needs_loop(self) -> bool:
        """Whether `prepare` must be called in the thread of the engine."""
        return any(filter_.needs_loop for filter_ in self.filters)

    @property
    def is_slow(self) -> bool:
        """Whether `prepare` takes long and may be called in another thread."""
        return not self.needs_loop and any(filter_.is_slow for filter_ in self.filters)

    def check_batch(self, rows: Sequence[tuple[str, Row]]) -> Iterator[StageDrop | None]:
        """Yield the first drop of each row in turn, None when it may be kept.

        `add_kept` is to be called for a row that is kept before the next is asked for, which is compared with it.
        """
        return self.check_prepared(rows, self.prepare(rows, first_drops(self.row_filters, rows)))

    def prepare(self, rows: Sequence[tuple[str, Row]], dropped: Mapping[int, StageDrop]) -> dict[int, StageDrop]:
        """Return the first drops by filters that need no other row, by place, and compute what the others need.

        `dropped` are those of the row filters. `check_prepared` is to be called next.
        """
        drops = first_drops(self._independent, rows, dropped)
        remaining = [row for place, row in enumerate(rows) if place not in drops]
        if remaining:
            for filter_ in self._comparing:
                filter_.precompute(remaining)
        return drops

    def check_prepared(
        self, rows: Sequence[tuple[str, Row]], drops: Mapping[int, StageDrop]
    ) -> Iterator[StageDrop | None]:
        """Yield the first drop of each row, as `check_batch` does."""
        for place, (row_id, row) in enumerate(rows):
            checked = ((filter_.name, filter_.check(row_id, row)) for filter_ in self._comparing)
            yield drops.get(place) or next(((name, drop) for name, drop in checked if drop is not None), None)

    def add_kept(self, row_id: str, row: Row) -> None:
        """Let the filters take note of a row that is kept."""
        for filter_ in self.filters:
            filter_.add_kept(row_id, row)
