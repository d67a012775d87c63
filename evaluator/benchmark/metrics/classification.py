"""Accuracy."""

from collections.abc import Sequence
from typing import Any

from evaluator.benchmark.target import Scored, Split
from synthgen.errors import UserError


def accuracy(split: Split, predictions: Sequence[Any]) -> Scored:
    """Return the share of items whose prediction equals the gold value, in percent (XT evaluate.py, accuracy)."""
    same_length(split, predictions)
    items = [float(prediction == gold) for prediction, gold in zip(predictions, split.gold, strict=True)]
    return Scored({"accuracy": 100 * sum(items) / len(items)}, {"accuracy": items})


def same_length(split: Split, predictions: Sequence[Any]) -> None:
    """Raise UserError unless there is one prediction per item, and at least one item."""
    if not split.gold:
        raise UserError(f"no items to score in {', '.join(map(str, split.files))}")
    if len(predictions) != len(split.gold):
        raise UserError(f"{len(predictions)} predictions for {len(split.gold)} items of {split.files[0]}")
