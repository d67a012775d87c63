"""A set through filters: which rows go, at which stage, for what reason. `filtering` writes the result.

Filters that judge rows alone share one pass; those that compare rows with one another see the set as a whole, as the
filters before left it. Memory holds the verdicts of dropped rows, one bit a row, and what a filter itself holds.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synthgen import console
from synthgen.dataset import ROWS_PER_GROUP, Rejection
from synthgen.filters.base import Edit, Filter, Found, SetFilter, Verdict
from synthgen.filters.screen import objections
from synthgen.formats.base import Row
from synthgen.opened import OpenedSet
from synthgen.parallel import Workers

Numbers = npt.NDArray[np.int64]

_WORTH_PROCESSES = 100_000


@dataclass(slots=True)
class Sieve:
    """A set's rows, the edits made to them, and which of them go; `edited` counts changed rows by edit."""

    opened: OpenedSet
    edits: tuple[Edit, ...]
    stays: npt.NDArray[np.bool_]
    edited: dict[str, int]
    dropped: dict[int, tuple[str, Verdict]]
    workers: Workers = field(default_factory=Workers)

    @property
    def total(self) -> int:
        """Number of rows, those that go included."""
        return len(self.stays)

    def reasons(self) -> dict[str, int]:
        """Return how many rows go for each reason, most frequent first."""
        return dict(Counter(verdict.reason for _, verdict in self.dropped.values()).most_common())

    def drop(self, number: int, stage: str, verdict: Verdict) -> None:
        """Let a row go."""
        self.stays[number] = False
        self.dropped[number] = (stage, verdict)

    def numbers(self) -> Numbers:
        """Return the numbers of the rows that stay."""
        return np.flatnonzero(self.stays)

    def tables(self) -> Iterator[tuple[int, pa.Table]]:
        """Yield all rows as edited tables, each with the number of its first row; the edits are counted anew."""
        self.edited = {edit.name: 0 for edit in self.edits}
        first = 0
        for table in self.opened.tables():
            yield first, self._edit(table) if self.edits else table
            first += table.num_rows

    def batches(self) -> Iterator[tuple[Numbers, list[Row]]]:
        """Yield the rows that stay with their numbers."""
        for numbers, table in self._staying():
            yield numbers, table.to_pylist()

    def mapped(self, function: Callable[[pa.Table], Found]) -> Iterator[tuple[Numbers, Found]]:
        """Yield what the function returns for the rows that stay, table by table, with their numbers."""
        read: deque[Numbers] = deque()

        def tables() -> Iterator[pa.Table]:
            for numbers, table in self._staying():
                read.append(numbers)
                yield table

        for found in self.workers.map(function, tables()):
            yield read.popleft(), found

    def pick(self, numbers: Numbers) -> Iterator[tuple[int, Row]]:
        """Yield the rows with these ascending numbers."""
        for first, table in self.tables():
            here = numbers[np.searchsorted(numbers, first) : np.searchsorted(numbers, first + table.num_rows)]
            if len(here):
                yield from zip(here.tolist(), table.take(here - first).to_pylist(), strict=True)

    def kept(self, labels: Counter[str]) -> Iterator[pa.Table]:
        """Yield the rows that stay as tables of 10,000, counting their labels."""
        waiting = self.opened.schema.empty_table()
        for first, table in self.tables():
            staying = table.filter(self.stays[first : first + table.num_rows])
            labels.update(map(self.opened.format.cell, staying.select(self._short()).to_pylist()))
            waiting = pa.concat_tables([waiting, staying])
            while waiting.num_rows >= ROWS_PER_GROUP:
                yield waiting.slice(0, ROWS_PER_GROUP)
                waiting = waiting.slice(ROWS_PER_GROUP)
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

    def _short(self) -> list[str]:
        """Return the columns that may say something of the label."""
        format_ = self.opened.format
        return [column for column in format_.columns if column not in format_.text_columns]

    def _edit(self, table: pa.Table) -> pa.Table:
        rows = table.to_pylist()
        for edit in self.edits:
            changed = [edit.apply(row) for row in rows]
            self.edited[edit.name] += sum(new is not old for new, old in zip(changed, rows, strict=True))
            rows = changed
        return pa.Table.from_pylist(rows, schema=table.schema)


def sift(opened: OpenedSet, filters: Sequence[Filter], edits: tuple[Edit, ...], processes: int = 1) -> Sieve:
    """Return the set with the rows that go: each dropped by the first filter that objects, later ones do not see it.

    Filters that compare rows read them in so many `processes`; a small set is not worth starting any.
    """
    workers = Workers(processes if opened.rows >= _WORTH_PROCESSES else 1)
    sieve = Sieve(opened, edits, np.ones(opened.rows, dtype=np.bool_), {}, {}, workers)
    with workers, console.progress() as bar:
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


def _compare(sieve: Sieve, filter_: Any) -> None:  # noqa: ANN401 - a SetFilter
    verdicts = list(filter_.judge_set(sieve)) if sieve.stays.any() else []
    for number, verdict in verdicts:
        sieve.drop(number, filter_.name, verdict)


def _judge(sieve: Sieve, filters: Sequence[Filter]) -> Iterator[int]:
    """Give each batch to one filter after the other; yield how far the set is."""
    for numbers, rows in sieve.batches():
        for place, objection in objections(filters, [(row["id"], row) for row in rows]).items():
            sieve.drop(int(numbers[place]), *objection)
        yield int(numbers[-1]) + 1
