"""Result rows as arrays, and every reason not to average them.

A `ScoreTable` holds one array per cell over all runs, NaN where a score is missing. What would make an average wrong
(mixed data revisions, splits or item counts) becomes a fault of its cell; what a reader must know becomes a `Problem`.
Nothing is dropped. `comparison` reads this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from evaluator.benchmark.languages import ENGLISH
from evaluator.stats.results import Cell, ResultRow, TrainedRun
from evaluator.stats.significance import Floats, Group

MIN_SIBLINGS = 3
FAR_POINTS, FAR_SPREADS = 10.0, 5.0  # how far below its siblings a run is called collapsed


@dataclass(frozen=True, slots=True)
class Problem:
    """Something the reader must know: what kind, and one sentence with the value, the place and the way out."""

    kind: str
    message: str


@dataclass(frozen=True)
class ScoreTable:
    """Rows as an array per cell over runs, NaN where a score is missing, with the faults that forbid an aggregate.

    `trained` is how many intermediate examples an arm was trained on at a size.
    """

    runs: tuple[TrainedRun, ...]
    cells: tuple[Cell, ...]
    values: Mapping[Cell, Floats]
    trained: Mapping[Group, int]
    faults: Mapping[Cell, str]
    problems: tuple[Problem, ...]

    @classmethod
    def of(cls, rows: Sequence[ResultRow]) -> ScoreTable:
        """Arrange rows and look for everything that would make an average a lie."""
        runs = tuple(sorted({row.run for row in rows}))
        cells = tuple(sorted({row.cell for row in rows}))
        place = {run: index for index, run in enumerate(runs)}
        values = {cell: np.full(len(runs), np.nan) for cell in cells}
        for row in rows:
            if row.value is not None:
                values[row.cell][place[row.run]] = row.value
        faults = dict(_mixed_cells(rows))
        problems = [
            *_failed(rows),
            *_missing(rows, runs, cells),
            *_seed_problems(runs),
            *_short(rows),
            *_nothing_to_compare(runs, cells),
        ]
        problems += [Problem("mixed cells", f"{message}; its aggregates are refused") for message in faults.values()]
        trained: dict[Group, int] = {}
        for row in rows:  # a target that trains nothing has no rows of its own
            trained[row.arm, row.size] = max(row.arm_n, trained.get((row.arm, row.size), 0))
        return cls(runs, cells, values, trained, faults, (*problems, *_degenerate(runs, values)))

    @cached_property
    def groups(self) -> dict[Group, list[int]]:
        """The runs that differ by seed alone."""
        groups: dict[Group, list[int]] = {}
        for index, run in enumerate(self.runs):
            groups.setdefault((run.arm, run.size), []).append(index)
        return groups


def _mixed_cells(rows: Iterable[ResultRow]) -> Iterator[tuple[Cell, str]]:
    kinds: dict[Cell, dict[str, set[object]]] = {}
    for row in rows:
        known = kinds.setdefault(row.cell, {"data revisions": set(), "splits": set(), "numbers of items": set()})
        for name, value in zip(known, (row.data_revision, row.split, row.n), strict=True):
            known[name].add(value)
    for cell, known in kinds.items():
        for name, seen in known.items():
            if len(seen) > 1:
                yield cell, f"{cell} mixes {name} {', '.join(sorted(map(str, seen)))}"


def _failed(rows: Iterable[ResultRow]) -> Iterator[Problem]:
    failed: dict[TrainedRun, list[Cell]] = {}
    for row in rows:
        if row.value is None:
            failed.setdefault(row.run, []).append(row.cell)
    for run, cells in failed.items():
        yield Problem(
            "failed run", f"{run} has no score (null or NaN) on {some_of(cells)}; rerun it, or leave its seed out"
        )


def _missing(rows: Sequence[ResultRow], runs: Sequence[TrainedRun], cells: Sequence[Cell]) -> Iterator[Problem]:
    have: dict[TrainedRun, set[Cell]] = {run: set() for run in runs}
    for row in rows:
        have[row.run].add(row.cell)
    for run in runs:
        if lost := [cell for cell in cells if cell not in have[run]]:
            yield Problem(
                "missing cell", f"{run} was not scored on {some_of(lost)}; the aggregates that need it are refused"
            )


def some_of(items: Sequence[object]) -> str:
    """Return the first three of several things and how many more there are."""
    more = f" and {len(items) - 3} more" if len(items) > 3 else ""
    return ", ".join(map(str, items[:3])) + more


def _seed_problems(runs: Sequence[TrainedRun]) -> Iterator[Problem]:
    seeds: dict[Group, list[int]] = {}
    for run in runs:
        seeds.setdefault((run.arm, run.size), []).append(run.seed)
    single = [f"{arm}@{size}" for (arm, size), own in seeds.items() if len(own) == 1]
    if single:
        message = (
            f"one seed for {some_of(single)}: how much training noise moves its score is unknown; run 5 (3 at least)"
        )
        yield Problem("one seed", message)
    if any(len(own) == 2 for own in seeds.values()):
        yield Problem(
            "few seeds", "two seeds leave intervals about five times as wide as the noise; run 5 (3 at least)"
        )
    common = Counter(map(tuple, seeds.values())).most_common(1)[0][0]
    for (arm, size), own in seeds.items():
        if tuple(own) != common and len(own) > 1:
            yield Problem("unequal seeds", f"{arm}@{size} has seeds {own}, others {list(common)}; compared as unpaired")
    if len({size for _, size in seeds if size > 0}) < 2:
        yield Problem("one size", "one size of intermediate data: no scaling curve and no exchange rate; give --sizes")


def _nothing_to_compare(runs: Iterable[TrainedRun], cells: Iterable[Cell]) -> Iterator[Problem]:
    arms = {run.arm for run in runs}
    if len(arms) == 1:
        yield Problem("one arm", f"{arms.pop()} is the only arm: there is nothing to compare it with; give two or more")
    if all(cell.language == ENGLISH for cell in cells):
        yield Problem(
            "no transfer", "no language but English was scored: there is no transfer to measure; see --languages"
        )


def _short(rows: Iterable[ResultRow]) -> Iterator[Problem]:
    short = {(row.arm, row.size, row.arm_n) for row in rows if row.arm_n < row.size}
    for arm, size, n in sorted(short):
        yield Problem("short arm", f"{arm}@{size} was trained on {n} rows, fewer than asked for")


def _degenerate(runs: Sequence[TrainedRun], values: Mapping[Cell, Floats]) -> Iterator[Problem]:
    """Report runs that look collapsed: one score in every language (one class), or far below the other seeds."""
    by_target: dict[tuple[str, str], list[Floats]] = {}
    for cell, scores in values.items():
        by_target.setdefault((cell.target, cell.metric), []).append(scores)
    siblings: dict[Group, list[int]] = {}
    for index, run in enumerate(runs):
        siblings.setdefault((run.arm, run.size), []).append(index)
    for (target, _), scores_by_language in by_target.items():
        stacked = np.stack(scores_by_language)
        constant = np.flatnonzero(np.ptp(stacked, axis=0) == 0) if len(stacked) >= 3 else ()
        sayings = {runs[i]: f"{stacked[0, i]:.2f} on {target} in every language" for i in constant}
        for group in siblings.values():
            for i, saying in _far_below(group, stacked.mean(axis=0)):
                sayings.setdefault(runs[i], f"{saying} on {target}")
        for run, saying in sayings.items():
            message = f"{run} scores {saying}: it may have collapsed; kept in every average"
            yield Problem("degenerate run", message)


def _far_below(group: Sequence[int], means: Floats) -> Iterator[tuple[int, str]]:
    """Yield the runs whose mean lies ten points, and five times the spread of the other seeds, below all of those."""
    for index in group if len(group) >= MIN_SIBLINGS else ():
        others = np.array([means[i] for i in group if i != index])
        if others.min() - means[index] > max(FAR_POINTS, FAR_SPREADS * np.ptp(others)):
            yield index, f"{means[index]:.2f}, the other seeds {others.min():.2f} to {others.max():.2f},"
