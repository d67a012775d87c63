"""Charts as inline SVG: scaling curves with bands, and the transfer gap. No library, no script needed to see them.

An arm has a place in the palette (`arm-<i>`, coloured by the style sheet, so that dark mode and print can differ) and a
marker shape of its own: colour is never the only sign.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from evaluator.reporting.sentences import MINUS, count
from evaluator.stats.comparison import Comparison, FittedCurve, Point
from synthgen.runtime.files import format_count

_CORNERS: dict[str, list[tuple[float, float]]] = {
    "square": [(-1, -1), (1, -1), (1, 1), (-1, 1)],
    "diamond": [(0, -1.4), (1.4, 0), (0, 1.4), (-1.4, 0)],
    "triangle": [(0, -1.3), (1.2, 1), (-1.2, 1)],
    "down": [(0, 1.3), (1.2, -1), (-1.2, -1)],
    "cross": [(-1.2, -0.4), (-0.4, -0.4), (-0.4, -1.2), (0.4, -1.2), (0.4, -0.4), (1.2, -0.4)],
}
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
    top: int = 12

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


def marker(shape: str, x: float, y: float, r: float = 4.5) -> str:
    """Return one marker."""
    if shape == "circle":
        return f'<circle cx="{x}" cy="{y}" r="{r}"/>'
    corners = _CORNERS[shape]
    if shape == "cross":
        corners = corners + [(-a, -b) for a, b in corners]
    path = " ".join(f"{x + r * a:.1f},{y + r * b:.1f}" for a, b in corners)
    return f'<polygon points="{path}"/>'


def legend_mark(index: int) -> Markup:
    """Return the small picture of an arm for the legend."""
    shape = marker(SHAPES[index % len(SHAPES)], 12, 8, 4.5)
    line = '<line x1="0" x2="24" y1="8" y2="8"/>'
    return Markup(f'<svg class="key arm-{index % 7}" viewBox="0 0 24 16" aria-hidden="true">{line}{shape}</svg>')


def _line(name: str, x1: float, x2: float, y1: float, y2: float) -> str:
    return f'<line class="{name}" x1="{x1}" x2="{x2}" y1="{y1}" y2="{y2}"/>'


def _text(name: str, x: float, y: float, content: str, anchor: str = "middle") -> str:
    return f'<text class="{name}" x="{x}" y="{y}" text-anchor="{anchor}">{content}</text>'


def _svg(frame: Frame, label: str, content: str, data: str = "") -> Markup:
    box = f'viewBox="0 0 {frame.width} {frame.height}"'
    return Markup(f'<svg class="chart" {box} role="group" aria-label="{label}"{data}>{content}</svg>')


def curve_chart(comparison: Comparison, scope: str, *, width: int, height: int, focusable: bool) -> Markup:
    """Return the scaling curves of a level: every arm's points, fit and band; dashed where extrapolated."""
    points = [point for point in comparison.points if point.scope == scope and point.value is not None]
    curves = [curve for curve in comparison.curves if curve.scope == scope]
    sizes = sorted({point.n for point in points if point.size > 0})
    if not points or not sizes:
        return Markup("")
    limits = [limit for fitted in curves for limit in fitted.curve.limits] or [sizes[0] / 2, sizes[-1] * 2]
    frame = Frame(width, height, (math.log2(min(limits)), math.log2(max(limits))), _y_range(points, curves))
    clip = f"clip-{''.join(c if c.isalnum() else '-' for c in scope)}-{width}"
    parts = [_axes(frame, [*sizes, max(limits)] if curves else sizes), f'<g clip-path="url(#{clip})">']
    place = {arm: index for index, arm in enumerate(comparison.arms)}
    parts += [_arm_group(place[fitted.curve.arm], fitted.curve.arm, _fit(frame, fitted)) for fitted in curves]
    for point in points:  # marks above every band
        dodge = DODGE * (place[point.arm] - (len(place) - 1) / 2)
        mark = _mark(frame, place[point.arm], point, dodge, focusable) if point.size else _baseline(frame, point)
        parts.append(_arm_group(place[point.arm], point.arm, mark))
    area = f'width="{frame.right - frame.left}" height="{frame.bottom - frame.top}"'
    defs = f'<defs><clipPath id="{clip}"><rect x="{frame.left}" y="{frame.top}" {area}/></clipPath></defs>'
    label = escape(f"Score against number of intermediate examples, {scope.removeprefix('target:')}")
    scale = f"{frame.left},{frame.right},{frame.x_range[0]},{frame.x_range[1]}"
    data = f' data-scope="{escape(scope)}" data-x="{scale}"'
    return _svg(frame, label, f"{defs}{''.join(parts)}</g>", data)


def _y_range(points: Sequence[Point], curves: Sequence[FittedCurve]) -> tuple[float, float]:
    values = [value for point in points for value in (point.estimate.value, *point.by_seed)]
    values += [end for point in points if point.estimate.known for end in point.estimate.interval()]
    values += [value for fitted in curves for _, value, *_ in fitted.band]
    low, high = max(min(values), 0.0), min(max(values), 100.0)
    pad = max((high - low) * 0.06, 0.25)
    return low - pad, high + pad


def _axes(frame: Frame, sizes: Sequence[float]) -> str:
    bottom, right = frame.bottom, frame.right
    parts = []
    for value in ticks(*frame.y_range):
        y = frame.y(value)
        parts += [_line("grid", frame.left, right, y, y), _text("tick", frame.left - 6, y + 4, _plain(value), "end")]
    last_x = -math.inf
    for size in sizes:
        x = frame.x(math.log2(size))
        if x - last_x > 46:
            parts.append(_line("grid", x, x, bottom, bottom + 5))
            parts.append(_text("tick", x, bottom + 18, format_count(size), "end" if x > right - 18 else "middle"))
            last_x = x
    parts.append(_text("axis", (frame.left + right) / 2, frame.height - 6, "intermediate examples"))
    return "".join(parts)


