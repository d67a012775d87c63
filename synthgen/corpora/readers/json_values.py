"""The records in a JSON document: its array's values one by one, or the rows that an object holds."""

import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from synthgen.corpora.readers.splits import best_split, split_of_path
from synthgen.errors import UserError, not_utf8

_PIECE = 1 << 20
_LONGEST = 1 << 28
_SPACE = re.compile(r"[\s,]*")
_HOLDERS = ("data", "rows", "examples", "instances", "items", "records", "train", "questions")
_ROW = "row"
"""What the hub's viewer calls the record in each of its `rows`."""


def has_several_values(text: str) -> bool:
    r"""Say whether a text begins with a JSON value and, after white space or commas, another.

    >>> has_several_values('{"a": 1}\n\n{"a": 2'), has_several_values('{"a": 1}\n')
    (True, False)
    """
    try:
        _, end = json.JSONDecoder().raw_decode(text, _SPACE.match(text).end())  # type: ignore[union-attr]
    except (ValueError, RecursionError):
        return False
    return text.startswith("{", _SPACE.match(text, end).end())  # type: ignore[union-attr]


def array_values(file: BinaryIO, path: Path, *, is_array: bool = True) -> Iterator[Any]:
    """Yield the values of a file that holds one JSON array, or one value after the other, with no more in memory than a
    value and a piece.

    Raises UserError where the text is nothing of that.
    """
    text, number = file.read(_PIECE), 0
    decoder, buffer = json.JSONDecoder(), ""
    pending = b""
    while True:
        part, pending = _whole_characters(pending + text, path, is_last=not text)
        buffer += part
        is_read = not text
        place = 0
        if number == 0:
            place = buffer.find("[") + 1 if is_array and buffer.lstrip().startswith("[") else 0
            number = 1
        while True:
            place = _SPACE.match(buffer, place).end()  # type: ignore[union-attr]
            if buffer.startswith("]", place) if is_array else is_read and place == len(buffer):
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


def document_rows(document: Any, path: Path, split: str | None = None) -> Iterable[Any]:  # noqa: ANN401 - a document
    """Return the rows of an object: SQuAD's questions, numbered ones, those of its columns or of its one list, or of
    several lists those of a split.

    UserError for one that holds no rows, or several lists of which none is known to be meant.

    >>> list(document_rows({"0": {"a": 1}, "1": {"a": 2}}, Path("x.json")))
    [{'a': 1}, {'a': 2}]
    >>> list(document_rows({"a": {"0": 1, "1": 2}}, Path("x.json"))), list(document_rows({"a": [1, 2]}, Path("x.json")))
    ([{'a': 1}, {'a': 2}], [{'a': 1}, {'a': 2}])
    """
    if not isinstance(document, dict) or not document:
        raise UserError(f"{path} holds no rows: it is {type(document).__name__}")
    if (rows := _known_rows(document)) is not None or (rows := _listed_rows(document, path, split)) is not None:
        return rows
    if inner := next((value for name in _HOLDERS if _holds_rows(value := document.get(name))), None):
        return document_rows(inner, path, split)
    values = list(document.values())
    if all(isinstance(value, dict) for value in values):
        return _numbered_rows(document)
    if all(isinstance(value, list) and len(value) == len(values[0]) for value in values):
        return [dict(zip(document, row, strict=True)) for row in zip(*values, strict=True)]
    if any(isinstance(value, str) for value in values):
        return [document]
    raise UserError(f"{path} holds no list of rows; it has {', '.join(map(str, list(document)[:8]))}")


def _known_rows(document: dict[str, Any]) -> Iterable[Any] | None:
    """Return the rows of SQuAD's articles, or of cells beside the names of their columns; None for neither."""
    if not isinstance(articles := document.get("data"), list):
        return None
    if any("paragraphs" in each for each in _dicts(articles)):
        return _squad_rows(articles)
    if isinstance(document.get("columns"), list) and not _dicts(articles):
        return _named_cells(document["columns"], articles)
    return None


def _listed_rows(document: dict[str, Any], path: Path, split: str | None) -> list[Any] | None:
    """Return the rows of an object's list of them, None where it has none, or is a row with a list itself."""
    lists = {name: value for name, value in document.items() if isinstance(value, list) and _dicts(value)}
    is_record = any(isinstance(value, str) and " " in value for value in document.values())
    holder = next((name for name in _HOLDERS if name in lists), "")
    if not lists or (is_record and not holder):
        return None
    rows = lists[_holder(tuple(lists), holder, path, split)]
    is_viewer = all(isinstance(each, dict) and isinstance(each.get(_ROW), dict) for each in rows)
    return [each[_ROW] for each in rows] if is_viewer else rows


def _holds_rows(value: object) -> bool:
    """Say whether a value is an object of lists of rows, or of rows."""
    inner = list(value.values()) if isinstance(value, dict) else []
    return bool(inner) and (all(map(_dicts_alone, inner)) or all(isinstance(each, dict) for each in inner))


def _dicts_alone(value: object) -> bool:
    return isinstance(value, list) and bool(value) and len(_dicts(value)) == len(value)


@lru_cache(1)  # a file is read several times, and what is left out said once
def _holder(names: tuple[str, ...], known: str, path: Path, split: str | None) -> str:
    """Return the name of the list that holds the rows; UserError where there are several and none is known for it."""
    if split or any(split_of_path(Path(name)) != "unstated" for name in names):
        chosen = [each.as_posix() for each in best_split([Path(name) for name in names], str(path), split)]
        if len(chosen) == 1:
            return chosen[0]
    if len(names) > 1 and not known:
        raise UserError(f"{path} holds several lists of rows: {', '.join(names[:20])}; --split says which one to read")
    return known or names[0]


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
