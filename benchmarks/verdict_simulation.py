"""Do the intervals, tests and exchange rates of a report cover what they say? Simulated sweeps whose truth is known.

    python benchmarks/verdict_simulation.py                   # the whole grid, 2,000 worlds a row (about 10 minutes)
    python benchmarks/verdict_simulation.py --seeds 3         # a third of it
    python benchmarks/verdict_simulation.py --worlds 300      # a look

A world is a sweep of two arms at four sizes with n seeds, scored on the same items in L parallel languages:

    score = curve(arm, size) + seed(run) + seed(run, language) + item(arm) + item(arm, language) + noise

Seeds and items of the two arms correlate by `corr`. `seed/item` is the ratio of the two standard deviations in the
mean of one run. The estimates come from the code of the package: item draws, seed variances, curve fits, intervals. The
oracle knows every variance, so its interval is +-1.96 true standard errors; `width` is ours over its, on average.

Columns: coverage of the 95 % interval of a difference; its width; type-I error at 5 %; how often a true difference of
exactly the margin is called equivalent; coverage and width of the exchange rate (in doublings, open ends cut at the
limits of extrapolation; the oracle also knows that the curves are lines, so its width says little for `power law`).

`--single` adds sweeps of one size, where nothing can be borrowed: with three paired seeds and no item noise the t
interval, and so any interval of 95 % that assumes no more, is 1.94 oracles wide. `--stress` adds seed noise that
falls with size, seeds that repeat at every size, and power laws. `--curves` adds truths of other shapes: weak,
saturating, late, flat; `--sizes` the same with 8 and 12 sizes. `--noise` draws arms whose seed noise differs by arm
and by size, and arms that collapse: what a third arm does to the interval of two. `--languages` draws every language
by itself. `--data` adds worlds in which data vary (`verdict_data.py`): generated datasets, clusters of items, added
seeds. `--reports N` draws right and wrong answers of N whole sweeps (three targets, two kinds of metric) and puts
them through a report.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import numpy.typing as npt

from benchmarks import verdict_data
from evaluator.stats.comparison import compare_results
from evaluator.stats.contrasts import LevelScores
from evaluator.stats.item_bootstrap import ItemNoise, item_noise, metric_draws, resample_counts
from evaluator.stats.results import Cell, Floats, Group, ItemScores, ResultRow, Results, TrainedRun
from evaluator.stats.scaling import exchange_rate, fit_curves
from evaluator.stats.significance import Estimate, at_least, sign_flip_p

ARMS = ("real", "synthetic")
SIZES = (1_000, 4_000, 16_000, 64_000)
N_ITEMS = 100
DRAWS = 400
ITEM_SD = 0.3  # points, in the mean of a run
GAIN = 1.0  # points per doubling of the data
K = 4_000
AGAIN = 8  # a rate of 5 % is above 6 % in 2 % of rows of 2,000 worlds by chance; not in 16,000
MARGIN = 4.0  # true standard errors: wide enough that the test passes often inside it
WHOLE_DRIFT = 0.05  # sd of a run's shift in `--reports`, against 1 of an answer: a point or two
WHOLE_LANGUAGES = ("de", "sw", "zh", "hi", "tr")
CORRELATED_LANGUAGES = 0.5  # sd of the part of an effect that is private to a language, against the shared part


@dataclass(frozen=True)
class World:
    """One row of the grid."""

    seeds: int
    languages: int
    ratio: float
    corr: float
    sizes: tuple[int, ...] = SIZES
    uneven: float = 1.0  # seed sd at the smallest size, against the largest
    repeat: float = 0.0  # share of a seed's variance that it repeats at every size
    shape: str = "line"  # of the true curve over log n

    @property
    def groups(self) -> list[Group]:
        return [(arm, size) for size in self.sizes for arm in ARMS]

    @property
    def seed_sd(self) -> Floats:
        """Per size, sd of the shared seed effect in points."""
        return self.ratio * ITEM_SD * np.geomspace(self.uneven, 1.0, len(self.sizes))

    def truth(self) -> Floats:
        """True scores, (groups,)."""
        return np.array([self.curve(size / (1 + (arm == "synthetic"))) for arm, size in self.groups])

    def curve(self, size: float) -> float:
        """The real arm's true score; the synthetic arm needs twice the data for the same."""
        doublings = float(np.log2(size / 1000))
        return {
            "line": 60 + GAIN * doublings,
            "power law": 75 - 15 * 2 ** (-0.15 * doublings),
            "weak slope": 60 + 0.15 * doublings,
            "saturating": 66 - 6 * float(np.exp(-size / 8000)),
            "late start": 60 + 6 / (1 + float(np.exp(1.5 * (3 - doublings)))),
            "flat": 60.0,
        }[self.shape]

    def covariance(self) -> Floats:
        """True covariance of the groups' means over seeds and languages, (groups, groups)."""
        private = 1 + CORRELATED_LANGUAGES**2 / self.languages
        arm = np.array([[1.0, self.corr], [self.corr, 1.0]])
        across = np.full((len(self.sizes),) * 2, self.repeat) + (1 - self.repeat) * np.eye(len(self.sizes))
        seed = np.kron(across * np.outer(self.seed_sd, self.seed_sd), arm) * private / self.seeds
        item = np.kron(np.ones((len(self.sizes),) * 2), arm) * ITEM_SD**2 * private
        noise = np.eye(len(self.groups)) * ITEM_SD**2 / (self.languages * self.seeds)
        return np.asarray(seed + item + noise)


