"""Bootstrap over test items: the draws of every aggregation level, in one pass over the item scores.

Items are drawn once per group of languages that share item ids, so the translations of one sentence enter and leave a
draw together, in every arm and seed; targets are drawn independently. Items that share a premise or a paragraph are
drawn as one. The draws of a cell are one matrix product; only their weighted sums per level are kept.
"""

import itertools
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from evaluator.stats.estimand import AggregationLevel
from evaluator.stats.results import LABEL_PAIR, Cell, Floats, Group, ItemScores, Results, TrainedRun
from evaluator.stats.score_table import ScoreTable
from synthgen.errors import UserError

DRAWS = 1000
TOLERANCE = 0.02  # points between a stored value and the metric of its item scores
_SEED = 20_220_611


def resample_counts(n_items: int, draws: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return how often each item occurs in each bootstrap draw, (items, draws); every column sums to `n_items`."""
    index = rng.integers(0, n_items, size=(draws, n_items))
    index += np.arange(draws)[:, None] * n_items
    counts = np.bincount(index.ravel(), minlength=draws * n_items)
    return counts.reshape(draws, n_items).T.astype(np.float32)


def metric_draws(scores: npt.NDArray[np.float32], counts: npt.NDArray[np.float32]) -> Floats:
    """Return the metric in percent of every run in every draw, (runs, draws).

    `scores` is (runs, items): the metric is a mean; or (runs, items, 3) with tp, predicted, gold: it is their micro F1,
    recomputed from the resampled counts; or (runs, items, 2) with numbers of the predicted and the gold label: it is
    their macro F1, over the labels that a draw has. `counts` is (items, draws).

    >>> triples = np.array([[[1, 1, 2], [1, 2, 1]]], dtype=np.float32)
    >>> metric_draws(triples, np.ones((2, 1), dtype=np.float32)).round(2)
    array([[66.67]])
    """
    if scores.ndim == 2:
        total = (scores @ counts).astype(np.float64)
        return np.asarray(100.0 * total / np.maximum(counts.sum(axis=0), 1.0))
    if scores.shape[2] == LABEL_PAIR:
        return np.stack([_macro_f1(run, counts) for run in scores])
    tp, predicted, gold = ((scores[:, :, part] @ counts).astype(np.float64) for part in range(3))
    return np.asarray(200.0 * tp / np.maximum(predicted + gold, 1e-12))


def _macro_f1(pairs: npt.NDArray[np.float32], counts: npt.NDArray[np.float32]) -> Floats:
    """Return the macro F1 of one run in every draw, from (items, 2) labels."""
    total, labels = np.zeros(counts.shape[1]), np.zeros(counts.shape[1])
    for label in np.unique(pairs):
        is_label = (pairs == label).astype(np.float32)
        hits, marked = is_label.prod(axis=1) @ counts, is_label.sum(axis=1) @ counts
        total += 2 * hits / np.maximum(marked, 1e-12)
        labels += marked > 0
    return np.asarray(100 * total / np.maximum(labels, 1))


@dataclass(frozen=True, slots=True)
class ItemNoise:
    """Bootstrap covariances over test items between groups, both (groups, groups), and how many items were resampled.

    `across_seeds` is the mean over pairs of runs of different seeds: runs of one seed share more, but that is already
    in the variance between seeds. `of_means` is the covariance of the means over seeds. With one seed the first is NaN.
    """

    across_seeds: Floats
    of_means: Floats
    n_items: int


def item_noise(
    draws: Floats, groups: Sequence[Group], run_groups: Sequence[Group], run_seeds: Sequence[int], n_items: int
) -> ItemNoise:
    """Return the item noise of groups, from the `draws` (runs, draws) of runs with their groups and seeds."""
    gram = np.atleast_2d(np.cov(draws))
    seeds = np.asarray(run_seeds)
    differ = (seeds[:, None] != seeds[None, :]).astype(np.float64)
    member = np.array([[group == run_group for group in groups] for run_group in run_groups], dtype=np.float64)
    across, every = (_group_means(gram, member, mask) for mask in (differ, np.ones_like(differ)))
    return ItemNoise(across, every, n_items)


def _group_means(values: Floats, member: Floats, mask: Floats) -> Floats:
    """Return the mean value of the pairs of runs of two groups, (groups, groups); NaN where there is no pair.

    `values` is (runs, runs); `mask`, as large, is 1 for the pairs that count; `member`, (runs, groups), is 1 for the
    runs of a group.
    """
    sums, pairs = member.T @ (values * mask) @ member, member.T @ mask @ member
    return np.asarray(np.divide(sums, pairs, out=np.full_like(pairs, np.nan), where=pairs > 0))


@dataclass(frozen=True, slots=True)
class Clusters:
    """How many clusters the different test items of a target are in."""

    items: int
    clusters: int


@dataclass(frozen=True, slots=True)
class LevelDraws:
    """Per level (runs, draws), the aggregate of every run in every item draw; which cells lack or distrust items.

    `items` are how many were drawn, clusters counting as one. `clustered` has the targets whose items share something.
    """

    draws: Mapping[str, npt.NDArray[np.float32]]
    items: Mapping[str, int]
    without_items: frozenset[Cell]
    faults: Mapping[Cell, str]
    clustered: Mapping[str, Clusters] = field(default_factory=dict)


def level_draws(results: Results, table: ScoreTable, levels: Sequence[AggregationLevel]) -> LevelDraws:
    """Resample the items of every cell that a level weighs; levels with a cell that has no items are left out."""
    draws = {level.key: np.zeros((len(table.runs), DRAWS), dtype=np.float32) for level in levels}
    items = dict.fromkeys(draws, 0)
    faults: dict[Cell, str] = {}
    missing: set[Cell] = set()
    clustered: dict[str, Clusters] = {}
    weighed = sorted({cell for level in levels for cell in level.cells})
    for target, cells in itertools.groupby(weighed, key=lambda cell: cell.target):
        ids = _item_ids(results, cells, missing)
        units = _units(ids, {cell: results.clusters(cell) for cell in ids})
        different = [len(set(itertools.chain.from_iterable(each.values()))) for each in (ids, units)]
        if different[0] > different[1]:
            clustered[target] = Clusters(*different)
        for cell, counts, new_items in _cells_with_counts(units):
            try:
                if len(set(units[cell])) < 2 <= len(ids[cell]):
                    raise UserError(
                        f"{cell}: its {len(ids[cell])} items share one source; the variance between sources is unknown"
                    )
                cell_draws = _cell_draws(results.items(cell), table.runs, table.values[cell], counts)
            except UserError as error:
                faults[cell] = str(error)
                missing.add(cell)
                continue
            for level in levels:
                if cell in level.cells:
                    draws[level.key] += np.float32(level.cells[cell]) * cell_draws
                    items[level.key] += new_items
    usable = {level.key: draws[level.key] for level in levels if missing.isdisjoint(level.cells)}
    return LevelDraws(usable, items, frozenset(missing), faults, clustered)


def _item_ids(results: Results, cells: Iterable[Cell], missing: set[Cell]) -> dict[Cell, tuple[str, ...]]:
    ids: dict[Cell, tuple[str, ...]] = {}
    for cell in cells:
        if (item_ids := results.item_ids(cell)) is None:
            missing.add(cell)
        else:
            ids[cell] = item_ids
    return ids


def _units(
    ids: Mapping[Cell, tuple[str, ...]], clusters: Mapping[Cell, tuple[str, ...] | None]
) -> dict[Cell, tuple[str, ...]]:
    """Return for each item what it is drawn with: an item that stands for all that share an id or a cluster with it.

    Items are joined across languages too: by their id where sets are parallel, by the name of a cluster otherwise.
    """
    if not any(clusters.values()):
        return dict(ids)
    parents: dict[str, str] = {}

    def root(name: str) -> str:
        """Return what stands for all that a name was joined with."""
        while (parent := parents.setdefault(name, name)) != name:
            parents[name] = name = parents[parent]
        return name

    of_clusters: dict[str, str] = {}
    for cell, names in clusters.items():
        for item, cluster in zip(ids[cell], names or ids[cell], strict=True):
            parents[root(item)] = root(of_clusters.setdefault(cluster, item) if names and cluster else item)
    return {cell: tuple(map(root, items)) for cell, items in ids.items()}


def _cells_with_counts(ids: Mapping[Cell, tuple[str, ...]]) -> Iterator[tuple[Cell, npt.NDArray[np.float32], int]]:
    """Yield each cell with its item counts (items, draws), drawn jointly over the languages that share items.

    With them comes how many items no cell before had.
    """
    for number, component in enumerate(_components(ids)):
        union = tuple(dict.fromkeys(item for cell in component for item in ids[cell]))
        place = {item: index for index, item in enumerate(union)}
        rng = np.random.default_rng([_SEED, zlib.crc32(component[0].target.encode()), number, len(union)])
        counts = resample_counts(len(union), DRAWS, rng)
        new_items = len(union)
        for cell in component:
            own = counts if ids[cell] == union else counts[[place[item] for item in ids[cell]]]
            yield cell, own, new_items
            new_items = 0


def _components(ids: Mapping[Cell, tuple[str, ...]]) -> list[list[Cell]]:
    """Group the cells that share at least one item id, directly or through others."""
    groups: list[tuple[set[str], list[Cell]]] = []
    for cell, item_ids in ids.items():
        names, members = set(item_ids), [cell]
        apart = []
        for other, cells in groups:
            if names.isdisjoint(other):
                apart.append((other, cells))
            else:
                names, members = names | other, cells + members
        groups = [*apart, (names, members)]
    return [members for _, members in groups]


def _cell_draws(
    items: ItemScores | None, runs: Sequence[TrainedRun], values: Floats, counts: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Return the metric of each run in each draw, (runs, draws); NaN for runs without item scores."""
    if items is None:
        raise UserError("no item scores")
    place = {run: index for index, run in enumerate(items.runs)}
    whole = metric_draws(items.scores, np.ones((len(items.ids), 1), dtype=np.float32))[:, 0]
    draws = metric_draws(items.scores, counts)
    result = np.full((len(runs), counts.shape[1]), np.nan, dtype=np.float32)
    for index, run in enumerate(runs):
        if run in place:
            value = whole[place[run]]
            if abs(value - values[index]) > TOLERANCE:  # never where the score is missing: NaN
                raise UserError(f"{items.cell}: {run} says {values[index]:.3f}, its item scores give {value:.3f}")
            result[index] = draws[place[run]]
        elif np.isfinite(values[index]):
            raise UserError(f"{items.cell}: {run} has a score but no item scores")
    return result
