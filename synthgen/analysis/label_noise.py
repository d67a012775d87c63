"""Label noise of a set, estimated from a verifier that errs too, with an interval.

A verifier relabels the set blindly. Its errors are known from rows with true labels that it was not trained on: C[y, p]
is how often it says p of a row whose label is y. The set gives J[a, p]: assigned label against the verifier's. Since
J = N C with N[a, y] the share of rows with assigned label a and true label y, N = J C^-1, and the noise is 1 - trace N.
This is the correction of Rogan and Gladen (1978) for any number of labels, as Lipton et al. (2018) use it for shifted
labels. It holds where the verifier errs on the set as it errs on the calibration rows; sets in another style shift it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthgen.analysis.bow_classifier import Floats

DRAWS = 2_000
MIN_CALIBRATION = 100
SINGULAR = 1e-3


@dataclass(frozen=True, slots=True)
class Noise:
    """The share of wrong labels with its 95 % interval, and the numbers of rows it rests on."""

    share: float
    ci95: tuple[float, float]
    rows: int
    calibration_rows: int


def confusion(labels: Sequence[int], predicted: Sequence[int], classes: int) -> Floats:
    """Return the counts by label and prediction, (classes, classes).

    >>> confusion([0, 0, 1], [0, 1, 1], 2).tolist()
    [[1.0, 1.0], [0.0, 1.0]]
    """
    counts = np.zeros((classes, classes))
    np.add.at(counts, (np.asarray(labels, dtype=np.intp), np.asarray(predicted, dtype=np.intp)), 1)
    return counts


def estimate(counts: Floats, calibration: Floats, *, seed: int = 0) -> Noise:
    """Return the noise from the confusion counts of the set and of the calibration rows, both (labels, labels).

    The interval is a parametric bootstrap over both: 2,000 draws, percentiles. Raises ValueError when the calibration
    rows are fewer than 100, or say nothing (a verifier at chance).
    """
    if calibration.sum() < MIN_CALIBRATION or not (calibration.sum(axis=1) > 0).all():
        raise ValueError(f"{calibration.sum():.0f} calibration rows; at least {MIN_CALIBRATION}, of every label")
    rng = np.random.default_rng(seed)
    rows, each = int(counts.sum()), calibration.sum(axis=1).astype(int)
    smooth = (calibration + 0.5) / (calibration + 0.5).sum(axis=1, keepdims=True)
    shares = (counts / rows).ravel()
    says = [rng.multinomial(n, row, size=DRAWS) / n for n, row in zip(each, smooth, strict=True)]
    drawn = rng.multinomial(rows, shares, size=DRAWS).reshape(DRAWS, *counts.shape) / rows
    draws = _shares(drawn, np.stack(says, axis=1))
    known = draws[np.isfinite(draws)]
    share = _shares(counts[None] / rows, (calibration / calibration.sum(axis=1, keepdims=True))[None])[0]
    if len(known) < 0.95 * DRAWS or not np.isfinite(share):
        raise ValueError("the verifier is no better than chance on the calibration rows")
    low, high = np.quantile(known, (0.025, 0.975))
    return Noise(_part(share), (_part(low), _part(high)), rows, int(calibration.sum()))


def _shares(joint: Floats, verifier: Floats) -> Floats:
    """Return 1 - trace(J C^-1) for each J and C of two stacks; nan where C cannot be inverted."""
    usable = np.abs(np.linalg.det(verifier)) >= SINGULAR
    shares = np.full(len(joint), np.nan)
    product = joint[usable] @ np.linalg.inv(verifier[usable])
    shares[usable] = 1 - np.trace(product, axis1=1, axis2=2)
    return shares


def _part(share: float) -> float:
    return round(float(min(max(share, 0.0), 1.0)), 4)


def estimate_from_agreement(agreed: int, rows: int, calibration: tuple[int, int], *, seed: int = 0) -> Noise:
    """Return the share of wrong rows where a reader agrees with `agreed`; `calibration` is (agreed, right rows).

    For answers, which are no classes: a reader is taken never to repeat a wrong answer, so the share that it agrees
    with is its agreement with right rows times the share of those. ValueError as `estimate`.
    """
    known, of = calibration
    if of < MIN_CALIBRATION or not known:
        raise ValueError(f"{of} calibration rows, {known} of them agreed with; at least {MIN_CALIBRATION} and one")
    rng = np.random.default_rng(seed)
    right = (rng.binomial(of, (known + 0.5) / (of + 1), DRAWS) + 0.5) / (of + 1)
    agreement = rng.binomial(rows, agreed / rows, DRAWS) / rows
    low, high = np.quantile(1 - agreement / right, (0.025, 0.975))
    return Noise(_part(1 - agreed / rows / (known / of)), (_part(low), _part(high)), rows, of)


def noise_facts(noise: Noise, verifier_accuracy: float) -> dict[str, Any]:
    """Return what the manifest says of an estimate."""
    interval = {"share": noise.share, "ci95": list(noise.ci95), "calibration_rows": noise.calibration_rows}
    return interval | {"verifier_accuracy": round(verifier_accuracy, 4)}