def pair_of_arms(rng: np.random.Generator, corr: float, shape: tuple[int, ...], axis: int) -> Floats:
    """Standard normal values whose two entries along `axis` correlate by `corr`."""
    common_shape = tuple(1 if place == axis else size for place, size in enumerate(shape))
    return np.asarray(
        np.sqrt(corr) * rng.standard_normal(common_shape) + np.sqrt(1 - corr) * rng.standard_normal(shape)
    )


def simulate(world: World, rng: np.random.Generator) -> Floats:
    """Return the mean over languages of every run on every item, (sizes, arms, seeds, items).

    A mean over languages of independent normal effects is one normal effect with the variance over L, drawn as such.
    """
    private = CORRELATED_LANGUAGES / np.sqrt(world.languages)
    n_sizes, n = len(world.sizes), world.seeds
    seed = np.sqrt(1 - world.repeat) * pair_of_arms(rng, world.corr, (n_sizes, 2, n), 1)
    seed = seed + np.sqrt(world.repeat) * pair_of_arms(rng, world.corr, (1, 2, n), 1)
    seed = seed + private * pair_of_arms(rng, world.corr, (n_sizes, 2, n), 1)
    seed = seed * world.seed_sd[:, None, None]
    item = pair_of_arms(rng, world.corr, (2, N_ITEMS), 0) + private * pair_of_arms(rng, world.corr, (2, N_ITEMS), 0)
    noise = rng.standard_normal((n_sizes, 2, n, N_ITEMS)) / np.sqrt(world.languages)
    scale = ITEM_SD * np.sqrt(N_ITEMS)
    truth = world.truth().reshape(n_sizes, 2, 1, 1)
    return np.asarray(truth + seed[..., None] + scale * (item[None, :, None, :] + noise))


def scores_of(world: World, run_items: Floats, counts: npt.NDArray[np.float32]) -> LevelScores:
    """Return what the report would know: values of runs, and their covariance over item draws."""
    flat = run_items.reshape(-1, N_ITEMS)
    draws = metric_draws((flat / 100).astype(np.float32), counts)
    groups, n = world.groups, world.seeds
    owners = [group for group in groups for _ in range(n)]
    noise = item_noise(draws, groups, owners, list(range(n)) * len(groups), N_ITEMS)
    means = flat.mean(axis=1).reshape(len(groups), n)
    values = dict(zip(groups, means, strict=True))
    return LevelScores(values, dict.fromkeys(groups, tuple(range(n))), noise)


