"""The geometry of the charts that charts.html draws as inline SVG: scaling curves with bands, and the transfer gap.

An arm has a place in the palette (`arm-<i>`, coloured by the style sheet, so that dark mode and print can differ) and a
marker shape of its own: colour is never the only sign. No library, no script needed to see them.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from evaluator.reporting.sentences import count
from evaluator.stats.comparison import Comparison, FittedCurve, Point

_CORNERS: dict[str, list[tuple[float, float]]] = {
    "square": [(-1, -1), (1, -1), (1, 1), (-1, 1)],
    "diamond": [(0, -1.4), (1.4, 0), (0, 1.4), (-1.4, 0)],
    "triangle": [(0, -1.3), (1.2, 1), (-1.2, 1)],
    "down": [(0, 1.3), (1.2, -1), (-1.2, -1)],
    "cross": [(-1.2, -0.4), (-0.4, -0.4), (-0.4, -1.2), (0.4, -1.2), (0.4, -0.4), (1.2, -0.4)],
}
SEED_ASIDE = 4  # left of the mark, which would hide them
DODGE = 6  # between the marks of two arms at one size, so that none hides another
SHAPES = ("circle", "square", "diamond", "triangle", "cross", "down")


@dataclass(frozen=True, slots=True)
class Frame:
    """The plot area of a chart and its scales: `x` in any unit, `y` in points."""

    width: int
    height: int
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    left: int = 40
    top: int = 18

    @property
    def right(self) -> int:
        """The right edge of the plot area."""
        return self.width - 14

    @property
    def bottom(self) -> int:
        """The lower edge of the plot area."""
        return self.height - 42

    def x(self, value: float) -> float:
        """Return the horizontal place of a value."""
        return round(self.left + _share(value, *self.x_range) * (self.right - self.left), 1)

    def y(self, value: float) -> float:
        """Return the vertical place of a value."""
        return round(self.bottom - _share(value, *self.y_range) * (self.bottom - self.top), 1)


def _share(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) if high > low else 0.5


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round numbers that cover a range.

    >>> ticks(61.2, 68.9)
    [62, 64, 66, 68]
    """
    if not high > low:
        return [low]
    raw = (high - low) / about
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= raw)
    first = math.ceil(low / step - 1e-9)
    return [round(step * k, 10) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def marker(index: int, x: float, y: float, r: float = 4.5) -> Markup:
    """Return the marker of the arm at `index`, with radius `r`, as an SVG element."""
    shape = SHAPES[index % len(SHAPES)]
    if shape == "circle":
        return Markup(f'<circle cx="{x}" cy="{y}" r="{r}"/>')
    corners = _CORNERS[shape]
    if shape == "cross":
        corners = corners + [(-a, -b) for a, b in corners]
    return Markup(f'<polygon points="{_path((f"{x + r * a:.1f}", f"{y + r * b:.1f}") for a, b in corners)}"/>')


def _path(points: Iterable[tuple[object, object]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


@dataclass(frozen=True, slots=True)
class CurveChart:
    """The scaling curves of a level: every arm's points, fit and band over the number of examples, in log2."""

    frame: Frame
    points: Sequence[Point]
    curves: Sequence[FittedCurve]
    sizes: Sequence[float]
    y_title: str

    def x(self, n: float) -> float:
        """Return the horizontal place of a number of examples."""
        return self.frame.x(math.log2(n))

    def size_ticks(self) -> Iterator[tuple[float, float]]:
        """Yield the place and number of examples of each label on the axis, none nearer than 46 to the one before."""
        last_x = -math.inf
        for size in self.sizes:
            x = self.x(size)
            if x - last_x > 46:
                yield x, size
                last_x = x

    def band(self, fitted: FittedCurve) -> str | None:
        """Return the outline of a curve's 95 % band, None where it has none."""
        if any(math.isnan(point.low) for point in fitted.band):
            return None
        upper = [(self.x(point.n), self.frame.y(point.high)) for point in fitted.band]
        lower = [(self.x(point.n), self.frame.y(point.low)) for point in reversed(fitted.band)]
        return _path(upper + lower)

    def pieces(self, fitted: FittedCurve) -> Iterator[tuple[str, str]]:
        """Yield class and path of the parts of a curve: below, along and beyond what was measured."""
        first, last = fitted.curve.trained[0], fitted.curve.trained[-1]
        for name, start, end in (("fit beyond", 0, first), ("fit", first, last), ("fit beyond", last, math.inf)):
            points = (point for point in fitted.band if start <= point.n <= end)
            yield name, _path((self.x(point.n), self.frame.y(point.value)) for point in points)


def curve_chart(comparison: Comparison, scope: str, width: int, height: int) -> CurveChart | None:
    """Return the curve chart of a level, None where it has no scores at any size."""
    points = [point for point in comparison.points if point.scope == scope and point.value is not None]
    curves = [curve for curve in comparison.curves if curve.scope == scope]
    sizes: list[float] = sorted({point.n for point in points if point.size > 0})
    if not sizes:
        return None
    limits = [limit for fitted in curves for limit in fitted.curve.limits] or [sizes[0] / 2, sizes[-1] * 2]
    frame = Frame(width, height, (math.log2(min(limits)), math.log2(max(limits))), _y_range(points, curves))
    return CurveChart(frame, points, curves, [*sizes, max(limits)] if curves else sizes, _y_title(comparison, scope))


def _y_title(comparison: Comparison, scope: str) -> str:
    """Return what the scores of a level are: the metric of a target, or a mean over targets."""
    if scope == "all":
        return "mean score over targets and non-English languages, %"
    metrics = comparison.estimand["targets"].get(scope.removeprefix("target:"), {}).get("metrics", ["score"])
    return f"{' and '.join(metrics).replace('_', ' ')}, %"


def _y_range(points: Sequence[Point], curves: Sequence[FittedCurve]) -> tuple[float, float]:
    values = [value for point in points for value in (point.estimate.value, *point.by_seed)]
    values += [end for point in points if point.estimate.known for end in point.estimate.interval()]
    values += [point.value for fitted in curves for point in fitted.band]
    low, high = max(min(values), 0.0), min(max(values), 100.0)
    pad = max((high - low) * 0.06, 0.25)
    return low - pad, high + pad


def describe(point: Point) -> str:
    """Return what a point says, for a tooltip and a screen reader."""
    interval = ""
    if point.estimate.known:
        low, high = point.estimate.interval()
        interval = f", 95 % CI {low:.2f} to {high:.2f}"
    return f"{point.arm}, {count(point.n)} examples: {point.estimate.value:.2f}{interval}, {len(point.by_seed)} seeds"


GAP_STEP = 16  # between the lines of two arms in the chart of transfer gaps


def gap_chart(comparison: Comparison, width: int) -> tuple[Frame, list[tuple[str, int, list[Point]]]] | None:
    """Return the transfer gaps of every arm at its full size, English minus the mean of the other languages.

    These are the frame, and name, top and points of every target; None where there is no gap.
    """
    full_size = {arm: max(point.size for point in comparison.points if point.arm == arm) for arm in comparison.arms}
    gaps = [p for p in comparison.gaps if p.size == full_size[p.arm] and p.value is not None]
    if not gaps:
        return None
    values, targets, top = [0.0], [], 14
    for scope, of_scope in itertools.groupby(gaps, key=lambda point: point.scope):
        points = list(of_scope)
        targets.append((scope.removeprefix("gap:"), top, points))
        top += GAP_STEP * len(points) + 14
    for estimate in (point.estimate for point in gaps):
        values += estimate.interval() if estimate.known else [estimate.value]
    return Frame(width, top + 36, (min(values) - 0.5, max(values) + 0.5), (0, 1), left=92), targets
