"""The tables of a report: scores, differences, the averages that benchmarks publish, the best source of each target."""

from collections import Counter
from collections.abc import Callable
from itertools import groupby
from statistics import fmean

from evaluator.reporting.sentences import interval_text, signed, size_label
from evaluator.stats.comparison import Comparison, Point
from evaluator.stats.pairwise import PairwiseResult
from evaluator.stats.score_table import some_of

Table = tuple[list[str], list[list[str]]]  # header and rows

AVERAGES = "Averages as XTREME-R (ten targets) and XTREME (nine) publish them, over the languages that each lists"
OUTCOMES = "Failed and collapsed runs, with the exact 95 % CI of their rate"
BEST = "Best source per target, chosen on other seeds than the one reported"


def score_rows(comparison: Comparison, score: Callable[[Point], str], size: str = "d") -> Table:
    """Return a row for each arm and size: the whole and every target, each formatted by `score`."""
    rows = []
    for arm, n in dict.fromkeys((point.arm, point.size) for point in comparison.points):
        points = [comparison.point_at.get((arm, n, scope)) for scope in comparison.score_scopes]
        scores = ["missing" if point is None or point.value is None else score(point) for point in points]
        rows.append([arm, format(n, size), *scores])
    return ["arm", "size", *(scope.removeprefix("target:") for scope in comparison.score_scopes)], rows


def pair_cells(pair: PairwiseResult) -> list[str]:
    """Return the arms, size, difference, interval, p, equivalence p and minimum detectable effect; "" where unknown."""
    names, e = [pair.a, pair.b, size_label(pair)], pair.estimate
    if not pair.known:
        return [*names, "", "", "", "", ""]
    p_values = [f"{e.p:.3f}", f"{e.p_equivalence(pair.margin):.3f}"]
    return [*names, signed(e.value), interval_text(*e.interval()), *p_values, f"{e.mde80:.2f}"]


def average_rows(comparison: Comparison) -> Table:
    """Return a row for each benchmark, arm and size, with what is missing where there is no average."""
    rows = []
    for average in comparison.aggregates:
        english = "with" if average.english else "without"
        mean = "incomplete" if average.missing else f"{average.mean:.2f}"
        missing = some_of(average.missing) or "nothing"
        rows.append([average.benchmark, english, average.arm, f"{average.size}", mean, missing])
    return ["benchmark", "English", "arm", "size", "average", "missing"], rows


def outcome_rows(comparison: Comparison) -> Table:
    """Return a row for each arm and size: runs that failed or look collapsed, and how often that may happen."""
    rows = []
    for outcome in comparison.outcomes:
        low, high = (f"{100 * end:.0f}" for end in outcome.rate)
        counts = [str(count) for count in (outcome.size, outcome.runs, outcome.failed, outcome.collapsed)]
        rows.append([outcome.arm, *counts, f"{low} to {high} %"])
    return ["arm", "size", "runs", "failed", "collapsed", "95 % CI of the rate"], rows


def best_rows(comparison: Comparison) -> Table:
    """Return a row for each target and, when there are several, their mean."""
    rows, means = [], []
    for target, of_target in groupby(comparison.best_sources, key=lambda source: source.target):
        sources = list(of_target)
        means.append(fmean(source.value for source in sources))
        chosen = Counter(source.arm for source in sources)
        arms = ", ".join(f"{arm} at {count} of {len(sources)} seeds" for arm, count in chosen.items())
        rows.append([target, f"{means[-1]:.2f}", arms])
    if len(rows) > 1:
        rows.append(["all", f"{fmean(means):.2f}", ""])
    return ["target", "mean", "sources chosen"], rows
