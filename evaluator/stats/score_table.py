"""Result rows as arrays, and every reason not to average them.

What would make an average wrong (mixed data revisions, splits or item counts) becomes a fault of its cell; what a
reader must know becomes a `Problem`. Nothing is dropped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from evaluator.stats.results import Cell, Floats, Group, ResultRow, TrainedRun
from evaluator.stats.significance import exact_rate, rounded
from synthgen.text.languages import ENGLISH

MIN_SIBLINGS = 3
FAR_POINTS, FAR_SPREADS = 10.0, 5.0  # how far below its siblings a run is called collapsed


@dataclass(frozen=True, slots=True)
class Problem:
    """Something the reader must know: what kind, and one sentence with the value, the place and the way out."""

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How many runs of an arm at a size have a score missing since they failed, and how many others look collapsed."""

    arm: str
    size: int
    runs: int
    failed: int
    collapsed: int

    @property
    def rate(self) -> tuple[float, float]:
        """The 95 % interval of how often a run of this arm fails or collapses."""
        return exact_rate(self.failed + self.collapsed, self.runs)

    def document(self) -> dict[str, Any]:
        """Return the object of comparison.json."""
        return {**asdict(self), "rate95": [rounded(end) for end in self.rate]}


@dataclass(frozen=True)
class ScoreTable:
    """Rows as an array per cell over runs, NaN where a score is missing, with the faults that forbid an aggregate.

    `groups` are the indices of runs that differ by seed alone; `trained` is how many intermediate examples an arm was
    trained on at a size.
    """

    runs: tuple[TrainedRun, ...]
    groups: Mapping[Group, list[int]]
    cells: tuple[Cell, ...]
    values: Mapping[Cell, Floats]
    trained: Mapping[Group, int]
    faults: Mapping[Cell, str]
    problems: tuple[Problem, ...]
    collapsed: frozenset[tuple[TrainedRun, str]] = frozenset()  # runs, each with the target it looks collapsed on
    failed: frozenset[TrainedRun] = frozenset()

    def outcomes(self) -> Iterator[RunOutcome]:
        """Yield what became of the runs of each arm at each size."""
        collapsed = {run for run, _ in self.collapsed} - self.failed
        for (arm, size), indices in self.groups.items():
            runs = {self.runs[index] for index in indices}
            yield RunOutcome(arm, size, len(runs), len(runs & self.failed), len(runs & collapsed))

    @classmethod
    def of(cls, rows: Sequence[ResultRow]) -> ScoreTable:
        """Arrange rows and look for everything that would make an average a lie."""
        runs = tuple(sorted({row.run for row in rows}))
        cells = tuple(sorted({row.cell for row in rows}))
        place = {run: index for index, run in enumerate(runs)}
        groups: dict[Group, list[int]] = {}
        for run, index in place.items():
            groups.setdefault(run.group, []).append(index)
        values = {cell: np.full(len(runs), np.nan) for cell in cells}
        trained: dict[Group, int] = {}
        for row in rows:
            if row.value is not None:
                values[row.cell][place[row.run]] = row.value
            # A target that trains nothing has no rows of its own.
            trained[row.run.group] = max(row.arm_n, trained.get(row.run.group, 0))
        faults, degenerate = dict(_mixed_cells(rows)), _degenerate(runs, groups.values(), values)
        problems = [
            *_score_problems(rows, runs, cells),
            *_seed_problems({group: [runs[index].seed for index in indices] for group, indices in groups.items()}),
            *_short_arms(rows),
            *_nothing_to_compare(runs, cells),
            *(Problem("mixed cells", f"{message}; averages that need it are left out") for message in faults.values()),
            *(Problem("degenerate run", _collapsed(run, sign)) for (run, _), sign in degenerate.items()),
        ]
        failed = frozenset(row.run for row in rows if row.value is None)
        return cls(runs, groups, cells, values, trained, faults, tuple(problems), frozenset(degenerate), failed)


def _mixed_cells(rows: Iterable[ResultRow]) -> Iterator[tuple[Cell, str]]:
    settings: dict[tuple[Cell, str], set[str]] = {}
    for row in rows:
        values = {"data revisions": row.data_revision, "splits": row.split, "numbers of items": row.n}
        for name, value in values.items():
            settings.setdefault((row.cell, name), set()).add(str(value))
    for (cell, name), distinct in settings.items():
        if len(distinct) > 1:
            yield cell, f"{cell} mixes {name} {', '.join(sorted(distinct))}"


