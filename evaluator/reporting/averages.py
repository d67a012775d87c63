"""What the benchmarks would print, as tables: the published averages, and the base paper's row of best sources."""

from __future__ import annotations

from collections.abc import Sequence

from evaluator.stats.benchmark_averages import Aggregate, BestSource
from evaluator.stats.comparison import Comparison
from evaluator.stats.score_table import some_of

Rows = list[list[str]]

AVERAGES = "Published averages: XTREME-R's ten targets and XTREME's nine, each over the languages it lists"
AVERAGES_HEADER = ("benchmark", "English", "arm", "size", "average", "missing")
BEST = "Best source per target, chosen at the other seeds than the one reported"
BEST_HEADER = ("target", "mean", "sources chosen")


def average_rows(comparison: Comparison) -> Rows:
    """Return a row for each benchmark, arm and size, with what is missing where there is no average."""
    return [_average(aggregate) for aggregate in comparison.aggregates]


def _average(found: Aggregate) -> list[str]:
    english = "with" if found.english else "without"
    value = "refused" if found.missing else f"{found.mean:.2f}"
    return [found.benchmark, english, found.arm, f"{found.size}", value, some_of(found.missing) or "nothing"]


def best_rows(comparison: Comparison) -> Rows:
    """Return a row for each target and, when there are several, their mean."""
    by_target: dict[str, list[BestSource]] = {}
    for choice in comparison.best_sources:
        by_target.setdefault(choice.target, []).append(choice)
    rows = [[target, f"{_mean(own):.2f}", _chosen(own)] for target, own in by_target.items()]
    if len(rows) > 1:
        rows.append(["all", f"{sum(map(_mean, by_target.values())) / len(by_target):.2f}", ""])
    return rows


def _mean(choices: Sequence[BestSource]) -> float:
    return sum(choice.value for choice in choices) / len(choices)


def _chosen(choices: Sequence[BestSource]) -> str:
    arms = [choice.arm for choice in choices]
    return ", ".join(f"{arm} at {arms.count(arm)} of {len(arms)} seeds" for arm in dict.fromkeys(arms))
