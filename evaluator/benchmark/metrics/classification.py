"""Accuracy and macro F1."""

from collections.abc import Sequence
from typing import Any

from evaluator.benchmark.target import Split, SplitScores
from synthgen.errors import UserError


def accuracy(split: Split, predictions: Sequence[Any]) -> SplitScores:
    """Return the share of items whose prediction equals the gold value, in percent (XT evaluate.py, accuracy)."""
    same_length(split, predictions)
    items = [float(prediction == gold) for prediction, gold in zip(predictions, split.gold, strict=True)]
    return SplitScores({"accuracy": 100 * sum(items) / len(items)}, {"accuracy": items})


def macro_f1(split: Split, predictions: Sequence[Any]) -> SplitScores:
    """Return the mean F1 of the labels that are gold or predicted for some item, in percent.

    As scikit-learn's f1_score(average="macro"), which mteb and IrokoBench report. Items are [predicted, gold] numbers
    of labels, in the order of their names.
    """
    same_length(split, predictions)
    pairs = list(zip(predictions, split.gold, strict=True))
    names = sorted({name for pair in pairs for name in pair})
    place, total = {name: float(number) for number, name in enumerate(names)}, 0.0
    for name in names:
        hits = sum(predicted == gold == name for predicted, gold in pairs)
        total += 2 * hits / sum((predicted == name) + (gold == name) for predicted, gold in pairs)
    return SplitScores({"macro_f1": 100 * total / len(names)}, {"macro_f1": [[place[p], place[g]] for p, g in pairs]})


def same_length(split: Split, predictions: Sequence[Any]) -> None:
    """Raise UserError unless there is one prediction per item, and at least one item."""
    if not split.gold:
        raise UserError(f"no items to score in {', '.join(map(str, split.files))}")
    if len(predictions) != len(split.gold):
        raise UserError(f"{len(predictions)} predictions for {len(split.gold)} items of {split.files[0]}")