def shifted(estimate: Estimate, by: float) -> Estimate:
    return replace(estimate, value=estimate.value + by)


def oracle_exchange(world: World, scores: LevelScores, grid: Floats) -> tuple[float, float]:
    """Interval of the exchange rate, in log2 examples, for one who knows the form and every variance."""
    design = np.stack([np.ones(len(world.sizes)), np.log2(world.sizes)], axis=1)
    step = np.linalg.pinv(design)
    at = np.stack([np.ones_like(grid), np.log2(grid)], axis=1) @ step
    goal = (np.array([1.0, np.log2(K)]) @ step)[None, :]
    weights = np.zeros((len(grid), len(scores.groups)))
    weights[:, 1::2], weights[:, 0::2] = at, -goal
    gap = weights @ scores.means
    se = np.sqrt(np.einsum("qg,gh,qh->q", weights, world.covariance(), weights))
    inside = np.flatnonzero(np.abs(gap) <= 1.96 * se)
    if not inside.size:
        return float("nan"), float("nan")
    return float(np.log2(grid[inside[0]])), float(np.log2(grid[inside[-1]]))


def exchange(world: World, scores: LevelScores) -> tuple[float, float, float]:
    """Return whether the true exchange rate is covered, our width and the oracle's, in doublings."""
    curves = fit_curves({arm: {n: scores.values[arm, n] for n in world.sizes} for arm in ARMS})
    rate = exchange_rate(scores, curves["synthetic"], curves["real"], K)
    if rate.reason is not None:
        return float("nan"), float("nan"), float("nan")
    low, high = (rate.low or rate.limits[0]), (rate.high or rate.limits[1])
    truth = 2 * K
    grid = np.geomspace(*rate.limits, 641)
    oracle = oracle_exchange(world, scores, grid)
    return float(low <= truth <= high), float(np.log2(high / low)), oracle[1] - oracle[0]


def run_world(job: tuple[World, int, int]) -> tuple[World, dict[str, float]]:
    """Simulate one row of the grid."""
    world, worlds, seed = job
    rng = np.random.default_rng([seed, world.seeds, world.languages, int(world.ratio * 100), int(world.corr * 10)])
    a, b = (ARMS[1], world.sizes[0]), (ARMS[0], world.sizes[0])
    weights = np.array([float(group == a) - float(group == b) for group in world.groups])
    oracle_width = 2 * 1.96 * float(np.sqrt(weights @ world.covariance() @ weights))
    behind, margin = -float(weights @ world.truth()), MARGIN * oracle_width / (2 * 1.96)
    tally: dict[str, list[float]] = {}
    for index in range(worlds):
        if index % 20 == 0:
            counts = resample_counts(N_ITEMS, DRAWS, rng)
        scores = scores_of(world, simulate(world, rng), counts)
        null = shifted(scores.contrast({a: 1.0, b: -1.0}), behind)  # the truth is now zero
        low, high = null.interval()
        row = {"cover": float(low <= 0 <= high), "width": (high - low) / oracle_width, "type1": float(null.p <= 0.05)}
        row["equiv"] = float(shifted(null, margin).p_equivalence(margin) <= 0.05)
        if len(world.sizes) > 1:
            row["xcover"], ours, theirs = exchange(world, scores)
            row["xours"], row["xoracle"] = ours, theirs
        for name, value in row.items():
            tally.setdefault(name, []).append(value)
    tally["withheld"] = [float(np.isnan(covered)) for covered in tally.get("xcover", [])]
    means = {name: [value for value in values if np.isfinite(value)] for name, values in tally.items()}
    return world, {name: float(np.mean(values)) if values else float("nan") for name, values in means.items()}


