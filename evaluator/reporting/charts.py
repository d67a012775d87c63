"""Charts as inline SVG: scaling curves with bands, and the transfer gap. No library, no script needed to see them.

An arm has a place in the palette (`arm-<i>`, coloured by the style sheet, so that dark mode and print can differ) and a
marker shape of its own: colour is never the only sign.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
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
    """The plot area of a chart and its scales: `x` in any unit given by `to_x`, `y` in points."""

    width: int
    height: int
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    left: int = 40
    right: int = 14
    top: int = 12
    bottom: int = 42

    def x(self, value: float) -> float:
        """Return the horizontal place of a value."""
        low, high = self.x_range
        share = (value - low) / (high - low) if high > low else 0.5
        return round(self.left + share * (self.width - self.left - self.right), 1)

    def y(self, value: float) -> float:
        """Return the vertical place of a value."""
        low, high = self.y_range
        share = (value - low) / (high - low) if high > low else 0.5
        return round(self.height - self.bottom - share * (self.height - self.top - self.bottom), 1)


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


def curve_chart(comparison: Comparison, scope: str, *, width: int, height: int, focusable: bool) -> Markup:
    """Return the scaling curves of a scope: every arm's points, fit and band; dashed where extrapolated."""
    points = [
        point for point in comparison.points if point.scope == scope and point.estimate.value == point.estimate.value
    ]
    curves = [curve for curve in comparison.curves if curve.scope == scope]
    sizes = sorted({point.n for point in points if point.size > 0})
    if not points or not sizes:
        return Markup("")
    limits = [limit for fitted in curves for limit in fitted.curve.limits] or [sizes[0] / 2, sizes[-1] * 2]
    frame = Frame(width, height, (math.log2(min(limits)), math.log2(max(limits))), _y_range(points, curves))
    shown = [*sizes, max(limits)] if curves else sizes
    parts = [_axes(frame, shown), f'<g clip-path="url(#clip-{_slug(scope)}-{width})">']
    place = {arm: index for index, arm in enumerate(comparison.arms)}
    parts += [_arm_group(place[fitted.curve.arm], fitted.curve.arm, _fit(frame, fitted)) for fitted in curves]
    for point in points:  # marks above every band
        dodge = DODGE * (place[point.arm] - (len(place) - 1) / 2)
        mark = _mark(frame, place[point.arm], point, dodge, focusable) if point.size else _baseline(frame, point)
        parts.append(_arm_group(place[point.arm], point.arm, mark))
    parts.append("</g>")
    clip = (
        f'<clipPath id="clip-{_slug(scope)}-{width}"><rect x="{frame.left}" y="{frame.top}" '
        f'width="{width - frame.left - frame.right}" height="{height - frame.top - frame.bottom}"/></clipPath>'
    )
    label = escape(f"Score against number of intermediate examples, {scope.removeprefix('target:')}")
    scale = f"{frame.left},{width - frame.right},{frame.x_range[0]},{frame.x_range[1]}"
    data = f'data-scope="{escape(scope)}" data-x="{scale}"'
    return Markup(
        f'<svg class="chart" viewBox="0 0 {width} {height}" role="group" aria-label="{label}" {data}>'
        f"<defs>{clip}</defs>{''.join(parts)}</svg>"
    )


def _slug(text: str) -> str:
    return "".join(character if character.isalnum() else "-" for character in text)


def _y_range(points: Sequence[Point], curves: Sequence[FittedCurve]) -> tuple[float, float]:
    values = [value for point in points for value in (point.estimate.value, *point.by_seed)]
    values += [end for point in points if point.estimate.known for end in point.estimate.interval()]
    for fitted in curves:
        values += [value for n, value, *_ in fitted.band]
    low, high = max(min(values), 0.0), min(max(values), 100.0)
    pad = max((high - low) * 0.06, 0.25)
    return low - pad, high + pad


def _axes(frame: Frame, sizes: Sequence[float]) -> str:
    bottom, right = frame.height - frame.bottom, frame.width - frame.right
    parts = []
    for value in ticks(*frame.y_range):
        y = frame.y(value)
        parts.append(f'<line class="grid" x1="{frame.left}" x2="{right}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="tick" x="{frame.left - 6}" y="{y + 4}" text-anchor="end">{_plain(value)}</text>')
    shown, at_x = [], -1e9
    for size in sizes:
        x = frame.x(math.log2(size))
        if x - at_x > 46:
            shown.append((x, size))
            at_x = x
    for x, size in shown:
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{bottom}" y2="{bottom + 5}"/>')
        anchor = "end" if x > right - 18 else "middle"
        parts.append(f'<text class="tick" x="{x}" y="{bottom + 18}" text-anchor="{anchor}">{format_count(size)}</text>')
    middle = (frame.left + right) / 2
    parts.append(
        f'<text class="axis" x="{middle}" y="{frame.height - 6}" text-anchor="middle">intermediate examples</text>'
    )
    return "".join(parts)


def _plain(value: float) -> str:
    return f"{value:g}".replace("-", MINUS)


def _arm_group(index: int, arm: str, content: str) -> str:
    return f'<g class="arm arm-{index % 7}" data-arm="{escape(arm)}">{content}</g>'


