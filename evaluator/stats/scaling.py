"""Scaling curves and the exchange rate: how many examples of one arm are worth k of another.

Two forms, chosen by AICc: log-linear, s = a + b log2 n, and a power law in the error, 100 - s = c + a n^-b. Both are
fitted to every seed point. A form that the means contradict, by the lack-of-fit F test against the noise between seeds,
is left out; where none is left, curves are interpolated in log n between the sizes measured, and end there. Around its
fit each form is linear in the scores, so a point on a curve, and the distance
between two curves, is a contrast of runs: its uncertainty is that of `contrasts`, seeds and test items included,
and runs that share seeds or items stay correlated. The interval of an exchange rate holds every size at which the two
curves cannot be told apart (Fieller 1954): it stays honest where a curve is flat, and it may be open.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from evaluator.stats.contrasts import LevelScores
from evaluator.stats.results import Floats, Group
from evaluator.stats.significance import ALPHA, rounded, scipy_module
from synthgen.errors import UserError

Form = Literal["log-linear", "power", "interpolated"]
MAX_EXTRAPOLATION = 4.0  # no statement beyond four times the largest size, or below a quarter of the smallest
GRID_PER_DOUBLING = 64
RIVAL_AICC = 1.0  # a form this close explains the seeds as well (support begins to fade at 2: Burnham & Anderson 2002)
LACK_OF_FIT = 0.05  # p-value below which the measured means contradict a form
RATE_BOUNDS = (0.01, 4.0)  # of the power law; outside it the form is a line in log n, or a step


@dataclass(frozen=True, slots=True)
class Curve:
    """A fitted curve of one arm: `theta` are the parameters of `form`, `aicc` holds every form that could be fitted.

    `trained` are the numbers of examples at `sizes`, the same unless an arm takes more than is asked for (ten times).
    `rivals` are fits of other forms that the data do not rule out; bands and intervals cover them too.
    """

    arm: str
    sizes: tuple[int, ...]
    form: Form
    theta: tuple[float, ...]
    aicc: Mapping[Form, float]
    weights_to_theta: Floats  # (parameters, sizes): d theta / d (mean score at a size)
    trained: tuple[int, ...]
    rivals: tuple[Curve, ...] = ()

    @property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest number of examples this curve may speak about."""
        if self.form == "interpolated":
            return float(self.trained[0]), float(self.trained[-1])
        return self.trained[0] / MAX_EXTRAPOLATION, self.trained[-1] * MAX_EXTRAPOLATION

    def values(self, n: Floats) -> Floats:
        """Return the score at each number of examples; UserError beyond the limits."""
        low, high = self.limits
        if n.min() < low or n.max() > high:
            beyond = n.min() if n.min() < low else n.max()
            reach = "what was measured" if self.form == "interpolated" else "four times what was measured"
            allowed = f"{low:g} to {high:g}, {reach}"
            raise UserError(f"{self.arm}: {beyond:g} examples; allowed: {allowed}")
        return _predict(self.form, np.asarray(self.theta), n, self.trained)

    def weights(self, n: Floats, groups: Sequence[Group]) -> Floats:
        """Return, per n, the weights of mean scores whose weighted sum moves like the curve; (n, groups)."""
        weights = np.zeros((len(n), len(groups)))
        columns = [groups.index((self.arm, size)) for size in self.sizes]
        weights[:, columns] = _jacobian(self.form, np.asarray(self.theta), n, self.trained) @ self.weights_to_theta
        return weights

    def band(self, scores: LevelScores, n: Floats) -> Floats:
        """Return the ends of the pointwise 95 % band over all plausible forms at each n, (n, 2); NaN with one seed."""
        ends = []
        for curve in (self, *self.rivals):
            half = scores.spread(curve.weights(n, scores.groups)).half_width()
            ends.append(np.stack([curve.values(n) - half, curve.values(n) + half]))
        return np.stack([np.min(ends, axis=0)[0], np.max(ends, axis=0)[1]], axis=1)


def _predict(form: Form, theta: Floats, n: Floats, knots: Sequence[int] = ()) -> Floats:
    if form == "interpolated":
        return np.asarray(np.interp(np.log(n), np.log(knots), theta))
    if form == "log-linear":
        return np.asarray(theta[0] + theta[1] * np.log2(n))
    floor, height, rate = theta
    return np.asarray(100.0 - floor - height * n**-rate)


def _jacobian(form: Form, theta: Sequence[float] | Floats, n: Floats, knots: Sequence[int] = ()) -> Floats:
    if form == "interpolated":
        return np.stack([np.interp(np.log(n), np.log(knots), unit) for unit in np.eye(len(knots))], axis=1)
    if form == "log-linear":
        return np.stack([np.ones_like(n), np.log2(n)], axis=1)
    _, height, rate = theta
    decay = n**-rate
    return np.stack([-np.ones_like(n), -decay, height * decay * np.log(n)], axis=1)


