"""A folder of rows opened for reading: one of ours, or somebody's parquet files, as tables of one schema.

The format of a folder without a manifest is its task's, which is stated or guessed by the columns. Label names become
indices, ids are added where there are none or null, further columns are left out. Nothing of the folder is changed.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.compute as pc

from synthgen import console
from synthgen.corpora.catalogue import find_sources, known_tasks
from synthgen.corpora.readers.columns import ABSENT, LABEL, TEXT_A, TEXT_B
from synthgen.corpora.readers.splits import best_split
from synthgen.dataset.licences import UNKNOWN
from synthgen.dataset.manifest import Manifest, Origin, dataset_format, is_finished, no_folder, read_intact_manifest
from synthgen.dataset.shards import ROWS_PER_GROUP, arrow_schema, row_features, shard_paths
from synthgen.errors import UserError, refuse, refuse_twice, unknown
from synthgen.formats import Format
from synthgen.formats.base import Features
from synthgen.formats.pair import PairFormat
from synthgen.formats.texts import texts_of_sound_rows
from synthgen.runtime.files import file_sha256
from synthgen.runtime.hub import class_names
from synthgen.task.registry import definitions, prompt_files, task_name
from synthgen.text.arrow import is_text
from synthgen.text.languages import SEVERAL_LANGUAGES, UNKNOWN_LANGUAGE, find_language_code, language_code
from synthgen.text.parquet import count_rows, read_batches, read_schema
from synthgen.text.set_language import OPTION, SetLanguage, set_language

ROWS_READ = 1000
"""Rows read to know the language of a folder."""
_OPTIONAL = {"id", "title"}
"""Columns that a foreign folder may lack: ids are numbers then, and no passage has a title."""


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
    aliases: dict[str, str] = field(default_factory=dict)
    """{our column: what the files call it} where that differs."""
    names: tuple[str, ...] = ()
    """What the files themselves say that label indices mean; empty where they say nothing, or what the format says."""

    files: tuple[str, ...] = ()
    """The names of the `paths` in a folder that is not one of ours."""
    set_language: SetLanguage | None = None
    """What says the language of a folder that is not one of ours."""
    definitions: Mapping[str, str] = field(default_factory=dict)
    """What its labels mean in words, by its manifest or the file of its task."""

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
        facts: dict[str, Any] = {"role": role, "name": self.name, "task": self.task, "origin": self.origin}
        facts |= {"licence": self.licence, "rows": self.rows, "content_hash": self.content_hash}
        return facts | ({"files": list(self.files)} if self.files else {})

    def tables(self, rows: int = ROWS_PER_GROUP, columns: Sequence[str] = ()) -> Iterator[pa.Table]:
        """Yield the rows in order, so many at a time, with all columns or only these.

        UserError names a file that cannot be read and why.
        """
        number, fields = 0, [each for each in self.schema if each.name in columns or not columns]
        projection = {self.aliases.get(name, name) for name in columns}
        for path in self.paths:
            present = [name for name in read_schema(path).names if name in projection]
            for batch in read_batches(path, present or None, rows):
                yield self._table(pa.Table.from_batches([batch]), fields, number, path)
                number += batch.num_rows

    def _table(self, raw: pa.Table, fields: Sequence[pa.Field], first: int, path: Path) -> pa.Table:
        columns = []
        for each in fields:
            name = self.aliases.get(each.name, each.name)
            values = self._column(raw[name], each, path) if name in raw.column_names else None
            if each.name in ("id", "language") and (values is None or values.null_count):
                ids = [f"{self.name}-{number:09d}" for number in range(first, first + raw.num_rows)]
                default = pa.array(ids if each.name == "id" else [self.language] * raw.num_rows)
                values = default if values is None else pc.coalesce(values, default)
            if each.name == "title" and values is None and self.manifest is None:
                values = pa.repeat("", raw.num_rows)
            if each.name == "language" and self.manifest is None:
                values = self._languages(values)
            if values is None:
                raise UserError(f"{path} has no column '{name}'; it has {', '.join(raw.column_names)}")
            columns.append(values)
        return pa.Table.from_arrays(columns, schema=pa.schema(fields, self.schema.metadata))

    def _languages(self, values: pa.ChunkedArray) -> pa.Array:
        """Return the codes of a column of languages; the set's where a row says no language, or the user says it."""
        if self.set_language and self.set_language.said_by == OPTION:
            return pa.array([self.language] * len(values))
        distinct = pc.unique(values)
        codes = pa.array([find_language_code(each) or self.language for each in distinct.to_pylist()])
        return pc.take(codes, pc.index_in(values, distinct))

    def _column(self, values: pa.ChunkedArray, field: pa.Field, path: Path) -> pa.ChunkedArray:
        """Return a column in the schema's type; names of labels become their indices, an unknown one -1."""
        if pa.types.is_integer(field.type) and (self.names or is_text(values.type)):
            if not is_text(values.type):
                numbers = pa.array(range(len(self.names)), values.type)
                values = pc.take(pa.array(self.names), pc.index_in(values, value_set=numbers))
            return self._indices(values.cast(pa.string())).cast(field.type)
        try:
            return values.cast(field.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise UserError(f"{path}: column '{field.name}' is {values.type}, expected {field.type}: {error}") from None

    def _indices(self, names: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return the place of each name among the format's labels, a number as it is, -1 for others."""
        indices = pc.index_in(names, value_set=pa.array(self.format.labels)).cast(pa.int64())
        numbers = pc.if_else(pc.match_substring_regex(names, r"^\d{1,9}$"), names, None).cast(pa.int64())
        return pc.if_else(pc.is_valid(names), pc.coalesce(indices, numbers, -1), None)


def open_set(
    folder: Path, *, origin: str | None = None, task: str | None = None, language: str | None = None
) -> InputDataset:
    """Return a folder's rows. Of a folder that is not one of ours `origin` must be given, `task` where its columns and
    labels do not tell it, `language` where neither its rows nor their texts do.

    Raises UserError when there is no folder, no readable parquet file, no row, or when the columns fit no format or
    the labels not the one that was guessed.
    """
    if origin is not None and origin not in get_args(Origin):
        raise unknown("origin", origin, get_args(Origin))
    if task is not None:
        find_sources(task)
    if not folder.is_dir():
        raise no_folder(folder)
    if is_finished(folder):
        return _finished_set(folder, origin, task, language)
    paths = _training_files(folder)
    columns = _columns(paths)
    name, format_, aliases = _format_of(columns, folder, task)
    if origin is None:
        raise UserError(
            f"{folder} has no synthgen.json to say where its rows come from: give --origin real, "
            "synthetic, translated or sample"
        )
    if task is None:
        _note_guess(folder, name)
    dataset = InputDataset(
        name=folder.resolve().name,
        task=name,
        format=format_,
        language=UNKNOWN_LANGUAGE,
        licence=UNKNOWN,
        origin=origin,
        paths=tuple(paths),
        features=row_features(format_, translated="translated_from" in columns),
        rows=_count(paths, folder),
        aliases=aliases,
        files=tuple(path.relative_to(folder).as_posix() for path in paths),
        definitions=definitions(task or name),
    )
    _check_labels(dataset, is_guess=task is None)
    dataset = replace(dataset, names=_label_names(dataset))
    identified = _language(dataset, language, is_stated="language" in columns)
    return replace(dataset, language=identified.code, set_language=identified)


def _note_guess(folder: Path, name: str) -> None:
    """Say on standard error which task the columns stand for, where other tasks have the same."""
    formats = {task: find_sources(task)[0].format for task in known_tasks()}
    if others := [task for task, each in formats.items() if task != name and each.columns == formats[name].columns]:
        also = ", ".join(others)
        console.note(f"{folder}: read as task {name}, by its columns, which {also} have too; --task names another")


def _language(dataset: InputDataset, option: str | None, *, is_stated: bool) -> SetLanguage:
    """Return the language of a folder that is not one of ours: that of the option, of its rows, or of their texts."""
    rows = next(dataset.tables(ROWS_READ)).to_pylist()
    own = {row["language"] for row in rows} - {UNKNOWN_LANGUAGE} if is_stated and option is None else set()
    if own:
        return SetLanguage(own.pop() if len(own) == 1 else SEVERAL_LANGUAGES, "its rows")
    return set_language(texts_of_sound_rows(dataset.format, rows), option=option)


def _training_files(folder: Path) -> list[Path]:
    """Return the parquet files of the best split that names of files and folders state; say which were left out."""
    paths = sorted(path for path in folder.rglob("*.parquet") if "rejected" not in path.relative_to(folder).parts)
    if not paths:
        way_out = f"synthgen import TASK --from {folder} reads other formats"
        raise UserError(f"{folder} has no synthgen.json and no parquet files; {way_out}")
    return [folder / name for name in best_split([path.relative_to(folder) for path in paths], str(folder))]


def _finished_set(folder: Path, origin: str | None, task: str | None, language: str | None) -> InputDataset:
    manifest = read_intact_manifest(folder)
    if origin not in (None, manifest.origin):
        refuse(f"by its synthgen.json, the rows of {folder} are {manifest.origin}", origin=origin)
    if task is not None and task_name(task) != manifest.task:
        refuse(f"by its synthgen.json, the rows of {folder} are of task {manifest.task}", task=task)
    if language and language_code(language) != manifest.language:
        refuse(f"by its synthgen.json, the rows of {folder} are in '{manifest.language}'", language=language)
    format_, paths = dataset_format(manifest), tuple(shard_paths(folder))
    if not paths:
        raise UserError(f"{folder} has a manifest and no data/train-*.parquet")
    is_translated = "translated_from" in _columns(paths)
    is_known = manifest.task in prompt_files()  # what a manifest calls its task is the name of no file here
    return InputDataset(
        name=folder.resolve().name,
        task=manifest.task,
        format=format_,
        language=manifest.language,
        licence=manifest.licence,
        origin=manifest.origin,
        paths=paths,
        features=row_features(format_, translated=is_translated, soft_labels=manifest.has_soft_labels),
        rows=_count(paths, folder),
        manifest=manifest,
        definitions=manifest.definitions or (definitions(manifest.task) if is_known else {}),
    )


def _check_labels(dataset: InputDataset, *, is_guess: bool) -> None:
    """Raise UserError for a label outside the format's when the format is a guess, or when no label is one of its."""
    labels = dataset.format.labels
    columns = [name for name, feature in dataset.features.items() if "names" in feature]
    values = [(value, path) for path, name in product(dataset.paths, columns) for value in _labels(dataset, path, name)]
    numbers = {str(number) for number in range(len(labels))}
    fits = [value in labels or str(value) in numbers for value, _ in values]
    if not all(fits) and (is_guess or not any(fits)):
        value, path = values[fits.index(False)]
        guess = f"task {dataset.task} is a guess from the columns; --task states it"
        hint = guess if is_guess else "expected by --task"
        raise UserError(f"unknown label '{value}' in {path}; known: {', '.join(labels)} ({hint})")


def _labels(dataset: InputDataset, path: Path, column: str) -> list[Any]:
    """Return the distinct labels of a file's rows that have one; none of a type that is refused when it is read."""
    name = dataset.aliases.get(column, column)
    kind = read_schema(path).field(name).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not is_text(kind) and not pa.types.is_integer(kind):
        return []
    distinct = (value for batch in read_batches(path, [name]) for value in pc.unique(batch[name]).to_pylist())
    return [value for value in dict.fromkeys(distinct) if value not in ABSENT]


def _columns(paths: Sequence[Path]) -> list[str]:
    """Return the column names of the files; UserError when one cannot be read or they differ."""
    columns: list[str] = []
    for path in paths:
        names = read_schema(path).names
        refuse_twice(path, names)
        if columns and set(names) != set(columns):
            raise UserError(f"{path} has the columns {', '.join(names)}; {paths[0].name} has {', '.join(columns)}")
        columns = names
    return columns


def _label_names(dataset: InputDataset) -> tuple[str, ...]:
    """Return the files' own order of the labels, as `datasets` writes it; empty where it is the format's or not there.

    UserError when their labels are others, or files differ.
    """
    orders: dict[tuple[str, ...], Path] = {}
    features, labels = dataset.features, dataset.format.labels
    classes = [name for name, feature in features.items() if "names" in feature.get("feature", feature)]
    for path, name in product(dataset.paths, classes):
        names = _class_labels(path, dataset.aliases.get(name, name))
        is_ordered = "feature" in features[name]  # the places of tags in a sequence are not mapped
        fits = names == labels if is_ordered else sorted(names) == sorted(labels)
        if names and not fits:
            raise UserError(f"{path} has the label names {', '.join(names)}; expected: {', '.join(labels)}")
        orders.setdefault(names or labels, path)
    if len(orders) > 1:
        raise UserError(" and ".join(str(path) for path in orders.values()) + " have different orders of label names")
    return () if labels in orders else next(iter(orders), ())


def _class_labels(path: Path, column: str) -> tuple[str, ...]:
    """Return the names that a file's metadata gives a column's labels, none for plain numbers."""
    try:
        names = tuple(map(str, class_names(read_schema(path).metadata)[column]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return ()
    return () if all(name.isdecimal() for name in names) else names


def _count(paths: Sequence[Path], folder: Path) -> int:
    rows = int(sum(map(count_rows, paths)))
    if not rows:
        raise UserError(f"{folder} has no rows")
    return rows


def _format_of(columns: Sequence[str], folder: Path, task: str | None) -> tuple[str, Format, dict[str, str]]:
    """Return the task stated, else the first with these columns; its format; and other names of its columns."""
    names = known_tasks() if task is None else [task]
    formats = {task_name(name): find_sources(name)[0].format for name in names}
    task = task_name(task) if task else None
    for name, format_ in formats.items():
        if set(format_.columns) - _OPTIONAL <= set(columns):
            return name, format_, {}
    if task and isinstance(pair := formats[task], PairFormat):
        aliases = {
            ours: next((name for name in known if name in columns), "")
            for ours, known in zip(pair.columns, (TEXT_A, TEXT_B, LABEL), strict=True)
        }
        if all(aliases.values()):
            return task, pair, aliases
    known = "; ".join(f"{name}: {', '.join(format_.columns)}" for name, format_ in formats.items())
    way_out = f"synthgen import {task or 'TASK'} --from {folder} --columns … reads other columns"
    raise UserError(f"{folder} has the columns {', '.join(columns)}, which fit no task ({known}); {way_out}")
