"""The comparison of an experiment: estimand, every pair of arms, curves, exchange rates, and every problem met.

Nothing is averaged over a hole: a level with a missing cell, a failed run, mixed data revisions or unequal items has no
difference, and a reason.
"""

import hashlib
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from evaluator.stats.benchmark_averages import Aggregate, BestSource, aggregates, best_sources
from evaluator.stats.contrasts import LevelScores
from evaluator.stats.estimand import AggregationLevel, aggregation_levels, estimand_of, mean_over_languages
from evaluator.stats.item_bootstrap import DRAWS, Clusters, LevelDraws, item_noise, level_draws
from evaluator.stats.looks import Looks
from evaluator.stats.pairwise import ComparisonKey, PairwiseResult, pairwise_results, with_holm
from evaluator.stats.results import Cell, Floats, Group, Results
from evaluator.stats.scaling import Curve, ExchangeRate, exchange_rate, fit_curves
from evaluator.stats.score_table import Problem, RunOutcome, ScoreTable, some_of
from evaluator.stats.significance import Estimate, rounded
from evaluator.stats.variance import Decomposition, decompositions
from synthgen import __version__
from synthgen.runtime.notebook import data_frame, html_table

CURVE_POINTS = 48


@dataclass(frozen=True, slots=True)
class Point:
    """The mean of an arm at a size, trained on `n` examples, at a level, with its interval and every seed's score."""

    arm: str
    size: int
    n: int
    scope: str
    estimate: Estimate
    by_seed: tuple[float, ...]

    @property
    def value(self) -> float | None:
        """The mean, None where a score is missing."""
        return None if np.isnan(self.estimate.value) else self.estimate.value

    def document(self) -> dict[str, Any]:
        """Return the object of comparison.json."""
        return {
            **{name: getattr(self, name) for name in ("arm", "size", "n", "scope")},
            "mean": rounded(self.estimate.value),
            "ci95": self.estimate.rounded_interval(),
            "by_seed": [rounded(value) for value in self.by_seed],
        }


class BandPoint(NamedTuple):
    """The score of a curve at a number of examples, and the ends of its 95 % interval; NaN where it has none."""

    n: float
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class FittedCurve:
    """A curve at a level with its band along its limits."""

    scope: str
    curve: Curve
    band: tuple[BandPoint, ...]

    def document(self) -> dict[str, Any]:
        """Return the object of comparison.json."""
        first, last = self.curve.trained[0], self.curve.trained[-1]
        return {
            "arm": self.curve.arm,
            "scope": self.scope,
            "form": self.curve.form,
            "parameters": [rounded(value, 6) for value in self.curve.theta],
            "aicc": {form: rounded(value, 3) for form, value in self.curve.aicc.items()},
            "sizes": list(self.curve.sizes),
            "trained": list(self.curve.trained),
            "band": [
                {
                    "n": round(n, 1),
                    "value": rounded(value),
                    "ci95": [rounded(low), rounded(high)] if np.isfinite(low) else None,
                    "extrapolated": not first <= n <= last,
                }
                for n, value, low, high in self.band
            ],
        }


