"""A blind sample for a human annotator: a CSV file of texts without labels, and its agreement with the set's labels."""

import csv
import io
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from synthgen.analysis.artefacts import wilson
from synthgen.analysis.label_noise import confusion
from synthgen.errors import UserError, plain_os_error, unknown
from synthgen.formats import Format
from synthgen.formats.base import Row
from synthgen.formats.texts import row_texts
from synthgen.runtime.files import write_atomically
from synthgen.text.csv import csv_rows
from synthgen.text.escape import spreadsheet_cell

ANSWER = "judged"


def write_sample(format_: Format, rows: Sequence[Row], path: Path, *, count: int, seed: int = 0) -> None:
    """Write `count` rows in random order as CSV: id, texts, an empty column `judged`; labels are not in the file.

    A cell that a spreadsheet would take for a formula starts with an apostrophe. Raises UserError for a file that
    cannot be written, or that is there already and is anything but a sample without answers.
    """
    if not 1 <= count <= len(rows):
        raise UserError(f"--sample {count}: the set has {len(rows)} rows; allowed: 1 to {len(rows)}")
    if not format_.labels or format_.name == "tags":
        raise UserError(f"--sample: rows of a {format_.name} set have no label to judge")
    drawn = random.Random(f"judged-{seed}").sample(list(rows), count)
    columns = [name for name in row_texts(format_, drawn[0]) if not name.startswith("answers")]
    lines = [["id", *columns, f"{ANSWER} ({' / '.join(format_.labels)})"]]
    for row in drawn:
        texts = row_texts(format_, row)
        lines.append([spreadsheet_cell(row["id"]), *(spreadsheet_cell(texts.get(name, "")) for name in columns), ""])
    with plain_os_error(f"--csv {path} cannot be written", "give a file in a writable folder"):
        if path.is_file() and path.stat().st_size:
            _refuse_overwriting(path)
        text = io.StringIO(newline="")
        csv.writer(text).writerows(lines)
        write_atomically(path, text.getvalue())


def _refuse_overwriting(path: Path) -> None:
    try:
        answers = sum(bool(answer) for _, _, answer in _answers(path))
    except UserError:
        raise UserError(f"--csv {path} exists and is not a blind sample; give a new file") from None
    if answers:
        raise UserError(f"--csv {path} exists and has answers ({answers}); give a new file")


def read_sample(format_: Format, rows: Sequence[Row], path: Path) -> dict[str, Any]:
    """Return agreement between a person's labels and the set's, with its 95 % interval, and the confusion matrix.

    Rows left empty are counted as not judged. Raises UserError for an unknown or repeated id or an unknown label, with
    its line.
    """
    names = format_.labels
    lines = list(_labelled(format_, rows, path))
    answers = [names.index(answer) for _, answer in lines if answer]
    labels = [names.index(format_.cell(row)) for row, answer in lines if answer]
    if not answers:
        raise UserError(f"{path} has no judged row: fill in the column '{ANSWER}'")
    agreement = sum(a == b for a, b in zip(labels, answers, strict=True)) / len(answers)
    counts = confusion(labels, answers, len(names)).astype(int).tolist()
    return {
        "rows": len(answers),
        "not_judged": len(lines) - len(answers),
        "agreement": round(agreement, 4),
        "ci95": [round(end, 4) for end in wilson(agreement, len(answers))],
        "confusion": {name: dict(zip(names, row, strict=True)) for name, row in zip(names, counts, strict=True)},
    }


def _labelled(format_: Format, rows: Sequence[Row], path: Path) -> Iterator[tuple[Row, str]]:
    """Yield each row of a judged sample with its answer, a label or nothing."""
    by_cell = {row["id"]: row for row in rows} | {spreadsheet_cell(row["id"]): row for row in rows}
    lines: dict[str, int] = {}
    for line, cell, answer in _answers(path):
        place = f"{path}, line {line}"
        if cell not in by_cell:
            raise UserError(f"{place}: no row {cell!r} in the set")
        row = by_cell[cell]
        if (first := lines.setdefault(row["id"], line)) != line:
            raise UserError(f"{place}: row {row['id']!r} is on line {first} already; keep one of the two")
        if answer and answer not in format_.labels:
            raise unknown("label", answer, format_.labels, where=place)
        yield row, answer


def _answers(path: Path) -> list[tuple[int, str, str]]:
    """Return line, first cell and answer of each line of a sample that is not blank."""
    with plain_os_error(f"cannot read --judged {path}", "give the file of --sample N --csv FILE, filled in"):
        content = path.read_bytes()
    try:
        header, *lines = csv_rows(content.decode("utf-8-sig")) or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read {path}: {error}") from None
    if not header:
        raise UserError(f"{path} is empty: the first line of a judged sample has its columns, id … {ANSWER}")
    place = next((i for i, name in enumerate(header) if name.split(" ")[0] == ANSWER), None)
    if header[0] != "id" or place is None:
        raise UserError(f"{path} is not a judged sample: its columns are {', '.join(header)}, not id … {ANSWER}")
    return [
        (number, line[0], line[place].strip() if len(line) > place else "")
        for number, line in enumerate(lines, start=2)
        if any(line)
    ]
