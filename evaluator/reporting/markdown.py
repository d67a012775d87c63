"""The results section: the verdict and tables of a comparison as Markdown, ready for a README or a paper draft."""

from __future__ import annotations

from collections.abc import Sequence

from evaluator.reporting import averages, sentences
from evaluator.stats.comparison import Comparison
from evaluator.stats.pairwise import PairwiseResult


def results_section(comparison: Comparison, note: str | None = None) -> str:
    """Return the results as Markdown."""
    lines = ["## Results", ""]
    if comparison.sample:
        lines += [f"> **{sentences.SAMPLE}**", ""]
    if note:
        lines += [escape(note), ""]
    lines += [f"- {escape(sentences.sentence(pair))}" for pair in sentences.lead_pairs(comparison)]
    lines += [f"- {escape(sentences.exchange_sentence(rate))}" for rate in sentences.lead_rates(comparison)]
    lines += ["", *_scores(comparison), "", *_differences(comparison), "", *_averages(comparison)]
    if comparison.problems:
        problems = sentences.problem_lines(comparison.problems)
        lines += ["### Problems", "", *(f"- {escape(line)}" for line in problems), ""]
    lines += [f"Estimand: {comparison.estimand['text']}.", "", f"`{comparison.signature}`", ""]
    return "\n".join(lines)


def _scores(comparison: Comparison) -> list[str]:
    header, rows = averages.score_rows(comparison, lambda point: f"{point.estimate.value:.2f}", size=",")
    return _table(header, rows, names=1)


def _averages(comparison: Comparison) -> list[str]:
    lines = []
    if rows := averages.average_rows(comparison):
        lines += [f"### {averages.AVERAGES}", "", *_table(averages.AVERAGES_HEADER, rows, names=6), ""]
    if rows := averages.best_rows(comparison):
        lines += [f"### {averages.BEST}", "", *_table(averages.BEST_HEADER, rows, names=3), ""]
    return lines


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], *, names: int) -> list[str]:
    """Return a table whose first `names` columns are text, the others numbers."""
    rule = "|".join("---" if column < names else "--:" for column in range(len(header)))
    lines = [" | ".join(map(escape, row)) for row in (header, *rows)]
    return [f"| {lines[0]} |", f"|{rule}|", *(f"| {line} |" for line in lines[1:])]


def _differences(comparison: Comparison) -> list[str]:
    header = "| a | b | size | a − b | 95 % interval | p | equivalence p | detectable at 80 % power | verdict |"
    return [header, "|---|---|--:|--:|---|--:|--:|--:|---|", *map(_row, sentences.lead_pairs(comparison))]


def _row(pair: PairwiseResult) -> str:
    start = f"| {escape(pair.a)} | {escape(pair.b)} | {sentences.size_label(pair)} |"
    if not pair.known:
        return f"{start} | | | | | {escape(pair.reason or 'not resolved')} |"
    e = pair.estimate
    numbers = f"{sentences.signed(e.value)} | {sentences.interval_text(*e.interval())} | {e.p:.3f} | "
    numbers += f"{e.p_equivalence(pair.margin):.3f} | {e.mde80:.2f}"
    return f"{start} {numbers} | {pair.verdict} |"


def escape(text: str) -> str:
    """Keep data from becoming markup: Markdown's own characters and HTML."""
    for character in "\\`*_[]|<>":
        text = text.replace(character, f"\\{character}")
    return text
