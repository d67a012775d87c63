"""Differences between arms: resampling over seeds and examples, intervals, tests, power.

A score varies because another seed would have trained another model and because other test items would have been
drawn. The multi-bootstrap (Sellam et al. 2022, arXiv 2106.16163) resamples both; with 3-5 seeds its percentile
intervals are far too narrow, so the interval here is its small-sample form: the variance of a contrast is

    (variance between seeds) / n  +  (covariance, over resampled test items, between different seeds)

with a t quantile (Cochran & Cox 1950), and never less than resampling the items alone gives. The first term is
unbiased for any n; the second leaves out the noise that is private to one seed and one item, which the first already
holds (the plain multi-bootstrap counts it three times; Owen 2007, pigeonhole bootstrap). Where a sweep has further
contrasts of the same kind, the seed variance is moderated towards their pool (Smyth 2004, limma), which makes three
seeds usable.

`comparison` calls this file per scope; `scaling` uses the same contrasts for points on curves.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from synthgen.errors import missing_package

Floats = npt.NDArray[np.float64]
Group = tuple[str, int]  # an arm at a size: the runs that differ by seed alone

CONFIDENCE = 0.95
POWER = 0.80
MAX_BORROWED_DF = (
    2.0  # the rest of a sweep counts as two more seeds at most: enough for three, harmless where noise differs
)
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
        total = (scores @ counts).astype(np.float64)
        return np.asarray(100.0 * total / np.maximum(counts.sum(axis=0), 1.0))
    tp, predicted, gold = ((scores[:, :, part] @ counts).astype(np.float64) for part in range(3))
    return np.asarray(200.0 * tp / np.maximum(predicted + gold, 1e-12))


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


@dataclass(frozen=True, slots=True)
class Spread:
    """Standard errors and degrees of freedom of several contrasts, arrays of shape (contrasts,)."""

    se: Floats
    df: Floats
    seeds: int
    paired: bool

    def critical(self, confidence: float = CONFIDENCE) -> Floats:
        """Return the t quantile of each interval."""
        return np.asarray(_special().stdtrit(self.df, 0.5 + confidence / 2))


@dataclass(frozen=True, slots=True)
class ItemNoise:
    """Bootstrap covariances over test items between groups, both (groups, groups), and how many items were resampled.

    `across_seeds` is the mean over pairs of runs of different seeds: runs of one seed share more, but that is already
    in the variance between seeds. `of_means` is the covariance of the means over seeds. With one seed the first is NaN.
    """

    across_seeds: Floats
    of_means: Floats
    n_items: int


@dataclass(frozen=True)
class LevelScores:
    """The scores of one scope: a value per run, and what resampling the test items says of them.

    `values[group]` is (seeds,) in the order of `seeds[group]`. `items` is None where item scores were not stored.
    `trained` is how many examples a group was trained on, where that is not its size.
    """

    values: Mapping[Group, Floats]
    seeds: Mapping[Group, tuple[int, ...]]
    items: ItemNoise | None = None
    trained: Mapping[Group, int] = field(default_factory=dict)

    def examples(self, group: Group) -> int:
        """Return how many intermediate examples the runs of a group were trained on."""
        return self.trained.get(group) or group[1]

    @cached_property
    def groups(self) -> list[Group]:
        """Every arm at every size, in the order of weight vectors."""
        return list(self.values)

    @cached_property
    def means(self) -> Floats:
        """Mean over seeds of every group, NaN where a score is missing; (groups,)."""
        return np.array([np.mean(self.values[group]) for group in self.groups])

    @cached_property
    def _pool(self) -> PooledSeedVariance:
        return PooledSeedVariance.of(self)

    def contrast(self, weights: Mapping[Group, float]) -> Estimate:
        """Return the estimate of sum(weight * mean over seeds): one arm's mean, a difference, a point on a curve."""
        vector = np.array([weights.get(group, 0.0) for group in self.groups])
        spread = self.spread(vector[None, :])
        value = float(np.sum(vector[vector != 0] * self.means[vector != 0]))
        with_items = self.items is not None
        return Estimate(value, float(spread.se[0]), float(spread.df[0]), spread.seeds, spread.paired, with_items)

    def spread(self, weights: Floats) -> Spread:
        """Return the uncertainty of contrasts, `weights` (contrasts, groups); NaN with one seed or a missing score."""
        used = [
            group for group, any_weight in zip(self.groups, np.any(weights != 0, axis=0), strict=True) if any_weight
        ]
        seeds = min((len(self.values[group]) for group in used), default=0)
        paired = len({self.seeds[group] for group in used}) == 1
        if seeds < 2 or not all(np.isfinite(self.values[group]).all() for group in used):
            unknown = np.full(len(weights), np.nan)
            return Spread(unknown, unknown, seeds, paired)
        variance, df = self._paired_variance(weights) if paired else self._welch_variance(weights)
        if self.items is not None:
            item_variance = _quadratic(weights, self.items.across_seeds)
            item_df = np.full_like(df, max(self.items.n_items - 1, 1))
            variance, df = _cochran_cox(np.stack([variance, item_variance]), np.stack([df, item_df]))
            variance = np.maximum(variance, _quadratic(weights, self.items.of_means))
        return Spread(np.sqrt(variance), df, seeds, paired)

    def _paired_variance(self, weights: Floats) -> tuple[Floats, Floats]:
        """Arms share seeds: the variance of the mean of per-seed contrasts, moderated by the rest of the sweep."""
        used = np.any(weights != 0, axis=0)
        by_seed = np.stack(
            [self.values[group] for group, any_weight in zip(self.groups, used, strict=True) if any_weight]
        )
        n = by_seed.shape[1]
        own, own_df = np.var(weights[:, used] @ by_seed, axis=1, ddof=1), n - 1
        pooled, pooled_df = self._pool.variance(weights, self.groups), self._pool.borrowed_df(n)
        variance = (own_df * own + pooled_df * pooled) / (own_df + pooled_df)
        return variance / n, np.full(len(weights), own_df + pooled_df)

    def _welch_variance(self, weights: Floats) -> tuple[Floats, Floats]:
        """Arms with other seeds are independent: Welch's sum of variances with Satterthwaite's degrees of freedom."""
        used = np.flatnonzero(np.any(weights != 0, axis=0))
        samples = [self.values[self.groups[index]] for index in used]
        parts = np.stack([weights[:, i] ** 2 * np.var(v, ddof=1) / len(v) for i, v in zip(used, samples, strict=True)])
        dfs = np.array([[len(sample) - 1.0] for sample in samples])
        return _satterthwaite(parts, dfs)


