"""The averages that the benchmarks publish, XTREME-R's and XTREME's, and the base paper's row of best sources.

A target's score is the mean over its languages, English included where it is listed, EM and F1 counting their mean; an
average is unweighted over targets (XTREME evaluate.py, evaluate, whose XTREME-R average cannot be printed: its LAReQA
has no languages there). XTREME averages its nine targets over the languages it had. No average over a missing cell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from evaluator.benchmark.averages import AVERAGES, XTREME
from evaluator.benchmark.registry import find
from evaluator.stats.estimand import primary_cells
from evaluator.stats.results import Cell, Floats, Group
from evaluator.stats.score_table import ScoreTable
from evaluator.stats.significance import rounded
from synthgen.text.languages import ENGLISH


def benchmark_languages(benchmark: str) -> dict[str, tuple[str, ...]]:
    """Return the languages of each target of a benchmark."""
    targets = {name: find(name) for name in AVERAGES[benchmark]}
    newer = {name: target.new_in_xtreme_r if benchmark == XTREME else () for name, target in targets.items()}
    return {name: tuple(c for c in target.languages if c not in newer[name]) for name, target in targets.items()}


@dataclass(frozen=True, slots=True)
class Aggregate:
    """An arm's average on a benchmark at one size: over seeds, per seed and per target, NaN where a cell is missing."""

    benchmark: str
    english: bool
    arm: str
    size: int
    mean: float
    by_seed: tuple[float, ...]
    targets: Mapping[str, float]
    missing: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Return the object of comparison.json."""
        return {
            **asdict(self),
            "mean": rounded(self.mean),
            "by_seed": [rounded(value) for value in self.by_seed],
            "targets": {name: rounded(value) for name, value in self.targets.items()},
            "missing": list(self.missing),
        }


def aggregates(table: ScoreTable, own: Mapping[str, Mapping[str, Sequence[str]]] | None = None) -> list[Aggregate]:
    """Return both averages of every arm and size, with and without English, of the benchmarks that were touched.

    `own` are averages of one's own: the languages of their targets.
    """
    scored = {key: _mean_cell(table, cells) for key, cells in primary_cells(table.cells).items()}
    averages = []
    of_benchmarks = {benchmark: benchmark_languages(benchmark) for benchmark in AVERAGES}
    for benchmark, languages in {**(own or {}), **of_benchmarks}.items():
        if not any(target in languages for target, _ in scored):
            continue
        for english in (True, False):
            listed = {t: [c for c in codes if english or c != ENGLISH] for t, codes in languages.items()}
            averages += [_aggregate(scored, listed, benchmark, english, g, i) for g, i in table.groups.items()]
    return averages


def _mean_cell(table: ScoreTable, cells: Sequence[Cell]) -> Floats:
    hole = np.nan if any(cell in table.faults for cell in cells) else 0.0
    return np.asarray(hole + np.mean([table.values[cell] for cell in cells], axis=0))


def _aggregate(
    scored: Mapping[tuple[str, str], Floats], listed: Mapping[str, Sequence[str]], benchmark: str, english: bool,
    group: Group, runs: Sequence[int],
) -> Aggregate:  # fmt: skip
    absent = np.full(max(runs) + 1, np.nan)
    cells = {t: {code: scored.get((t, code), absent)[list(runs)] for code in codes} for t, codes in listed.items()}
    targets = {target: np.mean(list(by_code.values()), axis=0) for target, by_code in cells.items()}
    by_seed = np.mean(list(targets.values()), axis=0)
    means = {target: float(np.mean(values)) for target, values in targets.items()}
    missing = []
    for target, by_code in cells.items():
        if holes := [code for code, values in by_code.items() if np.isnan(values).any()]:
            missing.append(target if len(holes) == len(by_code) else f"{target} {' '.join(holes)}")
    return Aggregate(
        benchmark, english, *group, float(np.mean(by_seed)), tuple(by_seed.tolist()), means, tuple(missing)
    )


@dataclass(frozen=True, slots=True)
class BestSource:
    """The best source of a target as the other seeds had it, and what it scores at this seed."""

    target: str
    seed: int
    arm: str
    value: float


def best_sources(table: ScoreTable) -> list[BestSource]:
    """Return for each target and seed the arm with the highest mean at all *other* seeds, and its score at this one.

    The base paper's row takes the best source of each target, which flatters when the choice is made on the runs that
    are reported. Candidates are the trained arms at their largest size; without two of them with the same two seeds or
    more there is no row. A target's score is that of the report: the mean over its languages but English.
    """
    largest = {arm: runs for (arm, size), runs in sorted(table.groups.items()) if size > 0}  # the largest is last
    seed_sets = {tuple(table.runs[i].seed for i in runs) for runs in largest.values()}
    if len(largest) < 2 or len(seed_sets) > 1:
        return []
    [seeds] = seed_sets
    if len(seeds) < 2:
        return []
    sources: list[BestSource] = []
    for target, values in sorted(_target_means(table).items()):
        scores = {arm: values[runs] for arm, runs in largest.items()}
        if not np.isfinite(list(scores.values())).all():
            continue
        for place, seed in enumerate(seeds):
            arm = max(scores, key=lambda arm: float(np.mean(np.delete(scores[arm], place))))
            sources.append(BestSource(target, seed, arm, float(scores[arm][place])))
    return sources


def _target_means(table: ScoreTable) -> dict[str, Floats]:
    """Return the score of every run on each target, (runs,): the mean over its languages but English."""
    by_target: dict[str, list[Floats]] = {}
    for (target, code), cells in primary_cells(table.cells).items():
        if code != ENGLISH:
            by_target.setdefault(target, []).append(_mean_cell(table, cells))
    return {target: np.asarray(np.mean(columns, axis=0)) for target, columns in by_target.items()}