def run_languages(job: tuple[int, int, float, int]) -> tuple[str, dict[str, float]]:
    """Draw every language by itself under no difference: errors of Holm, of "at least k of m", and of sign flips."""
    n, languages, ratio, worlds = job
    rng = np.random.default_rng([n, languages, int(ratio * 100)])
    scale, private = ITEM_SD * np.sqrt(N_ITEMS), CORRELATED_LANGUAGES
    groups: list[Group] = [("real", 1000), ("synthetic", 1000)]
    owners = [group for group in groups for _ in range(n)]
    errors = {"cover": 0.0, "holm": 0.0, "k_of_m": 0.0, "flips": 0.0}
    for _ in range(worlds):
        seed = rng.standard_normal((2, n, 1)) + private * rng.standard_normal((2, n, languages))
        item = rng.standard_normal((2, 1, 1, N_ITEMS)) + private * rng.standard_normal((2, 1, languages, N_ITEMS))
        noise = rng.standard_normal((2, n, languages, N_ITEMS))
        runs = ratio * ITEM_SD * seed[..., None] + scale * (item + noise)
        counts = resample_counts(N_ITEMS, DRAWS, rng)
        draws = metric_draws(runs.reshape(-1, N_ITEMS).astype(np.float32) / 100, counts).reshape(2 * n, languages, -1)
        values = runs.mean(axis=3)
        estimates = []
        for own, drawn in [(values.mean(axis=2), draws.mean(axis=1))] + [
            (values[:, :, language], draws[:, language]) for language in range(languages)
        ]:
            noise_of_items = item_noise(drawn, groups, owners, [*range(n), *range(n)], N_ITEMS)
            by_group = dict(zip(groups, own, strict=True))
            scores = LevelScores(by_group, dict.fromkeys(groups, tuple(range(n))), noise_of_items)
            estimates.append(scores.contrast({groups[1]: 1.0, groups[0]: -1.0}))
        low, high = estimates[0].interval()
        errors["cover"] += low <= 0 <= high
        errors["holm"] += min(e.p for e in estimates[1:]) * languages <= 0.05
        errors["k_of_m"] += at_least([e.p_above() for e in estimates[1:]]) > 0
        only_seeds = ratio * ITEM_SD * seed.mean(axis=2)
        errors["flips"] += n >= 6 and sign_flip_p(only_seeds[1] - only_seeds[0], rng) <= 0.05
    return f"| {n} | {languages} | {ratio} |", {name: value / worlds for name, value in errors.items()}


@dataclass(frozen=True)
class NoiseWorld:
    """Arms whose seed noise differs: sd in points by arm and size. The first two are compared, at size `at`."""

    name: str
    sd: dict[str, tuple[float, ...]]
    at: int = 0
    collapsed: str | None = None  # this arm loses `FALL` points in one run of ten
    untrained: bool = False  # the second arm has no intermediate data: one group, of size 0


FALL = 15.0
NOISE_ITEM_SD = 0.3  # points: some 20,000 answers
SEED_CORRELATION = 0.3  # of two arms that share a seed
NOISE = [
    NoiseWorld("one noise, two arms", {"a": (0.7,) * 4, "b": (0.7,) * 4}),
    NoiseWorld("one noise, four arms", dict.fromkeys("abcd", (0.7,) * 4)),
    NoiseWorld("third arm collapses", dict.fromkeys("abc", (0.7,) * 3), collapsed="c"),
    NoiseWorld("third arm six times as noisy", {"a": (0.3,) * 3, "b": (0.3,) * 3, "c": (2.0,) * 3}),
    NoiseWorld("one noisy arm of five", {"a": (2.0,) * 3, **dict.fromkeys("bcde", (0.3,) * 3)}),
    NoiseWorld("no intermediate data, four times as noisy", {"a": (0.4,) * 3, "b": (1.6,)}, untrained=True),
    NoiseWorld("no intermediate data, collapses", {"a": (0.7,) * 3, "b": (0.7,)}, collapsed="b", untrained=True),
    NoiseWorld("noise doubles with size", dict.fromkeys("ab", (0.5, 0.63, 0.8, 1.0)), at=3),
    NoiseWorld("noise rises with size, at the noisy end", dict.fromkeys("ab", (0.3, 0.8, 2.0)), at=2),
    NoiseWorld("noise falls with size, at the noisy end", dict.fromkeys("ab", (2.0, 0.8, 0.3))),
    NoiseWorld("noise falls with size, at the quiet end", dict.fromkeys("ab", (2.0, 0.8, 0.3)), at=2),
]