def _cochran_cox(parts: Floats, dfs: Floats) -> tuple[Floats, Floats]:
    """Return the sum of two variances, and the degrees of freedom whose t quantile is their weighted mean quantile.

    The approximation of Cochran & Cox (1950). Satterthwaite's takes a small variance between three lucky seeds at its
    word and covers 92 % where seeds dominate (`--single` of benchmarks/verdict_simulation.py); this one errs upwards.
    """
    total = parts.sum(axis=0)
    level = 0.5 + CONFIDENCE / 2
    shares = np.divide(parts, total, out=np.full_like(parts, 0.5), where=total > 0)
    quantile = np.sum(shares * _special().stdtrit(dfs, level), axis=0)
    return total, np.asarray(_special().stdtridf(level, quantile))


def _quadratic(weights: Floats, covariance: Floats) -> Floats:
    """Return the variance of each contrast, (contrasts,), at least zero; unknown entries count as zero."""
    known = np.where(np.isfinite(covariance), covariance, 0.0)
    return np.asarray(np.maximum(np.sum((weights @ known) * weights, axis=1), 0.0))


def _satterthwaite(parts: Floats, dfs: Floats) -> tuple[Floats, Floats]:
    """Return the sum of independent variances and its degrees of freedom (Satterthwaite 1946), over the first axis."""
    total = parts.sum(axis=0)
    spread = (parts**2 / dfs).sum(axis=0)
    return total, np.divide(total**2, spread, out=np.full_like(total, float(dfs.min())), where=spread > 0)


