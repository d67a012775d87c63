"""Scaling curves and the exchange rate: how many examples of one arm are worth k of another.

Two forms, chosen by AICc: log-linear, s = a + b log2 n, and a power law in the error, 100 - s = c + a n^-b. Both are
fitted to every seed point. Around its fit each form is linear in the scores, so a point on a curve, and the distance
between two curves, is a contrast of runs: its uncertainty is that of `significance`, seeds and test items included, and
runs that share seeds or items stay correlated. The interval of an exchange rate holds every size at which the two curves
cannot be told apart (Fieller 1954): it stays honest where a curve is flat, and it may be open.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from evaluator.significance import Estimate, Floats, Group, Scores
from synthgen.errors import UserError, missing_package

Form = Literal["log-linear", "power"]
MAX_EXTRAPOLATION = 4.0  # no statement beyond four times the largest size, or below a quarter of the smallest
GRID_PER_DOUBLING = 64


@dataclass(frozen=True, slots=True)
class Curve:
    """A fitted curve of one arm: `theta` are the parameters of `form`, `aicc` that of every form that could be fitted."""

    arm: str
    sizes: tuple[int, ...]
    form: Form
    theta: tuple[float, ...]
    aicc: Mapping[str, float]
    weights_to_theta: Floats  # (parameters, sizes): d theta / d (mean score at a size)

    @property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest number of examples this curve may speak about."""
        return self.sizes[0] / MAX_EXTRAPOLATION, self.sizes[-1] * MAX_EXTRAPOLATION

    def value(self, n: float) -> float:
        """Return the score at n examples; UserError beyond the limits."""
        low, high = self.limits
        if not low <= n <= high:
            raise UserError(f"{self.arm}: {n:g} examples is outside {low:g} to {high:g}, four times what was measured")
        return float(_predict(self.form, np.asarray(self.theta), np.array([float(n)]))[0])

    def contrast(self, n: float, sign: float = 1.0) -> dict[Group, float]:
        """Return the weights of mean scores whose weighted sum moves like the curve at n."""
        gradient = _jacobian(self.form, np.asarray(self.theta), np.array([float(n)]))[0]
        weights = sign * gradient @ self.weights_to_theta
        return {(self.arm, size): float(weight) for size, weight in zip(self.sizes, weights, strict=True)}

    def estimate(self, scores: Scores, n: float) -> Estimate:
        """Return the curve at n with its uncertainty."""
        return _shifted(scores.contrast(self.contrast(n)), self.value(n))


def _shifted(estimate: Estimate, value: float) -> Estimate:
    return Estimate(value, estimate.se, estimate.df, estimate.seeds, estimate.paired, estimate.items_resampled)


def _predict(form: Form, theta: Floats, n: Floats) -> Floats:
    if form == "log-linear":
        return np.asarray(theta[0] + theta[1] * np.log2(n))
    floor, height, rate = theta
    return np.asarray(100.0 - floor - height * n**-rate)


def _jacobian(form: Form, theta: Floats, n: Floats) -> Floats:
    if form == "log-linear":
        return np.stack([np.ones_like(n), np.log2(n)], axis=1)
    _, height, rate = theta
    decay = n**-rate
    return np.stack([-np.ones_like(n), -decay, height * decay * np.log(n)], axis=1)


def fit_curve(arm: str, points: Mapping[int, npt.ArrayLike]) -> Curve:
    """Fit both forms to the scores of every seed, {size: (seeds,)}, and keep the one with the lower AICc.

    Two sizes allow the log-linear form alone.
    """
    sizes = tuple(sorted(points))
    if len(sizes) < 2:
        raise UserError(f"{arm}: a curve needs at least two sizes, got {len(sizes)}")
    n = np.concatenate([np.full(len(np.atleast_1d(points[size])), float(size)) for size in sizes])
    y = np.concatenate([np.asarray(points[size], dtype=np.float64).reshape(-1) for size in sizes])
    fits: dict[Form, Floats] = {"log-linear": _fit_log_linear(n, y)}
    if len(sizes) >= 3 and len(y) > 4 and (power := _fit_power(n, y)) is not None:
        fits["power"] = power
    aicc = {form: _aicc(y - _predict(form, theta, n), len(theta)) for form, theta in fits.items()}
    form: Form = min(fits, key=lambda name: aicc[name])
    return Curve(arm, sizes, form, tuple(map(float, fits[form])), aicc, _sensitivity(form, fits[form], n, sizes))


def _fit_log_linear(n: Floats, y: Floats) -> Floats:
    design = np.stack([np.ones_like(n), np.log2(n)], axis=1)
    return np.asarray(np.linalg.lstsq(design, y, rcond=None)[0])


