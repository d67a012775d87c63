"""The items of evaluation files of any shape: their texts, told from labels, names and numbers by their look.

No score is computed from them, so which text is the question and which the passage does not matter; their order does.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synthgen.ledger import storable

Texts = tuple[str, ...]

_SHORTEST, _SHORTEST_OTHERWISE = 8, 4
_MOST_TEXTS = 32
"""An item with more texts is a list of texts."""


def read_items(path: Path, *, is_tagged: bool = False) -> Iterator[Texts]:
    """Yield the texts of each item; `is_tagged` files have a token a line.

    Raises one of `UNREADABLE` for a file that is broken.
    """
    read = _tagged if is_tagged else _READERS.get(file_kind(path), _lines)
    for texts in _parquet(path) if file_kind(path) == _PARQUET else read(_unpacked(path).decode("utf-8-sig")):
        yield from [texts] if len(texts) <= _MOST_TEXTS else ((text,) for text in texts)


def file_kind(path: Path) -> str:
    """Return the ending of a file's name, in lower case, that says what is in it, packed or not.

    >>> file_kind(Path("test.JSONL.gz")), file_kind(Path("test.tsv")), file_kind(Path("test"))
    ('.jsonl', '.tsv', '')
    """
    is_packed = path.suffix.lower() == _PACKED
    return (path.with_suffix("") if is_packed else path).suffix.lower()


def _unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix.lower() == _PACKED else content


def _parquet(path: Path) -> Iterator[Texts]:
    with pq.ParquetFile(path) as file:
        columns = [field.name for field in file.schema_arrow if "string" in str(field.type)]
        for batch in file.iter_batches(columns=columns):
            yield from (_texts(_strings(row)) for row in batch.to_pylist())


def _lines(text: str) -> Iterator[Texts]:
    """Yield one item a line, its columns being tab-separated."""
    for line in text.split("\n"):
        yield _texts(line.rstrip("\r").split("\t"))


def _tagged(text: str) -> Iterator[Texts]:
    """Yield the sentences of token TAB tag files and of CoNLL-U."""
    tokens: list[str] = []
    for line in [*text.split("\n"), ""]:
        columns = line.rstrip("\r").split("\t")
        if line.startswith("# "):
            continue
        if not line.strip():
            if tokens:
                yield _texts([" ".join(tokens)])
            tokens = []
        elif len(columns) < 10:
            tokens.append(columns[0])
        elif columns[0].isdecimal():
            tokens.append(columns[1])


def _json(text: str) -> Iterator[Texts]:
    """Yield the items of a JSON file, a table by columns being turned to rows."""
    found = json.loads(text)
    columns = list(found.values()) if isinstance(found, dict) else []
    if len(columns) > 1 and all(isinstance(column, list) and len(column) == len(columns[0]) for column in columns):
        found = [list(row) for row in zip(*columns, strict=True)]
    yield from _items(found)


def _items(value: Any) -> Iterator[Texts]:  # noqa: ANN401 - any JSON value
    """Yield the texts of the objects that hold some, and of lists of texts; what only holds others is looked into."""
    if isinstance(value, dict) and (questions := list(_questions(value))):
        yield from questions
    elif isinstance(value, list) or (isinstance(value, dict) and _only_holds(value)):
        for inner in value.values() if isinstance(value, dict) else value:
            is_row = isinstance(inner, list) and not any(isinstance(each, dict | list) for each in inner)
            yield from [_texts(_strings(inner))] if is_row else _items(inner)
    else:
        yield _texts(_strings(value))


def _only_holds(value: dict[str, Any]) -> bool:
    """Say whether an object has no text of its own and holds others, itself or in lists."""
    inner = list(value.values())
    lists = chain.from_iterable(each for each in inner if isinstance(each, list))
    return any(isinstance(each, dict) for each in (*inner, *lists)) and not any(isinstance(each, str) for each in inner)


def _questions(article: object) -> Iterator[Texts]:
    """Yield the questions of an article of SQuAD's, each with its passage."""
    for paragraph in _inside(article, "paragraphs"):
        for question in _inside(paragraph, "qas"):
            yield _texts(_strings([paragraph.get("context"), question.get("question")]))


def _inside(value: object, name: str) -> list[Any]:
    """Return the list of objects that an object has by that name; an empty one where there is none."""
    inner = value.get(name) if isinstance(value, dict) else None
    return [each for each in inner if isinstance(each, dict)] if isinstance(inner, list) else []


def _jsonl(text: str) -> Iterator[Texts]:
    for line in text.split("\n"):
        if line.strip():
            yield _texts(_strings(json.loads(line)))


def _csv(text: str) -> Iterator[Texts]:
    rows = csv.reader(io.StringIO(text, newline=""))
    next(rows, None)
    yield from map(_texts, rows)


def _strings(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    """Yield every string of a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)


def _texts(values: Iterable[str]) -> Texts:
    """Return those values that are running text: several words, or letters of a script without spaces.

    Half a character, which JSON may hold, becomes the sign for a broken one.

    >>> _texts(["id-7", "Tea is hot.", "entailment", "お茶は熱いです。"])
    ('Tea is hot.', 'お茶は熱いです。')
    """
    return tuple(
        storable(value)
        for value in values
        if (" " in value and len(value) >= _SHORTEST) or (not value.isascii() and len(value) >= _SHORTEST_OTHERWISE)
    )


_PARQUET, _PACKED = ".parquet", ".gz"
_READERS: dict[str, Callable[[str], Iterator[Texts]]] = {
    ".tsv": _lines,
    ".txt": _lines,
    ".json": _json,
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".csv": _csv,
    ".conllu": _tagged,
}
SUFFIXES = {*_READERS, _PARQUET}
"""The endings of files that are read; all but parquet's may be followed by `.gz`."""
UNREADABLE = (OSError, EOFError, ValueError, OverflowError, RecursionError, csv.Error, zlib.error, pa.ArrowException)
"""What is raised for files that are broken."""
