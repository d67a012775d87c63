"""Worlds of `verdict_simulation.py` in which data vary: generated datasets, clusters of test items, added seeds.

`datasets`: two arms of generators that are equally good, whose datasets differ by `tau` points each. With one dataset
an arm the sentence says "this dataset", and its truth is the difference of these two; with one a seed it speaks of the
generators, and the truth is zero. `clusters`: right and wrong answers to questions, five to a paragraph, of two equally
good arms, with and without the clusters told. `looks`: no difference, and seeds added until one is found. `settling`: a
true difference that is not found at first, and as many seeds as the report then names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from evaluator.stats.comparison import compare_results
from evaluator.stats.contrasts import LevelScores
from evaluator.stats.item_bootstrap import ItemNoise
from evaluator.stats.looks import Looks
from evaluator.stats.needed_seeds import MOST_SEEDS, needed_seeds
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


def difference(runs: Floats) -> Estimate:
    """Return the estimate of the first arm less the second, `runs` (2, seeds), as the package gives it."""
    seeds = dict.fromkeys(GROUPS, tuple(range(runs.shape[1])))
    items = ItemNoise(ITEM_COVARIANCE, ITEM_COVARIANCE, ITEMS)
    return LevelScores(dict(zip(GROUPS, runs, strict=True)), seeds, items).contrast({GROUPS[0]: 1.0, GROUPS[1]: -1.0})


def draw_runs(n: int, rng: np.random.Generator) -> Floats:
    """Return scores of two equal arms, (2, n): seeds that both share in part, and the same items for every seed."""
    shared, own = rng.standard_normal(n), rng.standard_normal((2, n))
    seeds = np.sqrt(SEED_CORRELATION) * shared + np.sqrt(1 - SEED_CORRELATION) * own
    items = np.linalg.cholesky(ITEM_COVARIANCE) @ rng.standard_normal((2, 1))
    return np.asarray(60 + SEED_SD * seeds + items)


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


def run_settling(job: tuple[float, int, bool, int]) -> str:
    """Say how often the seeds that are named for a true difference, after it was not found, find it."""
    effect, n, looking, worlds = job
    rng = np.random.default_rng([int(100 * effect), n, 23])
    looks = Looks(PLANNED, n) if looking else None
    unresolved, named = 0, []
    while unresolved < worlds:
        runs = draw_runs(MOST_SEEDS, rng)
        runs[0] += effect
        estimate = difference(runs[:, :n])
        if looks_decided(estimate, looks):
            continue
        unresolved += 1
        if (seeds := needed_seeds(estimate, effect, looks).seeds) is not None:
            named.append((runs, seeds))
    found = np.mean([looks_decided(difference(runs[:, :seeds]), looks) for runs, seeds in named])
    counts, needed = [seeds for _, seeds in named], fewest_for_all([runs for runs, _ in named], n, looks)
    rates = f"{found:.3f} | {1 - len(named) / worlds:.3f} | {np.median(counts):.0f} | {np.mean(counts):.1f} | {needed}"
    return f"| {effect:g} | {n} | {'four' if looking else 'one'} | {rates} |"


def fewest_for_all(worlds: list[Floats], n: int, looks: Looks | None) -> int | None:
    """Return the fewest seeds that, added in every world alike, find the power asked for."""
    for seeds in range(n + 1, MOST_SEEDS + 1):
        if np.mean([looks_decided(difference(runs[:, :seeds]), looks) for runs in worlds]) >= POWER:
            return seeds
    return None


def looks_decided(estimate: Estimate, looks: Looks | None) -> bool:
    """Say whether a difference is found at a look."""
    return estimate.p * (looks.factor(estimate.seeds) if looks else 1.0) <= ALPHA


TABLES = {
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
        "difference | seeds | looks | found | none named | seeds named, median | mean | needed if all have as many",
        run_settling,
        [(effect, n, looking) for effect in (1.0, 1.5) for n in (3, 5) for looking in (False, True)],
    ),
}
"""Title, columns, the function of a row, and the rows: what a row is about."""


def table_lines(name: str, worlds: int, run_all: object = map) -> Iterator[str]:
    """Yield the lines of a table, as its rows come in."""
    title, columns, run, settings = TABLES[name]
    yield f"\n{title}\n"
    yield f"| {columns} |"
    yield f"|{'--:|' * (columns.count('|') + 1)}"
    yield from run_all(run, [(*setting, worlds) for setting in settings])  # type: ignore[operator]
