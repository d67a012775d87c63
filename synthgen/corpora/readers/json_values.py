"""The records in a JSON document: its array's values one by one, or the rows that an object holds."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from synthgen.errors import UserError, not_utf8

_PIECE = 1 << 20
_LONGEST = 1 << 28
_SPACE = re.compile(r"[\s,]*")
_HOLDERS = ("data", "rows", "examples", "instances", "items", "records", "train", "questions")
_ROW = "row"
"""What the hub's viewer calls the record in each of its `rows`."""


def array_values(file: BinaryIO, path: Path) -> Iterator[Any]:
    """Yield the values of a file that holds one JSON array, with no more in memory than a value and a piece.

    Raises UserError where the text is no such array.
    """
    text, is_read, number = file.read(_PIECE), False, 0
    decoder, buffer = json.JSONDecoder(), ""
    pending = b""
    while True:
        part, pending = _whole_characters(pending + text, path, is_last=not text)
        buffer += part
        is_read = not text
        place = 0
        if number == 0:
            place = buffer.find("[") + 1 if buffer.lstrip().startswith("[") else 0
            number = 1
        while True:
            place = _SPACE.match(buffer, place).end()  # type: ignore[union-attr]
            if buffer.startswith("]", place):
                return
            try:
                value, end = decoder.raw_decode(buffer, place)
            except (ValueError, RecursionError) as error:
                if is_read or isinstance(error, RecursionError) or len(buffer) - place > _LONGEST:
                    raise UserError(f"{path} item {number} is not JSON: {error}") from None
                break
            if end == len(buffer) and not is_read:
                break  # a number may go on
            yield value
            place, number = end, number + 1
        buffer = buffer[place:]
        # At least doubled: a long value is not read again for every piece.
        text = file.read(max(_PIECE, len(buffer)))


def _whole_characters(data: bytes, path: Path, *, is_last: bool) -> tuple[str, bytes]:
    """Return the text of some bytes, and those at their end that begin a character."""
    try:
        return data.decode("utf-8"), b""
    except UnicodeDecodeError as error:
        if is_last or len(data) - error.start > 3:
            raise not_utf8(path, error) from None
        return data[: error.start].decode("utf-8"), data[error.start :]


def document_rows(document: Any, path: Path) -> Iterable[Any]:  # noqa: ANN401 - a JSON document
    """Return the rows of an object: SQuAD's questions, numbered ones, those of its columns or of its one list.

    UserError for one that holds no rows.

    >>> list(document_rows({"0": {"a": 1}, "1": {"a": 2}}, Path("x.json")))
    [{'a': 1}, {'a': 2}]
    >>> list(document_rows({"a": {"0": 1, "1": 2}}, Path("x.json"))), list(document_rows({"a": [1, 2]}, Path("x.json")))
    ([{'a': 1}, {'a': 2}], [{'a': 1}, {'a': 2}])
    """
    if not isinstance(document, dict) or not document:
        raise UserError(f"{path} holds no rows: it is {type(document).__name__}")
    if isinstance(articles := document.get("data"), list) and any("paragraphs" in each for each in _dicts(articles)):
        return _squad_rows(articles)
    if isinstance(document.get("columns"), list) and isinstance(articles, list) and not _dicts(articles):
        return _named_cells(document["columns"], articles)
    values = list(document.values())
    lists = {name: value for name, value in document.items() if isinstance(value, list) and _dicts(value)}
    is_record = any(isinstance(value, str) and " " in value for value in values)
    only = next(iter(lists)) if len(lists) == 1 and not is_record else None
    if holder := next((name for name in _HOLDERS if name in lists), only):
        rows = lists[holder]
        is_viewer = all(isinstance(each, dict) and isinstance(each.get(_ROW), dict) for each in rows)
        return [each[_ROW] for each in rows] if is_viewer else rows
    if all(isinstance(value, dict) for value in values):
        return _numbered_rows(document)
    if all(isinstance(value, list) and len(value) == len(values[0]) for value in values):
        return [dict(zip(document, row, strict=True)) for row in zip(*values, strict=True)]
    if any(isinstance(value, str) for value in values):
        return [document]
    raise UserError(f"{path} holds no list of rows; it has {', '.join(map(str, list(document)[:8]))}")


def _numbered_rows(document: dict[str, dict[str, Any]]) -> list[Any]:
    """Return the rows of an object of them by number, or of an object of columns that have them by number."""
    keys = list(next(iter(document.values())))
    if not all(map(str.isdecimal, document)) and keys and all(map(str.isdecimal, keys)):
        names = dict.fromkeys(key for value in document.values() for key in value)
        return [{column: value.get(key) for column, value in document.items()} for key in names]
    return list(document.values())


def _named_cells(names: list[Any], rows: list[Any]) -> list[Any]:
    """Return rows of cells, as pandas writes them beside the names of the columns; what is no such row as it is."""
    is_row = [isinstance(row, list) and len(row) == len(names) for row in rows]
    return [
        dict(zip(map(str, names), row, strict=True)) if fits else row for row, fits in zip(rows, is_row, strict=True)
    ]


def _squad_rows(articles: list[Any]) -> Iterator[Any]:
    """Yield the questions of SQuAD's articles as records, and what is not of its shape as it is, to be counted."""
    for article in articles:
        paragraphs = article.get("paragraphs") if isinstance(article, dict) else None
        if not isinstance(paragraphs, list):
            yield repr(article)[:200]
            continue
        for paragraph in paragraphs:
            questions = paragraph.get("qas") if isinstance(paragraph, dict) else None
            if not isinstance(questions, list):
                yield repr(paragraph)[:200]
                continue
            title = {"title": article.get("title", ""), "context": paragraph.get("context")}
            yield from ({**title, **each} if isinstance(each, dict) else each for each in questions)


def _dicts(values: list[Any]) -> list[dict[str, Any]]:
    return [each for each in values if isinstance(each, dict)]
