"""Scores of stored predictions, without torch: scoring is a step of its own, so that a metric can be mended alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from evaluator.benchmark.target import DataRoot, Split, Target
from evaluator.experiment.graph import PlannedScore, data_revision
from evaluator.stats.results import SAMPLE_PREFIX
from evaluator.store.store import Json, Store
from synthgen.dataset.samples import XTREME_R_SAMPLES
from synthgen.errors import UserError


def read_predictions(path: Path, split: Split) -> list[Any]:
    """Return the stored predictions of a split's items in their order."""
    table = pq.read_table(path)
    if tuple(table["item_id"].to_pylist()) != split.ids:
        raise UserError(f"{path} was predicted for other items than {split.files[0]} holds; delete it to predict again")
    return [json.loads(text) for text in table["prediction"].to_pylist()]


def score_cell(cell: PlannedScore, split: Split, revision: str, store: Store) -> None:
    """Score one cell's predictions and keep percentages and item scores as a node."""
    if store.is_finished(cell.scores):
        return
    predictions = read_predictions(store.folder(cell.predictions) / "predictions.parquet", split)
    scored = cell.target.score(split, predictions)
    with store.writing(cell.scores) as (draft, results):
        results |= {"metrics": scored.metrics, "n": len(split), "data_revision": revision}
        items = {"ids": list(split.ids), "scores": scored.items}
        (draft / "items.json").write_text(json.dumps(items, ensure_ascii=False), encoding="utf-8")


def read_items(cell: PlannedScore, store: Store) -> Json:
    """Return {"ids": [...], "scores": {metric: [...]}} of a scored cell."""
    items: Json = json.loads((store.folder(cell.scores) / "items.json").read_text(encoding="utf-8"))
    return items


def shown_revision(target: Target, root: DataRoot, language: str, split: str) -> str:
    """Return the data revision as results show it; the package's own samples say so."""
    found = data_revision(target, root, language, split)
    return f"{SAMPLE_PREFIX}{found}" if root.path.resolve() == XTREME_R_SAMPLES.resolve() else found
