"""The page: a comparison as one HTML file that needs nothing else, with its charts, tables and methods.

Everything that comes from data passes through Jinja's autoescape or `html.escape`; the embedded JSON has no `<`.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache, partial
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from markupsafe import Markup

from evaluator.reporting import averages, charts, languages, methods, overlap, sentences, training, variance
from evaluator.reporting.inputs import common_encoder, data_cards, plan_rows
from evaluator.stats.comparison import Comparison, Point
from evaluator.stats.pairwise import PairwiseResult
from synthgen.runtime.files import format_count
from synthgen.text.escape import shown_in_pages
from synthgen.text.languages import ENGLISH, any_language

GROUPS = {
    "all": "All targets", "target": "Targets", "family": "Families", "script": "Scripts", "language": "Languages",
}  # fmt: skip

NamedTable = tuple[str, str, list[str], list[list[str]], int]
"""Name, title, header, rows and number of text columns of a table."""


def render_page(
    comparison: Comparison, *, arms: dict[str, Any], plan: dict[str, Any], record: dict[str, Any], note: str | None
) -> str:
    """Return the HTML of a comparison."""
    # Scores in English alone have no mean over other languages, and so nothing to show against it.
    sizes = sorted({p.size for p in comparison.points if p.size > 0 and p.scope == "all"}, reverse=True)
    return _template().render(
        comparison=comparison,
        sentences=sentences,
        languages=languages,
        methods=methods,
        style=Markup(methods.resource("style.css")),
        script=Markup(methods.resource("script.js")),
        data=Markup(embedded_json(comparison.document())),
        pairs=sentences.lead_pairs(comparison),
        rates=sentences.lead_rates(comparison),
        forests=list(_forests(comparison)),
        heats=[_heat(comparison, size) for size in sizes],
        figures=languages.language_figures(comparison),
        cards=data_cards(comparison.arms, arms),
        encoder=common_encoder(comparison.arms, arms),
        plan=plan_rows(plan),
        setup=training.setup_line(record),
        quick_look=training.quick_look(record),
        method_texts=methods.paragraphs(comparison, record),
        tables=[table for table in (*_tables(comparison), *_training(comparison, record)) if table[3]],
        note=note,
    )


@cache
def _template() -> Template:
    """Return the page's template, compiled once."""
    environment = Environment(
        loader=FunctionLoader(methods.resource), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=shown_in_pages,
    )  # fmt: skip
    environment.filters |= {
        "signed": sentences.signed,
        "count": sentences.count,
        "size": lambda size: "full size" if size == "full" else f"{size:,}",
        "short": format_count,
        "slug": lambda text: "".join(character if character.isalnum() else "-" for character in text),
        "tick": lambda value: f"{value:g}".replace("-", sentences.MINUS),
    }
    environment.globals["charts"] = charts
    return environment.get_template("template.html")


def embedded_json(document: object) -> str:
    r"""Return JSON that cannot leave a script element.

    >>> print(embedded_json("</script>"))
    "\u003c/script>"
    """
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _forests(comparison: Comparison) -> Iterator[dict[str, object]]:
    """Yield the differences of two arms at one size in every scope, as name, pair and place in percent of the width."""
    repeated = _of_one_language(comparison)
    for lead in sentences.lead_pairs(comparison):
        pairs = [pair for pair in comparison.pairs if pair.key == lead.key and pair.scope not in repeated]
        limit = _limit(pairs)
        groups: dict[str, list[tuple[str, PairwiseResult, dict[str, float]]]] = {}
        for pair in pairs:
            kind, _, name = pair.scope.partition(":")
            title = f"{any_language(name).name} ({name})" if kind == "language" else name or "all targets"
            groups.setdefault(GROUPS[kind], []).append((title, pair, _place(pair, limit)))
        yield {"lead": lead, "limit": limit, "groups": groups}


def _of_one_language(comparison: Comparison) -> set[str]:
    """Return the families and scripts of one language besides English, whose row would repeat that of the language."""
    codes = {scope.partition(":")[2] for scope in comparison.by_scope if scope.startswith("language:")} - {ENGLISH}
    kinds = Counter(
        scope
        for code in codes
        for scope in (f"family:{any_language(code).family}", f"script:{any_language(code).script}")
    )
    return {scope for scope, languages in kinds.items() if languages == 1}


def _limit(pairs: Iterable[PairwiseResult]) -> float:
    """Return a round half-width that holds every difference and most of every interval."""
    known = [pair.estimate for pair in pairs if pair.known]
    reach = (max(abs(e.value) * 1.3, min(max(map(abs, e.interval())), 40)) for e in known)
    return charts.ticks(0, max([0.5, *reach]) * 1.15, 4)[-1] or 1.0


