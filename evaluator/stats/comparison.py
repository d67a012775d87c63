"""From result rows to the verdict: estimand, every pair of arms, curves, exchange rates, and every problem met.

`scopes` says what is averaged, `table` what must not be, `resampling` and `significance` how sure it is, `scaling` what
size is worth. Nothing is averaged over a hole: a scope with a missing cell, a failed run, mixed data revisions or
unequal items has no difference, and a reason.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from evaluator.stats import item_bootstrap
from evaluator.stats.benchmark_averages import Aggregate, BestSource, aggregates, best_sources
from evaluator.stats.estimand import AggregationLevel, estimand_of, make_scopes
from evaluator.stats.pairwise import PairwiseResult, pairs_of, rounded, with_holm
from evaluator.stats.results import Results
from evaluator.stats.scaling import Curve, ExchangeRate, exchange_rate, fit_curves
from evaluator.stats.score_table import Problem, ScoreTable, some_of
from evaluator.stats.significance import Estimate, Floats, Group, LevelScores, item_noise
from synthgen import __version__

CURVE_POINTS = 48
NO_VERDICT = "sample data supports no verdict"


@dataclass(frozen=True, slots=True)
class Point:
    """The mean of an arm at a size, trained on `n` examples, in a scope, with its interval and every seed's score."""

    arm: str
    size: int
    n: int
    scope: str
    estimate: Estimate
    by_seed: tuple[float, ...]

    def document(self) -> dict[str, Any]:
        """Return the object of comparison.json."""
        known = self.estimate.known
        return {
            "arm": self.arm,
            "size": self.size,
            "n": self.n,
            "scope": self.scope,
            "mean": rounded(self.estimate.value),
            "ci95": [rounded(end) for end in self.estimate.interval()] if known else None,
            "by_seed": [rounded(value) for value in self.by_seed],
        }


@dataclass(frozen=True, slots=True)
class FittedCurve:
    """A curve in a scope with its band: (n, score, low, high) along its limits."""

    scope: str
    curve: Curve
    band: tuple[tuple[float, float, float, float], ...]

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
    sample: bool
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

    def headline(self) -> list[PairwiseResult]:
        """Return the pairs over all targets: each common size, then each arm's full size."""
        return [pair for pair in self.pairs if pair.scope == "all"]

    @cached_property
    def by_scope(self) -> dict[str, list[PairwiseResult]]:
        """The pairs of each scope."""
        scopes: dict[str, list[PairwiseResult]] = {}
        for pair in self.pairs:
            scopes.setdefault(pair.scope, []).append(pair)
        return scopes

    def document(self) -> dict[str, Any]:
        """Return the content of comparison.json."""
        return {
            "estimand": dict(self.estimand),
            "signature": self.signature,
            "sample": self.sample,
            "margin": self.margin,
            "arms": list(self.arms),
            "pairs": [pair.document() for pair in self.pairs],
            "points": [point.document() for point in self.points],
            "gaps": [point.document() for point in self.gaps],
            "aggregates": [aggregate.document() for aggregate in self.aggregates],
            "best_sources": [{**asdict(c), "value": rounded(c.value)} for c in self.best_sources],
            "curves": [curve.document() for curve in self.curves],
            "exchange_rates": [_exchange_document(rate) for rate in self.exchange_rates],
            "cells": [dict(cell) for cell in self.cells],
            "problems": [{"kind": problem.kind, "message": problem.message} for problem in self.problems],
        }


def _exchange_document(rate: ExchangeRate) -> dict[str, Any]:
    return {
        "arm": rate.arm,
        "reference": rate.reference,
        "k": rate.k,
        "equals": rounded(rate.equals, 1),
        "ci95": [rounded(rate.low, 1), rounded(rate.high, 1)],
        "rate": rounded(rate.rate),
        "reached": rate.equals is not None,
        "limits": [round(limit, 1) for limit in rate.limits],
    }


# --- comparing ------------------------------------------------------------------------------------------------------


def compare_results(results: Results, *, margin: float = 0.5, preferred: Sequence[str] = ()) -> Comparison:
    """Compare every pair of arms in every scope. `preferred` orders arms for display; `none` comes first."""
    table = ScoreTable.of(results.rows)
    scopes = make_scopes(table.cells)
    drawn = item_bootstrap.scope_draws(results, table.runs, table.values, {scope.key: scope.cells for scope in scopes})
    faults = {**table.faults, **drawn.faults}
    arms = _ordered({run.arm for run in table.runs}, table.groups, preferred)
    refused = {scope.key: next((faults[cell] for cell in scope.cells if cell in faults), None) for scope in scopes}
    scores = {scope.key: _scores(table, scope, drawn, refused[scope.key]) for scope in scopes}
    sample = any(row.is_sample for row in results.rows)
    reasons = {key: fault or (NO_VERDICT if sample else None) for key, fault in refused.items()}
    levels = [scope for scope in scopes if scope.kind != "gap"]
    pairs = [
        pair
        for scope in levels
        for pair in pairs_of(scope.key, scores[scope.key], arms, margin=margin, fault=reasons[scope.key])
    ]
    points = [point for scope in levels for point in _points(arms, scope.key, scores)]
    curves = [c for scope in scopes if scope.kind in ("all", "target") for c in _curves(arms, scope.key, scores)]
    estimand = estimand_of(table.cells)
    return Comparison(
        estimand=estimand,
        signature=_signature(results, estimand, table),
        margin=margin,
        sample=sample,
        arms=tuple(arms),
        pairs=tuple(with_holm(pairs)),
        points=tuple(points),
        curves=tuple(curves),
        exchange_rates=tuple(_exchange_rates(curves, scores)) if not sample else (),
        problems=(*table.problems, *_item_problems(drawn)),
        cells=tuple(_cell_documents(table)),
        gaps=tuple(p for scope in scopes if scope.kind == "gap" for p in _points(arms, scope.key, scores)),
        aggregates=tuple(aggregates(table)),
        best_sources=tuple(best_sources(table)),
    )


