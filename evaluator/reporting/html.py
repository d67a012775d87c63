"""The page: a comparison as one HTML file that needs nothing else, with its charts, tables and methods.

Everything that comes from data passes through Jinja's autoescape or `html.escape`; the embedded JSON has no `<`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from evaluator.reporting import averages, charts, methods, sentences
from evaluator.reporting.inputs import data_cards, plan_rows
from evaluator.stats.comparison import Comparison, Point
from evaluator.stats.pairwise import PairwiseResult
from synthgen.text.languages import ENGLISH, LANGUAGES

GROUPS = {"target": "Targets", "family": "Families", "script": "Scripts", "language": "Languages"}


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One line of the forest plot: a name, its pair, and where the interval lies, in percent of the width."""

    name: str
    pair: PairwiseResult
    place: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Forest:
    """The differences of two arms at one size in every scope, on one axis from -`limit` to `limit` points."""

    lead: PairwiseResult
    limit: float
    groups: Mapping[str, Sequence[ForestRow]]


@dataclass(frozen=True, slots=True)
class HeatRow:
    """One language at one size: the score of every arm, their difference, and how far one arm is below English."""

    code: str
    name: str
    family: str
    script: str
    scores: Sequence[float | None]
    pair: PairwiseResult | None
    gap: float | None


@dataclass(frozen=True, slots=True)
class Heat:
    """The language x arm table of one size."""

    size: int
    arms: Sequence[str]
    lead: PairwiseResult | None
    rows: Sequence[HeatRow]

    def shade(self, score: float | None) -> int:
        """Return how strongly a score is tinted in percent: 5 for the lowest of the table, 55 for the highest."""
        known = [own for row in self.rows for own in row.scores if own is not None]
        if score is None or max(known) == min(known):
            return 0
        return round(5 + 50 * (score - min(known)) / (max(known) - min(known)))


