"""Scores of stored predictions, without torch: scoring is a step of its own, so that a metric can be mended alone."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from evaluator.benchmark.splits import evaluation_splits
from evaluator.benchmark.target import Split
from evaluator.experiment.definition import Experiment
from evaluator.experiment.graph import data_revision
from evaluator.experiment.jobs import Graph, PlannedScore
from evaluator.store import Json, Store
from synthgen.errors import UserError
from synthgen.runtime.files import write_atomically


def score_all(experiment: Experiment, graph: Graph, store: Store) -> None:
    """Score every cell that lacks scores; the test items of a target are read once for all arms and seeds.

    Cells may share predictions, as the seeds of an encoder that is not trained do: those are scored once.
    """
    unscored = {cell.scores.key: cell for cell in graph.cells if not store.is_finished(cell.scores)}.values()
    root, split, most = experiment.data_root, experiment.arguments.split, experiment.arguments.max_eval_examples
    for target in experiment.targets:
        of_target = [cell for cell in unscored if cell.target.name == target.name]
        cells = [cell for cell in of_target if store.is_finished(cell.predictions)]  # else the run failed
        if not cells:
            continue
        splits = evaluation_splits(target, root, experiment.languages[target.name], split, most)
        by_language = {items.language: items for items in splits}
        for cell in cells:
            _score(cell, by_language[cell.language], data_revision(target, root, cell.language, split), store)


def _score(cell: PlannedScore, split: Split, revision: str, store: Store) -> None:
    scored = cell.target.score(split, read_predictions(store.folder(cell.predictions) / "predictions.parquet", split))
    with store.writing(cell.scores) as (draft, results):
        results |= {"metrics": scored.metrics, "n": len(split), "data_revision": revision}
        items = {"ids": list(split.ids), "scores": scored.items}
        items |= {"clusters": list(split.clusters)} if split.clusters else {}
        write_atomically(draft / "items.json", json.dumps(items, ensure_ascii=False))


def read_predictions(path: Path, split: Split) -> list[Any]:
    """Return the stored predictions of a split's items in their order."""
    table = pq.read_table(path)
    if tuple(table["item_id"].to_pylist()) != split.ids:
        raise UserError(
            f"{path} has predictions for other items than those of {split.files[0]}; delete it to predict again"
        )
    return [json.loads(text) for text in table["prediction"].to_pylist()]


def read_items(cell: PlannedScore, store: Store) -> Json:
    """Return {"ids": [...], "scores": {metric: [...]}} of a scored cell, and its "clusters" where items have them."""
    items: Json = json.loads((store.folder(cell.scores) / "items.json").read_text(encoding="utf-8"))
    return items
