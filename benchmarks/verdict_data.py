"""Worlds of `verdict_simulation.py` in which data vary: generated datasets, clusters of test items, added seeds.

`datasets`: two arms of generators that are equally good, whose datasets differ by `tau` points each. With one dataset
an arm the sentence says "this dataset", and its truth is the difference of these two; with one a seed it speaks of the
generators, and the truth is zero. `clusters`: right and wrong answers to questions, five to a paragraph, of two equally
good arms, with and without the clusters told. `looks`: no difference, and seeds added until one is found. `settling`: a
true difference that is not found at first, and as many seeds as the report then names; `settling elsewhere`: with other
variances, numbers of seeds and comparisons.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from evaluator.stats.comparison import compare_results
from evaluator.stats.contrasts import LevelScores
from evaluator.stats.item_bootstrap import ItemNoise
from evaluator.stats.looks import Looks
from evaluator.stats.needed_seeds import MOST_SEEDS, NeededSeeds, conditional_power, needed_seeds
from evaluator.stats.results import Cell, Floats, Group, ItemScores, ResultRow, Results, TrainedRun
from evaluator.stats.significance import ALPHA, POWER, Estimate

SEED_SD, ITEM_SD = 0.7, 0.3
SEED_CORRELATION = 0.3
MARGIN = 0.5
GROUPS: list[Group] = [("a", 1000), ("b", 1000)]
ITEM_COVARIANCE = ITEM_SD**2 * np.array([[1.0, 0.5], [0.5, 1.0]])
ITEMS = 2500
PARAGRAPHS, QUESTIONS = 60, 5
PLANNED = 4


def difference(runs: Floats, item_sd: float = ITEM_SD) -> Estimate:
    """Return the estimate of the first arm less the second, `runs` (2, seeds), as the package gives it."""
    seeds = dict.fromkeys(GROUPS, tuple(range(runs.shape[1])))
    covariance = (item_sd / ITEM_SD) ** 2 * ITEM_COVARIANCE
    items = ItemNoise(covariance, covariance, ITEMS)
    return LevelScores(dict(zip(GROUPS, runs, strict=True)), seeds, items).contrast({GROUPS[0]: 1.0, GROUPS[1]: -1.0})


def draw_runs(n: int, rng: np.random.Generator, seed_sd: float = SEED_SD, item_sd: float = ITEM_SD) -> Floats:
    """Return scores of two equal arms, (2, n): seeds that both share in part, and the same items for every seed."""
    shared, own = rng.standard_normal(n), rng.standard_normal((2, n))
    seeds = np.sqrt(SEED_CORRELATION) * shared + np.sqrt(1 - SEED_CORRELATION) * own
    items = np.linalg.cholesky(ITEM_COVARIANCE) @ rng.standard_normal((2, 1))
    return np.asarray(60 + seed_sd * seeds + item_sd / ITEM_SD * items)


def run_datasets(job: tuple[float, int, bool, int]) -> str:
    tau, n, per_seed, worlds = job
    rng = np.random.default_rng([int(10 * tau), n, per_seed])
    claim, generator, width = 0, 0, 0.0
    for _ in range(worlds):
        effects = tau * rng.standard_normal((2, n if per_seed else 1))
        low, high = difference(draw_runs(n, rng) + effects).interval()
        truth = 0.0 if per_seed else float(effects[0, 0] - effects[1, 0])
        claim += low <= truth <= high
        generator += low <= 0 <= high
        width += high - low
    kind = "one a seed" if per_seed else "one an arm"
    return f"| {tau:g} | {n} | {kind} | {claim / worlds:.3f} | {generator / worlds:.3f} | {width / worlds:.2f} |"


@dataclass(frozen=True)
class Questions(Results):
    """Results whose item scores and clusters are in memory."""

    scores: dict[Cell, ItemScores] = field(default_factory=dict)
    paragraphs: tuple[str, ...] | None = None

    def item_ids(self, cell: Cell) -> tuple[str, ...] | None:
        return self.scores[cell].ids

    def clusters(self, cell: Cell) -> tuple[str, ...] | None:
        return self.paragraphs

    def items(self, cell: Cell) -> ItemScores | None:
        return self.scores[cell]


def draw_questions(n: int, shared: float, rng: np.random.Generator, *, told: bool) -> Questions:
    """Return two arms' answers to the same questions in two languages; a paragraph is easier for one of the arms.

    `shared` is the share of what an arm is better at that a paragraph's questions have in common.
    """
    runs = [TrainedRun(arm, size, seed) for arm, size in GROUPS for seed in range(n)]
    total = PARAGRAPHS * QUESTIONS
    names = tuple(str(i // QUESTIONS) for i in range(total))
    ease = rng.standard_normal(total)
    of_arm = {
        arm: np.sqrt(shared) * np.repeat(rng.standard_normal(PARAGRAPHS), QUESTIONS)
        + np.sqrt(1 - shared) * rng.standard_normal(total)
        for arm, _ in GROUPS
    }
    drift = 0.03 * rng.standard_normal(len(runs))
    scores, rows = {}, []
    for code in ("de", "sw"):
        cell = Cell("xquad", code, "accuracy")
        latent = np.stack([ease + of_arm[run.arm] for run in runs]) + drift[:, None]
        right = (latent + 0.7 * rng.standard_normal(latent.shape) > -0.5).astype(np.float32)
        scores[cell] = ItemScores(cell, tuple(runs), tuple(map(str, range(total))), right)
        common = {"split": "test", "n": total, "data_revision": "simulated", **cell._asdict()}
        rows += [
            ResultRow(**run._asdict(), arm_n=run.size, value=float(100 * each.mean()), **common)
            for run, each in zip(runs, right, strict=True)
        ]
    return Questions(tuple(rows), Path("simulated"), scores=scores, paragraphs=names if told else None)


def run_clusters(job: tuple[float, int, bool, int]) -> str:
    shared, n, told, worlds = job
    rng = np.random.default_rng([int(100 * shared), n, 5])
    cover, width = 0, 0.0
    for _ in range(worlds):
        pair = compare_results(draw_questions(n, shared, rng, told=told)).headline()[0]
        low, high = pair.estimate.interval()
        cover += low <= 0 <= high
        width += high - low
    kind = "paragraphs" if told else "questions"
    return f"| {shared:g} | {n} | {kind} | {cover / worlds:.3f} | {width / worlds:.2f} |"


def run_looks(job: tuple[int, int]) -> str:
    n, worlds = job
    rng = np.random.default_rng([n, 17])
    looks, found = Looks(PLANNED, n), np.zeros(3)
    for _ in range(worlds):
        runs = draw_runs(PLANNED * n, rng)
        p = [difference(runs[:, : n * look]).p for look in range(1, PLANNED + 1)]
        spent = [min(1.0, looks.factor(n * look) * value) for look, value in enumerate(p, start=1)]
        found += [p[0] <= ALPHA, min(p) <= ALPHA, min(spent) <= ALPHA]
    once, uncorrected, corrected = found / worlds
    return f"| {n} | {once:.3f} | {uncorrected:.3f} | {corrected:.3f} |"


@dataclass(frozen=True)
class Settling:
    """A true difference in points, and what the report is given: a margin, seeds, planned looks, other comparisons."""

    effect: float
    seeds: int
    looks: Looks | None = None
    margin: float | None = None  # None: the true difference
    seed_sd: float = SEED_SD
    item_sd: float = ITEM_SD
    comparisons: int = 1  # that Holm's correction counts

    def estimate(self, runs: Floats, seeds: int) -> Estimate:
        """Return the difference of the first seeds."""
        return difference(runs[:, :seeds], self.item_sd)

    def detected(self, runs: Floats, seeds: int) -> bool:
        """Say whether these seeds detect a difference."""
        return self.estimate(runs, seeds).p <= self.level(seeds)

    def level(self, seeds: int) -> float:
        """Return the level of a test with these seeds."""
        return ALPHA / self.comparisons / (self.looks.factor(seeds) if self.looks else 1.0)

    def known(self, estimate: Estimate) -> int | None:
        """Return the seeds that one would name who knows the true difference and the variance between seeds."""
        more = np.arange(self.seeds + 1, MOST_SEEDS + 1)
        levels = np.array([self.level(int(seeds)) for seeds in more])
        variance = 2 * (1 - SEED_CORRELATION) * self.seed_sd**2
        enough = more[conditional_power(estimate, self.effect, variance, more, levels) >= POWER]
        return int(enough[0]) if enough.size else None

    def rates(self, worlds: list[Floats], named: list[int]) -> str:
        """Say how often these seeds detect the difference, how many they are, and how many would do."""
        found = np.mean([self.detected(runs, seeds) for runs, seeds in zip(worlds, named, strict=True)])
        known = [self.known(self.estimate(runs, self.seeds)) for runs in worlds]
        both = [(mine, seeds) for mine, seeds in zip(named, known, strict=True) if seeds is not None]
        cost = np.mean([mine for mine, _ in both]) / np.mean([seeds for _, seeds in both])
        fewest = self.fewest(worlds)
        more = np.mean(named) / fewest if fewest else np.nan
        return f"{found:.3f} | {np.median(named):.0f} | {np.mean(named):.1f} | {fewest} | {more:.2f} | {cost:.2f}"

    def fewest(self, worlds: list[Floats]) -> int | None:
        """Return the fewest seeds that, added in every world alike, have the power asked for."""
        for seeds in range(self.seeds + 1, MOST_SEEDS + 1):
            if np.mean([self.detected(runs, seeds) for runs in worlds]) >= POWER:
                return seeds
        return None


def run_settling(job: tuple[Settling, int]) -> str:
    """Say how often the seeds that are named for a true difference, after it was not found, find it."""
    world, worlds = job
    margin, looks = world.margin or world.effect, world.looks
    rng = np.random.default_rng([int(100 * world.effect), world.seeds, 23])
    named: list[tuple[Floats, NeededSeeds]] = []
    while len(named) < worlds:
        runs = draw_runs(MOST_SEEDS, rng, world.seed_sd, world.item_sd)
        runs[0] += world.effect
        if not world.detected(runs, world.seeds):
            estimate = world.estimate(runs, world.seeds)
            named.append((runs, needed_seeds(estimate, margin, looks, comparisons=world.comparisons)))
    start = f"| {world.effect:g} | {margin:g} | {world.seeds} | {'four' if looks else 'one'} | {world.comparisons} | "
    start += f"{world.seed_sd:g} | {world.item_sd:g} | "
    observed = [(runs, need.seeds) for runs, need in named if need.seeds]
    cautious = [(runs, need.cautious_seeds) for runs, need in named if need.cautious_seeds]
    lines = []
    for kind, pairs in (("as observed", observed), ("cautious", cautious)):
        rates = world.rates([runs for runs, _ in pairs], [seeds for _, seeds in pairs])
        lines.append(f"{start}{kind} | {1 - len(pairs) / worlds:.3f} | {rates} |")
    return "\n".join(lines)


SETTLING = [Settling(effect, n, looks) for effect in (1.0, 1.5) for n in (3, 5) for looks in (None, Looks(PLANNED, n))]
OTHER_SETTLING = [
    Settling(2.0, 2, seed_sd=1.3, item_sd=0.2),
    Settling(0.6, 4, Looks(PLANNED, 4), seed_sd=0.25, item_sd=0.15),
    Settling(0.8, 8, seed_sd=1.0, item_sd=0.1),
    Settling(3.0, 3, seed_sd=2.1, item_sd=0.6, comparisons=3),
    Settling(1.5, 3, margin=0.5),
    Settling(2.0, 5, margin=1.0, seed_sd=1.3, item_sd=0.2),
]
"""Other numbers of seeds, variances and comparisons; in the last two the margin is not the true difference."""


SETTLING_COLUMNS = (
    "difference | margin | seeds | looks | comparisons | seed SD | item SD | seeds named for | none named | found | "
    "median | mean | fewest for all | mean, times the fewest | times those of one who knows"
)
TABLES: dict[str, tuple[str, str, Callable[..., str], Sequence[tuple[object, ...]]]] = {
    "datasets": (
        "Generated datasets that differ, two generators that do not",
        "tau | seeds | datasets | cover of the claim | cover of the generators | width, points",
        run_datasets,
        [(tau, n, per_seed) for tau in (0.2, 0.5, 1.0) for n in (3, 5, 10) for per_seed in (False, True)],
    ),
    "clusters": (
        "Questions about paragraphs, no true difference",
        "shared | seeds | resampled | cover | width, points",
        run_clusters,
        [(shared, n, told) for shared in (0.0, 0.3, 0.7) for n in (3, 5, 10) for told in (False, True)],
    ),
    "looks": (
        "Seeds added until a difference is found, none is true",
        "seeds a look | one look | four looks, uncorrected | four looks, as reported",
        run_looks,
        [(n,) for n in (2, 3, 5)],
    ),
    "settling": (
        "A true difference that was not found, after the seeds that the report names for it",
        SETTLING_COLUMNS,
        run_settling,
        [(world,) for world in SETTLING],
    ),
    "settling elsewhere": (
        "The same in other worlds",
        SETTLING_COLUMNS,
        run_settling,
        [(world,) for world in OTHER_SETTLING],
    ),
}
"""Title, columns, the function of a row, and the rows: what a row is about."""


def table_lines(name: str, worlds: int, run_all: Callable[..., Iterable[str]] = map) -> Iterator[str]:
    """Yield the lines of a table, as its rows come in."""
    title, columns, run, settings = TABLES[name]
    yield f"\n{title}\n"
    yield f"| {columns} |"
    yield f"|{'--:|' * (columns.count('|') + 1)}"
    yield from run_all(run, [(*setting, worlds) for setting in settings])
