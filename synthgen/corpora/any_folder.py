"""A folder of rows opened for reading: one of ours, or somebody's parquet files, as tables of one schema.

Of a folder without a manifest the format is found by its columns. Label names become indices, ids are given where
there are none or null, further columns are left out. Nothing of the folder is changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synthgen.corpora.catalogue import SOURCES
from synthgen.dataset import (
    ROWS_PER_GROUP,
    Manifest,
    Origin,
    arrow_schema,
    dataset_format,
    file_sha256,
    is_finished,
    read_manifest,
    row_features,
    shard_paths,
)
from synthgen.dataset.licences import UNKNOWN
from synthgen.errors import UserError, refuse, unknown
from synthgen.formats import Format
from synthgen.formats.base import Features


@dataclass(frozen=True, slots=True)
class InputDataset:
    """A set's rows and what is known of them; `manifest` is None for a folder that is not one of ours."""

    name: str
    task: str
    format: Format
    language: str
    licence: str
    origin: str
    paths: tuple[Path, ...]
    features: Features
    rows: int
    manifest: Manifest | None = None
    names: tuple[str, ...] = ()
    """What the files themselves say that label indices mean; empty where they say nothing, or what the format says."""

    @property
    def schema(self) -> pa.Schema:
        """The schema of every table."""
        return arrow_schema(self.features)

    @property
    def content_hash(self) -> str:
        """Hash of the files: equal for equal data, whatever the folder is called."""
        if self.manifest:
            return self.manifest.content_hash
        return hashlib.sha256(json.dumps([file_sha256(path) for path in self.paths]).encode()).hexdigest()

    def parent(self, role: str) -> dict[str, Any]:
        """Return what the manifest of a set made from this one says of it: its contents and what its licence asks."""
        facts = {"role": role, "name": self.name, "task": self.task, "origin": self.origin}
        return facts | {"licence": self.licence, "rows": self.rows, "content_hash": self.content_hash}

    def tables(self, rows: int = ROWS_PER_GROUP, columns: Sequence[str] = ()) -> Iterator[pa.Table]:
        """Yield the rows in order, so many at a time, with all columns or only these.

        UserError names a file that cannot be read and why.
        """
        number, fields = 0, [field for field in self.schema if field.name in columns or not columns]
        for path in self.paths:
            try:
                with pq.ParquetFile(path) as file:
                    present = [name for name in file.schema_arrow.names if name in columns]
                    for batch in file.iter_batches(rows, columns=present or None):
                        batch.validate(full=True)
                        yield self._table(pa.Table.from_batches([batch]), fields, number, path)
                        number += batch.num_rows
            except (pa.ArrowException, OSError) as error:
                raise UserError(f"cannot read {path} from row {number} on: {error}") from None

    def _table(self, found: pa.Table, fields: Sequence[pa.Field], first: int, path: Path) -> pa.Table:
        columns = []
        for field in fields:
            values = self._column(found[field.name], field, path) if field.name in found.column_names else None
            if field.name in ("id", "language") and (values is None or values.null_count):
                given = self._given(field.name, first, found.num_rows)
                values = given if values is None else pc.coalesce(values, given)
            if values is None:
                raise UserError(f"{path} has no column '{field.name}'; it has {', '.join(found.column_names)}")
            columns.append(values)
        return pa.Table.from_arrays(columns, schema=pa.schema(fields, self.schema.metadata))

    def _given(self, name: str, first: int, rows: int) -> pa.Array:
        """Return the ids, or the languages, of rows that have none of their own."""
        if name == "language":
            return pa.array([self.language] * rows)
        return pa.array([f"{self.name}-{number:09d}" for number in range(first, first + rows)])

    def _column(self, values: pa.ChunkedArray, field: pa.Field, path: Path) -> pa.ChunkedArray:
        """Return a column in the schema's type; names of labels become their indices, an unknown one -1."""
        if pa.types.is_integer(field.type) and _is_text(values.type):
            return self._indices(values.cast(pa.string())).cast(field.type)
        if pa.types.is_integer(field.type) and self.names:
            numbers = pa.array(range(len(self.names)), values.type)
            values = pc.take(pa.array(self.names), pc.index_in(values, value_set=numbers))
            return self._indices(values).cast(field.type)
        try:
            return values.cast(field.type)
        except pa.ArrowInvalid as error:
            raise UserError(f"{path}: column '{field.name}' is {values.type}, expected {field.type}: {error}") from None
        except pa.ArrowNotImplementedError:
            raise UserError(f"{path}: column '{field.name}' is {values.type}, expected {field.type}") from None

    def _indices(self, names: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return the place of each name among the format's labels, a number as it is, -1 for others."""
        indices = pc.index_in(names, value_set=pa.array(self.format.labels)).cast(pa.int64())
        numbers = pc.if_else(pc.match_substring_regex(names, r"^\d{1,9}$"), names, None).cast(pa.int64())
        return pc.if_else(pc.is_valid(names), pc.coalesce(indices, numbers, -1), None)


def open_set(folder: Path, *, origin: str | None = None) -> InputDataset:
    """Return a folder's rows. `origin` must be given for a folder that is not one of ours.

    Raises UserError when there is no folder, no readable parquet file, no row, or when the columns fit no format.
    """
    if origin is not None and origin not in get_args(Origin):
        raise unknown("origin", origin, get_args(Origin))
    if not folder.is_dir():
        raise UserError(f"no dataset folder at {folder}")
    if is_finished(folder):
        return _own(folder, origin)
    paths = sorted(path for path in folder.rglob("*.parquet") if "rejected" not in path.relative_to(folder).parts)
    if not paths:
        raise UserError(f"{folder} has no synthgen.json and no parquet files")
    columns = _columns(paths)
    task, format_ = _format_of(columns, folder)
    if origin is None:
        raise UserError(
            f"{folder} has no synthgen.json to say where its rows come from: give --origin real, "
            "synthetic, translated or sample"
        )
    features = row_features(format_, translated="translated_from" in columns)
    facts = (folder.resolve().name, task, format_, "en", UNKNOWN, origin, tuple(paths), features)
    return InputDataset(*facts, _count(paths, folder), names=_label_names(paths, features, format_.labels))


def _own(folder: Path, origin: str | None) -> InputDataset:
    manifest = read_manifest(folder)
    if origin not in (None, manifest.origin):
        refuse(f"the rows of {folder} are {manifest.origin} by its synthgen.json", origin=origin)
    format_, paths = dataset_format(manifest), tuple(shard_paths(folder))
    if not paths:
        raise UserError(f"{folder} has a manifest and no data/train-*.parquet")
    features = row_features(format_, translated="translated_from" in _columns(paths))
    facts = (manifest.task, format_, manifest.language, manifest.licence, manifest.origin)
    return InputDataset(folder.resolve().name, *facts, paths, features, _count(paths, folder), manifest)


def _columns(paths: Sequence[Path]) -> list[str]:
    """Return the column names of the files; UserError when one cannot be read or they differ."""
    found: list[str] = []
    for path in paths:
        try:
            names = pq.read_schema(path).names
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"cannot read {path}: {error}") from None
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise UserError(f"{path} has two columns '{twice}'")
        if found and set(names) != set(found):
            raise UserError(f"{path} has the columns {', '.join(names)}; {paths[0].name} has {', '.join(found)}")
        found = names
    return found


