"""Filters one after the other over several rows: the first that objects drops a row, later ones do not see it.

`synthgen filter` gives whole sets to filters that compare rows; `synthgen make` has an `OnlinePipeline`, which checks
rows as they are generated, some at a time, each against those kept before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import takewhile

import numpy as np
import pyarrow as pa

from synthgen.filters.base import Drop, Filter, RowFilter, SetFilter
from synthgen.formats.base import Row

Objection = tuple[str, Drop]
"""The name of the filter that drops a row, and its verdict."""


def objections(filters: Sequence[Filter], rows: Sequence[tuple[str, Row]]) -> dict[int, Objection]:
    """Return the first objection to each row that any of the filters drops, by the row's place; rows are seen alone."""
    found: dict[int, Objection] = {}
    for filter_ in filters:
        left = [place for place in range(len(rows)) if place not in found]
        verdicts = filter_.check_batch([rows[place] for place in left]) if left else []
        found |= {place: (filter_.name, each) for place, each in zip(left, verdicts, strict=True) if each is not None}
    return found


def judged(filters: Sequence[RowFilter], table: pa.Table) -> tuple[dict[int, Objection], list[Counter[str]]]:
    """Return the `objections` to a table's rows, by place, and what each filter counted: copies judge."""
    own = [filter_.copied() for filter_ in filters]
    cleared = np.ones(table.num_rows, dtype=np.bool_)
    for filter_ in reversed(own):
        cleared &= filter_.clears(table) if cleared.any() else False
    left = np.flatnonzero(~cleared)
    rows = (table.take(left) if cleared.any() else table).to_pylist()
    found = objections(own, [(row["id"], row) for row in rows])
    return {int(left[place]): each for place, each in found.items()}, [filter_.counts for filter_ in own]


class OnlinePipeline:
    """The filters of a run over rows as they come, in batches of any size: verdicts do not depend on the batches."""

    def __init__(self, filters: Sequence[Filter]) -> None:
        """Hold the filters, which are asked in this order."""
        self.filters = tuple(filters)
        self._alone = tuple(takewhile(lambda each: not isinstance(each, SetFilter), self.filters))
        self._given_kept = self.filters[len(self._alone) :]

    def judged(self, rows: Sequence[tuple[str, Row]]) -> Iterator[Objection | None]:
        """Yield the first objection to each row in turn, None when it may be kept.

        `add_kept` is to be called for a row that is kept before the next is asked for, which is compared with it.
        """
        found = objections(self._alone, rows)
        left = [row for place, row in enumerate(rows) if place not in found]
        for filter_ in self._given_kept if left else ():
            filter_.prepare(left)
        for place, (row_id, row) in enumerate(rows):
            yield found[place] if place in found else self._judge(row_id, row)

    def add_kept(self, row_id: str, row: Row) -> None:
        """Let the filters take note of a row that is kept."""
        for filter_ in self.filters:
            filter_.add_kept(row_id, row)

    def _judge(self, row_id: str, row: Row) -> Objection | None:
        for filter_ in self._given_kept:
            if (verdict := filter_.check(row_id, row)) is not None:
                return filter_.name, verdict
        return None
