"""The one way into text files: UTF-8, packed or not, whatever their line ends; lines, cells and JSON of them."""

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from synthgen.corpora.readers.packed import open_unpacked
from synthgen.errors import UserError, not_utf8
from synthgen.text.json_text import JsonFault, parse_json

LFS_POINTER = "version https://git-lfs.github.com/spec/"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a file as UTF-8 text, unpacked where it is packed; a byte order mark is no part of it.

    Raises UserError where what is read is not UTF-8, or is packed and cannot be unpacked.
    """
    try:
        with open_unpacked(path) as file:
            yield io.TextIOWrapper(as_utf8(file, path), encoding="utf-8", newline="\n")
    except UnicodeDecodeError as error:
        raise not_utf8(path, error) from None


def as_utf8(file: BinaryIO, path: Path) -> BinaryIO:
    """Return the text of a file as UTF-8 without a byte order mark; of UTF-16 and UTF-32, which have one, too.

    UserError for broken UTF-16 or UTF-32.
    """
    start = cast(io.BufferedReader, file).peek(4)
    if encoding := wide_encoding(start):
        try:
            return io.BufferedReader(cast(io.RawIOBase, io.BytesIO(file.read().decode(encoding).encode())))
        except UnicodeError as error:
            raise UserError(f"{path} is not {encoding.upper()}, as its first bytes say: {error}") from None
    if start.startswith(_BYTE_ORDER_MARK):
        file.read(len(_BYTE_ORDER_MARK))
    return file


def wide_encoding(start: bytes) -> str:
    """Return the encoding of several bytes a character that a byte order mark says, an empty string for none."""
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    return "utf-16" if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else ""


def read_text(path: Path) -> str:
    """Return the text of a file with its line ends as they are."""
    with open_text(path) as file:
        text = file.read()
    refuse_pointer(path, text)
    return text


def refuse_pointer(path: Path, start: str) -> None:
    """Raise UserError for what a clone without Git LFS has instead of a file."""
    if start.startswith(LFS_POINTER):
        raise UserError(f"{path} is a Git LFS pointer, not the file itself: run `git lfs pull` in its repository")


def read_lines(path: Path) -> Iterator[str]:
    r"""Yield the lines of a file, cut at LF or CR LF, or at CR in a file without LF; blank ones at its end are dropped.

    Corpora hold U+001D, U+0085 and U+2028 inside texts, where `str.splitlines` would cut.
    """
    blank: list[str] = []
    with open_text(path) as file:
        first = next(file, "")
        refuse_pointer(path, first)
        lines = [first] if first.endswith("\n") else first.split("\r")
        for line in (line.rstrip("\r\n") for line in chain(lines, file)):
            blank.append(line)
            if line.strip(" \t\r"):
                yield from blank
                blank.clear()


def read_table(path: Path, columns: int) -> list[list[str]]:
    """Return tab-separated rows of exactly `columns` cells, without any quoting: a quote is a character."""
    rows = [line.split("\t") for line in read_lines(path)]
    for number, row in enumerate(rows, start=1):
        if len(row) != columns:
            raise UserError(f"{path} line {number} has {len(row)} columns; expected {columns}")
    return rows


def read_json(path: Path) -> Any:  # noqa: ANN401 - a JSON document
    """Return the JSON document of a file; UserError names the file when it is none."""
    text = read_text(path)
    try:
        return parse_json(text, nan=True)
    except JsonFault as fault:
        raise UserError(f"{path} is not JSON: {fault}") from None


def read_json_lines(path: Path, names: tuple[str, ...] = ()) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON-lines file, or of one JSON array of them, whatever the file is called.

    UserError names the line that is none, and what lacks one of `names`.
    """
    for where, value in _json_values(path):
        if not isinstance(value, dict):
            raise UserError(f"{path} {where} is not a JSON object")
        require(value, names, f"{path} {where}")
        yield value


def _json_values(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the values of JSON lines or of a JSON array, each with its place."""
    lines = ((number, line) for number, line in enumerate(read_lines(path), start=1) if line.strip())
    for number, line in lines:
        if line.lstrip().startswith("["):
            yield from ((f"item {place}", value) for place, value in enumerate(read_json(path), start=1))
            return
        try:
            yield f"line {number}", parse_json(line, nan=True)
        except JsonFault as fault:
            raise UserError(f"{path} line {number} is not JSON: {fault}") from None


def require(values: Any, names: tuple[str, ...], where: str) -> None:  # noqa: ANN401 - whatever the file holds
    """Raise UserError when an object of a file lacks one of these names: the file has another format."""
    present = list(values) if isinstance(values, dict) else []
    if missing := [name for name in names if name not in present]:
        raise UserError(f"{where} has no {', '.join(missing)}; it has {', '.join(map(str, present)) or 'no columns'}")