def _label_names(paths: Sequence[Path], features: Features, labels: Sequence[str]) -> tuple[str, ...]:
    """Return the files' own order of the labels, as `datasets` writes it; empty where it is the format's or not there.

    UserError when their labels are others, or files differ.
    """
    orders: dict[tuple[str, ...], Path] = {}
    named = [name for name, feature in features.items() if "names" in feature.get("feature", feature)]
    for path, name in product(paths, named):
        names = _class_labels(path, name)
        if names and (sorted(names) != sorted(labels) or ("feature" in features[name] and names != tuple(labels))):
            raise UserError(f"{path} numbers the labels {', '.join(names)}; expected are {', '.join(labels)}")
        orders.setdefault(names or tuple(labels), path)
    if len(orders) > 1:
        raise UserError(" and ".join(str(path) for path in orders.values()) + " number the labels differently")
    return () if tuple(labels) in orders else next(iter(orders), ())


def _class_labels(path: Path, column: str) -> tuple[str, ...]:
    """Return the names that a file's metadata gives a column's labels, none for plain numbers."""
    try:
        told: Any = json.loads((pq.read_schema(path).metadata or {}).get(b"huggingface", b"{}"))
        feature = told["info"]["features"][column]
        names = tuple(map(str, feature.get("feature", feature)["names"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return ()
    return () if all(name.isdecimal() for name in names) else names


def _is_text(kind: pa.DataType) -> bool:
    """Say whether values of an Arrow type are texts, however they are stored."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _count(paths: Sequence[Path], folder: Path) -> int:
    rows = int(sum(pq.read_metadata(path).num_rows for path in paths))
    if not rows:
        raise UserError(f"{folder} has no rows")
    return rows


def _format_of(columns: Sequence[str], folder: Path) -> tuple[str, Format]:
    """Return the first task whose columns are all there."""
    for task, sources in SOURCES.items():
        if set(sources[0].format.columns) - {"id"} <= set(columns):
            return task, sources[0].format
    known = "; ".join(f"{task}: {', '.join(sources[0].format.columns)}" for task, sources in SOURCES.items())
    raise UserError(f"{folder} has the columns {', '.join(columns)}, which fit no task ({known})")
