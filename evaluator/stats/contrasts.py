"""Contrasts of arms with their uncertainty over seeds and test items.

A score varies because another seed would have trained another model and because other test items would have been
drawn. The multi-bootstrap (Sellam et al. 2022, arXiv 2106.16163) resamples both; with 3-5 seeds its percentile
intervals are far too narrow, so the interval here is its small-sample form: the variance of a contrast is

    (variance between seeds) / n  +  (covariance, over resampled test items, between different seeds)

with a t quantile (Cochran & Cox 1950), and never less than resampling the items alone gives. The first term is
unbiased for any n; the second leaves out the noise that is private to one seed and one item, which the first already
holds (the plain multi-bootstrap counts it three times; Owen 2007, pigeonhole bootstrap). Where the same arms were
run at other sizes, the seed variance is moderated towards the pool of those (Smyth 2004, limma), which makes three
seeds usable; other arms are not part of it, since one that collapses would widen every interval.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from evaluator.stats.item_bootstrap import ItemNoise
from evaluator.stats.results import Floats, Group, TrainedRun
from evaluator.stats.significance import CONFIDENCE, Estimate, scipy_module, t_quantile

# The other sizes count as two more seeds at most: enough for three, harmless where noise differs.
MAX_BORROWED_DF = 2.0
LEAST_COMMON_SEEDS = 3  # below it, runs of other seeds are worth more than the pairing


@dataclass(frozen=True, slots=True)
class Spread:
    """Standard errors and degrees of freedom of several contrasts, arrays of shape (contrasts,).

    `seed_df` are the degrees of freedom of the part that seeds make.
    """

    se: Floats
    df: Floats
    seed_df: Floats
    seeds: int
    paired: bool

    def half_width(self) -> Floats:
        """Return half the width of each 95 % interval; NaN where there is no standard error."""
        return np.asarray(t_quantile(self.df)) * self.se


@dataclass(frozen=True)
class LevelScores:
    """The scores of one aggregation level: a value per run, and what resampling the test items says of them.

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
    def _pools(self) -> dict[frozenset[str], PooledSeedVariance]:
        return {}

    def _pool(self, arms: frozenset[str]) -> PooledSeedVariance:
        if arms not in self._pools:
            self._pools[arms] = PooledSeedVariance.of(self, arms)
        return self._pools[arms]

    def without(self, runs: Container[TrainedRun]) -> LevelScores:
        """Return the scores of all other runs; the noise of test items is as it was."""
        left = {
            group: [i for i, seed in enumerate(self.seeds[group]) if TrainedRun(*group, seed) not in runs]
            for group in self.groups
        }
        values = {group: self.values[group][index] for group, index in left.items()}
        seeds = {group: tuple(self.seeds[group][i] for i in index) for group, index in left.items()}
        return replace(self, values=values, seeds=seeds)

    def contrast(self, weights: Mapping[Group, float]) -> Estimate:
        """Return the estimate of sum(weight * mean over seeds): one arm's mean, a difference, a point on a curve."""
        vector = np.array([weights.get(group, 0.0) for group in self.groups])
        spread = self.spread(vector[None, :])
        used = [group for group in self.groups if weights.get(group)]
        means = [float(np.mean(sample)) if len(sample) else np.nan for sample in self.samples(used)]
        value = float(np.dot([weights[group] for group in used], means))
        item_se = 0.0 if self.items is None else float(_quadratic(vector[None, :], self.items.across_seeds)[0]) ** 0.5
        se, df, seed_df = float(spread.se[0]), float(spread.df[0]), float(spread.seed_df[0])
        return Estimate(value, se, df, spread.seeds, spread.paired, self.items is not None, item_se, seed_df)

    def spread(self, weights: Floats) -> Spread:
        """Return the uncertainty of contrasts, `weights` (contrasts, groups); NaN with one seed or a missing score."""
        used = np.flatnonzero(np.any(weights != 0, axis=0))
        samples = self.samples([self.groups[index] for index in used])
        n_seeds = min(map(len, samples), default=0)
        paired = self._paired([self.groups[index] for index in used]) is not None
        if n_seeds < 2 or not all(np.isfinite(sample).all() for sample in samples):
            unknown = np.full(len(weights), np.nan)
            return Spread(unknown, unknown, unknown, n_seeds, paired)
        if paired:
            variance, df = self._moderated_variance(weights, weights[:, used] @ np.stack(samples))
        else:
            variance, df = _welch_variance(weights[:, used], samples)
        seed_df = df
        if self.items is not None:
            item_variance = _quadratic(weights, self.items.across_seeds)
            item_df = np.full_like(df, max(self.items.n_items - 1, 1))
            variance, df = cochran_cox(np.stack([variance, item_variance]), np.stack([df, item_df]))
            variance = np.maximum(variance, _quadratic(weights, self.items.of_means))
        return Spread(np.sqrt(variance), df, seed_df, n_seeds, paired)

    def _paired(self, groups: Sequence[Group]) -> tuple[int, ...] | None:
        """Return the seeds to pair groups by: those all have, if most of each; None where they are independent."""
        own = [self.seeds[group] for group in groups]
        common = tuple(sorted(set(own[0]).intersection(*own))) if own else ()
        enough = len(set(own)) == 1 or len(common) >= max(LEAST_COMMON_SEEDS, max(map(len, own), default=0) / 2)
        return common if enough else None

    def samples(self, groups: Sequence[Group]) -> list[Floats]:
        """Return the scores of each group at the seeds they are paired by, or at all of its own."""
        common = self._paired(groups)
        if common is None:
            return [self.values[group] for group in groups]
        return [self.values[group][[self.seeds[group].index(seed) for seed in common]] for group in groups]

    def _moderated_variance(self, weights: Floats, by_seed: Floats) -> tuple[Floats, Floats]:
        """Return variance and df of means over seeds, from `by_seed` (contrasts, seeds) and other sizes."""
        n_seeds = by_seed.shape[1]
        variance, df = np.var(by_seed, axis=1, ddof=1), n_seeds - 1
        pool = self._pool(frozenset(self.groups[index][0] for index in np.flatnonzero(weights.any(axis=0))))
        pooled, pooled_df = _quadratic(weights, pool.covariance), pool.borrowed_df(n_seeds)
        moderated = (df * variance + pooled_df * pooled) / (df + pooled_df)
        return moderated / n_seeds, np.full(len(weights), df + pooled_df)


