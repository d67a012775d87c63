"""Evaluation items, read for decontamination only: the texts of a dataset folder's rows or of a data root's files.

A data root is a folder of official files in XTREME's layout, or of any human corpora. Every file whose name does not
say `train` counts, whatever its language; texts are told from labels and numbers by their look, since no score is
computed from them. Nothing read here is ever written out: contamination reports hold hashes.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synthgen.dataset import file_sha256, is_finished
from synthgen.errors import UserError
from synthgen.filters.comparison import compared_texts, texts_apart
from synthgen.formats.base import Features
from synthgen.ledger import storable
from synthgen.opened import open_set

TAGGED = ("udpos", "panx", "ud")
_PARQUET = ".parquet"
PLAIN = ("tatoeba", "bucc2018")
_NO_ITEMS = ("train", "license", "readme", "provenance", "cc-by", "test.labels", "genres")
_SHORTEST, _SHORTEST_OTHERWISE = 8, 4


@dataclass(frozen=True, slots=True)
class HeldOut:
    """One evaluation set: its name, the SHA-256 of its file or its content hash, the texts of each item.

    `apart` has the same items with every option as a text of its own, where `items` have the options as one.
    """

    name: str
    revision: str
    items: tuple[tuple[str, ...], ...]
    apart: tuple[tuple[str, ...], ...] = ()


def read_held_out(path: Path) -> list[HeldOut]:
    """Return the evaluation sets of a path: a dataset folder, or a data root's files but those to train on.

    Raises UserError when nothing there can be used, or a file cannot be read.
    """
    if not path.exists():
        raise UserError(f"--against {path}: no such file or folder")
    if path.is_dir() and is_finished(path):
        sets, where = [_dataset(path)], "its rows have no texts"
    else:
        files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        root = path.parent if path.is_file() else path
        sets = [_file(file, root) for file in files if _may_hold_items(file)]
        where = "no file of test or development data was found there"
    if not (found := [each for each in sets if each.items]):
        raise UserError(f"--against {path} has no evaluation items: {where}")
    return found


def _dataset(folder: Path) -> HeldOut:
    opened = open_set(folder)
    filled = (_filled(row, opened.features) for table in opened.tables() for row in table.to_pylist())
    items, apart = [], []
    for row in filled:
        if texts := tuple(filter(None, texts_apart(opened.format, row))):
            items.append(compared_texts(opened.format, row))
            apart.append(texts)
    return HeldOut(opened.name, opened.content_hash, tuple(items), tuple(apart))


def _filled(value: Any, feature: Features) -> Any:  # noqa: ANN401 - a row or any part of one
    """Return a value with an empty text for every text that it lacks; lists have those that there are."""
    if "_type" not in feature:
        return {name: _filled(value and value[name], inner) for name, inner in feature.items()}
    if feature["_type"] == "List":
        return [_filled(each, feature["feature"]) for each in value or [] if each is not None]
    return "" if value is None and feature.get("dtype") == "string" else value


def _may_hold_items(path: Path) -> bool:
    stem = path.name.lower()
    is_data = path.suffix in (*_READERS, _PARQUET) or any(part in PLAIN for part in path.parts)
    return is_data and not any(word in stem for word in _NO_ITEMS) and "xtreme_mock" not in path.parts


def _file(path: Path, root: Path) -> HeldOut:
    name = path.relative_to(root)
    try:
        found = _parquet(path) if path.suffix == _PARQUET else _written(path)
        items = tuple(dict.fromkeys(texts for texts in found if texts))
    except (ValueError, csv.Error, RecursionError, pa.ArrowException) as error:
        raise UserError(f"--against: cannot read {path}: {error}") from None
    return HeldOut(name.as_posix(), file_sha256(path), items)


def _parquet(path: Path) -> Iterator[tuple[str, ...]]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches():
            yield from (_texts(_strings(row)) for row in batch.to_pylist())


def _written(path: Path) -> Iterator[tuple[str, ...]]:
    text = path.read_bytes().decode("utf-8")
    is_tagged = any(part in TAGGED for part in path.parts)
    return _tagged(text) if is_tagged else _READERS.get(path.suffix, _lines)(text)


def _lines(text: str) -> Iterator[tuple[str, ...]]:
    """Yield one item a line, its columns being tab-separated."""
    for line in text.split("\n"):
        yield _texts(line.rstrip("\r").split("\t"))


def _tagged(text: str) -> Iterator[tuple[str, ...]]:
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


def _json(text: str) -> Iterator[tuple[str, ...]]:
    """Yield the questions of SQuAD's JSON with their passages, or the texts of a list or table of anything else."""
    found = json.loads(text)
    data = _inside(found, "data")
    others = found.values() if isinstance(found, dict) else found if isinstance(found, list) else [found]
    for item in data or others:
        yield from list(_questions(item)) or [_texts(_strings(item))]


def _questions(article: object) -> Iterator[tuple[str, ...]]:
    for paragraph in _inside(article, "paragraphs"):
        for question in _inside(paragraph, "qas"):
            yield _texts(_strings([paragraph.get("context"), question.get("question")]))


def _inside(value: object, name: str) -> list[Any]:
    """Return the list of objects that an object has by that name; an empty one where there is none."""
    inner = value.get(name) if isinstance(value, dict) else None
    return [each for each in inner if isinstance(each, dict)] if isinstance(inner, list) else []


def _jsonl(text: str) -> Iterator[tuple[str, ...]]:
    for line in text.split("\n"):
        if line.strip():
            yield _texts(_strings(json.loads(line)))


def _csv(text: str) -> Iterator[tuple[str, ...]]:
    rows = csv.reader(text.splitlines(keepends=True))
    next(rows, None)
    yield from map(_texts, rows)


def _strings(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    """Yield every string of a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)


def _texts(values: Iterable[str]) -> tuple[str, ...]:
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


_READERS = {".tsv": _lines, ".txt": _lines, ".json": _json, ".jsonl": _jsonl, ".csv": _csv, ".conllu": _tagged}


def item_hash(texts: Iterable[str]) -> str:
    """Return what stands for an item in a report: 64 bits of BLAKE2b, in hexadecimal."""
    return hashlib.blake2b("\x1f".join(texts).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