def fit_curves(
    arms: Mapping[str, Mapping[int, Floats]], trained: Mapping[Group, int] | None = None
) -> dict[str, Curve]:
    """Fit the curves of several arms, each {size: (seeds,)} scores of every seed, all of one form.

    `trained` says how many examples an arm was trained on at a size, where that is not the size.
    One form for all arms, by the AICc of their joint fit, because choosing arm by arm mostly follows noise. A form
    within `RIVAL_AICC` of the best stays a rival. The power law needs three sizes of every arm. Forms that the data
    contradict are no candidates; without one the curves are interpolated.
    """
    data = {arm: _ScoredSizes.of(arm, points, trained or {}) for arm, points in arms.items()}
    lines = {arm: _fit_line(scored.n, scored.y) for arm, scored in data.items()}
    enough = {arm: scored for arm, scored in data.items() if len(scored.sizes) >= 3}
    power = {arm: theta for arm, s in enough.items() if (theta := _fit_power(s.n, s.y)) is not None}
    fits: dict[Form, dict[str, Floats]] = {"log-linear": lines}
    if len(power) == len(data):
        fits["power"] = power
    fits = {form: thetas for form, thetas in fits.items() if _lack_of_fit_p(form, thetas, data) > LACK_OF_FIT}
    if not fits:
        fits["interpolated"] = {arm: scored.means() for arm, scored in data.items()}
    aicc = {form: _joint_aicc(form, thetas, data) for form, thetas in fits.items()}
    forms = sorted((form for form in fits if aicc[form] - min(aicc.values()) <= RIVAL_AICC), key=aicc.__getitem__)
    curves = {arm: [scored.curve(arm, form, fits[form][arm], aicc) for form in forms] for arm, scored in data.items()}
    return {arm: replace(best, rivals=tuple(rivals)) for arm, (best, *rivals) in curves.items()}


@dataclass(frozen=True, slots=True)
class _ScoredSizes:
    """The scores of one arm, `y` at `n` examples, both (runs,)."""

    sizes: tuple[int, ...]
    trained: tuple[int, ...]
    n: Floats
    y: Floats

    @classmethod
    def of(cls, arm: str, points: Mapping[int, Floats], trained: Mapping[Group, int]) -> _ScoredSizes:
        """Return the scores at each size; UserError with one size."""
        sizes = tuple(sorted(points))
        if len(sizes) < 2:
            raise UserError(f"{arm}: a curve needs at least two sizes, got {len(sizes)}")
        counts = tuple(trained.get((arm, size)) or size for size in sizes)
        if len(set(counts)) < len(sizes):  # the data ran out: nothing was learned from asking for more
            counts = sizes
        n = np.concatenate([np.full(len(points[s]), float(count)) for s, count in zip(sizes, counts, strict=True)])
        return cls(sizes, counts, n, np.concatenate([points[size] for size in sizes]))

    def means(self) -> Floats:
        """Return the mean score at each size."""
        return np.array([self.y[self.n == count].mean() for count in self.trained])

    def curve(self, arm: str, form: Form, theta: Floats, aicc: Mapping[Form, float]) -> Curve:
        """Return the fit with d theta / d (mean score at a size), by the Gauss-Newton step."""
        step = np.linalg.pinv(_jacobian(form, theta, self.n, self.trained))
        weights = np.stack([step[:, self.n == count].sum(axis=1) for count in self.trained], axis=1)
        return Curve(arm, self.sizes, form, tuple(map(float, theta)), aicc, weights, self.trained)


def _lack_of_fit_p(form: Form, thetas: Mapping[str, Floats], data: Mapping[str, _ScoredSizes]) -> float:
    """Return the p-value of the lack-of-fit F test of all arms together; 1 where seeds or sizes are too few for one."""
    pure, lack, pure_df, lack_df = 0.0, 0.0, 0, 0
    for arm, scored in data.items():
        means = _predict("interpolated", scored.means(), scored.n, scored.trained)
        pure += float(np.sum((scored.y - means) ** 2))
        lack += float(np.sum((means - _predict(form, thetas[arm], scored.n)) ** 2))
        pure_df += len(scored.y) - len(scored.trained)
        lack_df += len(scored.trained) - len(thetas[arm])
    if pure_df < 1 or lack_df < 1 or pure <= 0:
        return 1.0
    return float(scipy_module("special").fdtrc(lack_df, pure_df, lack / lack_df / (pure / pure_df)))