def _fit(frame: Frame, fitted: FittedCurve) -> str:
    places = [(frame.x(math.log2(n)), value, low, high, n) for n, value, low, high in fitted.band]
    parts = []
    if all(low == low for _, _, low, _, _ in places):
        upper = " ".join(f"{x},{frame.y(high)}" for x, _, _, high, _ in places)
        lower = " ".join(f"{x},{frame.y(low)}" for x, _, low, _, _ in reversed(places))
        parts.append(f'<polygon class="band" points="{upper} {lower}"/>')
    first, last = fitted.curve.trained[0], fitted.curve.trained[-1]
    pieces = {
        "fit beyond": [(x, value) for x, value, _, _, n in places if n <= first],
        "fit": [(x, value) for x, value, _, _, n in places if first <= n <= last],
        "fit beyond ": [(x, value) for x, value, _, _, n in places if n >= last],
    }
    for name, piece in pieces.items():
        path = " ".join(f"{x},{frame.y(value)}" for x, value in piece)
        parts.append(f'<polyline class="{name.strip()}" points="{path}"/>')
    return "".join(parts)


def _baseline(frame: Frame, point: Point) -> str:
    """Draw an arm without intermediate data as a level that holds at every size."""
    left, right, y = frame.left, frame.width - frame.right, frame.y(point.estimate.value)
    parts = []
    if point.estimate.known:
        low, high = (frame.y(end) for end in point.estimate.interval())
        parts.append(
            f'<rect class="band" x="{left}" y="{high}" width="{right - left}" height="{round(low - high, 1)}"/>'
        )
    parts.append(f'<line class="fit" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>')
    parts.append(f'<text class="tick" x="{right - 4}" y="{y - 6}" text-anchor="end">{escape(point.arm)}</text>')
    return "".join(parts)


def _mark(frame: Frame, index: int, point: Point, dodge: float, focusable: bool) -> str:
    x = round(frame.x(math.log2(point.n)) + dodge, 1)
    y = frame.y(point.estimate.value)
    parts = [f'<circle class="seed" cx="{x}" cy="{frame.y(v)}" r="1.8"/>' for v in point.by_seed if v == v]
    if point.estimate.known:
        low, high = (frame.y(end) for end in point.estimate.interval())
        parts.append(f'<line class="whisker" x1="{x}" x2="{x}" y1="{low}" y2="{high}"/>')
    tip = escape(describe(point))
    focus = f' tabindex="0" role="img" aria-label="{tip}"' if focusable else ""
    shape = marker(SHAPES[index % len(SHAPES)], x, y)
    return f'{"".join(parts)}<g class="mark" data-tip="{tip}"{focus}>{shape}</g>'


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
    for points in rows.values():
        for point in points:
            values += list(point.estimate.interval()) if point.estimate.known else [point.estimate.value]
    step, left = 16, 92
    heights = {target: step * len(points) + 14 for target, points in rows.items()}
    height = sum(heights.values()) + 50
    frame = Frame(width, height, (min(values) - 0.5, max(values) + 0.5), (0, 1), left=left)
    parts, top = [_gap_axis(frame)], 14
    for target, points in rows.items():
        middle = top + heights[target] / 2 - 3
        parts.append(f'<text class="name" x="{left - 10}" y="{middle}" text-anchor="end">{escape(target)}</text>')
        for line, point in enumerate(points):
            parts.append(_gap_mark(frame, comparison.arms.index(point.arm), point, top + line * step))
        top += heights[target]
    label = "Transfer gap of every arm: English less the mean of the other languages, in points"
    svg = f'<svg class="chart" viewBox="0 0 {width} {height}" role="group" aria-label="{label}">{"".join(parts)}</svg>'
    return Markup(svg)


def _gap_rows(comparison: Comparison) -> Mapping[str, list[Point]]:
    full = {arm: max(point.size for point in comparison.points if point.arm == arm) for arm in comparison.arms}
    rows: dict[str, list[Point]] = {}
    for point in comparison.gaps:
        if point.size == full[point.arm] and point.estimate.value == point.estimate.value:
            rows.setdefault(point.scope.removeprefix("gap:"), []).append(point)
    return rows


def _gap_axis(frame: Frame) -> str:
    bottom = frame.height - frame.bottom
    parts = []
    for value in ticks(*frame.x_range):
        x = frame.x(value)
        name = "zero" if value == 0 else "grid"
        parts.append(f'<line class="{name}" x1="{x}" x2="{x}" y1="4" y2="{bottom}"/>')
        parts.append(f'<text class="tick" x="{x}" y="{bottom + 16}" text-anchor="middle">{_plain(value)}</text>')
    middle = (frame.left + frame.width - frame.right) / 2
    text = "points below English"
    parts.append(f'<text class="axis" x="{middle}" y="{frame.height - 6}" text-anchor="middle">{text}</text>')
    return "".join(parts)


def _gap_mark(frame: Frame, index: int, point: Point, y: float) -> str:
    x = frame.x(point.estimate.value)
    tip = escape(describe(point).replace("examples:", "examples: gap"))
    parts = [f'<g class="arm arm-{index % 7}" data-arm="{escape(point.arm)}">']
    if point.estimate.known:
        low, high = (frame.x(end) for end in point.estimate.interval())
        parts.append(f'<line class="whisker" x1="{low}" x2="{high}" y1="{y}" y2="{y}"/>')
    shape = marker(SHAPES[index % len(SHAPES)], x, y)
    parts.append(f'<g class="mark" data-tip="{tip}" tabindex="0" role="img" aria-label="{tip}">{shape}</g></g>')
    return "".join(parts)


def targets_with_points(comparison: Comparison) -> Iterable[str]:
    """Return the target scopes, in order."""
    return dict.fromkeys(point.scope for point in comparison.points if point.scope.startswith("target:"))
