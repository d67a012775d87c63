"""The sentences that the page, the terminal and the Markdown section share. Plain text only."""

import math
from collections.abc import Iterable

from evaluator.stats.comparison import Comparison
from evaluator.stats.pairwise import PairwiseResult
from evaluator.stats.scaling import ExchangeRate
from evaluator.stats.score_table import Problem
from evaluator.stats.significance import ALPHA

MINUS = "\N{MINUS SIGN}"


def signed(value: float, digits: int = 2) -> str:
    """Return a signed number with a real minus.

    >>> signed(-1.234)
    '−1.23'
    """
    return f"{value:+.{digits}f}".replace("-", MINUS)


def count(value: float) -> str:
    """Return a number of examples, three significant digits above a thousand.

    >>> count(48123.4), count(640.2)
    ('48,100', '640')
    """
    if value >= 1000:
        step = 10 ** (len(str(int(value))) - 3)
        value = round(value / step) * step
    return f"{value:,.0f}"


def p_text(p: float) -> str:
    """Return a p-value as papers print it.

    >>> p_text(0.00004), p_text(0.0312)
    ('p < 0.001', 'p = 0.031')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def interval_text(low: float, high: float) -> str:
    """Return the ends of an interval."""
    return f"{signed(low)} to {signed(high)}"


def size_text(pair: PairwiseResult) -> str:
    """Return at which size two arms are compared."""
    sizes, counts = _sizes_and_counts(pair)
    if pair.size == "full":
        return f"at full size ({' and '.join(counts)} examples)" if counts else "with no size recorded"
    if sizes == counts:
        return f"at {pair.size:,} examples" if pair.size else "with no size recorded"
    return f"at size {pair.size:,} (trained on {' and '.join(counts)} examples)"


def size_label(pair: PairwiseResult) -> str:
    """Return the size as a table has it."""
    sizes, counts = _sizes_and_counts(pair)
    if pair.size == "full":
        return f"{counts[0]} (full)" if len(counts) == 1 else "full"
    return f"{pair.size:,}" if sizes == counts else f"{pair.size:,} ({' and '.join(counts)})"


def _sizes_and_counts(pair: PairwiseResult) -> tuple[list[str], list[str]]:
    """Return the sizes and the examples trained on, of the arms that have any, each number once."""
    arms = [(f"{size:,}", f"{n:,}") for size, n in ((pair.size_a, pair.n_a), (pair.size_b, pair.n_b)) if size]
    return list(dict.fromkeys(size for size, _ in arms)), list(dict.fromkeys(n for _, n in arms))


def sentence(pair: PairwiseResult) -> str:
    """Return the result of a pair of arms in one sentence with its numbers."""
    if not math.isfinite(pair.estimate.value):
        return f"{pair.a} and {pair.b} cannot be compared {size_text(pair)}: {pair.reason}."
    if not pair.known:
        value = f"{signed(pair.estimate.value)} points"
        return f"{pair.a} − {pair.b} {size_text(pair)}: {value}, without an interval or a verdict; {pair.reason}."
    numbers = f"{signed(pair.estimate.value)} points, 95 % CI {interval_text(*pair.estimate.interval())}"
    if pair.reason is not None:
        return f"{pair.a} − {pair.b} {size_text(pair)}: {numbers}; no verdict: {pair.reason}."
    primary = "Primary comparison: " if pair.primary else ""
    numbers = f"{pair.a} − {pair.b}: {numbers}"
    return (
        f"{primary}{_claim(pair)} ({numbers}; {_tests(pair)}){_collapsed(pair)}.{_needed_seeds(pair)}{_datasets(pair)}"
    )


def headline(pair: PairwiseResult) -> str:
    """Return the verdict on a pair in a few words."""
    if not pair.known or pair.reason is not None:
        return f"No verdict on {pair.a} and {pair.b} {size_text(pair)}."
    return f"{_claim(pair)}."


def verdict_words(pair: PairwiseResult) -> str:
    """Return the verdict as a cell of a table."""
    if not pair.known:
        return f"no verdict: {pair.reason}" if pair.reason else "no verdict"
    better = {"a": pair.a, "b": pair.b}.get(pair.verdict[:1])
    within = ", within the margin" if pair.verdict.endswith("within margin") else ""
    return f"{better} better{within}" if better else pair.verdict.replace("unresolved", "no difference detected")


def _claim(pair: PairwiseResult) -> str:
    points, size, margin = (
        f"{abs(pair.estimate.value):.1f} points",
        size_text(pair),
        f"{pair.margin:g} point{'s' * (pair.margin != 1)}",
    )
    better, worse = (pair.a, pair.b) if pair.estimate.value > 0 else (pair.b, pair.a)
    match pair.verdict:
        case "a" | "b":
            return f"{better} is better than {worse} by {points} {size}"
        case "a within margin" | "b within margin":
            return f"{better} is better than {worse} {size}, by less than the margin of {margin}"
        case "equivalent":
            return f"{pair.a} and {pair.b} are equivalent {size}, within ±{margin}"
        case "unresolved":
            not_inferior = [f"; {arm} is at most {margin} worse" for arm in pair.not_inferior if pair.robust]
            return f"No difference detected between {pair.a} and {pair.b} {size}{''.join(not_inferior[:1])}"


def _tests(pair: PairwiseResult) -> str:
    """Return the p-value that the claim rests on, or the minimum detectable effect where there is no claim."""
    holm = f" after Holm's correction over {pair.family} comparisons" if pair.family > 1 else ""
    holm += f", multiplied by {pair.spent:.2f} for the planned interim looks" if pair.spent > 1 else ""
    if pair.verdict == "equivalent":
        return f"equivalence {p_text(pair.p_equivalence_corrected)}{holm}"
    p = pair.p_corrected
    if pair.verdict != "unresolved":
        return f"{p_text(p)}{holm}{_languages(pair)}"
    power = f"minimum detectable effect {pair.estimate.mde80:.2f} points at 80 % power"
    return (
        f"{power}; {p_text(pair.estimate.p)} uncorrected, {p_text(p)}{holm}" if pair.estimate.p <= ALPHA < p else power
    )


def _collapsed(pair: PairwiseResult) -> str:
    """Return the difference without the runs that look collapsed, where there are any."""
    other = pair.without_collapsed
    if other is None:
        return ""
    if not other.known:
        return "; without the collapsed runs too few seeds remain"
    numbers = f"{signed(other.value)} points, {interval_text(*other.interval())}"
    return f"; without the collapsed runs {numbers}" + ("" if pair.robust else ", which leads to another verdict")


def _needed_seeds(pair: PairwiseResult) -> str:
    """Return how many seeds would resolve an open comparison, and what no number of seeds can detect."""
    if (need := pair.needed_seeds) is None:
        return ""
    floor = f"with these test items no number of seeds can detect less than {need.floor:.2f} points"
    if need.seeds is None:
        if need.floor > need.effect:
            return f" More seeds cannot detect a difference of {need.effect:.2f} points: {floor}."
        return f" More than 100 seeds per arm are needed to detect a difference of {need.effect:.2f} points."
    limit = f"; {floor}" if need.floor else ""
    if need.cautious_seeds != need.seeds:
        cautious = need.cautious_seeds or "more than 100"
        limit = f", {cautious} if the true difference is only {need.cautious_effect:.2f} points{limit}"
    return f" {need.seeds} seeds per arm are needed to detect a difference of {need.effect:.2f} points{limit}."


def _datasets(pair: PairwiseResult) -> str:
    """Return which arms have one dataset for all seeds, so that the claim holds for that dataset alone."""
    if not pair.one_dataset or pair.verdict == "unresolved":
        return ""
    these = "this dataset" if len(pair.one_dataset) == 1 else "these datasets"
    return f" Holds for {these} only: all seeds of {' and '.join(pair.one_dataset)} train on the same data."


def _languages(pair: PairwiseResult) -> str:
    if not pair.languages:
        return ""
    side, word = ("a_better", "better") if pair.better == "a" else ("b_better", "worse")
    least, of = pair.languages[side], pair.languages["of"]
    return f"; {word} in at least {least} of {of} languages" if least else ""


def exchange_sentence(rate: ExchangeRate) -> str:
    """Return the exchange rate in one sentence."""
    goal = f"{rate.k:,} {rate.reference} examples"
    least, most = map(count, rate.limits)
    if rate.reason is not None:
        return f"No exchange rate of {rate.arm} for {goal}: {rate.reason}."
    if rate.low is None and rate.high is None:
        fits = f"every number from {least} to {most}, and beyond, is compatible with the data"
        return f"It is not known how many {rate.arm} examples equal {goal}: {fits}."
    if rate.equals is None and rate.low == rate.limits[1]:
        interval = f"95 % CI of the number needed: more than {most}"
        return f"{rate.arm} does not reach the score of {goal} with up to {most} examples ({interval})."
    low = "fewer than " + least if rate.low is None else count(rate.low)
    high = "more than " + most if rate.high is None else count(rate.high)
    if rate.equals is None:
        interval = f"95 % CI of the number needed: {low} to {high}"
        return f"The curve of {rate.arm} stays below the score of {goal} up to {most} examples ({interval})."
    number = f"{count(rate.equals)} {rate.arm} examples" + (" or fewer" if rate.equals <= rate.limits[0] else "")
    return f"{number} equal {goal} (95 % CI {low} to {high})."


def lead_pairs(comparison: Comparison) -> list[PairwiseResult]:
    """Return the pairs a reader asks about first: primary ones, two trained arms, full size and large sizes first."""
    return sorted(
        comparison.headline(),
        key=lambda p: (not p.primary, not p.both_trained, p.size != "full", -max(p.size_a, p.size_b)),
    )


def lead_rates(comparison: Comparison) -> list[ExchangeRate]:
    """Return what later arms cost in terms of earlier ones (real data comes first), at the largest size of those."""
    rank = {arm: index for index, arm in enumerate(comparison.arms)}
    largest: dict[tuple[str, str], ExchangeRate] = {}
    for rate in comparison.exchange_rates:
        key = (rate.arm, rate.reference)
        if rank[rate.reference] < rank[rate.arm] and (key not in largest or rate.k > largest[key].k):
            largest[key] = rate
    return list(largest.values())


def problem_lines(problems: Iterable[Problem], *, limit: int | None = None) -> list[str]:
    """Return one line per problem, and how many were left out beyond `limit`."""
    lines = [f"{problem.kind}: {problem.message}" for problem in problems]
    if limit is not None and len(lines) > limit:
        return [*lines[:limit], f"and {len(lines) - limit} more; comparison.json lists all"]
    return lines
