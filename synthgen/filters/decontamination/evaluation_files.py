"""The items of evaluation files of any shape: their texts, told from labels, names and numbers by their look.

No score is computed from them, so which text is the question and which the passage does not matter; their order does.
"""

import csv
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from synthgen.corpora.readers.squad import questions
from synthgen.corpora.readers.tagged import read_sentences
from synthgen.corpora.readers.text import open_text, read_lines, read_text, refuse_pointer
from synthgen.dataset.ledger import storable
from synthgen.errors import UserError
from synthgen.text.csv import csv_lines, delimiter_of
from synthgen.text.json_text import JsonFault, parse_json
from synthgen.text.parquet import read_batches, read_schema

Texts = tuple[str, ...]

_SHORTEST, _SHORTEST_OTHERWISE = 8, 4
_MOST_TEXTS = 32
"""An item with more texts is a list of texts."""
_MOST_PARTS = 16
"""More objects beside a text are items; fewer that have one text each are its options or answers."""
_MOST_BROKEN = 8
"""Bytes are no text when more than one in so many of their characters is broken."""
_LONGEST_ITEM = 1 << 22
"""Characters of an item; what is longer is no test item, and comparing it would take some thirty bytes a character."""
_HEAD_LINES = 20
_BATCH = 1_000
PACKED = (".gz", ".zst", ".xz", ".bz2")
_ABOUT = re.compile(
    r"(dataset_?|task_?)?(version|title|name|id|description|info|notes?|licen[cs]e|citation|source|url|homepage|lang(uage)?"
    r"|date|created|authors?|contact|copyright|dataset|task|split|type|config)"
)
"""What texts at the top of a file that are about it, and of no item, are called."""


def read_items(path: Path, *, is_tagged: bool = False) -> Iterator[Texts]:
    """Yield the texts of each item; `is_tagged` files have a token a line.

    Raises one of `UNREADABLE` for a file that is broken.
    """
    read = _tagged if is_tagged else _READERS.get(file_kind(path), _lines)
    for texts in read(path):
        if sum(map(len, texts)) > _LONGEST_ITEM:
            raise ValueError(f"it has an item of more than {_LONGEST_ITEM:,} characters")
        if texts:
            yield from [texts] if len(texts) <= _MOST_TEXTS else ((text,) for text in texts)


def file_kind(path: Path) -> str:
    """Return the ending of a file's name, in lower case, that says what is in it, packed or not.

    >>> file_kind(Path("test.JSONL.gz")), file_kind(Path("test.tsv")), file_kind(Path("test"))
    ('.jsonl', '.tsv', '')
    """
    is_packed = path.suffix.lower() in PACKED
    return (path.with_suffix("") if is_packed else path).suffix.lower()


def _parquet(path: Path) -> Iterator[Texts]:
    columns = [field.name for field in read_schema(path) if re.search("string|binary", str(field.type))]
    for batch in read_batches(path, columns, _BATCH):
        rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
        is_flat = not any(map(pa.types.is_nested, batch.schema.types))
        yield from (_texts(_strings(list(row))) for row in (dict.fromkeys(rows) if is_flat else rows))


def _lines(path: Path) -> Iterator[Texts]:
    """Yield one item a line, its columns being tab-separated."""
    return (_texts(line.split("\t")) for line in read_lines(path))


def _tagged(path: Path) -> Iterator[Texts]:
    return (_texts([" ".join(sentence.tokens)]) for sentence in read_sentences(path))


def _json(path: Path) -> Iterator[Texts]:
    """Yield the items of a JSON file, a table by columns being turned to rows; JSON lines may be called so too."""
    try:
        value = parse_json(read_text(path), nan=True)
    except JsonFault:
        with suppress(JsonFault):
            if items := list(_by_line(path)):
                yield from items
                return
        raise
    if isinstance(value, dict):
        value = _without_about(value)
    columns = list(value.values()) if isinstance(value, dict) else []
    if len(columns) > 1 and all(isinstance(column, list) and len(column) == len(columns[0]) for column in columns):
        value = [list(row) for row in zip(*columns, strict=True)]
    yield from _items(value)


def _without_about(value: dict[str, Any]) -> dict[str, Any]:
    """Return the lists and objects of a file that has no other texts than those about it, else all that it has."""
    named = [name for name, each in value.items() if isinstance(each, str) and _texts([each])]
    inner = {name: each for name, each in value.items() if isinstance(each, dict | list)}
    return inner if inner and all(_ABOUT.fullmatch(name.lower()) for name in named) else value


