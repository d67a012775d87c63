"""Results in, report out: an HTML page, `comparison.json`, a results section, a card, a summary for the terminal."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from evaluator import options
from evaluator.reporting import sentences
from evaluator.reporting.averages import pair_cells
from evaluator.reporting.card import results_card
from evaluator.reporting.html import render_page
from evaluator.reporting.inputs import (
    arms_of_one_dataset,
    changed_plan,
    cut_inputs,
    own_averages,
    read_arms,
    read_side_file,
)
from evaluator.reporting.markdown import results_section
from evaluator.reporting.overlap import contaminated, read_overlaps
from evaluator.reporting.training import read_counts, training_hash
from evaluator.reporting.variance import with_data_draws
from evaluator.stats.comparison import Comparison, compare_results
from evaluator.stats.looks import Looks
from evaluator.stats.pairwise import ComparisonKey, parse_primary
from evaluator.stats.results import read_results
from evaluator.stats.score_table import Problem
from evaluator.store.tables import OVERLAP_NAME, PLAN_NAME, RECORD_NAME, check_tables, seal_report
from synthgen.console import one_line
from synthgen.dataset.folder import refuse_inside
from synthgen.errors import UserError, plain_os_error
from synthgen.runtime.files import check_writable, write_atomically

MOST_OF_A_CELL, MOST_OF_A_VERDICT = 60, 200
_STYLE = {
    "a": "green", "a within margin": "green", "b": "red", "b within margin": "red",
    "equivalent": "cyan", "unresolved": "yellow",
}  # fmt: skip


def report(
    source: options.Results, *, out: options.Page, margin: options.ReportMargin = None, note: str | None = None
) -> Comparison:
    """Write the report of finished results: differences between arms, intervals, verdicts, curves.

    Example: `evaluator report runs/store --out report.html`

    Writes the page, and beside it comparison.json, results.md (a section for a paper) and results_card.md. An
    `arms.json`, `plan.json`, `overlap.json` or `experiment.json` beside the results is shown where present; a plan's
    `estimand_hash` must be that of the results. Margin, primary comparisons and planned looks are those of the record.
    `note` stands in all of them.
    """
    if margin is not None:
        check_margin(margin)
    out = check_page(out)
    check_tables(Path(source))
    results = read_results(Path(source))
    arms, plan = read_arms(results.source, out.parent), read_side_file(results.source, PLAN_NAME)
    real_first = [arm for arm, entry in arms.items() if isinstance(entry, dict) and entry.get("origin") == "real"]
    record = read_side_file(results.source, RECORD_NAME)
    comparison = compare_results(
        results,
        margin=_planned_margin(record) or 0.5 if margin is None else margin,
        preferred=real_first,
        training=training_hash(record),
        primary=_planned_primary(record),
        looks=Looks.of(record.get("looks")),
        own_averages=own_averages(record),
        one_dataset=arms_of_one_dataset(arms),
    )
    overlaps = read_overlaps(read_side_file(results.source, OVERLAP_NAME))
    counts = read_counts(arms, dict.fromkeys((point.arm, point.size) for point in comparison.points if point.size))
    comparison = replace(
        _checked(comparison, plan, record), overlaps=tuple(overlaps), training=tuple(counts),
        decompositions=tuple(with_data_draws(comparison.decompositions, arms)),
    )  # fmt: skip
    cut = [Problem("cut inputs", line) for line in cut_inputs(arms)]
    comparison = replace(comparison, problems=(*contaminated(overlaps), *cut, *comparison.problems))
    document = json.dumps(comparison.document(), ensure_ascii=False, allow_nan=False, indent=1)
    files = {
        out.with_name("comparison.json"): document + "\n",
        out.with_name("results.md"): results_section(comparison, record, note),
        out.with_name("results_card.md"): results_card(comparison, arms, plan, record, note),
        out: render_page(comparison, arms=arms, plan=plan, record=record, note=note),
    }
    with plain_os_error(f"cannot write the report to {out}"):
        out.parent.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            write_atomically(path, text)
        plan_file = out.with_name(PLAN_NAME)
        seal_report([*files, *([plan_file] if plan_file.is_file() else [])], out.parent)
    return replace(comparison, page=out)


def check_margin(margin: float) -> None:
    """Raise UserError for a margin that is no number of points."""
    if not 0 < margin <= 100:
        raise UserError(
            f"--margin {margin:g}: the equivalence margin is in points, above 0 and at most 100; default 0.5"
        )


def check_page(out: Path | str) -> Path:
    """Return where the page goes; UserError where it cannot be written, or where the results' own file may be."""
    page = Path(out)
    if page.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"--out {out}: the report is a page; give a name that ends in .html")
    if page.is_dir():
        raise UserError(f"cannot write the report to {out}: it is a folder")
    refuse_inside(page)
    check_writable(page.parent, f"the report to {out}")
    return page