@dataclass(frozen=True)
class Comparison:
    """Everything the report says, and nothing it does not: `document()` is comparison.json."""

    estimand: Mapping[str, Any]
    signature: str
    margin: float
    arms: tuple[str, ...]
    pairs: tuple[PairwiseResult, ...]
    points: tuple[Point, ...]
    curves: tuple[FittedCurve, ...]
    exchange_rates: tuple[ExchangeRate, ...]
    problems: tuple[Problem, ...]
    cells: tuple[Mapping[str, Any], ...] = field(repr=False)
    gaps: tuple[Point, ...] = ()
    aggregates: tuple[Aggregate, ...] = ()
    best_sources: tuple[BestSource, ...] = ()
    clusters: Mapping[str, Clusters] = field(default_factory=dict)
    decompositions: tuple[Decomposition, ...] = ()
    outcomes: tuple[RunOutcome, ...] = ()
    overlaps: tuple[Mapping[str, Any], ...] = ()
    training: tuple[Mapping[str, Any], ...] = ()  # epochs, updates and tokens of each arm at each size
    page: Path | None = None  # where its report stands

    def headline(self) -> list[PairwiseResult]:
        """Return the results over all targets: each common size, then each arm's full size."""
        return [pair for pair in self.pairs if pair.scope == "all"]

    @cached_property
    def by_scope(self) -> dict[str, list[PairwiseResult]]:
        """The pairs of each level, which follow one another."""
        return {scope: list(pairs) for scope, pairs in itertools.groupby(self.pairs, key=lambda pair: pair.scope)}

    @cached_property
    def point_at(self) -> dict[tuple[str, int, str], Point]:
        """The point of each (arm, size, scope)."""
        return {(point.arm, point.size, point.scope): point for point in self.points}

    @cached_property
    def score_scopes(self) -> list[str]:
        """The scopes of the whole and of single targets: `all`, `target:name`."""
        return [s for s in dict.fromkeys(p.scope for p in self.points) if s == "all" or s.startswith("target:")]

    def to_pandas(self) -> Any:  # noqa: ANN401 - pandas may be missing
        """Return the differences as a DataFrame, a row each pair of arms, size and level (`scope`)."""
        return data_frame([_row(pair) for pair in self.pairs])

    def _repr_html_(self) -> str:
        page = f"report: {self.page}" if self.page else ""
        return html_table(str(self.estimand.get("text", "")), [_row(pair) for pair in self.headline()], page)

    def document(self) -> dict[str, Any]:
        """Return the content of comparison.json."""
        return {
            "estimand": dict(self.estimand),
            "signature": self.signature,
            "margin": self.margin,
            "arms": list(self.arms),
            "pairs": [pair.document() for pair in self.pairs],
            "points": [point.document() for point in self.points],
            "gaps": [point.document() for point in self.gaps],
            "aggregates": [aggregate.document() for aggregate in self.aggregates],
            "best_sources": [{**asdict(c), "value": rounded(c.value)} for c in self.best_sources],
            "curves": [curve.document() for curve in self.curves],
            "exchange_rates": [rate.document() for rate in self.exchange_rates],
            "cells": [dict(cell) for cell in self.cells],
            "problems": [asdict(problem) for problem in self.problems],
            "outcomes": [outcome.document() for outcome in self.outcomes],
            "variance": [each.document() for each in self.decompositions],
            **({"overlaps": [dict(overlap) for overlap in self.overlaps]} if self.overlaps else {}),
            **({"training": [dict(counts) for counts in self.training]} if self.training else {}),
            **({"clusters": {name: asdict(each) for name, each in self.clusters.items()}} if self.clusters else {}),
        }


def _row(pair: PairwiseResult) -> dict[str, Any]:
    """Return a difference as a row of plain values."""
    values = pair.document()
    low, high = values["ci95"] or (None, None)
    first = {name: values[name] for name in ("a", "b", "size", "scope", "difference")}
    return {**first, "low": low, "high": high, **{name: values[name] for name in ("p", "mde80", "verdict", "seeds")}}


def compare_results(
    results: Results,
    *,
    margin: float = 0.5,
    preferred: Sequence[str] = (),
    training: str = "unknown",
    primary: Collection[ComparisonKey] = (),
    looks: Looks | None = None,
    own_averages: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
    one_dataset: Collection[str] = (),
) -> Comparison:
    """Compare every pair of arms at every level. `preferred` orders arms for display; `none` comes first.

    `training` is the hash of how models were trained, for the signature; `primary` are the comparisons that were named
    before the runs, `looks` how often the results were to be looked at; `own_averages` give the languages of the
    targets of averages of one's own. `one_dataset` are the arms whose data a machine wrote once, for all seeds.
    """
    table = ScoreTable.of(results.rows)
    levels = aggregation_levels(table.cells)
    over_languages = AggregationLevel("language", "mean over languages", mean_over_languages(levels))
    draws = level_draws(results, table, [*levels, over_languages])
    arms = _ordered_arms(table.groups, preferred)
    faults = {**table.faults, **draws.faults}
    compared = _Levels(primary=primary, looks=looks)
    for level in levels:
        fault = _fault(level, faults)
        compared.add(level, _level_scores(table, level, draws, fault), arms, table, margin=margin, reason=fault)
    estimand, pairs = estimand_of(table.cells), tuple(_with_datasets(with_holm(compared.pairs), one_dataset))
    mean = _level_scores(table, over_languages, draws, _fault(over_languages, faults))
    return Comparison(
        estimand=estimand,
        signature=_signature(results, estimand, table, training, draws, looks),
        margin=margin,
        arms=tuple(arms),
        pairs=pairs,
        points=tuple(point for point in compared.points if not point.scope.startswith("gap:")),
        curves=tuple(compared.curves),
        exchange_rates=tuple(_exchange_rates(compared.curves, compared.scores)),
        problems=(*table.problems, *_item_problems(draws)),
        cells=tuple(_cell_documents(table)),
        gaps=tuple(point for point in compared.points if point.scope.startswith("gap:")),
        aggregates=tuple(aggregates(table, own_averages)),
        best_sources=tuple(best_sources(table)),
        clusters=draws.clustered,
        outcomes=tuple(table.outcomes()),
        decompositions=tuple(decompositions(pairs, _cell_scores(table, levels, draws), mean)),
    )