def _score_problems(rows: Sequence[ResultRow], runs: Sequence[TrainedRun], cells: Sequence[Cell]) -> Iterator[Problem]:
    failed: dict[TrainedRun, list[Cell]] = {}
    scored = {(row.run, row.cell) for row in rows}
    for row in rows:
        if row.value is None:
            failed.setdefault(row.run, []).append(row.cell)
    for run, without_value in failed.items():
        message = f"{run} has no score (null or NaN) on {some_of(without_value)}; rerun it, or leave its seed out"
        yield Problem("failed run", message)
    for run in runs:
        if missing := [cell for cell in cells if (run, cell) not in scored]:
            message = f"{run} was not scored on {some_of(missing)}; averages that need it are left out"
            yield Problem("missing cell", message)


def some_of(items: Sequence[object]) -> str:
    """Return the first three of several things and how many more there are."""
    more = f" and {len(items) - 3} more" if len(items) > 3 else ""
    return ", ".join(map(str, items[:3])) + more


def _seed_problems(seeds: Mapping[Group, list[int]]) -> Iterator[Problem]:
    if single := [f"{arm}@{size}" for (arm, size), numbers in seeds.items() if len(numbers) == 1]:
        noise = "the variance between seeds is unknown; use 5 seeds (at least 3)"
        yield Problem("one seed", f"one seed for {some_of(single)}: {noise}")
    if any(len(numbers) == 2 for numbers in seeds.values()):
        message = "intervals from two seeds are very wide; use 5 seeds (at least 3)"
        yield Problem("few seeds", message)
    common = Counter(map(tuple, seeds.values())).most_common(1)[0][0]
    for (arm, size), numbers in seeds.items():
        if tuple(numbers) != common and len(numbers) > 1:
            pairing = (
                "two arms are paired by their common seeds if these are at least 3 and half of all, else independent"
            )
            message = f"{arm}@{size} has seeds {numbers}, others {list(common)}; {pairing}"
            yield Problem("unequal seeds", message)
    if len({size for _, size in seeds if size > 0}) < 2:
        yield Problem("one size", "there is no scaling curve and no exchange rate; give several --sizes")


def _nothing_to_compare(runs: Iterable[TrainedRun], cells: Iterable[Cell]) -> Iterator[Problem]:
    arms = {run.arm for run in runs}
    if len(arms) == 1:
        yield Problem("one arm", f"{arms.pop()} is the only arm, so nothing is compared; give two arms or more")
    if all(cell.language == ENGLISH for cell in cells):
        message = "only English was scored, so transfer cannot be measured; see --languages"
        yield Problem("no transfer", message)


def _short_arms(rows: Iterable[ResultRow]) -> Iterator[Problem]:
    for arm, size, n in sorted({(row.arm, row.size, row.arm_n) for row in rows if row.arm_n < row.size}):
        yield Problem("short arm", f"{arm}@{size} was trained on {n} rows, fewer than requested")


def _collapsed(run: TrainedRun, sign: str) -> str:
    return f"{run} scores {sign}: it may have collapsed; a verdict is given only if it holds with and without this run"


def _degenerate(
    runs: Sequence[TrainedRun], groups: Iterable[Sequence[int]], values: Mapping[Cell, Floats]
) -> dict[tuple[TrainedRun, str], str]:
    """Return the runs and targets that look collapsed: one score in every language, or far below the other seeds."""
    by_target: dict[tuple[str, str], list[Floats]] = {}
    for cell, scores in values.items():
        by_target.setdefault((cell.target, cell.metric), []).append(scores)
    signs: dict[tuple[TrainedRun, str], str] = {}
    for (target, _), scores_by_language in by_target.items():
        stacked = np.stack(scores_by_language)
        if len(stacked) >= 3:
            for i in np.flatnonzero(np.ptp(stacked, axis=0) == 0):
                signs.setdefault((runs[i], target), f"{stacked[0, i]:.2f} on {target} in every language")
        for group in groups:
            for i, sign in _far_below(group, stacked.mean(axis=0)):
                signs.setdefault((runs[i], target), f"{sign} on {target}")
    return signs


def _far_below(group: Sequence[int], means: Floats) -> Iterator[tuple[int, str]]:
    """Yield the runs whose mean lies ten points, and five times the spread of the other seeds, below all of those."""
    if len(group) < MIN_SIBLINGS:
        return
    for index in group:
        others = np.array([means[i] for i in group if i != index])
        if others.min() - means[index] > max(FAR_POINTS, FAR_SPREADS * np.ptp(others)):
            yield index, f"{means[index]:.2f}, the other seeds {others.min():.2f} to {others.max():.2f},"
