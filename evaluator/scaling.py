"""Scaling curves and the exchange rate: how many examples of one arm are worth k of another.

Two forms, chosen by AICc: log-linear, s = a + b log2 n, and a power law in the error, 100 - s = c + a n^-b. Both are
fitted to every seed point. Around its fit each form is linear in the scores, so a point on a curve, and the distance
between two curves, is a contrast of runs: its uncertainty is that of `significance`, seeds and test items included, and runs
that share seeds or items stay correlated. The interval of an exchange rate holds every size at which the two curves
cannot be told apart (Fieller 1954): it stays honest where a curve is flat, and it may be open.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from evaluator.significance import Floats, Group, Scores
from synthgen.errors import UserError, missing_package

Form = Literal["log-linear", "power"]
MAX_EXTRAPOLATION = 4.0  # no statement beyond four times the largest size, or below a quarter of the smallest
GRID_PER_DOUBLING = 64
RIVAL_AICC = 4.0  # beyond it a form has considerably less support (Burnham & Anderson 2002, section 2.6)
RATE_BOUNDS = (0.01, 4.0)  # of the power law; outside it the form is a line in log n, or a step


@dataclass(frozen=True, slots=True)
class Curve:
    """A fitted curve of one arm: `theta` are the parameters of `form`, `aicc` holds every form that could be fitted.

    `rivals` are fits of other forms that the data do not rule out; bands and intervals cover them too.
    """

    arm: str
    sizes: tuple[int, ...]
    form: Form
    theta: tuple[float, ...]
    aicc: Mapping[Form, float]
    weights_to_theta: Floats  # (parameters, sizes): d theta / d (mean score at a size)
    rivals: tuple[Curve, ...] = ()

    @property
    def plausible(self) -> tuple[Curve, ...]:
        """The curve and its rivals."""
        return self, *self.rivals

    @property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest number of examples this curve may speak about."""
        return self.sizes[0] / MAX_EXTRAPOLATION, self.sizes[-1] * MAX_EXTRAPOLATION

    def values(self, n: Floats) -> Floats:
        """Return the score at each number of examples; UserError beyond the limits."""
        low, high = self.limits
        if n.min() < low or n.max() > high:
            beyond = n.min() if n.min() < low else n.max()
            raise UserError(
                f"{self.arm}: {beyond:g} examples; allowed: {low:g} to {high:g}, four times what was measured"
            )
        return _predict(self.form, np.asarray(self.theta), n)

    def value(self, n: float) -> float:
        """Return the score at n examples; UserError beyond the limits."""
        return float(self.values(np.array([float(n)]))[0])

    def weights(self, n: Floats, groups: Sequence[Group]) -> Floats:
        """Return, per n, the weights of mean scores whose weighted sum moves like the curve; (n, groups)."""
        own = _jacobian(self.form, np.asarray(self.theta), n) @ self.weights_to_theta
        weights = np.zeros((len(n), len(groups)))
        for column, size in enumerate(self.sizes):
            weights[:, groups.index((self.arm, size))] = own[:, column]
        return weights

    def band(self, scores: Scores, n: Floats) -> Floats:
        """Return the ends of the pointwise 95 % band over all plausible forms at each n, (n, 2); NaN with one seed."""
        ends = []
        for curve in self.plausible:
            spread = scores.spread(curve.weights(n, scores.groups))
            half = spread.critical() * spread.se
            ends.append(np.stack([curve.values(n) - half, curve.values(n) + half]))
        return np.stack([np.min(ends, axis=0)[0], np.max(ends, axis=0)[1]], axis=1)


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
    """Fit both forms to the scores of every seed, {size: (seeds,)}; the lower AICc wins, the other may stay a rival.

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
    best, *others = [
        Curve(arm, sizes, form, tuple(map(float, fits[form])), aicc, _sensitivity(form, fits[form], n, sizes))
        for form in sorted(fits, key=lambda name: aicc[name])
    ]
    rivals = [curve for curve in others if aicc[curve.form] - aicc[best.form] <= RIVAL_AICC]
    return replace(best, rivals=tuple(rivals))


def _fit_log_linear(n: Floats, y: Floats) -> Floats:
    design = np.stack([np.ones_like(n), np.log2(n)], axis=1)
    return np.asarray(np.linalg.lstsq(design, y, rcond=None)[0])


def _fit_power(n: Floats, y: Floats) -> Floats | None:
    """Least squares with the floor inside [0, largest error]; None where the best rate lies on a bound.

    For a given rate the form is linear in floor and height, so the search is over the rate alone.
    """
    error, scaled = 100.0 - y, n / n.min()
    rates = np.geomspace(*RATE_BOUNDS, 25)
    losses = [_at_rate(rate, scaled, error)[0] for rate in rates]
    best = int(np.argmin(losses))
    if best in (0, len(rates) - 1):
        return None
    bracket = (float(rates[best - 1]), float(rates[best + 1]))
    found = _optimize().minimize_scalar(lambda rate: _at_rate(rate, scaled, error)[0], bounds=bracket, method="bounded")
    rate = float(found.x)
    _, floor, height = _at_rate(rate, scaled, error)
    return np.array([floor, height * n.min() ** rate, rate]) if height > 0 else None


def _at_rate(rate: float, scaled: Floats, error: Floats) -> tuple[float, float, float]:
    """Return the squared error, floor and height of the best power law with this rate."""
    decay = scaled**-rate
    centred = decay - decay.mean()
    height = float(centred @ error / max(float(centred @ centred), 1e-300))
    floor = float(error.mean() - height * decay.mean())
    if not 0 <= floor <= error.max():
        floor = float(np.clip(floor, 0.0, error.max()))
        height = float(decay @ (error - floor) / (decay @ decay))
    return float(np.sum((error - floor - height * decay) ** 2)), floor, height


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
    grid = np.clip(np.geomspace(low, high, max(2, round(GRID_PER_DOUBLING * math.log2(high / low)))), low, high)
    pairs = [_reached(scores, own, other, k, grid) for own in curve.plausible for other in reference.plausible]
    equals = _crossing(grid, pairs[0][0])
    inside = np.flatnonzero(np.any([holds for _, holds in pairs], axis=0))
    if inside.size:
        ends = (_end(grid, int(inside[0]), 0), _end(grid, int(inside[-1]), len(grid) - 1))
    elif equals is not None and equals > low:  # the interval is narrower than a step of the grid
        ends = (equals, equals)
    else:
        ends = (high, None) if equals is None else (None, low)
    return ExchangeRate(curve.arm, reference.arm, k, equals, *ends, (low, high))


def _reached(
    scores: Scores, curve: Curve, reference: Curve, k: int, grid: Floats
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return how far the curve is above the goal at each size, and where that may be zero (everywhere with one seed)."""
    gaps = curve.values(grid) - reference.value(k)
    goal = reference.weights(np.array([float(k)]), scores.groups)
    spread = scores.spread(curve.weights(grid, scores.groups) - goal)
    half = np.where(np.isfinite(spread.se), spread.critical() * spread.se, np.inf)
    return gaps, np.abs(gaps) <= half


def _end(grid: Floats, index: int, bound: int) -> float | None:
    return None if index == bound else float(grid[index])


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
