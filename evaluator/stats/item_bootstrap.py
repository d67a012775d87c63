"""From cells to scopes: what resampling the test items says about every aggregate, in one pass over the scores.

A scope is a weighted sum of cells (target, language, metric). Items are drawn once per group of languages that share
item ids, so the translations of one sentence enter and leave a draw together, in every arm and seed; targets are drawn
independently. The draws of a cell are one matrix product; only their sums per scope are kept.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluator.stats.results import Cell, ItemScores, Results, TrainedRun
from evaluator.stats.significance import Floats, metric_draws, resample_counts
from synthgen.errors import UserError

DRAWS = 1000
TOLERANCE = 0.02  # points between a stored value and the metric of its item scores
_SEED = 20_220_611


@dataclass(frozen=True, slots=True)
class LevelDraws:
    """Per scope (runs, draws), the aggregate of every run in every item draw; which cells lack or distrust items."""

    draws: Mapping[str, npt.NDArray[np.float32]]
    items: Mapping[str, int]
    without_items: frozenset[Cell]
    faults: Mapping[Cell, str]


def scope_draws(
    results: Results,
    runs: Sequence[TrainedRun],
    values: Mapping[Cell, Floats],
    scopes: Mapping[str, Mapping[Cell, float]],
) -> LevelDraws:
    """Resample the items of every cell that a scope uses; scopes with a cell that has no items are left out."""
    draws = {name: np.zeros((len(runs), DRAWS), dtype=np.float32) for name in scopes}
    items = dict.fromkeys(scopes, 0)
    faults: dict[Cell, str] = {}
    missing: set[Cell] = set()
    users = _users(scopes)
    for cells in _by_target(users):
        for cell, counts, fresh in _cells_with_counts(results, cells, missing):
            try:
                own = _cell_draws(results.items(cell), runs, values[cell], counts)
            except UserError as error:
                faults[cell] = str(error)
                missing.add(cell)
                continue
            for name, weight in users[cell]:
                draws[name] += np.float32(weight) * own
                items[name] += fresh
    usable = [name for name, cells in scopes.items() if missing.isdisjoint(cells)]
    return LevelDraws({name: draws[name] for name in usable}, items, frozenset(missing), faults)


def _users(scopes: Mapping[str, Mapping[Cell, float]]) -> dict[Cell, list[tuple[str, float]]]:
    users: dict[Cell, list[tuple[str, float]]] = {}
    for name, cells in scopes.items():
        for cell, weight in cells.items():
            users.setdefault(cell, []).append((name, weight))
    return users


def _by_target(cells: Mapping[Cell, object]) -> list[list[Cell]]:
    targets: dict[str, list[Cell]] = {}
    for cell in sorted(cells):
        targets.setdefault(cell.target, []).append(cell)
    return list(targets.values())


def _cells_with_counts(
    results: Results, cells: Sequence[Cell], missing: set[Cell]
) -> Iterator[tuple[Cell, npt.NDArray[np.float32], int]]:
    """Yield each cell with its item counts (items, draws), drawn jointly over the languages that share items."""
    ids: dict[Cell, tuple[str, ...]] = {}
    for cell in cells:
        own = results.item_ids(cell)
        if own is None:
            missing.add(cell)
        else:
            ids[cell] = own
    for number, component in enumerate(_components(ids)):
        union = tuple(dict.fromkeys(item for cell in component for item in ids[cell]))
        place = {item: index for index, item in enumerate(union)}
        rng = np.random.default_rng([_SEED, zlib.crc32(component[0].target.encode()), number, len(union)])
        counts = resample_counts(len(union), DRAWS, rng)
        for first, cell in enumerate(component):
            same = ids[cell] == union
            yield cell, counts if same else counts[[place[i] for i in ids[cell]]], len(union) if first == 0 else 0


def _components(ids: Mapping[Cell, tuple[str, ...]]) -> list[list[Cell]]:
    """Group the cells that share at least one item id, directly or through others."""
    groups: list[tuple[set[str], list[Cell]]] = []
    for cell, own in ids.items():
        names, members = set(own), [cell]
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
    result = np.full((len(runs), counts.shape[1]), np.nan, dtype=np.float32)
    own = metric_draws(items.scores, counts)
    for index, run in enumerate(runs):
        if run not in place:
            if np.isfinite(values[index]):
                raise UserError(f"{items.cell}: {run} has a score but no item scores")
            continue
        if np.isfinite(values[index]) and abs(whole[place[run]] - values[index]) > TOLERANCE:
            raise UserError(
                f"{items.cell}: {run} says {values[index]:.3f}, its item scores give {whole[place[run]]:.3f}"
            )
        result[index] = own[place[run]]
    return result