def _items(value: Any) -> Iterator[Texts]:  # noqa: ANN401 - any JSON value
    """Yield the texts of each row, after those of what it is in; a list of nothing but plain values is a row too."""
    if isinstance(value, dict) and (items := _squad_items(value)):
        yield from items
    elif isinstance(value, dict) and (row_fields := _row_fields(value)):
        beside = _texts(_strings([inner for name, inner in value.items() if name not in row_fields]))
        yield from ((*beside, *texts) for texts in _items(list(row_fields.values())) if texts)
    elif isinstance(value, list):
        for inner in value:
            is_row = isinstance(inner, list) and not any(isinstance(each, dict | list) for each in inner)
            yield from [_texts(_strings(inner))] if is_row else _items(inner)
    else:
        yield _texts(_strings(value))


def _row_fields(value: dict[str, Any]) -> dict[str, Any]:
    """Return what of an object holds rows: all its lists and objects when it has some and no text of its own."""
    inner = {name: each for name, each in value.items() if isinstance(each, dict | list)}
    is_bare = not any(isinstance(each, str) for each in value.values())
    if is_bare and any(isinstance(each, dict) or _objects(each) for each in inner.values()):
        return inner
    return {name: each for name, each in inner.items() if _holds_rows(each)}


def _holds_rows(value: dict[str, Any] | list[Any]) -> bool:
    """Say whether the objects in a list or object that has texts beside it are rows and not parts of one."""
    with_texts = [each for each in _objects(value) if _texts(_strings(each))]
    if len(with_texts) > _MOST_PARTS:
        return True
    if isinstance(value, list):
        return any(map(_is_row, with_texts))
    return any(_holds_rows(inner) for inner in value.values() if isinstance(inner, dict | list))


def _is_row(value: dict[str, Any]) -> bool:
    """Say whether an object has several texts, or one and a list of texts or objects."""
    lists = (inner for inner in value.values() if isinstance(inner, list))
    return len(_texts(_strings(value))) > 1 or any(isinstance(each, str | dict) for inner in lists for each in inner)


def _objects(value: dict[str, Any] | list[Any]) -> list[dict[str, Any]]:
    return [each for each in (value.values() if isinstance(value, dict) else value) if isinstance(each, dict)]


def _squad_items(article: dict[str, Any]) -> list[Texts]:
    """Return the questions of an article of SQuAD's, each with its passage; none of another object."""
    try:
        pairs = list(questions({"data": [article]}, ""))
        return [_texts(_strings([paragraph["context"], question.get("question")])) for paragraph, question in pairs]
    except (UserError, TypeError, AttributeError):  # its names, but not its lists and objects
        return []


def _jsonl(path: Path) -> Iterator[Texts]:
    """Yield the items of JSON lines; an array of objects may be called so too."""
    first = next(filter(None, map(str.strip, read_lines(path))), "")
    return _json(path) if re.fullmatch(r"\[\s*({.*)?", first) else _by_line(path)


def _by_line(path: Path) -> Iterator[Texts]:
    return (_texts(_strings(parse_json(line, nan=True))) for line in read_lines(path) if line.strip())


def _csv(path: Path) -> Iterator[Texts]:
    """Yield an item a row, a header's too: its cells are seldom running text."""
    with open_text(path) as file:
        lines = csv_lines(file)
        head = list(islice(lines, _HEAD_LINES))
        refuse_pointer(path, "".join(head))
        yield from map(_texts, csv.reader(chain(head, lines), delimiter=delimiter_of("".join(head))))


def _strings(value: Any) -> Iterator[str]:  # noqa: ANN401 - any value of JSON or parquet
    """Yield every string of a value; bytes are one when they are text as far as that can be seen."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes):
        text = value.decode("utf-8-sig", "replace")
        if "\0" not in text and text.count("\N{REPLACEMENT CHARACTER}") * _MOST_BROKEN <= len(text):
            yield text
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


_READERS: dict[str, Callable[[Path], Iterator[Texts]]] = {
    ".tsv": _lines,
    ".txt": _lines,
    ".json": _json,
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".csv": _csv,
    ".conllu": _tagged,
    ".parquet": _parquet,
}
SUFFIXES = set(_READERS)
"""The endings of files that are read; all but parquet's may be followed by one of `PACKED`."""
UNREADABLE = (OSError, EOFError, ValueError, OverflowError, RecursionError, csv.Error, zlib.error, pa.ArrowException)
"""What is raised for files that are broken."""
