"""Charts of a dataset as SVG: the funnel, the labels, the lengths. The card and `inspect` show the same ones.

A figure is a function of the manifest, so it can be made again and compared byte for byte. Every mark carries its
number as text; colours are those of Okabe and Ito, and follow the reader's dark mode.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from synthgen.dataset.manifest import Manifest
from synthgen.errors import shorten
from synthgen.text.escape import html_text

WIDTH = 720
_LEFT, _ROW, _RIGHT = 210, 26, 90
_MOST_SHOWN, _LONGEST_NAME = 28, 200
"""Characters of a name in a chart, and in what a screen reader says of it."""
_STYLE = f"<style>\n{Path(__file__).with_name('charts.css').read_text(encoding='utf-8')}</style>"


class _Line(NamedTuple):
    """A line of a picture: its name, the SVG of its marks, where they end, and the number that stands there."""

    name: str
    marks: Sequence[str]
    end: float
    number: str


def figures(manifest: Manifest) -> dict[str, str]:
    """Return every figure the manifest has numbers for, as {name: SVG}."""
    lengths = manifest.statistics.get("xlmr_tokens")
    pictures = {"funnel": funnel(manifest)}
    if 1 < len(manifest.label_counts) <= 40:
        pictures["labels"] = bars("Kept rows by label", [(k, v, "k") for k, v in manifest.label_counts.items()])
    if (artefacts := manifest.checks.get("artefacts", {})).get("baselines"):
        pictures["artefacts"] = artefact_bars(artefacts)
    if isinstance(lengths, Mapping):
        pictures["lengths"] = spans("Length in XLM-R tokens: 5th to 95th percentile, quartiles, median", lengths)
    return pictures


def funnel(manifest: Manifest) -> str:
    """Return the way from all rows to those kept, one bar for each reason."""
    (begin, number), *left_out, (end, kept) = manifest.funnel()
    faults = (*manifest.faults, "failed")
    rows = [
        (begin, number, "s"),
        *((f"– {name}", count, "r" if name in faults else "s") for name, count in left_out),
        (end, kept, "g"),
    ]
    return bars(f"Funnel: {begin} to {end}", rows)


def artefact_bars(artefacts: Mapping[str, Any]) -> str:
    """Return how often each part of a row alone gives its label, the real set's and guessing beside it."""
    rows, real = [], artefacts.get("real", {}).get("baselines", {})
    for name, scores in artefacts["baselines"].items():
        rows.append((name, round(scores["accuracy"]), "k"))
        if name in real:
            rows.append(("– the real set", round(real[name]["accuracy"]), "g"))
        rows.append(("– majority label", round(scores["majority"]), "s"))
    return bars("Partial-input baselines: accuracy in percent", rows)


def bars(title: str, rows: Sequence[tuple[str, int, str]]) -> str:
    """Return horizontal bars of (name, count, colour class), each with its count.

    >>> bars("t", [("a", 2, "k")]).count("<rect")
    1
    """
    most = max((count for _, count, _ in rows), default=0) or 1
    lines = []
    for number, (name, count, kind) in enumerate(rows):
        width = round((WIDTH - _LEFT - _RIGHT) * count / most, 1)
        bar = f'<rect class="{kind}" x="{_LEFT}" y="{_y(number)}" width="{width}" height="18" rx="2"/>'
        lines.append(_Line(name, [bar], _LEFT + width, f"{count:,}"))
    return _picture(title, lines)


def spans(title: str, columns: Mapping[str, Mapping[str, Any]]) -> str:
    """Return one box a column: a line over the middle 90 %, a box over the middle half, a mark at the median."""
    most = max((float(values["p95"]) for values in columns.values()), default=0.0) or 1.0
    scale = (WIDTH - _LEFT - _RIGHT) / most
    lines = []
    for number, (name, values) in enumerate(columns.items()):
        y = _y(number)
        low, first, middle, third, high = (
            round(_LEFT + scale * float(values[key]), 1) for key in ("p05", "p25", "median", "p75", "p95")
        )
        box = [
            f'<line class="l" x1="{low}" y1="{y + 9}" x2="{high}" y2="{y + 9}"/>',
            f'<rect class="k" x="{first}" y="{y}" width="{max(third - first, 1):.1f}" height="18" rx="2"/>',
            f'<line class="m" x1="{middle}" y1="{y}" x2="{middle}" y2="{y + 18}"/>',
        ]
        lines.append(_Line(name, box, high, f"median {values['median']:g}"))
    return _picture(title, lines)


def _y(number: int) -> int:
    return 34 + _ROW * number


def _picture(title: str, lines: Sequence[_Line]) -> str:
    """Return lines under their title."""
    height = 40 + _ROW * len(lines)
    summary = ", ".join(f"{shorten(line.name, _LONGEST_NAME, '…')} {line.number}" for line in lines)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img" '
        f'aria-label="{html_text(f"{title}: {summary}")}">',
        _STYLE,
        f'<text x="{_LEFT}" y="18" font-weight="600">{html_text(title)}</text>',
    ]
    for place, line in enumerate(lines):
        y = _y(place) + 14
        shown = html_text(shorten(line.name, _MOST_SHOWN, "…"))
        parts.append(f'<text x="{_LEFT - 8}" y="{y}" text-anchor="end">{shown}</text>')
        parts += [*line.marks, f'<text class="n" x="{line.end + 6:.1f}" y="{y}">{line.number}</text>']
    return "\n".join([*parts, "</svg>"]) + "\n"
