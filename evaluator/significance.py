"""Differences between arms: resampling over seeds and examples, intervals, tests, power.

A score varies because another seed would have trained another model and because other test items would have been
drawn. The multi-bootstrap (Sellam et al. 2022, arXiv 2106.16163) resamples both; with 3-5 seeds its percentile
intervals are far too narrow, so the interval here is its small-sample form: the variance of a contrast is

    (variance between seeds) / n  +  (covariance, over resampled test items, between different seeds)

with a t quantile. The first term is unbiased for any n; the second leaves out the noise that is private to one seed and
one item, which the first already holds (the plain multi-bootstrap counts it three times; Owen 2007, pigeonhole
bootstrap). Where a sweep has further contrasts of the same kind, the seed variance is moderated towards their pool, as in
Smyth 2004 (limma), which is what makes three seeds usable.

`comparison` calls this file per scope; `scaling` uses the same contrasts for points on curves.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from synthgen.errors import missing_package

Floats = npt.NDArray[np.float64]
Group = tuple[str, int]  # an arm at a size: the runs that differ by seed alone

CONFIDENCE = 0.95
POWER = 0.80
MAX_BORROWED_DF = 4.0  # never lean on the rest of the sweep for more than four degrees of freedom
EXACT_FLIPS = 12  # enumerate all 2^n sign flips up to this n
SAMPLED_FLIPS = 20_000


def _special() -> Any:  # noqa: ANN401 - scipy ships no types
    try:
        from scipy import special
    except ImportError as error:
        raise missing_package("scipy", "report", "the statistics of a report") from error
    return special


# --- resampling -----------------------------------------------------------------------------------------------------


def resample_counts(n_items: int, draws: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return how often each item occurs in each bootstrap draw, (items, draws); every column sums to `n_items`."""
    index = rng.integers(0, n_items, size=(draws, n_items))
    index += np.arange(draws)[:, None] * n_items
    counts = np.bincount(index.ravel(), minlength=draws * n_items)
    return counts.reshape(draws, n_items).T.astype(np.float32)


def metric_draws(scores: npt.NDArray[np.float32], counts: npt.NDArray[np.float32]) -> Floats:
    """Return the metric in percent of every run in every draw, (runs, draws).

    `scores` is (runs, items): the metric is a mean; or (runs, items, 3) with tp, predicted, gold: it is their micro F1,
    recomputed from the resampled counts. `counts` is (items, draws).

    >>> triples = np.array([[[1, 1, 2], [1, 2, 1]]], dtype=np.float32)
    >>> metric_draws(triples, np.ones((2, 1), dtype=np.float32)).round(2)
    array([[66.67]])
    """
    if scores.ndim == 2:
        return 100.0 * (scores @ counts).astype(np.float64) / np.maximum(counts.sum(axis=0), 1.0)
    tp, predicted, gold = ((scores[:, :, part] @ counts).astype(np.float64) for part in range(3))
    return 200.0 * tp / np.maximum(predicted + gold, 1e-12)


def multibootstrap(
    base: Floats, other: Floats, seeds: npt.NDArray[np.int64], other_seeds: npt.NDArray[np.int64]
) -> Floats:
    """Return the multi-bootstrap draws of two arms, (draws, 2): Sellam et al. 2022, algorithm 1, vectorised.

    `base` and `other` are (seeds, draws), the metric of each run on the items of each draw; `seeds` and `other_seeds`
    (draws, seeds) say which seeds each draw takes. Equal index arrays give the paired-seeds form.
    """
    draw = np.arange(base.shape[1])[:, None]
    return np.stack([base[seeds, draw].mean(axis=1), other[other_seeds, draw].mean(axis=1)], axis=1)


