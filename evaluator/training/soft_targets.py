"""Soft targets: probabilities of labels, or a weight of the row, in place of its label alone.

Features hold whole numbers, so a target is its class, then in millionths the weight of the row and the probability of
each label. Both are columns of a set that `synthgen filter` wrote with a verifier's probabilities; rows of other sets
have their label with certainty and the weight 1.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from evaluator.experiment.recipe import SOFT, WEIGHTED, Stage
from evaluator.training.features import Features, IntArray
from synthgen.dataset.shards import LABEL_PROBS, WEIGHT
from synthgen.formats.base import Row

UNIT = 1_000_000
"""What stands for a probability of 1."""


class TrainingRecord(NamedTuple):
    """A record with a verifier's probabilities of its labels and its weight; None where no verifier was used."""

    record: Any
    probabilities: Sequence[float] | None = None
    weight: float | None = None

    @classmethod
    def of_row(cls, record: Any, row: Row) -> "TrainingRecord":  # noqa: ANN401 - each format has its own
        """Return the record of a row with the row's own columns."""
        return cls(record, row.get(LABEL_PROBS), row.get(WEIGHT))


def soften(features: Features, records: Sequence[TrainingRecord], stage: Stage, labels: int) -> Features:
    """Return features with the targets that a stage asks for, over so many labels; `records` are those they encode."""
    targets = np.stack([_target(each, stage, labels) for each in records])[features.owners]
    starts = np.arange(len(features) + 1, dtype=np.int64) * targets.shape[1]
    return replace(features, targets=targets.ravel(), target_starts=starts)


def _target(training: TrainingRecord, stage: Stage, labels: int) -> IntArray:
    label, weight = training.record.label, 1.0
    shares = np.eye(labels)[label]
    if stage.targets == SOFT and training.probabilities is not None:
        probabilities = np.asarray(training.probabilities, dtype=np.float64)
        shares = stage.own_label * shares + (1 - stage.own_label) * probabilities
    if stage.targets == WEIGHTED and training.weight is not None:
        weight = training.weight
    shares = (1 - stage.label_smoothing) * shares + stage.label_smoothing / labels
    return np.array([label, *(round(UNIT * each) for each in (weight, *shares))], dtype=np.int32)


def is_soft(targets: torch.Tensor | IntArray) -> bool:
    """Say whether targets are more than classes: of a batch (features, values), or of one feature."""
    return targets.shape[-1] > 1


def cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the weighted cross entropy with the probabilities of soft targets, summed over features.

    >>> targets = torch.tensor([[0, 500_000, 1_000_000, 0]])
    >>> round(float(cross_entropy(torch.tensor([[0.0, 0.0]]), targets)), 4)
    0.3466
    """
    parts = targets[:, 1:].to(logits.dtype) / UNIT
    losses = functional.cross_entropy(logits, parts[:, 1:], reduction="none")
    return (losses * parts[:, 0]).sum()


def total_weight(targets: Iterable[IntArray]) -> float:
    """Return the sum of the weights of soft targets, what their summed loss is divided by; a little for none."""
    return max(sum(int(target[1]) for target in targets) / UNIT, 1 / UNIT)