@dataclass
class _Levels:
    """What is computed at each level of aggregation, in the order of levels."""

    scores: dict[str, LevelScores] = field(default_factory=dict)
    pairs: list[PairwiseResult] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    curves: list[FittedCurve] = field(default_factory=list)
    primary: Collection[ComparisonKey] = ()
    looks: Looks | None = None

    def add(
        self,
        level: AggregationLevel,
        scores: LevelScores,
        arms: Sequence[str],
        table: ScoreTable,
        *,
        margin: float,
        reason: str | None,
    ) -> None:
        """Add points, comparisons of arms, and curves where the level has them; with a `reason` there is no verdict."""
        self.scores[level.key] = scores
        self.points += _points(arms, level.key, scores)
        if level.kind != "gap":
            targets = {cell.target for cell in level.cells}
            collapsed = frozenset(run for run, target in table.collapsed if target in targets)
            self.pairs += pairwise_results(
                level.key, scores, arms, margin=margin, fault=reason, collapsed=collapsed, primary=self.primary,
                looks=self.looks,
            )  # fmt: skip
        if level.kind in ("all", "target"):
            self.curves += _curves(arms, level.key, scores)


def _with_datasets(pairs: Iterable[PairwiseResult], one_dataset: Collection[str]) -> Iterator[PairwiseResult]:
    for pair in pairs:
        arms = tuple(arm for arm in (pair.a, pair.b) if arm in one_dataset)
        yield replace(pair, one_dataset=arms) if arms else pair


def _ordered_arms(groups: Iterable[Group], preferred: Sequence[str]) -> list[str]:
    untrained = {arm for arm, size in groups if size == 0}
    rank = {arm: index for index, arm in enumerate(preferred)}
    return sorted({arm for arm, _ in groups}, key=lambda arm: (arm not in untrained, rank.get(arm, len(rank)), arm))


def _level_scores(table: ScoreTable, level: AggregationLevel, draws: LevelDraws, fault: str | None) -> LevelScores:
    """Return the scores of a level; all of them missing where a fault forbids to average its cells."""
    hole = np.nan if fault else 0.0
    weighed = (weight * table.values[cell] for cell, weight in level.cells.items())
    per_run = hole + sum(weighed, np.zeros(len(table.runs)))
    values = {group: per_run[index] for group, index in table.groups.items()}
    seeds = {group: tuple(table.runs[i].seed for i in index) for group, index in table.groups.items()}
    noise = None
    if level.key in draws.draws:
        by_run = np.nan_to_num(draws.draws[level.key].astype(np.float64))
        run_groups, run_seeds = [run.group for run in table.runs], [run.seed for run in table.runs]
        noise = item_noise(by_run, list(values), run_groups, run_seeds, draws.items[level.key])
    return LevelScores(values, seeds, noise, table.trained)


def _fault(level: AggregationLevel, faults: Mapping[Cell, str]) -> str | None:
    return next((faults[cell] for cell in level.cells if cell in faults), None)