def _fit_power(n: Floats, y: Floats) -> Floats | None:
    """Least squares with the floor inside [0, largest error]; None where the fit ends on a bound or fails."""
    error = 100.0 - y
    start = n.min()
    scaled = np.log(n / start)

    def residual(theta: Floats) -> Floats:
        return np.asarray(theta[0] + theta[1] * np.exp(-theta[2] * scaled) - error)

    first = [max(error.min() * 0.8, 0.0), max(np.ptp(error), 1e-3), 0.5]
    bounds = ([0.0, 1e-9, 1e-3], [max(error.max(), 1e-6), 1e3, 5.0])
    fit = _optimize().least_squares(residual, np.clip(first, *bounds), bounds=bounds, x_scale=[10.0, 1.0, 0.5])
    if not fit.success or np.any(fit.active_mask != 0):
        return None
    floor, height, rate = fit.x
    return np.array([floor, height * start**rate, rate])


def _optimize() -> Any:  # noqa: ANN401 - scipy ships no types
    try:
        from scipy import optimize
    except ImportError as error:
        raise missing_package("scipy", "report", "fitting scaling curves") from error
    return optimize


def _aicc(residual: Floats, parameters: int) -> float:
    """Corrected Akaike criterion (Hurvich & Tsai 1989); the variance is a parameter too."""
    count, k = len(residual), parameters + 1
    if count - k - 1 <= 0:
        return math.inf if parameters > 2 else 0.0
    variance = max(float(np.mean(residual**2)), 1e-12)
    return count * math.log(variance) + 2 * k + 2 * k * (k + 1) / (count - k - 1)


def _sensitivity(form: Form, theta: Floats, n: Floats, sizes: Sequence[int]) -> Floats:
    """Return d theta / d (mean score at a size), (parameters, sizes), by the Gauss-Newton step."""
    step = np.linalg.pinv(_jacobian(form, theta, n))
    return np.stack([step[:, n == size].sum(axis=1) for size in sizes], axis=1)


@dataclass(frozen=True, slots=True)
class ExchangeRate:
    """How many examples of `arm` equal `k` of `reference`: None where the curve does not get there within `limits`.

    `low` and `high` are the ends of the 95 % interval; None means open: no end within the limits.
    """

    arm: str
    reference: str
    k: int
    equals: float | None
    low: float | None
    high: float | None
    limits: tuple[float, float]

    @property
    def rate(self) -> float | None:
        """Examples of `arm` per example of `reference`."""
        return None if self.equals is None else self.equals / self.k


def exchange_rate(scores: Scores, curve: Curve, reference: Curve, k: int) -> ExchangeRate:
    """Return how many examples on `curve` reach what `reference` reaches with k, with a 95 % interval."""
    low, high = curve.limits
    grid = np.geomspace(low, high, max(2, round(GRID_PER_DOUBLING * math.log2(high / low))))
    grid = np.clip(grid, low, high)
    goal, goal_weights = reference.value(k), reference.contrast(k, -1.0)
    gaps = _predict(curve.form, np.asarray(curve.theta), grid) - goal
    inside = np.array([_holds_zero(scores, curve, goal_weights, n, gap) for n, gap in zip(grid, gaps, strict=True)])
    ends = np.flatnonzero(inside)
    ends_at = (None, None) if not ends.size else (float(grid[ends[0]]), float(grid[ends[-1]]))
    if ends.size:
        ends_at = (None if ends[0] == 0 else ends_at[0], None if ends[-1] == len(grid) - 1 else ends_at[1])
    return ExchangeRate(curve.arm, reference.arm, k, _crossing(grid, gaps), *ends_at, (low, high))


def _holds_zero(scores: Scores, curve: Curve, goal: Mapping[Group, float], n: float, gap: float) -> bool:
    weights = curve.contrast(n)
    for group, weight in goal.items():
        weights[group] = weights.get(group, 0.0) + weight
    estimate = _shifted(scores.contrast(weights), gap)
    if not estimate.known:
        return True
    low, high = estimate.interval()
    return low <= 0 <= high


def _crossing(grid: Floats, gaps: Floats) -> float | None:
    """Return where the gap first reaches zero, interpolated in log n; None where it never does."""
    reached = np.flatnonzero(gaps >= 0)
    if not reached.size:
        return None
    at = int(reached[0])
    if at == 0:
        return float(grid[0])
    share = gaps[at - 1] / (gaps[at - 1] - gaps[at])
    return float(np.exp((1 - share) * np.log(grid[at - 1]) + share * np.log(grid[at])))