def contrast_of(values: dict[Group, Floats], items: Floats, first: Group, second: Group) -> Estimate:
    """Return the estimate of first - second, with the item covariance of the groups known."""
    seeds = {group: tuple(range(len(scores))) for group, scores in values.items()}
    return LevelScores(values, seeds, ItemNoise(items, items, 2500)).contrast({first: 1.0, second: -1.0})


def run_noise(job: tuple[NoiseWorld, int, int]) -> tuple[str, dict[str, float]]:
    """Compare two arms without a true difference, beside others; widths against their t interval alone."""
    world, n, worlds = job
    rng = np.random.default_rng([n, len(world.name), 11])
    sizes = {arm: [0] if world.untrained and arm == "b" else list(SIZES[: len(sd)]) for arm, sd in world.sd.items()}
    groups: list[Group] = [(arm, size) for arm in world.sd for size in sizes[arm]]
    sd = np.array([value for values in world.sd.values() for value in values])
    first, second = ("a", sizes["a"][world.at]), ("b", sizes["b"][0 if world.untrained else world.at])
    items = NOISE_ITEM_SD**2 * np.array([[1.0 if arm == other else 0.5 for arm, _ in groups] for other, _ in groups])
    items += 1e-6 * np.eye(len(groups))
    falls = np.array([arm == world.collapsed for arm, _ in groups])
    # Runs that do not collapse lie above the mean with such runs.
    healthy = 0.1 * FALL * ((first[0] == world.collapsed) - float(second[0] == world.collapsed))
    tally: dict[str, list[float]] = {"cover": [], "healthy": [], "width": [], "points": []}
    for _ in range(worlds):
        shared = {size: rng.standard_normal(n) for size in (0, *SIZES)}
        common = np.stack([shared[size] for _, size in groups])
        own = rng.standard_normal((len(groups), n))
        runs = sd[:, None] * (np.sqrt(SEED_CORRELATION) * common + np.sqrt(1 - SEED_CORRELATION) * own)
        runs -= FALL * ((rng.random(runs.shape) < 0.1) - 0.1) * falls[:, None]  # the mean loss is part of the truth
        runs += np.linalg.cholesky(items) @ rng.standard_normal((len(groups), 1))  # the same items for every seed
        estimate = contrast_of(dict(zip(groups, 60 + runs, strict=True)), items, first, second)
        both = [groups.index(first), groups.index(second)]
        alone = dict(zip((first, second), 60 + runs[both], strict=True))
        unpooled = contrast_of(alone, items[np.ix_(both, both)], first, second)
        (low, high), bounds = estimate.interval(), unpooled.interval()
        tally["cover"].append(low <= 0 <= high)
        tally["healthy"].append(low <= healthy <= high)
        tally["width"].append(bounds[1] - bounds[0])
        tally["points"].append(high - low)
    widths = {"points": float(np.mean(tally["points"])), "alone": float(np.mean(tally["width"]))}
    covers = {name: float(np.mean(tally[name])) for name in ("cover", "healthy")}
    return f"| {world.name} | {n} |", {**covers, **widths}


@dataclass(frozen=True)
class Sweep(Results):
    """Results whose item scores are in memory."""

    scores: dict[Cell, ItemScores] = field(default_factory=dict)

    def item_ids(self, cell: Cell) -> tuple[str, ...] | None:
        return self.scores[cell].ids

    def items(self, cell: Cell) -> ItemScores | None:
        return self.scores[cell]


