"""What a manifest says of its set as tables that a person reads: in the terminal, and on the page of `inspect`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synthgen.cards.disclosures import flatten, shown
from synthgen.dataset.manifest import Manifest

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
        """Say whether every cell of a column begins as a number does, or says that there is none."""
        return all(_NUMBER.match(row[column]) for row in self.rows)


def counts(manifest: Manifest) -> Iterator[SummaryTable]:
    """Yield what the figures show: the funnel, the labels, the lengths."""
    rejected = sorted(manifest.rejected.items(), key=lambda item: -item[1])
    funnel = [("asked", manifest.asked), *((f"– {reason}", n) for reason, n in rejected)]
    funnel += [("– failed", manifest.failed), ("kept", manifest.kept)]
    yield SummaryTable("From asked to kept", ("", "rows"), tuple((name, f"{n:,}") for name, n in funnel))
    if manifest.label_counts:
        rows = ((label, f"{n:,}") for label, n in manifest.label_counts.items())
        yield SummaryTable("Labels", ("label", "rows"), tuple(rows))
    lengths = manifest.statistics.get("xlmr_tokens")
    if isinstance(lengths, Mapping) and lengths:
        keys = ("p05", "p25", "median", "p75", "p95", "max")
        rows = ((name, *(f"{values[key]:g}" for key in keys)) for name, values in lengths.items())
        yield SummaryTable("Length in XLM-R pieces", ("text", *keys), tuple(rows))


def findings(manifest: Manifest) -> Iterator[SummaryTable]:
    """Yield what the checks found, the laid-out ones first."""
    checks = manifest.checks
    if isinstance(found := checks.get("artefacts"), Mapping) and found["baselines"]:
        yield from _artefacts(found)
    if "shape" in checks:
        yield _shape(checks["shape"])
    if isinstance(found := checks.get("diversity"), Mapping):
        yield _diversity(found)
    for name, found in _dict(checks.get("verification")).items():
        yield from _agreement(f"Read again: {name} {found['name']}", found)
    if isinstance(found := checks.get("judged"), Mapping):
        yield from _agreement("Judged by a person", found)
    for name, found in checks.items():
        if name not in LAID_OUT and isinstance(found, Mapping):
            yield SummaryTable(name.replace("_", " ").capitalize(), ("", ""), tuple(flatten(found)))


def nearest_pairs(pairs: Sequence[Mapping[str, Any]]) -> SummaryTable:
    """Return the most alike pairs of rows, both texts of each."""
    rows = ((f"{pair['similarity']:g}", "\n".join(pair["ids"]), "\n".join(pair["texts"])) for pair in pairs)
    note = "edit similarity of the texts as shown, 100 is equal"
    return SummaryTable("Nearest pairs", ("similarity", "ids", "texts"), tuple(rows), note)


def _artefacts(found: Mapping[str, Any]) -> Iterator[SummaryTable]:
    real = _dict(found.get("real"))
    rows = []
    for name, own in found["baselines"].items():
        theirs = _dict(real.get("baselines")).get(name)
        excess = found.get("excess", {}).get(name)
        row = (name, _percent(own), _guessing(own), _percent(theirs), _guessing(theirs))
        rows.append((*row, "–" if excess is None else f"{excess:+.1f}"))
    columns = ("part", "this set", "guessing", "real set", "guessing", "certainly more")
    note = f"{found['verdict']}; {found['rows']:,} rows of each, margin {found['margin']:g} points"
    yield SummaryTable("Labels guessed from one part of the row, percent", columns, tuple(rows), note)
    known = {word["text"] for word in real.get("words", ())}
    words = tuple(
        (word["text"], word["label"], f"{word['rows']:,}", f"{100 * word['share']:.0f} %", f"{word['pmi']:.2f}", mark)
        for word in found["words"][:SHOWN_WORDS]
        for mark in (["yes" if word["text"] in known else "no"] if real else ["–"])
    )
    columns = ("words", "label", "rows", "of them so labelled", "PMI, bits", "also in the real set")
    yield SummaryTable("Words that point to a label", columns, words)


def _shape(found: Mapping[str, Any] | str) -> SummaryTable:
    title = "Shape beside the real set"
    columns = ("feature", "this set", "real set", "distance", "between halves of the real set")
    if isinstance(found, str):
        return SummaryTable(title, (), (), found)
    rows = (
        (name, shown(each["set"]), shown(each["real"]), f"{each['distance']:.3f}", f"{each['floor']:.3f}")
        for name, each in found["features"].items()
    )
    note = f"{found['rows']:,} rows of each; distances from 0, alike, to 1; medians, or the commonest with their shares"
    return SummaryTable(title, columns, tuple(rows), note)


def _diversity(found: Mapping[str, Any]) -> SummaryTable:
    real = _dict(found.get("real"))
    rows = ((name.replace("_", " "), shown(value), shown(real.get(name, "–"))) for name, value in found.items())
    return SummaryTable(
        "Diversity", ("measure", "this set", "real set"), tuple(row for row in rows if row[0] != "real")
    )


def _agreement(title: str, found: Mapping[str, Any]) -> Iterator[SummaryTable]:
    confusion: Mapping[str, Mapping[str, int]] = found["confusion"]
    said = tuple(dict.fromkeys(label for row in confusion.values() for label in row))
    rows = ((label, *(f"{row.get(each, 0):,}" for each in said)) for label, row in confusion.items())
    noise = found.get("noise")
    note = f"{found['rows']:,} rows, agreement {100 * (found['agreement'] or 0):.1f} %"
    if isinstance(noise, Mapping):
        low, high = (100 * end for end in noise["ci95"])
        note += f"; wrong labels {100 * noise['share']:.1f} % ({low:.1f} to {high:.1f})"
    elif noise:
        note += f"; wrong labels {noise}"
    yield SummaryTable(title, ("label of the set", *said), tuple(rows), note)


def _percent(found: Mapping[str, Any] | None) -> str:
    return "–" if found is None else f"{found['accuracy']:.1f} ({found['ci95'][0]:.1f} to {found['ci95'][1]:.1f})"


def _guessing(found: Mapping[str, Any] | None) -> str:
    return "–" if found is None else f"{found['majority']:.1f}"


def _dict(found: object) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}
