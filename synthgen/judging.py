"""A blind sample for a person: a CSV file of texts without labels, and what its answers say of the set's labels."""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synthgen.artefacts import wilson
from synthgen.errors import UserError, unknown
from synthgen.formats import Format
from synthgen.formats.base import Row
from synthgen.formats.texts import row_texts
from synthgen.noise import confusion

ANSWER = "judged"
_FORMULA = ("=", "+", "-", "@", "\t")


def write_sample(format_: Format, rows: Sequence[Row], path: Path, *, count: int, seed: int = 0) -> None:
    """Write `count` rows in random order as CSV: id, texts, an empty column `judged`; labels are not in the file.

    A cell that a spreadsheet would take for a formula starts with an apostrophe.
    """
    if not 1 <= count <= len(rows):
        raise UserError(f"--sample {count}: the set has {len(rows)} rows; allowed is 1 to {len(rows)}")
    if not format_.labels or format_.name == "tags":
        raise UserError(f"--sample: rows of a {format_.name} set have no label to judge")
    drawn = random.Random(f"judged-{seed}").sample(list(rows), count)
    columns = [name for name in row_texts(format_, drawn[0]) if not name.startswith("answers")]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", *columns, f"{ANSWER} ({' / '.join(format_.labels)})"])
        for row in drawn:
            texts = row_texts(format_, row)
            writer.writerow([row["id"], *(_plain(texts.get(name, "")) for name in columns), ""])


def _plain(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def read_judged(format_: Format, rows: Sequence[Row], path: Path) -> dict[str, Any]:
    """Return agreement between a person's labels and the set's, with its 95 % interval, and the confusion matrix.

    Rows left empty are counted as not judged. Raises UserError for an unknown id or label, with its line.
    """
    by_id = {row["id"]: row for row in rows}
    labels: list[int] = []
    judged: list[int] = []
    empty = 0
    for line, (row_id, answer) in enumerate(_answers(path), start=2):
        if row_id not in by_id:
            raise UserError(f"{path}, line {line}: no row '{row_id}' in the set")
        if not answer:
            empty += 1
        elif answer not in format_.labels:
            raise unknown("label", answer, format_.labels, where=f"{path}, line {line}")
        else:
            judged.append(format_.labels.index(answer))
            labels.append(format_.labels.index(format_.cell(by_id[row_id])))
    if not judged:
        raise UserError(f"{path} has no judged row: fill in the column '{ANSWER}'")
    agreed = sum(a == b for a, b in zip(labels, judged, strict=True)) / len(judged)
    counts = confusion(labels, judged, len(format_.labels))
    return {
        "rows": len(judged),
        "not_judged": empty,
        "agreement": round(agreed, 4),
        "ci95": [round(end, 4) for end in wilson(agreed, len(judged))],
        "confusion": {
            label: dict(zip(format_.labels, map(int, row), strict=True))
            for label, row in zip(format_.labels, counts, strict=True)
        },
    }


def _answers(path: Path) -> list[tuple[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *lines = csv.reader(file)
    except (OSError, UnicodeDecodeError, ValueError, csv.Error) as error:
        raise UserError(f"cannot read {path}: {error}") from None
    place = next((i for i, name in enumerate(header) if name.split(" ")[0] == ANSWER), None)
    if not header or header[0] != "id" or place is None:
        raise UserError(f"{path} is not a judged sample: its columns are {', '.join(header)}, not id … {ANSWER}")
    return [(line[0], line[place].strip() if len(line) > place else "") for line in lines if line]