def draw_sweep(n: int, ratio: float, arms: Sequence[str], rng: np.random.Generator) -> Sweep:
    """Return a whole sweep of right and wrong answers in which all arms are drawn alike: no difference is true.

    Three targets with five languages each: parallel accuracy, tag F1 from counts, accuracy with items of its own.
    """
    runs = [TrainedRun(arm, size, seed) for arm in arms for size in SIZES for seed in range(n)]
    gain = np.array([0.1 * np.log2(run.size / 1000) for run in runs])
    drift = ratio * WHOLE_DRIFT * rng.standard_normal(len(runs))
    scores, rows = {}, []
    for target, parallel in (("xnli", True), ("udpos", False), ("tatoeba", False)):
        shared = rng.standard_normal(N_ITEMS)
        for code in WHOLE_LANGUAGES:
            ease = shared if parallel else rng.standard_normal(N_ITEMS)
            own = drift + 0.5 * ratio * WHOLE_DRIFT * rng.standard_normal(len(runs))
            latent = ease + (gain + own)[:, None] + rng.standard_normal((len(runs), N_ITEMS))
            right = (latent > -0.5).astype(np.float32)
            tags = np.full_like(right, 4) + np.arange(N_ITEMS) % 3  # sentences of different lengths
            counts = np.stack([right * tags, tags, tags], axis=2)
            cell = Cell(target, code, "f1" if target == "udpos" else "accuracy")
            ids = tuple(str(i) if parallel else f"{code}-{i}" for i in range(N_ITEMS))
            scores[cell] = ItemScores(cell, tuple(runs), ids, counts if target == "udpos" else right)
            every = np.ones((N_ITEMS, 1), dtype=np.float32)
            values = metric_draws(scores[cell].scores, every)[:, 0]
            common = {"split": "test", "n": N_ITEMS, "data_revision": "simulated", **cell._asdict()}
            rows += [
                ResultRow(**run._asdict(), arm_n=run.size, value=float(value), **common)
                for run, value in zip(runs, values, strict=True)
            ]
    return Sweep(tuple(rows), Path("simulated"), scores=scores)


def run_report(job: tuple[int, float, int, int]) -> tuple[str, dict[str, float]]:
    """Put whole sweeps without a difference through `compare_results`: how often is one claimed?"""
    n, ratio, n_arms, worlds = job
    rng, arms = np.random.default_rng([n, int(ratio * 100), n_arms]), (*ARMS, "third", "fourth")[:n_arms]
    tally: dict[str, list[float]] = {"claim": [], "cover": [], "target": [], "holm": [], "k_of_m": [], "mde": []}
    for _ in range(worlds):
        found = compare_results(draw_sweep(n, ratio, arms, rng))
        tally["claim"].append(any(pair.better for pair in found.headline()))
        at = [pair for pair in found.pairs if pair.size == SIZES[0]]
        whole = next(pair for pair in at if pair.scope == "all")
        low, high = whole.estimate.interval()
        tally["cover"].append(low <= 0 <= high)
        targets = [pair.estimate.interval() for pair in at if pair.scope.startswith("target:")]
        tally["target"].append(float(np.mean([low <= 0 <= high for low, high in targets])))
        tally["holm"].append(any((pair.p_holm or 1) <= 0.05 for pair in at if pair.scope.startswith("language:")))
        better = whole.languages or {"a_better": 0}
        tally["k_of_m"].append(better["a_better"] > 0)
        tally["mde"].append(whole.estimate.mde80)
    return f"| {n} | {ratio:g} | {n_arms} |", {name: float(np.mean(values)) for name, values in tally.items()}


def grid(only: str | None, seeds: Sequence[int]) -> list[World]:
    """Return the rows of the grid with these numbers of seeds, or the one that `only` names."""
    settings = itertools.product(seeds, (2, 10, 40), (0.25, 1.0, 4.0), (0.0, 0.5))
    wanted = None if only is None else tuple(float(part) for part in only.split(","))
    return [World(*setting) for setting in settings if wanted in (None, setting)]