def _place(pair: PairwiseResult, limit: float) -> dict[str, float]:
    if not pair.known:
        return {}
    low, high = pair.estimate.interval()
    ends = {"low": low, "high": high, "at": pair.estimate.value}
    places = {name: round(min(max(50 + 50 * value / limit, 0.0), 100.0), 2) for name, value in ends.items()}
    return places | {"cut_low": low < -limit, "cut_high": high > limit}


def _heat(comparison: Comparison, size: int) -> dict[str, object]:
    """Return the language x arm table of one size: language, scores by arm, their difference, gap to English."""
    by_key = comparison.point_at
    at = {arm: size if (arm, size, "all") in by_key else 0 for arm in comparison.arms}
    arms = [arm for arm in comparison.arms if (arm, at[arm], "all") in by_key]
    trained_first = sorted(comparison.headline(), key=lambda pair: not pair.both_trained)
    lead = next((pair for pair in trained_first if {pair.size_a, pair.size_b} - {0} == {size}), None)
    arm = lead.a if lead else arms[-1]
    gaps = languages.language_gaps(comparison, arm, at[arm])
    rows = []
    for scope, pairs in comparison.by_scope.items():
        kind, _, code = scope.partition(":")
        if kind == "language":
            points = [by_key.get((arm, at[arm], scope)) for arm in arms]
            pair = next((pair for pair in pairs if lead and pair.key == lead.key), None)
            scores = [point.value if point else None for point in points]
            rows.append((any_language(code), scores, pair, gaps.get(code)))
    known = [score for _, scores, *_ in rows for score in scores if score is not None] or [0.0]
    shade = partial(_shade, low=min(known), high=max(known))
    return {"size": size, "arms": arms, "lead": lead, "rows": rows, "shade": shade}


def _shade(score: float | None, low: float, high: float) -> int:
    """Return how strongly a score is tinted in percent: 5 for the lowest of the table, 55 for the highest."""
    return 0 if score is None or high == low else round(5 + 50 * (score - low) / (high - low))


def _tables(comparison: Comparison) -> Iterator[NamedTable]:
    """Yield each table to read and to download."""
    scores = "Scores of all arms (mean over seeds and non-English languages ± half the width of the 95 % CI)"
    yield "scores", scores, *averages.score_rows(comparison, _with_half_width), 1
    differences = "All differences: over all targets, and by target, language, family and script"
    yield "differences", differences, *_pair_rows(comparison), 3
    cells = "All scores by target, language and metric (mean over seeds)"
    yield "cells", cells, *_cell_rows(comparison), 3
    yield "averages", averages.AVERAGES, *averages.average_rows(comparison), 3
    yield "best_sources", averages.BEST, *averages.best_rows(comparison), 1
    yield "outcomes", averages.OUTCOMES, *averages.outcome_rows(comparison), 1
    yield "variance", variance.SOURCES, *variance.source_rows(comparison), 4
    yield "new_language", languages.NEW_LANGUAGE, *languages.language_rows(comparison), 2
    yield "overlap", overlap.OVERLAPS, *overlap.overlap_rows(comparison.overlaps), 4


def _training(comparison: Comparison, record: dict[str, Any]) -> Iterator[NamedTable]:
    yield "training", "Training stages", *training.stage_rows(record), 1
    yield "counts", training.COUNTS, *training.count_rows(comparison.training), 1


def _with_half_width(point: Point) -> str:
    if not point.estimate.known:
        return f"{point.estimate.value:.2f}"
    low, high = point.estimate.interval()
    return f"{point.estimate.value:.2f} ± {(high - low) / 2:.2f}"


def _pair_rows(comparison: Comparison) -> averages.Table:
    header = (
        "a,b,scope,size,a − b,low,high,p,Holm p,permutation p,minimum permutation p,equivalence p,MDE,seeds,verdict"
    )
    names = ("p", "p_holm", "p_permutation", "p_floor", "p_equivalence", "mde80", "seeds")
    rows = []
    for pair in comparison.pairs:
        document = pair.document()
        numbers = [document["difference"], *(document["ci95"] or (None, None)), *(document[name] for name in names)]
        texts = ["" if value is None else f"{value:.4g}" for value in numbers]
        rows.append([pair.a, pair.b, pair.scope, str(pair.size), *texts, sentences.verdict_words(pair)])
    return header.split(","), rows


def _cell_rows(comparison: Comparison) -> averages.Table:
    groups = list(dict.fromkeys((cell["arm"], cell["size"]) for cell in comparison.cells))
    by_cell: dict[tuple[str, str, str], dict[tuple[str, int], str]] = {}
    for cell in comparison.cells:
        key = (cell["target"], cell["language"], cell["metric"])
        text = "missing" if cell["mean"] is None else f"{cell['mean']:.2f}"
        by_cell.setdefault(key, {})[cell["arm"], cell["size"]] = text
    rows = [[*key, *(values.get(group, "missing") for group in groups)] for key, values in by_cell.items()]
    return ["target", "language", "metric", *(f"{arm} {size}" for arm, size in groups)], rows