def _ordered(arms: Iterable[str], groups: Mapping[Group, object], preferred: Sequence[str]) -> list[str]:
    untrained = {arm for arm, size in groups if size == 0}
    rank = {arm: index for index, arm in enumerate(preferred)}
    return sorted(arms, key=lambda arm: (arm not in untrained, rank.get(arm, len(rank)), arm))


def _scores(
    table: ScoreTable, scope: AggregationLevel, drawn: item_bootstrap.LevelDraws, fault: str | None
) -> LevelScores:
    """Return the scores of a scope; all of them missing where a fault forbids to average its cells."""
    hole = np.nan if fault else 0.0
    per_run = hole + sum(weight * table.values[cell] for cell, weight in scope.cells.items())
    values = {group: np.asarray(per_run)[index] for group, index in table.groups.items()}
    seeds = {group: tuple(table.runs[i].seed for i in index) for group, index in table.groups.items()}
    if scope.key not in drawn.draws:
        return LevelScores(values, seeds, trained=table.trained)
    draws = np.nan_to_num(drawn.draws[scope.key].astype(np.float64))
    owners = [(run.arm, run.size) for run in table.runs]
    run_seeds = [run.seed for run in table.runs]
    noise = item_noise(draws, list(values), owners, run_seeds, drawn.items[scope.key])
    return LevelScores(values, seeds, noise, table.trained)


def _points(arms: Sequence[str], key: str, scores: Mapping[str, LevelScores]) -> Iterator[Point]:
    own = scores[key]
    for group in sorted(own.values, key=lambda group: (arms.index(group[0]), group[1])):
        by_seed = tuple(map(float, own.values[group]))
        yield Point(*group, own.examples(group), key, own.contrast({group: 1.0}), by_seed)


def _curves(arms: Sequence[str], key: str, scores: Mapping[str, LevelScores]) -> Iterator[FittedCurve]:
    own = scores[key]
    points: dict[str, dict[int, Floats]] = {arm: {} for arm in arms}
    for (arm, size), values in own.values.items():
        if size > 0 and np.isfinite(values).all():
            points[arm][size] = values
    enough = {arm: sizes for arm, sizes in points.items() if len(sizes) > 1}
    for curve in fit_curves(enough, own.trained).values() if enough else ():
        grid = np.concatenate([np.geomspace(*curve.limits, CURVE_POINTS), np.array(curve.trained, float)])
        grid = np.unique(np.clip(grid, *curve.limits))
        rows = zip(grid, curve.values(grid), curve.band(own, grid), strict=True)
        yield FittedCurve(key, curve, tuple((float(n), float(v), float(b[0]), float(b[1])) for n, v, b in rows))


def _exchange_rates(curves: Sequence[FittedCurve], scores: Mapping[str, LevelScores]) -> Iterator[ExchangeRate]:
    whole = [fitted.curve for fitted in curves if fitted.scope == "all"]
    for reference, curve in itertools.permutations(whole, 2):
        yield from (exchange_rate(scores["all"], curve, reference, k) for k in reference.trained)


def _item_problems(drawn: item_bootstrap.LevelDraws) -> Iterator[Problem]:
    yield from (Problem("unequal items", text) for text in drawn.faults.values())
    missing = sorted(drawn.without_items - set(drawn.faults))
    if missing:
        message = (
            f"no item scores for {some_of(missing)}: intervals that use them cover seeds alone, on these test items"
        )
        yield Problem("seeds alone", message)


def _signature(results: Results, estimand: Mapping[str, Any], table: ScoreTable) -> str:
    seeds = sorted({run.seed for run in table.runs})
    revisions = sorted({f"{row.target}={row.data_revision}" for row in results.rows})
    digest = hashlib.sha256("\n".join(revisions).encode()).hexdigest()[:12]
    splits = "+".join(sorted({row.split for row in results.rows}))
    parts = {
        "estimand": estimand["hash"],
        "metrics": "+".join(sorted({metric for entry in estimand["targets"].values() for metric in entry["metrics"]})),
        "targets": len(estimand["targets"]),
        "split": splits,
        "seeds": "+".join(map(str, seeds)),
        "data": digest,
        "draws": item_bootstrap.DRAWS,
        "version": __version__,
    }
    return "|".join(f"{name}:{value}" for name, value in parts.items())


def _cell_documents(table: ScoreTable) -> Iterator[dict[str, Any]]:
    for cell in table.cells:
        for (arm, size), index in table.groups.items():
            values = table.values[cell][index]
            sd = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
            yield {
                "arm": arm,
                "size": size,
                **cell._asdict(),
                "mean": rounded(float(np.mean(values))),
                "sd": rounded(sd),
                "seeds": len(values),
                "failed": int(np.isnan(values).sum()),
            }