def _joint_aicc(form: Form, thetas: Mapping[str, Floats], data: Mapping[str, _ScoredSizes]) -> float:
    """Corrected Akaike criterion (Hurvich & Tsai 1989) of all arms together; their variance is a parameter too."""
    residual = np.concatenate([s.y - _predict(form, thetas[arm], s.n, s.trained) for arm, s in data.items()])
    count, k = len(residual), sum(len(theta) for theta in thetas.values()) + 1
    if count - k - 1 <= 0:
        return math.inf if form == "power" else 0.0
    variance = max(float(np.mean(residual**2)), 1e-12)
    return count * math.log(variance) + 2 * k + 2 * k * (k + 1) / (count - k - 1)


def _fit_line(n: Floats, y: Floats) -> Floats:
    return np.asarray(np.linalg.lstsq(_jacobian("log-linear", (), n), y, rcond=None)[0])


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
    minimize = scipy_module("optimize", "fitting scaling curves").minimize_scalar
    rate = float(minimize(lambda rate: _at_rate(rate, scaled, error)[0], bounds=bracket, method="bounded").x)
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


@dataclass(frozen=True, slots=True)
class ExchangeRate:
    """How many examples of `arm` equal `k` of `reference`: None where the curve does not get there within `limits`.

    `reason` says why no rate is given at all: the reference does not clearly gain from more examples. `low` and `high`
    are the ends of the 95 % interval; None means open: no end within the limits.
    """

    arm: str
    reference: str
    k: int
    equals: float | None
    low: float | None
    high: float | None
    limits: tuple[float, float]
    reason: str | None = None

    @property
    def rate(self) -> float | None:
        """Examples of `arm` per example of `reference`."""
        return None if self.equals is None else self.equals / self.k

    def document(self) -> dict[str, Any]:
        """Return the object of comparison.json."""
        return {
            **{name: getattr(self, name) for name in ("arm", "reference", "k")},
            "equals": rounded(self.equals, 1),
            "ci95": [rounded(self.low, 1), rounded(self.high, 1)],
            "rate": rounded(self.rate),
            "reached": self.equals is not None,
            "limits": [round(limit, 1) for limit in self.limits],
            "reason": self.reason,
        }


def exchange_rate(scores: LevelScores, curve: Curve, reference: Curve, k: int) -> ExchangeRate:
    """Return how many examples on `curve` reach what `reference` reaches with k, with a 95 % interval."""
    low, high = curve.limits
    trend = scores.contrast(_trend(reference))
    if trend.known and (trend.value <= 0 or trend.p > ALPHA):
        slope = f"{trend.value:+.2f} points per doubling".replace("-", "\N{MINUS SIGN}")
        gain = f"the score of {reference.arm} does not clearly rise with more examples ({slope})"
        return ExchangeRate(curve.arm, reference.arm, k, None, None, None, (low, high), gain)
    grid = np.clip(np.geomspace(low, high, max(2, round(GRID_PER_DOUBLING * math.log2(high / low)))), low, high)
    both = list(itertools.product((curve, *curve.rivals), (reference, *reference.rivals)))
    alike = [(fit, other) for fit, other in both if fit.form == other.form]
    pairs = [_reached(scores, fit, other, k, grid) for fit, other in alike or both]
    equals = _crossing(grid, pairs[0][0])
    inside = np.flatnonzero(np.any([holds for _, holds in pairs], axis=0))
    if inside.size:
        first, last = int(inside[0]), int(inside[-1])
        ends = (float(grid[first]) if first > 0 else None, float(grid[last]) if last < len(grid) - 1 else None)
    elif equals is not None and equals > low:  # the interval is narrower than a step of the grid
        ends = (equals, equals)
    else:
        ends = (high, None) if equals is None else (None, low)
    return ExchangeRate(curve.arm, reference.arm, k, equals, *ends, (low, high))


def _trend(curve: Curve) -> dict[Group, float]:
    """Return the contrast of mean scores that is the slope of their regression on log2 n."""
    x = np.log2(curve.trained) - np.mean(np.log2(curve.trained))
    return {(curve.arm, size): float(w) for size, w in zip(curve.sizes, x / (x @ x), strict=True)}


def _reached(
    scores: LevelScores, curve: Curve, reference: Curve, k: int, grid: Floats
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return how far the curve lies above the goal at each size, and where that may be zero (one seed: everywhere).

    Between two measured sizes an interpolated curve may bend: all that its ends leave possible may be zero.
    """
    goal = np.array([float(k)])
    gaps = curve.values(grid) - reference.values(goal)
    weights = curve.weights(grid, scores.groups) - reference.weights(goal, scores.groups)
    half = scores.spread(weights).half_width()
    half = np.where(np.isfinite(half), half, np.inf)
    low, high = gaps - half, gaps + half
    if curve.form == "interpolated":
        ends = np.searchsorted(grid, curve.trained[1:-1])
        pieces = np.digitize(np.arange(len(grid)), ends)
        low = np.array([low[pieces == piece].min() for piece in pieces])
        high = np.array([high[pieces == piece].max() for piece in pieces])
    return gaps, (low <= 0) & (high >= 0)


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