def render_page(comparison: Comparison, *, arms: dict[str, Any], plan: dict[str, Any], note: str | None) -> str:
    """Return the HTML of a comparison."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"signed": sentences.signed, "count": sentences.count, "size": _size}
    folder = files("evaluator.reporting")
    source, style, script = (
        folder.joinpath(name).read_text(encoding="utf-8") for name in ("template.html", "style.css", "script.js")
    )
    return environment.from_string(source).render(
        comparison=comparison,
        sentences=sentences,
        methods=methods,
        charts=charts,
        style=Markup(style),
        script=Markup(script),
        data=Markup(embedded_json(comparison.document())),
        pairs=sentences.lead_pairs(comparison),
        rates=sentences.lead_rates(comparison),
        forests=_forests(comparison),
        heats=_heats(comparison),
        cards=data_cards(comparison.arms, arms),
        plan=plan_rows(plan),
        tables=_tables(comparison),
        note=note,
    )


def embedded_json(document: object) -> str:
    r"""Return JSON that cannot leave a script element.

    >>> print(embedded_json("</script>"))
    "\u003c/script>"
    """
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _size(size: int | str) -> str:
    return "full size" if size == "full" else f"{size:,}"


# --- forest ---------------------------------------------------------------------------------------------------------


def _forests(comparison: Comparison) -> list[Forest]:
    forests = []
    for lead in sentences.lead_pairs(comparison):
        own = [pair for pair in comparison.pairs if _same(pair, lead)]
        limit = _limit(own)
        groups: dict[str, list[ForestRow]] = {"All targets": [ForestRow("all targets", lead, _place(lead, limit))]}
        for kind, title in GROUPS.items():
            rows = [_forest_row(pair, kind, limit) for pair in own if pair.scope.startswith(f"{kind}:")]
            if rows:
                groups[title] = rows
        forests.append(Forest(lead, limit, groups))
    return forests


def _limit(pairs: Iterable[PairwiseResult]) -> float:
    """Return a round half-width that holds every difference and most of every interval."""
    reach = [0.5]
    for pair in pairs:
        if pair.known:
            reach.append(max(abs(pair.estimate.value) * 1.3, min(max(map(abs, pair.estimate.interval())), 40)))
    return charts.ticks(0, max(reach) * 1.15, 4)[-1] or 1.0


def _forest_row(pair: PairwiseResult, kind: str, limit: float) -> ForestRow:
    name = pair.scope.partition(":")[2]
    return ForestRow(f"{LANGUAGES[name].name} ({name})" if kind == "language" else name, pair, _place(pair, limit))


def _place(pair: PairwiseResult, limit: float) -> dict[str, float]:
    if not pair.known:
        return {}
    low, high = pair.estimate.interval()
    ends = {"low": low, "high": high, "at": pair.estimate.value}
    return {name: round(min(max(50 + 50 * value / limit, 0.0), 100.0), 2) for name, value in ends.items()}


# --- heat map -------------------------------------------------------------------------------------------------------


def _heats(comparison: Comparison) -> list[Heat]:
    # Scores in English alone have no mean over other languages, and so nothing to show against it.
    sizes = sorted({p.size for p in comparison.points if p.size > 0 and p.scope == "all"}, reverse=True)
    return [_heat(comparison, size) for size in sizes]


def _heat(comparison: Comparison, size: int) -> Heat:
    by_key = {(p.arm, p.size, p.scope): p for p in comparison.points}
    at = {arm: size if (arm, size, "all") in by_key else 0 for arm in comparison.arms}
    arms = [arm for arm in comparison.arms if (arm, at[arm], "all") in by_key]
    lead = next((p for p in sorted(comparison.headline(), key=_untrained) if p.size == size), None)
    codes = [s.removeprefix("language:") for s in comparison.by_scope if s.startswith("language:")]
    gaps = _language_gaps(comparison, lead.a if lead else arms[-1], at[lead.a] if lead else at[arms[-1]])
    rows = []
    for code in codes:
        points = [by_key.get((arm, at[arm], f"language:{code}")) for arm in arms]
        pair = next((p for p in comparison.by_scope[f"language:{code}"] if lead and _same(p, lead)), None)
        facts = LANGUAGES[code]
        scores = [_value(point) for point in points]
        rows.append(HeatRow(code, facts.name, facts.family, facts.script, scores, pair, gaps.get(code)))
    return Heat(size, arms, lead, rows)


def _same(first: PairwiseResult, second: PairwiseResult) -> bool:
    return (first.a, first.b, first.size) == (second.a, second.b, second.size)


def _untrained(pair: PairwiseResult) -> bool:
    return 0 in (pair.size_a, pair.size_b)


def _value(point: Point | None) -> float | None:
    return None if point is None or math.isnan(point.estimate.value) else point.estimate.value


def _language_gaps(comparison: Comparison, arm: str, size: int) -> dict[str, float]:
    """Return how far each language is below English, over the targets that have both, for one arm."""
    means: dict[tuple[str, str], list[float]] = {}
    for cell in comparison.cells:
        if cell["arm"] == arm and cell["size"] == size and cell["mean"] is not None:
            means.setdefault((cell["target"], cell["language"]), []).append(cell["mean"])
    gaps: dict[str, list[float]] = {}
    for (target, code), values in means.items():
        if code != ENGLISH and len(means.get((target, ENGLISH), [])) == len(values):
            gaps.setdefault(code, []).append((sum(means[target, ENGLISH]) - sum(values)) / len(values))
    return {code: sum(values) / len(values) for code, values in gaps.items()}


# --- tables ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FullTable:
    """A table to read and to download."""

    name: str
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    text_columns: int


def _tables(comparison: Comparison) -> list[FullTable]:
    published, best = averages.average_rows(comparison), averages.best_rows(comparison)
    found = [_scores_table(comparison), _pairs_table(comparison), _cells_table(comparison)]
    found.append(FullTable("averages", averages.AVERAGES, averages.AVERAGES_HEADER, published, 3))
    found.append(FullTable("best_sources", averages.BEST, averages.BEST_HEADER, best, 1))
    return [table for table in found if table.rows]


def _scores_table(comparison: Comparison) -> FullTable:
    scopes = [s for s in dict.fromkeys(p.scope for p in comparison.points) if s == "all" or s.startswith("target:")]
    by_key = {(p.arm, p.size, p.scope): p for p in comparison.points}
    rows = []
    for arm, size in dict.fromkeys((p.arm, p.size) for p in comparison.points):
        points = [by_key.get((arm, size, scope)) for scope in scopes]
        rows.append([arm, f"{size}", *(_with_half_width(point) for point in points)])
    title = "Scores of every arm (mean over seeds and non-English languages ± half the 95 % interval)"
    return FullTable("scores", title, ["arm", "size", *(s.removeprefix("target:") for s in scopes)], rows, 1)


def _with_half_width(point: Point | None) -> str:
    if point is None or math.isnan(point.estimate.value):
        return "missing"
    if not point.estimate.known:
        return f"{point.estimate.value:.2f}"
    low, high = point.estimate.interval()
    return f"{point.estimate.value:.2f} ± {(high - low) / 2:.2f}"


def _pairs_table(comparison: Comparison) -> FullTable:
    header = "a,b,scope,size,a - b,low,high,p,Holm p,permutation p,its floor,equivalence p,detectable,seeds,verdict"
    rows = []
    for pair in comparison.pairs:
        d = pair.document()
        low, high = d["ci95"] or (None, None)
        names = ["p", "p_holm", "p_permutation", "p_floor", "p_equivalence", "mde80", "seeds"]
        numbers = [d["difference"], low, high, *(d[name] for name in names)]
        texts = ["" if value is None else f"{value:.4g}" for value in numbers]
        rows.append([pair.a, pair.b, pair.scope, str(pair.size), *texts, d["verdict"]])
    return FullTable("differences", "Every difference, in every scope", header.split(","), rows, 3)


def _cells_table(comparison: Comparison) -> FullTable:
    groups = list(dict.fromkeys((cell["arm"], cell["size"]) for cell in comparison.cells))
    by_cell: dict[tuple[str, str, str], dict[tuple[str, int], str]] = {}
    for cell in comparison.cells:
        key = (cell["target"], cell["language"], cell["metric"])
        text = "missing" if cell["mean"] is None else f"{cell['mean']:.2f}"
        by_cell.setdefault(key, {})[cell["arm"], cell["size"]] = text
    rows = [[*key, *(values.get(group, "missing") for group in groups)] for key, values in by_cell.items()]
    header = ["target", "language", "metric", *(f"{arm} {size}" for arm, size in groups)]
    return FullTable("cells", "Every cell: mean over seeds per target, language and metric", header, rows, 3)
