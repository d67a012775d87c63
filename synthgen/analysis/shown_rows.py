"""Rows to read on the page of `inspect`: a few of each label drawn at random, and rejected ones by reason."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from synthgen.cards.summary_tables import SummaryTable
from synthgen.dataset.rejections import reasons
from synthgen.formats import Format
from synthgen.formats.base import Row
from synthgen.formats.texts import row_texts, shown_fields

ROWS_OF_A_LABEL = 5
REJECTIONS_OF_A_REASON = 3
MOST_LABELS = 10
MOST_CHARACTERS = 400


def drawn_rows(format_: Format, rows: Sequence[Row], *, seed: int, title: str) -> SummaryTable:
    """Return five rows of each label (of the ten commonest) drawn with `seed`, their long texts cut."""
    by_label: dict[str, list[Row]] = {}
    for row in random.Random(seed).sample(list(rows), len(rows)):
        by_label.setdefault(format_.cell(row), []).append(row)
    labels = sorted(sorted(by_label, key=lambda label: -len(by_label[label]))[:MOST_LABELS])
    shown = [(label, row) for label in labels for row in by_label[label][:ROWS_OF_A_LABEL]]
    cells = tuple((str(row["id"]), label, _lines(row_texts(format_, row))) for label, row in shown)
    note = f"{ROWS_OF_A_LABEL} of each label, drawn at random with seed {seed}"
    return SummaryTable(title, ("id", "label", "texts"), cells, note)


def rejected_rows(format_: Format, folder: Path) -> SummaryTable:
    """Return three rejections of each reason, with their evidence."""
    rejections = [(kind, each) for kind in reasons(folder, REJECTIONS_OF_A_REASON) for each in kind.examples]
    cells = (
        (f"{kind.reason} ({kind.count:,})", each.id, each.evidence, _lines(shown_fields(each.row, format_)))
        for kind, each in rejections
    )
    note = f"the first {REJECTIONS_OF_A_REASON} of each reason; synthgen why shows more"
    return SummaryTable(
        "Rejected rows", ("reason", "id", "evidence", "texts"), tuple(cells), note if rejections else "none"
    )


def _lines(texts: Mapping[str, str]) -> str:
    """Return the texts of a row, a line each, the long ones cut."""
    return "\n".join(
        f"{name}: {text[:MOST_CHARACTERS]}{'…' * (len(text) > MOST_CHARACTERS)}" for name, text in texts.items()
    )