# --- estimates ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Estimate:
    """A contrast of scores with its standard error and degrees of freedom, all in points."""

    value: float
    se: float
    df: float
    seeds: int
    paired: bool = True
    items_resampled: bool = True

    @property
    def known(self) -> bool:
        """Whether there is a standard error: two seeds at least, and no missing score."""
        return bool(np.isfinite(self.value) and np.isfinite(self.se) and self.df > 0)

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Return the t interval."""
        half = float(_special().stdtrit(self.df, 0.5 + confidence / 2)) * self.se
        return self.value - half, self.value + half

    @property
    def p(self) -> float:
        """Two-sided p-value of no difference, dual to the interval."""
        return min(1.0, 2 * self._upper_tail(abs(self.value)))

    def p_above(self, threshold: float = 0.0) -> float:
        """One-sided p-value of "the truth is at most `threshold`"."""
        return self._upper_tail(self.value - threshold)

    def p_equivalence(self, margin: float) -> float:
        """Two one-sided tests (Schuirmann 1987) of "the truth lies outside (-margin, margin)"."""
        return max(self._upper_tail(self.value + margin), self._upper_tail(margin - self.value))

    def _upper_tail(self, distance: float) -> float:
        if self.se == 0:
            return 0.0 if distance > 0 else 1.0 if distance < 0 else 0.5
        return float(_special().stdtr(self.df, -distance / self.se))

    @property
    def mde80(self) -> float:
        """Smallest true difference that this design detects with 80 % power (noncentral t)."""
        special = _special()
        df = min(self.df, 1e6)
        critical = special.stdtrit(df, 0.5 + CONFIDENCE / 2)
        return float(special.nctdtrinc(df, 1 - POWER, critical)) * self.se


UNKNOWN = float("nan")


@dataclass(frozen=True)
class Scores:
    """The scores of one scope: a value per run, and what resampling the test items says of them.

    `values[group]` is (seeds,) in the order of `seeds[group]`. `item_covariance` is (groups, groups), the bootstrap
    covariance over test items between runs of different seeds, None where items were not stored; `n_items` counts
    the items that were resampled. Groups are in the order of `values`.
    """

    values: Mapping[Group, Floats]
    seeds: Mapping[Group, tuple[int, ...]]
    item_covariance: Floats | None = None
    n_items: int = 0

    @cached_property
    def _place(self) -> dict[Group, int]:
        return {group: index for index, group in enumerate(self.values)}

    @cached_property
    def _pool(self) -> _Pool:
        return _Pool.of(self)

    def contrast(self, weights: Mapping[Group, float]) -> Estimate:
        """Return the estimate of sum(weight * mean over seeds): one arm's mean, a difference, a point on a curve."""
        groups = [group for group, weight in weights.items() if weight != 0]
        value = sum(weights[group] * float(np.mean(self.values[group])) for group in groups)
        counts = {len(self.values[group]) for group in groups}
        paired = len({self.seeds[group] for group in groups}) == 1
        seeds = min(counts, default=0)
        if seeds < 2 or not np.isfinite(value):
            return Estimate(value, UNKNOWN, UNKNOWN, seeds, paired, self.item_covariance is not None)
        variance, df = self._seed_variance(groups, weights) if paired else self._welch_variance(groups, weights)
        return self._estimate(value, variance, df, seeds, paired, weights)

    def _estimate(
        self, value: float, variance: float, df: float, seeds: int, paired: bool, weights: Mapping[Group, float]
    ) -> Estimate:
        if self.item_covariance is None:
            return Estimate(value, float(np.sqrt(variance)), df, seeds, paired, items_resampled=False)
        vector = np.zeros(len(self.values))
        for group, weight in weights.items():
            vector[self._place[group]] = weight
        item_variance = max(float(vector @ self.item_covariance @ vector), 0.0)
        total = variance + item_variance
        spread = variance**2 / df + item_variance**2 / max(self.n_items - 1, 1)  # Satterthwaite 1946
        return Estimate(value, float(np.sqrt(total)), total**2 / spread if spread > 0 else df, seeds, paired)

    def _seed_variance(self, groups: Sequence[Group], weights: Mapping[Group, float]) -> tuple[float, float]:
        """Arms share seeds: the variance of the mean of per-seed contrasts, moderated by the rest of the sweep."""
        per_seed = sum(weights[group] * self.values[group] for group in groups)
        n = len(self.values[groups[0]])
        own, own_df = float(np.var(per_seed, ddof=1)), n - 1
        pooled, pooled_df = self._pool.variance(weights), self._pool.borrowed_df(n)
        variance = (own_df * own + pooled_df * pooled) / (own_df + pooled_df)
        return variance / n, own_df + pooled_df

    def _welch_variance(self, groups: Sequence[Group], weights: Mapping[Group, float]) -> tuple[float, float]:
        """Arms with other seeds are independent: Welch's sum of variances with Satterthwaite's degrees of freedom."""
        parts = np.array([weights[g] ** 2 * np.var(self.values[g], ddof=1) / len(self.values[g]) for g in groups])
        dfs = np.array([len(self.values[g]) - 1 for g in groups])
        total = float(parts.sum())
        return total, total**2 / float((parts**2 / dfs).sum()) if total > 0 else float(dfs.min())