@dataclass(frozen=True, slots=True)
class PooledSeedVariance:
    """What the whole sweep says about seed noise: one variance of a run, and covariances of runs that share a seed.

    Those are means over two arms at one size, over one arm at two sizes, and over runs that differ in both. `contrasts`
    counts the independent differences between arms, `correlation` is how far a seed repeats a difference across sizes.
    """

    variance_of_run: float
    covariances: tuple[float, float, float]
    contrasts: int
    correlation: float

    @classmethod
    def of(cls, scores: LevelScores) -> PooledSeedVariance:
        """Pool the groups that share the most common set of seeds and were trained on intermediate data."""
        shared = _largest_shared(scores)
        if len(shared) < 2:
            return cls(0.0, (0.0, 0.0, 0.0), 0, 0.0)
        covariance = np.asarray(np.cov(np.stack([scores.values[group] for group in shared])), dtype=np.float64)
        one, two, three = (float(covariance[mask].mean()) if mask.any() else 0.0 for mask in _relations(shared))
        contrasts = len(shared) - len({size for _, size in shared})
        return cls(float(np.diag(covariance).mean()), (one, two, three), contrasts, _repeat(covariance, shared))

    def variance(self, weights: Floats, groups: Sequence[Group]) -> Floats:
        """Return the pooled per-seed variance of contrasts (contrasts, groups), shape (contrasts,)."""
        matrix = np.eye(len(groups)) * self.variance_of_run
        for mask, covariance in zip(_relations(groups), self.covariances, strict=True):
            matrix += mask * covariance
        return _quadratic(weights, matrix)

    def borrowed_df(self, n_seeds: int) -> float:
        """Return how many degrees of freedom a contrast may borrow."""
        return min(MAX_BORROWED_DF, max(self.contrasts - 1, 0) * (n_seeds - 1)) * (1 - self.correlation**2)


def _relations(groups: Sequence[Group]) -> tuple[npt.NDArray[np.bool_], ...]:
    """Return which pairs of groups share a size, an arm, or neither; each (groups, groups), the diagonal in none."""
    sizes, arms = np.array([size for _, size in groups]), np.array([arm for arm, _ in groups])
    same_size, same_arm = sizes[:, None] == sizes[None, :], arms[:, None] == arms[None, :]
    return same_size & ~same_arm, same_arm & ~same_size, ~same_size & ~same_arm


def _largest_shared(scores: LevelScores) -> list[Group]:
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


def item_noise(
    draws: Floats, groups: Sequence[Group], run_groups: Sequence[Group], run_seeds: Sequence[int], n_items: int
) -> ItemNoise:
    """Return what resampling the items, `draws` (runs, draws), says of the groups that the runs belong to."""
    gram = np.atleast_2d(np.cov(draws))
    seeds = np.asarray(run_seeds)
    differ = (seeds[:, None] != seeds[None, :]).astype(np.float64)
    member = np.array([[group == own for group in groups] for own in run_groups], dtype=np.float64)
    across, every = (
        np.divide(
            member.T @ (gram * mask) @ member,
            pairs := member.T @ mask @ member,
            out=np.full((len(groups), len(groups)), np.nan),
            where=pairs > 0,
        )
        for mask in (differ, np.ones_like(differ))
    )
    return ItemNoise(across, every, n_items)


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
    3
    """
    return sum(p <= alpha for p in holm(p_one_sided))


def sign_flip_floor(pairs: int) -> float:
    """Return the smallest two-sided p-value that flipping the signs of `pairs` differences can reach.

    >>> sign_flip_floor(5)
    0.0625
    """
    return float(2.0 / 2**pairs)


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