def _planned_margin(record: Mapping[str, Any]) -> float | None:
    margin = record.get("margin")
    return float(margin) if isinstance(margin, int | float) and 0 < margin <= 100 else None


def _planned_primary(record: Mapping[str, Any]) -> list[ComparisonKey]:
    named = record.get("primary")
    return [parse_primary(text) for text in named if isinstance(text, str)] if isinstance(named, list) else []


def _checked(comparison: Comparison, plan: Mapping[str, Any], record: Mapping[str, Any]) -> Comparison:
    """Return the comparison, with a problem where the plan had fixed another estimand or margin."""
    problems = []
    planned, actual = plan.get("estimand_hash"), comparison.estimand["hash"]
    if planned not in (None, actual):
        message = f"the plan has estimand {planned}, these results have {actual}: targets, languages or metrics differ"
        problems.append(Problem("other estimand", message))
    if (margin := _planned_margin(record)) not in (None, comparison.margin):
        message = f"{margin:g} points were fixed before the runs; equivalence at {comparison.margin:g} is exploratory"
        problems.append(Problem("other margin", message))
    changes = changed_plan(plan, looks_planned=Looks.of(record.get("looks")) is not None)
    problems += [Problem("exploratory", f"{change}; verdicts are exploratory") for change in changes]
    return replace(comparison, problems=(*problems, *comparison.problems))


def terminal_summary(comparison: Comparison) -> RenderableType:
    """Return the verdict for a terminal: sentences, the table over all targets, exchange rates, problems."""
    parts: list[RenderableType] = []
    lines = [(sentences.sentence(pair), _STYLE[pair.verdict]) for pair in sentences.lead_pairs(comparison)[:6]]
    lines += [(sentences.exchange_sentence(rate), "blue") for rate in sentences.lead_rates(comparison)[:6]]
    parts += [Text.assemble(("● ", style), one_line(line, 1000)) for line, style in lines]
    parts += [Text(), _table(comparison)]
    parts += [
        Text(one_line(line, 1000), style="yellow") for line in sentences.problem_lines(comparison.problems, limit=8)
    ]
    return Group(*parts, Text(comparison.signature, style="dim"))


def _table(comparison: Comparison) -> Table:
    """Return the differences over all targets; long names are folded in a narrow terminal, never cut."""
    title = "All targets, non-English languages, in points. MDE: minimum detectable effect."
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("difference", overflow="fold", min_width=10)
    for name in ("size", "", "95 % CI", "MDE"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold", min_width=10)
    for pair in sentences.lead_pairs(comparison):
        a, b, size, difference, interval, *_, mde = (one_line(text, MOST_OF_A_CELL) for text in pair_cells(pair))
        verdict = one_line(sentences.verdict_words(pair), MOST_OF_A_VERDICT)
        style = _STYLE[pair.verdict] if pair.known else ""
        table.add_row(f"{a} − {b}", size, difference, interval, mde, Text(verdict, style=style))
    return table