def _cell_scores(
    table: ScoreTable, levels: Sequence[AggregationLevel], draws: LevelDraws
) -> dict[tuple[str, str], tuple[float, LevelScores]]:
    """Return the scores of each target and language that the whole is a mean of, with its weight there."""
    by_language: dict[tuple[str, str], dict[Cell, float]] = {}
    for cell, weight in (pair for level in levels if level.kind == "all" for pair in level.cells.items()):
        by_language.setdefault((cell.target, cell.language), {})[cell] = weight
    scores = {}
    for key, cells in by_language.items():
        weight = sum(cells.values())
        mean = AggregationLevel("language", f"{key}", {cell: each / weight for cell, each in cells.items()})
        scores[key] = weight, _level_scores(table, mean, draws, None)
    return scores


def _points(arms: Sequence[str], scope: str, scores: LevelScores) -> Iterator[Point]:
    for group in sorted(scores.values, key=lambda group: (arms.index(group[0]), group[1])):
        by_seed = tuple(map(float, scores.values[group]))
        yield Point(*group, scores.examples(group), scope, scores.contrast({group: 1.0}), by_seed)


def _curves(arms: Sequence[str], scope: str, scores: LevelScores) -> Iterator[FittedCurve]:
    points: dict[str, dict[int, Floats]] = {arm: {} for arm in arms}
    for (arm, size), values in scores.values.items():
        if size > 0 and np.isfinite(values).all():
            points[arm][size] = values
    enough = {arm: sizes for arm, sizes in points.items() if len(sizes) > 1}
    if not enough:
        return
    for curve in fit_curves(enough, scores.trained).values():
        grid = np.concatenate([np.geomspace(*curve.limits, CURVE_POINTS), np.array(curve.trained, float)])
        grid = np.unique(np.clip(grid, *curve.limits))
        rows = zip(grid, curve.values(grid), curve.band(scores, grid), strict=True)
        band = (BandPoint(float(n), float(value), float(low), float(high)) for n, value, (low, high) in rows)
        yield FittedCurve(scope, curve, tuple(band))


def _exchange_rates(curves: Sequence[FittedCurve], scores: Mapping[str, LevelScores]) -> Iterator[ExchangeRate]:
    whole = [fitted.curve for fitted in curves if fitted.scope == "all"]
    for reference, curve in itertools.permutations(whole, 2):
        yield from (exchange_rate(scores["all"], curve, reference, k) for k in reference.trained)


def _item_problems(draws: LevelDraws) -> Iterator[Problem]:
    yield from (Problem("unequal items", text) for text in draws.faults.values())
    if missing := sorted(draws.without_items - set(draws.faults)):
        coverage = "intervals that need them cover seeds only, and no verdict is given"
        yield Problem("seeds alone", f"no item scores for {some_of(missing)}: {coverage}")


def _signature(
    results: Results,
    estimand: Mapping[str, Any],
    table: ScoreTable,
    training: str,
    draws: LevelDraws,
    looks: Looks | None,
) -> str:
    revisions = sorted({f"{row.target}={row.data_revision}" for row in results.rows})
    parts = {
        "estimand": estimand["hash"],
        "metrics": "+".join(sorted({metric for entry in estimand["targets"].values() for metric in entry["metrics"]})),
        "targets": len(estimand["targets"]),
        "split": "+".join(sorted({row.split for row in results.rows})),
        "seeds": "+".join(map(str, sorted({run.seed for run in table.runs}))),
        "training": training,
        "data": hashlib.sha256("\n".join(revisions).encode()).hexdigest()[:12],
        "items": f"{len(draws.without_items)} cells without" if draws.without_items else "all",
        **({"clusters": "+".join(draws.clustered)} if draws.clustered else {}),
        **({"looks": f"{looks.planned} of {looks.seeds} seeds"} if looks else {}),
        "draws": DRAWS,
        "version": __version__,
    }
    return "|".join(f"{name}:{value}" for name, value in parts.items())


def _cell_documents(table: ScoreTable) -> Iterator[dict[str, Any]]:
    for cell in table.cells:
        for (arm, size), index in table.groups.items():
            values = table.values[cell][index]
            yield {
                "arm": arm,
                "size": size,
                **cell._asdict(),
                "mean": rounded(float(np.mean(values))),
                "sd": rounded(float(np.std(values, ddof=1))) if len(values) > 1 else None,
                "seeds": len(values),
                "failed": int(np.isnan(values).sum()),
            }