def _welch_variance(weights: Floats, samples: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Return Welch's variance of contrasts of independent samples, with the df of Satterthwaite (1946)."""
    parts = np.stack([w**2 * np.var(v, ddof=1) / len(v) for w, v in zip(weights.T, samples, strict=True)])
    dfs = np.array([[len(sample) - 1.0] for sample in samples])
    total = parts.sum(axis=0)
    spread = (parts**2 / dfs).sum(axis=0)
    return total, np.divide(total**2, spread, out=np.full_like(total, float(dfs.min())), where=spread > 0)


def cochran_cox(parts: Floats, dfs: Floats) -> tuple[Floats, Floats]:
    """Return the sum of two variances, and the degrees of freedom whose t quantile is their weighted mean quantile.

    The approximation of Cochran & Cox (1950). Satterthwaite's takes a small variance between three lucky seeds at its
    word and covers 92 % where seeds dominate (`--single` of benchmarks/verdict_simulation.py); this one errs upwards.
    """
    total = parts.sum(axis=0)
    shares = np.divide(parts, total, out=np.full_like(parts, 0.5), where=total > 0)
    quantile = np.sum(shares * t_quantile(dfs), axis=0)
    return total, np.asarray(scipy_module("special").stdtridf(0.5 + CONFIDENCE / 2, quantile))


def _quadratic(weights: Floats, covariance: Floats) -> Floats:
    """Return the variance of each contrast, (contrasts,), at least zero; unknown entries count as zero."""
    known = np.where(np.isfinite(covariance), covariance, 0.0)
    return np.asarray(np.maximum(np.sum((weights @ known) * weights, axis=1), 0.0))


@dataclass(frozen=True, slots=True)
class PooledSeedVariance:
    """What the other sizes of the arms of a contrast say about its seed noise.

    `covariance` is that of runs that share a seed, (groups, groups), zero for arms that are not of the contrast. It has
    four numbers: the mean variance of a run, and the mean covariances of two arms at one size, of one arm at two
    sizes, and of runs that differ in both. `contrasts` counts the sizes, `correlation` is how far a seed repeats a
    difference across them, and `p_equal` is the p-value of runs that vary alike at every size.
    """

    covariance: Floats
    contrasts: int = 0
    correlation: float = 0.0
    p_equal: float = 0.0

    @classmethod
    def of(cls, scores: LevelScores, arms: frozenset[str]) -> PooledSeedVariance:
        """Pool the sizes of one or two arms; nothing where one of them has a single size, or other seeds."""
        shared = _largest_shared(scores, arms)
        pooled = np.zeros((len(scores.groups), len(scores.groups)))
        vectors = _same_contrasts(shared, sorted(arms))
        if len(vectors) < 2:
            return cls(pooled)
        values = np.stack([scores.values[group] for group in shared])
        covariance = np.asarray(np.cov(values), dtype=np.float64)
        of_arms = np.array([group[0] in arms for group in scores.groups])
        for measured, every in zip(_relations(shared), _relations(scores.groups), strict=True):
            pooled += every * np.outer(of_arms, of_arms) * (covariance[measured].mean() if measured.any() else 0.0)
        correlation = _repeat(vectors @ covariance @ vectors.T)
        by_size = np.abs(vectors) @ np.var(values, axis=1, ddof=1) / len(arms)
        return cls(pooled, len(vectors), correlation, bartlett_p(by_size, len(arms) * (values.shape[1] - 1)))

    def borrowed_df(self, n_seeds: int) -> float:
        """Return how many degrees of freedom a contrast may borrow: none where noise clearly depends on size."""
        df = min(MAX_BORROWED_DF, max(self.contrasts - 1, 0) * (n_seeds - 1)) * (1 - self.correlation**2)
        return df * min(1.0, (n_seeds - 1) ** 2 * self.p_equal)


def _relations(groups: Sequence[Group]) -> tuple[npt.NDArray[np.bool_], ...]:
    """Return which pairs of groups are one group, share a size, an arm, or neither; each (groups, groups)."""
    sizes, arms = np.array([size for _, size in groups]), np.array([arm for arm, _ in groups])
    same_size, same_arm = sizes[:, None] == sizes[None, :], arms[:, None] == arms[None, :]
    return same_size & same_arm, same_size & ~same_arm, same_arm & ~same_size, ~same_size & ~same_arm


def _largest_shared(scores: LevelScores, arms: frozenset[str]) -> list[Group]:
    """Return the trained groups of `arms` that have the most common set of seeds, two at least."""
    by_seeds: dict[tuple[int, ...], list[Group]] = {}
    for group, values in scores.values.items():
        if group[0] in arms and group[1] > 0 and len(values) > 1 and np.isfinite(values).all():
            by_seeds.setdefault(scores.seeds[group], []).append(group)
    return max(by_seeds.values(), key=len, default=[])


def _same_contrasts(groups: Sequence[Group], arms: Sequence[str]) -> Floats:
    """Return the contrast of the arms at every size that all have: a mean, or a difference of two; (sizes, groups)."""
    sizes = sorted(set.intersection(*({size for own, size in groups if own == arm} for arm in arms)))
    vectors = np.zeros((len(sizes), len(groups)))
    for row, size in enumerate(sizes):
        for arm, sign in zip(arms, (1.0, -1.0), strict=False):
            vectors[row, groups.index((arm, size))] = sign
    return vectors


def _repeat(covariance: Floats) -> float:
    """Correlation of a contrast with itself at other sizes: what a seed repeats cannot count twice."""
    within, between = np.diag(covariance).mean(), covariance[np.triu_indices(len(covariance), 1)].mean()
    return float(np.clip(between / within, 0.0, 1.0)) if within > 0 else 0.0


def bartlett_p(variances: Floats, df: int) -> float:
    """Return the p-value of Bartlett's (1937) test that variances of `df` degrees of freedom each are one; (sizes,)."""
    if not variances.all():
        return 0.0
    count, total = len(variances), len(variances) * df
    spread = total * np.log(variances.mean()) - df * np.log(variances).sum()
    correction = 1 + (count / df - 1 / total) / (3 * (count - 1))
    return float(scipy_module("special").chdtrc(count - 1, spread / correction))
