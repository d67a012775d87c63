"""Summary tables of a manifest, for the terminal and the page of `inspect`."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synthgen.cards.disclosures import cell_text, flatten
from synthgen.dataset.manifest import Manifest

LEAST_PMI = 0.005
"""Bits of pointwise mutual information of a word and a label that are not shown as 0.00."""
SHOWN_WORDS = 12
_NUMBER = re.compile(r"[+−-]?\d[\d,.]*( %| \(\d[^)]*\))?$|–$")
LAID_OUT = ("artefacts", "shape", "diversity", "verification", "judged")
"""The checks that have tables of their own; the others are lists of names and values."""


@dataclass(frozen=True, slots=True)
class SummaryTable:
    """A table; `note` is a line under its title, numbers are right-aligned."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def is_number(self, column: int) -> bool:
        """Return whether every cell of a column begins as a number does, or says that there is none."""
        return all(_NUMBER.match(row[column]) for row in self.rows)


def counts(manifest: Manifest) -> Iterator[SummaryTable]:
    """Yield what the figures show: the funnel, the labels, the lengths."""
    (begin, number), *left_out, (end, kept) = manifest.funnel()
    funnel = [(begin, number), *((f"– {name}", n) for name, n in left_out), (end, kept)]
    yield SummaryTable(f"Funnel: {begin} to {end}", ("", "rows"), tuple((name, f"{n:,}") for name, n in funnel))
    if manifest.label_counts:
        rows = ((label, f"{n:,}") for label, n in manifest.label_counts.items())
        yield SummaryTable("Labels", ("label", "rows"), tuple(rows))
    lengths = manifest.statistics.get("xlmr_tokens")
    if isinstance(lengths, Mapping) and lengths:
        keys = ("p05", "p25", "median", "p75", "p95", "max")
        rows = ((name, *(f"{values[key]:g}" for key in keys)) for name, values in lengths.items())
        yield SummaryTable("Length in XLM-R tokens", ("text", *keys), tuple(rows))


def findings(manifest: Manifest) -> Iterator[SummaryTable]:
    """Yield the results of the checks, those with tables of their own first."""
    checks = manifest.checks
    if isinstance(result := checks.get("artefacts"), Mapping) and result["baselines"]:
        yield from _artefacts(result)
    if "shape" in checks:
        yield _shape(checks["shape"])
    if isinstance(result := checks.get("diversity"), Mapping):
        yield _diversity(result)
    for name, result in _dict(checks.get("verification")).items():
        yield from _agreement(f"Label agreement: {name} {result['name']}", result)
    if isinstance(result := checks.get("judged"), Mapping):
        yield from _agreement("Label agreement: a person", result)
    for name, result in checks.items():
        if name not in LAID_OUT and isinstance(result, Mapping):
            rows = flatten(_settings(result) if name == "filters" else result)
            yield SummaryTable(name.replace("_", " ").capitalize(), ("", ""), tuple(rows))


def _settings(filters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: "runs, without settings" if settings == {} else settings for name, settings in filters.items()}


def nearest_pairs(pairs: Sequence[Mapping[str, Any]]) -> SummaryTable:
    """Return the most alike pairs of rows, the two of each one below the other."""
    rows = (
        (f"{pair['similarity']:g}", name, text)
        for pair in pairs
        for name, text in zip(pair["ids"], pair["texts"], strict=True)
    )
    note = "edit similarity of the texts as shown (100: equal); two rows for each pair"
    return SummaryTable("Nearest pairs", ("similarity", "id", "text"), tuple(rows), note)


def _artefacts(result: Mapping[str, Any]) -> Iterator[SummaryTable]:
    real = _dict(result.get("real"))
    rows = []
    for name, scores in result["baselines"].items():
        excess = result.get("excess", {}).get(name)
        row = (name, *_accuracy(scores), *_accuracy(_dict(real.get("baselines")).get(name)))
        rows.append((*row, "–" if excess is None else f"{excess:+.1f}"))
    columns = ("part", "this set", "majority", "real set", "majority", "excess, at least")
    note = f"{result['verdict']}; {result['rows']:,} rows of each, margin {result['margin']:g} points"
    yield SummaryTable("Partial-input baselines: accuracy in percent", columns, tuple(rows), note)
    known = {word["text"] for word in real.get("words", ())} if real else None
    words = tuple(_word_cells(word, known) for word in result["words"][:SHOWN_WORDS] if word["pmi"] >= LEAST_PMI)
    columns = ("words", "label", "rows", "share with the label", "PMI, bits", "also in the real set")
    yield SummaryTable("Words associated with a label", columns, words, "" if words else "none")


def _word_cells(word: Mapping[str, Any], real: Collection[str] | None) -> tuple[str, ...]:
    """Return the cells of a word; `real` are the words of the real set, None where there is no real set."""
    share, pmi = f"{100 * word['share']:.0f} %", f"{word['pmi']:.2f}"
    is_real = "yes" if real and word["text"] in real else "no"
    return word["text"], word["label"], f"{word['rows']:,}", share, pmi, "–" if real is None else is_real


def _shape(result: Mapping[str, Any] | str) -> SummaryTable:
    title = "Shape, compared with the real set"
    columns = ("feature", "this set", "real set", "distance", "between halves of the real set")
    if isinstance(result, str):
        return SummaryTable(title, (), (), result)
    rows = (
        (name, cell_text(each["set"]), cell_text(each["real"]), f"{each['distance']:.3f}", f"{each['floor']:.3f}")
        for name, each in result["features"].items()
    )
    note = f"{result['rows']:,} rows of each; distances from 0 (equal) to 1; medians, or the most frequent types"
    return SummaryTable(title, columns, tuple(rows), note)


def _diversity(result: Mapping[str, Any]) -> SummaryTable:
    real = _dict(result.get("real"))
    measures = {name: value for name, value in result.items() if name != "real"}
    rows = (
        (name.replace("_", " "), cell_text(value), cell_text(real.get(name, "–"))) for name, value in measures.items()
    )
    return SummaryTable("Diversity", ("measure", "this set", "real set"), tuple(rows))


def _agreement(title: str, result: Mapping[str, Any]) -> Iterator[SummaryTable]:
    confusion: Mapping[str, Mapping[str, int]] = result["confusion"]
    labels = tuple(dict.fromkeys(label for row in confusion.values() for label in row))
    rows = ((label, *(f"{row.get(each, 0):,}" for each in labels)) for label, row in confusion.items())
    noise = result.get("noise")
    note = f"{result['rows']:,} rows, agreement {100 * (result['agreement'] or 0):.1f} %"
    if isinstance(noise, Mapping):
        low, high = (100 * end for end in noise["ci95"])
        note += f"; label noise {100 * noise['share']:.1f} % ({low:.1f} to {high:.1f})"
    elif noise:
        note += f"; label noise {noise}"
    yield SummaryTable(title, ("label of the set", *labels), tuple(rows), note)


def _accuracy(scores: Mapping[str, Any] | None) -> tuple[str, str]:
    """Return a classifier's accuracy with its interval, and that of guessing."""
    if scores is None:
        return "–", "–"
    low, high = (max(end, 0.0) for end in scores["ci95"])  # the arithmetic of a lowest end of 0 gives -0.0
    return f"{scores['accuracy']:.1f} ({low:.1f} to {high:.1f})", f"{scores['majority']:.1f}"


def _dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
