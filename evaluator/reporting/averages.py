"""The tables of scores, of the averages that the benchmarks publish, and of the base paper's row of best sources."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from evaluator.stats.benchmark_averages import BestSource
from evaluator.stats.comparison import Comparison, Point
from evaluator.stats.score_table import some_of

Rows = list[list[str]]

AVERAGES = "Published averages: XTREME-R's ten targets and XTREME's nine, each over the languages it lists"
AVERAGES_HEADER = ("benchmark", "English", "arm", "size", "average", "missing")
BEST = "Best source per target, chosen at the other seeds than the one reported"
BEST_HEADER = ("target", "mean", "sources chosen")


def score_rows(comparison: Comparison, score: Callable[[Point], str], size: str = "d") -> tuple[list[str], Rows]:
    """Return the header and a row for each arm and size: the whole and every target, each formatted by `score`."""
    rows = []
    for arm, n in comparison.groups:
        points = [comparison.point_at.get((arm, n, scope)) for scope in comparison.score_scopes]
        scores = ["missing" if point is None or point.value is None else score(point) for point in points]
        rows.append([arm, format(n, size), *scores])
    return ["arm", "size", *(scope.removeprefix("target:") for scope in comparison.score_scopes)], rows


def average_rows(comparison: Comparison) -> Rows:
    """Return a row for each benchmark, arm and size, with what is missing where there is no average."""
    rows = []
    for average in comparison.aggregates:
        english = "with" if average.english else "without"
        mean = "refused" if average.missing else f"{average.mean:.2f}"
        missing = some_of(average.missing) or "nothing"
        rows.append([average.benchmark, english, average.arm, f"{average.size}", mean, missing])
    return rows


def best_rows(comparison: Comparison) -> Rows:
    """Return a row for each target and, when there are several, their mean."""
    by_target: dict[str, list[BestSource]] = {}
    for source in comparison.best_sources:
        by_target.setdefault(source.target, []).append(source)
    rows = [[target, f"{_mean(sources):.2f}", _arms(sources)] for target, sources in by_target.items()]
    if len(rows) > 1:
        rows.append(["all", f"{sum(map(_mean, by_target.values())) / len(by_target):.2f}", ""])
    return rows


def _mean(sources: Sequence[BestSource]) -> float:
    return sum(source.value for source in sources) / len(sources)


def _arms(sources: Sequence[BestSource]) -> str:
    arms = [source.arm for source in sources]
    return ", ".join(f"{arm} at {arms.count(arm)} of {len(arms)} seeds" for arm in dict.fromkeys(arms))
