"""What a reader yields: a row, the corpus's own id where it has one, and what was wrong or had to be guessed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgen.errors import UserError
from synthgen.formats.base import Row

UNLABELLED = "unlabelled"
UNKNOWN_LABEL = "unknown label"
MALFORMED = "malformed line"


@dataclass(frozen=True, slots=True)
class Item:
    """One row as read. `fault` is why it cannot be kept, `note` what the reader decided where the file is silent,
    `english` the row that a translated one was made from, where the file has it.
    """

    row: Row
    id: str | None = None
    fault: str | None = None
    note: str | None = None
    english: Row | None = None


Reader = Callable[[Path, Any], Iterator[Item]]
"""Reads one file in one format: (path, the task's format object) → items. The signature of every `read_…` function."""


def read_lines(path: Path) -> Iterator[str]:
    r"""Yield the lines of a UTF-8 file, cut at line feeds only; a CR before the line feed is dropped.

    Corpora hold U+001D, U+0085 and U+2028 inside texts, where `str.splitlines` would cut.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            for line in file:
                yield line.removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8: {error}") from None


def read_json(path: Path) -> Any:  # noqa: ANN401 - a JSON document
    """Return the JSON document of a file; UserError names the file when it is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}") from None


def read_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON-lines file; UserError names the line that is none."""
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise UserError(f"{path} line {number} is not JSON: {error}") from None
        if not isinstance(value, dict):
            raise UserError(f"{path} line {number} is not a JSON object")
        yield value


def require(values: Any, names: tuple[str, ...], where: str) -> None:  # noqa: ANN401 - whatever the file holds
    """Raise UserError when an object of a file lacks one of these names: the file has another format."""
    present = list(values) if isinstance(values, dict) else []
    if missing := [name for name in names if name not in present]:
        raise UserError(f"{where} has no {', '.join(missing)}; it has {', '.join(map(str, present)) or 'no columns'}")
