"""The results section: the verdict and tables of a comparison as Markdown, ready for a README or a paper draft."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evaluator.reporting import averages, overlap, sentences
from evaluator.reporting.training import setup_line
from evaluator.stats.comparison import Comparison
from synthgen.text.escape import code, markdown


def results_section(comparison: Comparison, record: Mapping[str, Any], note: str | None = None) -> str:
    """Return the results as Markdown; `record` is experiment.json, empty where there is none."""
    lines = ["## Results", ""]
    if record:
        lines += [markdown(setup_line(record)), ""]
    if note:
        lines += [markdown(note), ""]
    lines += [f"- {markdown(sentences.sentence(pair))}" for pair in sentences.lead_pairs(comparison)]
    lines += [f"- {markdown(sentences.exchange_sentence(rate))}" for rate in sentences.lead_rates(comparison)]
    header, rows = averages.score_rows(comparison, lambda point: f"{point.estimate.value:.2f}", size=",")
    lines += ["", *table(header, rows, "l" + "r" * (len(header) - 1)), "", *_differences(comparison), ""]
    lines += _averages(comparison)
    if comparison.problems:
        problems = sentences.problem_lines(comparison.problems)
        lines += ["### Warnings", "", *(f"- {markdown(line)}" for line in problems), ""]
    lines += [f"Estimand: {markdown(comparison.estimand['text'])}.", "", f"{code(comparison.signature)}", ""]
    return "\n".join(lines)


def _averages(comparison: Comparison) -> list[str]:
    is_average = any(not average.missing for average in comparison.aggregates)
    tables = {
        averages.AVERAGES: averages.average_rows(comparison) if is_average else ([], []),
        averages.BEST: averages.best_rows(comparison),
        overlap.OVERLAPS: overlap.overlap_rows(comparison.overlaps),
    }
    lines = []
    for title, (header, rows) in tables.items():
        lines += [f"### {title}", "", *table(header, rows, "l" * len(header)), ""] if rows else []
    return lines


def table(header: Sequence[str], rows: Iterable[Sequence[str]], alignment: str) -> list[str]:
    """Return a table whose columns are aligned left (`l`) or right (`r`)."""
    rule = "|".join("---" if side == "l" else "--:" for side in alignment)
    lines = [" | ".join(map(markdown, row)) for row in (header, *rows)]
    return [f"| {lines[0]} |", f"|{rule}|", *(f"| {line} |" for line in lines[1:])]


def _differences(comparison: Comparison) -> list[str]:
    header = ("a", "b", "size", "a − b", "95 % CI", "p", "equivalence p", "minimum detectable effect", "verdict")
    pairs = sentences.lead_pairs(comparison)
    rows = [[*averages.pair_cells(p), sentences.verdict_words(p)] for p in pairs]
    return table(header, rows, "llrrlrrrl")