SINGLE = [World(n, 10, ratio, 0.5, SIZES[:1]) for n in (3, 5, 10) for ratio in (0.25, 1.0, 4.0)]
STRESS = [
    *(World(n, 10, 4.0, 0.5, uneven=2.0) for n in (3, 5, 10)),
    *(World(n, 10, 4.0, 0.5, repeat=0.5) for n in (3, 5, 10)),
    *(World(n, 10, ratio, 0.5, shape="power law") for n in (3, 5, 10) for ratio in (0.25, 4.0)),
]
SHAPES = ("line", "power law", "weak slope", "saturating", "late start", "flat")
CURVES = [World(n, 10, 1.67, 0.5, shape=shape) for shape in SHAPES for n in (3, 5, 10)]
MANY_SIZES = [
    World(n, 10, 1.67, 0.5, tuple(round(1000 * 2 ** (7 * i / (count - 1))) for i in range(count)), shape=shape)
    for count in (8, 12)
    for shape in SHAPES
    for n in (3, 5)
]


def verdict(world: World, row: dict[str, float]) -> list[str]:
    """Return which bars a row misses."""
    widest = 1.6 if world.seeds == 3 else 1.3
    misses = [f"cover {row['cover']:.3f}"] if row["cover"] < 0.93 else []
    misses += [f"width {row['width']:.2f}"] if row["width"] > widest else []
    misses += [f"type1 {row['type1']:.3f}"] if row["type1"] > 0.06 else []
    misses += [f"equiv {row['equiv']:.3f}"] if row["equiv"] > 0.06 else []
    if np.isfinite(row.get("xcover", np.nan)):
        misses += [f"xcover {row['xcover']:.3f}"] if row["xcover"] < 0.93 else []
        misses += [f"xwidth {row['xours'] / row['xoracle']:.2f}"] if row["xours"] / row["xoracle"] > widest else []
    return misses


def line(world: World, row: dict[str, float]) -> str:
    kind = f"{len(world.sizes)} sizes" if len(world.sizes) > 1 else "one size"
    kind += f", uneven x{world.uneven:g}" * (world.uneven != 1) + f", repeats {world.repeat:g}" * (world.repeat != 0)
    kind += f", {world.shape}" * (world.shape != "line")
    exchange_cells = " | | "
    if "xcover" in row:
        exchange_cells = f"{row['xcover']:.3f} | {row['xours'] / row['xoracle']:.2f} | {row['withheld']:.3f}"
    setting = f"| {world.seeds} | {world.languages} | {world.ratio:g} | {world.corr:g} | {kind} | "
    rates = f"{row['cover']:.3f} | {row['width']:.2f} | {row['type1']:.3f} | {row['equiv']:.3f} | {exchange_cells} | "
    return f"{setting}{rates}{', '.join(verdict(world, row))} |"


def show(title: str, rows: Iterator[tuple[World, dict[str, float]]]) -> list[World]:
    """Print a table as its rows come in; returns the worlds that miss a bar."""
    columns = "seeds | languages | seed/item | corr | sweep | cover | width | type I | equivalence wrong"
    print(f"\n{title}\n\n| {columns} | exchange cover | width | withheld | misses |")
    print("|--:|--:|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|---|")
    missing = []
    for world, row in rows:
        print(line(world, row), flush=True)
        missing += [world] if verdict(world, row) else []
    return missing


def show_languages(pool: Executor, worlds: int) -> None:
    print("\nEvery language drawn by itself\n")
    print("| seeds | languages | seed/item | cover of the mean | Holm error | k of m error | sign flips error |")
    print("|--:|--:|--:|--:|--:|--:|--:|")
    jobs = [(n, m, ratio, worlds) for n, m, ratio in itertools.product((3, 5, 10), (2, 10), (0.25, 1.0))]
    for start, errors in pool.map(run_languages, jobs):
        print(start, " | ".join(f"{value:.3f}" for value in errors.values()), "|", flush=True)


def show_noise(pool: Executor, worlds: int, seeds: Sequence[int]) -> None:
    print("\nArms and sizes of unequal noise, arms that collapse\n")
    print("| world | seeds | cover | cover of runs that do not collapse | width, points | width without other sizes |")
    print("|---|--:|--:|--:|--:|--:|")
    for start, row in pool.map(run_noise, [(world, n, worlds) for world in NOISE for n in seeds]):
        print(start, " | ".join(f"{value:.3f}" for value in row.values()), "|", flush=True)