def _plain(value: float) -> str:
    return f"{value:g}".replace("-", MINUS)


def _arm_group(index: int, arm: str, content: str) -> str:
    return f'<g class="arm arm-{index % 7}" data-arm="{escape(arm)}">{content}</g>'


def _fit(frame: Frame, fitted: FittedCurve) -> str:
    places = [(frame.x(math.log2(n)), value, low, high, n) for n, value, low, high in fitted.band]
    parts = []
    if not any(math.isnan(low) for _, _, low, _, _ in places):
        upper = " ".join(f"{x},{frame.y(high)}" for x, _, _, high, _ in places)
        lower = " ".join(f"{x},{frame.y(low)}" for x, _, low, _, _ in reversed(places))
        parts.append(f'<polygon class="band" points="{upper} {lower}"/>')
    first, last = fitted.curve.trained[0], fitted.curve.trained[-1]
    for name, start, end in (("fit beyond", 0, first), ("fit", first, last), ("fit beyond", last, math.inf)):
        path = " ".join(f"{x},{frame.y(value)}" for x, value, _, _, n in places if start <= n <= end)
        parts.append(f'<polyline class="{name}" points="{path}"/>')
    return "".join(parts)


def _baseline(frame: Frame, point: Point) -> str:
    """Draw an arm without intermediate data as a level that holds at every size."""
    left, right, y = frame.left, frame.right, frame.y(point.estimate.value)
    band = ""
    if point.estimate.known:
        low, high = map(frame.y, point.estimate.interval())
        band = f'<rect class="band" x="{left}" y="{high}" width="{right - left}" height="{round(low - high, 1)}"/>'
    return band + _line("fit", left, right, y, y) + _text("tick", right - 4, y - 6, escape(point.arm), "end")


def _mark(frame: Frame, index: int, point: Point, dodge: float, focusable: bool) -> str:
    x = round(frame.x(math.log2(point.n)) + dodge, 1)
    parts = [f'<circle class="seed" cx="{x}" cy="{frame.y(v)}" r="1.8"/>' for v in point.by_seed if not math.isnan(v)]
    if point.estimate.known:
        parts.append(_line("whisker", x, x, *map(frame.y, point.estimate.interval())))
    return "".join(parts) + _marker_with_tip(index, x, frame.y(point.estimate.value), describe(point), focusable)


def _marker_with_tip(index: int, x: float, y: float, text: str, focusable: bool) -> str:
    tip = escape(text)
    focus = f' tabindex="0" role="img" aria-label="{tip}"' if focusable else ""
    return f'<g class="mark" data-tip="{tip}"{focus}>{marker(SHAPES[index % len(SHAPES)], x, y)}</g>'


def describe(point: Point) -> str:
    """Return what a point says, for a tooltip and a screen reader."""
    interval = ""
    if point.estimate.known:
        low, high = point.estimate.interval()
        interval = f", 95 % interval {low:.2f} to {high:.2f}"
    return f"{point.arm}, {count(point.n)} examples: {point.estimate.value:.2f}{interval}, {len(point.by_seed)} seeds"


def gap_chart(comparison: Comparison, *, width: int) -> Markup:
    """Return the transfer gap, English less the mean of the other languages, of every arm at its full size."""
    rows = _gap_rows(comparison)
    if not rows:
        return Markup("")
    values = [0.0]
    for point in itertools.chain(*rows.values()):
        values += point.estimate.interval() if point.estimate.known else [point.estimate.value]
    step, left = 16, 92
    heights = {target: step * len(points) + 14 for target, points in rows.items()}
    height = sum(heights.values()) + 50
    frame = Frame(width, height, (min(values) - 0.5, max(values) + 0.5), (0, 1), left=left)
    parts, top = [_gap_axis(frame)], 14
    for target, points in rows.items():
        parts.append(_text("name", left - 10, top + heights[target] / 2 - 3, escape(target), "end"))
        for line, point in enumerate(points):
            parts.append(_gap_mark(frame, comparison.arms.index(point.arm), point, top + line * step))
        top += heights[target]
    label = "Transfer gap of every arm: English less the mean of the other languages, in points"
    return _svg(frame, label, "".join(parts))


def _gap_rows(comparison: Comparison) -> Mapping[str, list[Point]]:
    full_size = {arm: max(point.size for point in comparison.points if point.arm == arm) for arm in comparison.arms}
    rows: dict[str, list[Point]] = {}
    for point in comparison.gaps:
        if point.size == full_size[point.arm] and point.value is not None:
            rows.setdefault(point.scope.removeprefix("gap:"), []).append(point)
    return rows


def _gap_axis(frame: Frame) -> str:
    parts = []
    for value in ticks(*frame.x_range):
        x = frame.x(value)
        parts.append(_line("zero" if value == 0 else "grid", x, x, 4, frame.bottom))
        parts.append(_text("tick", x, frame.bottom + 16, _plain(value)))
    parts.append(_text("axis", (frame.left + frame.right) / 2, frame.height - 6, "points below English"))
    return "".join(parts)


def _gap_mark(frame: Frame, index: int, point: Point, y: float) -> str:
    whisker = ""
    if point.estimate.known:
        low, high = map(frame.x, point.estimate.interval())
        whisker = _line("whisker", low, high, y, y)
    text = describe(point).replace("examples:", "examples: gap")
    return _arm_group(index, point.arm, whisker + _marker_with_tip(index, frame.x(point.estimate.value), y, text, True))