@dataclass(frozen=True, slots=True)
class _Pool:
    """What the whole sweep says about seed noise: one variance, and covariances of runs that share a seed.

    `same_size` is the mean covariance of two arms at one size, `other_size` of runs at different sizes. `df` counts the
    independent contrasts beyond the one under test, times seeds less one, shrunk by their own correlation.
    """

    variance_of_run: float
    same_size: float
    other_size: float
    contrasts: int
    correlation: float

    @classmethod
    def of(cls, scores: Scores) -> _Pool:
        """Pool the groups that share the most common set of seeds and were trained on intermediate data."""
        shared = _largest_shared(scores)
        if len(shared) < 2:
            return cls(0.0, 0.0, 0.0, 0, 0.0)
        covariance = np.cov(np.stack([scores.values[group] for group in shared]), ddof=1)
        size = np.array([group[1] for group in shared])
        same = (size[:, None] == size[None, :]) & ~np.eye(len(shared), dtype=bool)
        other = size[:, None] != size[None, :]
        mean = [float(covariance[mask].mean()) if mask.any() else 0.0 for mask in (same, other)]
        n_sizes = len(set(size.tolist()))
        return cls(float(np.diag(covariance).mean()), *mean, len(shared) - n_sizes, _repeat(covariance, shared))

    def variance(self, weights: Mapping[Group, float]) -> float:
        """Return the pooled per-seed variance of a contrast."""
        total = sum(weight**2 * self.variance_of_run for weight in weights.values())
        for (first, a), (second, b) in itertools.permutations(weights.items(), 2):
            total += a * b * (self.same_size if first[1] == second[1] else self.other_size)
        return max(total, 0.0)

    def borrowed_df(self, n_seeds: int) -> float:
        """Return how many degrees of freedom a contrast may borrow."""
        return min(MAX_BORROWED_DF, max(self.contrasts - 1, 0) * (n_seeds - 1)) * (1 - self.correlation**2)


def _largest_shared(scores: Scores) -> list[Group]:
    by_seeds: dict[tuple[int, ...], list[Group]] = {}
    for group, values in scores.values.items():
        if group[1] > 0 and len(values) > 1 and np.isfinite(values).all():
            by_seeds.setdefault(scores.seeds[group], []).append(group)
    return max(by_seeds.values(), key=len, default=[])


def _repeat(covariance: Floats, groups: Sequence[Group]) -> float:
    """Correlation, across sizes, of the per-seed difference of two arms: what a seed repeats cannot count twice."""
    place = {group: index for index, group in enumerate(groups)}
    arms = sorted({arm for arm, _ in groups})
    within, between = [], []
    for first, second in itertools.combinations(arms, 2):
        sizes = [size for arm, size in groups if arm == first and (second, size) in place]
        vectors = np.zeros((len(sizes), len(groups)))
        for row, size in enumerate(sizes):
            vectors[row, place[first, size]], vectors[row, place[second, size]] = 1, -1
        block = vectors @ covariance @ vectors.T
        within += list(np.diag(block))
        between += list(block[np.triu_indices(len(sizes), 1)])
    if not between or np.mean(within) <= 0:
        return 0.0
    return float(np.clip(np.mean(between) / np.mean(within), 0.0, 1.0))


def item_covariance(
    draws: Floats, groups: Sequence[Group], run_groups: Sequence[Group], run_seeds: Sequence[int]
) -> Floats:
    """Return the (groups, groups) covariance over item draws between runs of different seeds.

    `draws` is (runs, draws). Runs of the same seed are left out: what they share beyond other seeds is already part of
    the variance between seeds. With one seed everywhere the result is NaN.
    """
    gram = np.cov(draws)
    seeds = np.asarray(run_seeds)
    differ = (seeds[:, None] != seeds[None, :]).astype(np.float64)
    member = np.array([[group == own for group in groups] for own in run_groups], dtype=np.float64)
    pairs = member.T @ differ @ member
    total = member.T @ (np.atleast_2d(gram) * differ) @ member
    return np.asarray(np.divide(total, pairs, out=np.full_like(total, np.nan), where=pairs > 0))


# --- tests on top of estimates --------------------------------------------------------------------------------------


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's (1979) adjusted p-values, in the order given.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in adjusted]


def at_least(p_one_sided: Sequence[float], alpha: float = 0.05) -> int:
    """Return the largest k for which "better in at least k of m" holds at `alpha` (Dror et al. 2017, k-Bonferroni).

    Valid for dependent languages; it is the number of languages whose partial conjunction p-values stay below alpha.

    >>> at_least([0.001, 0.02, 0.8, 0.004])
    2
    """
    return sum(p <= alpha for p in holm(p_one_sided))


def sign_flip_floor(pairs: int) -> float:
    """Return the smallest two-sided p-value that flipping the signs of `pairs` differences can reach.

    >>> sign_flip_floor(5)
    0.0625
    """
    return 2.0 / 2**pairs


def sign_flip_p(differences: npt.ArrayLike, rng: np.random.Generator) -> float:
    """Return the two-sided paired permutation p-value over seeds: exact to 12 pairs, sampled beyond.

    It speaks of the test items at hand: another draw of items is not part of its null hypothesis.
    """
    values = np.asarray(differences, dtype=np.float64)
    if len(values) <= EXACT_FLIPS:
        signs = np.array(list(itertools.product((1, -1), repeat=len(values))), dtype=np.float64)
        means = np.abs(signs @ values)
        return float(np.mean(means >= abs(values.sum()) * (1 - 1e-12)))
    signs = rng.choice(np.array([-1.0, 1.0]), size=(SAMPLED_FLIPS, len(values)))
    extreme = np.sum(np.abs(signs @ values) >= abs(values.sum()) * (1 - 1e-12))
    return float((extreme + 1) / (SAMPLED_FLIPS + 1))
