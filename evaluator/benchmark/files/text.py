r"""Readers of the official file formats. Lines end at \\n only: texts hold U+2028, U+0085 and control characters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from synthgen.errors import UserError


class UnlabelledError(UserError):
    """An official file that is in order but has no labels, as test files are often released: never scored silently."""

    def __init__(self, path: Path, rows: int, reason: str) -> None:
        """Keep the number of items, for the table of `evaluator data check`."""
        super().__init__(f"{path} is not labelled: {reason}")
        self.rows = rows


def read_lines(path: Path) -> list[str]:
    r"""Return the lines of a UTF-8 file, cut at \\n, a \\r before it dropped; no last empty line.

    `str.splitlines` would also cut at the separators inside PAN-X and MNLI texts.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8: {error}") from None
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def read_tsv(path: Path, columns: int) -> list[list[str]]:
    """Return tab-separated rows of exactly `columns` fields, without any quoting: a quote is a character."""
    rows = [line.split("\t") for line in read_lines(path)]
    for number, row in enumerate(rows, start=1):
        if len(row) != columns:
            raise UserError(f"{path} line {number} has {len(row)} columns; expected {columns}")
    return rows


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Return one JSON object per line."""
    rows = []
    for number, line in enumerate(read_lines(path), start=1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise UserError(f"{path} line {number} is not JSON: {error.msg}") from None
    return rows


def read_json(path: Path) -> Any:  # noqa: ANN401 - any JSON value
    """Return the JSON value of a file."""
    try:
        return json.loads(path.read_bytes())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not JSON: {error}") from None


def read_tagged(path: Path) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield (tokens, tags) of a file with token TAB tag and a blank line between sentences.

    Raises UnlabelledError for a file without any tag, UserError for a single line without one.
    """
    tokens: list[str] = []
    tags: list[str] = []
    lines = [*read_lines(path), ""]
    for number, line in enumerate(lines, start=1):
        if not line.strip(" \t"):
            if tokens:
                yield tuple(tokens), tuple(tags)
            tokens, tags = [], []
            continue
        token, tab, tag = line.rpartition("\t")
        if not tab or not tag:
            raise _without_tag(path, lines, number)
        tokens.append(token)
        tags.append(tag)


def _without_tag(path: Path, lines: list[str], number: int) -> UserError:
    if any("\t" in line.rstrip("\t") for line in lines):
        return UserError(f"{path} line {number} has no tag; expected token TAB tag")
    blank = [not line.strip(" \t") for line in lines]
    sentences = sum(end and not begin for begin, end in pairwise(blank))
    return UnlabelledError(path, sentences, "no line has a tag")


def label_index(label: str, labels: tuple[str, ...], *, where: str) -> int:
    """Return the index of a label by name; UserError names the unknown label and the place."""
    if label not in labels:
        raise UserError(f"unknown label '{label}' in {where}; known: {', '.join(labels)}")
    return labels.index(label)