def show_reports(pool: Executor, worlds: int) -> None:
    print("\nWhole sweeps of right and wrong answers, through `compare_results`, no true difference\n")
    columns = "false claim in a headline | cover | cover per target | Holm error | k of m error | detectable, points"
    print(f"| seeds | seed/item | arms | {columns} |\n|{'--:|' * 9}")
    jobs = [(n, ratio, arms, worlds) for n, ratio, arms in itertools.product((3, 5), (0.25, 4.0), (2, 4))]
    for start, errors in pool.map(run_report, jobs):
        print(start, " | ".join(f"{value:.3f}" for value in errors.values()), "|", flush=True)


def show_data(pool: Executor, worlds: int, only: Sequence[str]) -> None:
    for name in only or verdict_data.TABLES:
        for text in verdict_data.table_lines(name, worlds, pool.map):
            print(text, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Coverage, error rates and widths of a report on simulated sweeps.")
    parser.add_argument("--worlds", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", metavar="SEEDS,LANGUAGES,RATIO,CORR", help="one row, e.g. 5,2,0.25,0.5")
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 5, 10], help="part of the grid; rows do not change")
    parser.add_argument("--single", action="store_true", help="add sweeps of one size")
    parser.add_argument("--stress", action="store_true", help="add sweeps that break the assumptions")
    parser.add_argument("--curves", action="store_true", help="add curves of other shapes")
    parser.add_argument("--sizes", action="store_true", help="add curves of 8 and 12 sizes")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=SHAPES, help="part of the curves; rows stay")
    parser.add_argument("--noise", action="store_true", help="add arms and sizes of unequal noise")
    parser.add_argument("--languages", action="store_true", help="add per-language error rates (Holm, k of m)")
    parser.add_argument("--data", nargs="*", choices=list(verdict_data.TABLES), help="add worlds in which data vary")
    parser.add_argument("--reports", type=int, metavar="WORLDS", help="add sweeps through the whole of a report")
    parser.add_argument("--no-grid", action="store_true", help="leave the grid out")
    args = parser.parse_args()
    started = time.monotonic()
    with ProcessPoolExecutor(args.processes) as pool:
        rows = [] if args.no_grid else grid(args.only, args.seeds)
        missing = show("The grid", pool.map(run_world, [(w, args.worlds, args.seed) for w in rows]))
        if missing:
            title = f"Rows that miss a bar, with {AGAIN} times the worlds and another seed"
            missing = show(title, pool.map(run_world, [(w, AGAIN * args.worlds, args.seed + 1) for w in missing]))
        print(f"\n{args.worlds} worlds a row; {len(missing)} rows miss a bar; {time.monotonic() - started:.0f} s")
        if args.single:
            show("One size", pool.map(run_world, [(w, args.worlds, args.seed) for w in SINGLE]))
        if args.stress:
            show("Broken assumptions", pool.map(run_world, [(w, args.worlds, args.seed) for w in STRESS]))
        if args.curves:
            worlds = [w for w in CURVES if w.shape in args.shapes]
            show("Shapes of curves", pool.map(run_world, [(w, args.worlds, args.seed) for w in worlds]))
        if args.sizes:
            worlds = [w for w in MANY_SIZES if w.shape in args.shapes]
            show("Curves of 8 and 12 sizes", pool.map(run_world, [(w, args.worlds, args.seed) for w in worlds]))
        show_more(pool, args)


def show_more(pool: Executor, args: argparse.Namespace) -> None:
    if args.noise:
        show_noise(pool, args.worlds, args.seeds)
    if args.languages:
        show_languages(pool, args.worlds)
    if args.data is not None:
        show_data(pool, args.worlds, args.data)
    if args.reports:
        show_reports(pool, args.reports)


if __name__ == "__main__":
    main()
