"""The Parquet files of a dataset folder: shards of kept rows, their fingerprints, and rejections with reasons."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from synthgen.dataset.fingerprints import FINGERPRINTS, fingerprint_table
from synthgen.dataset.layout import FINGERPRINTS_NAME
from synthgen.dataset.manifest import Manifest, dataset_format
from synthgen.errors import UserError
from synthgen.formats import Format
from synthgen.formats.base import Features, Row, string
from synthgen.runtime.files import file_sha256, move, new_file, remove
from synthgen.runtime.workers import Workers
from synthgen.text.json_text import JsonFault, parse_json
from synthgen.text.parquet import count_rows, read_batches

SoftLabel = tuple[npt.NDArray[np.float32], float]
"""A verifier's probabilities of all labels, in their order, and of the row's own."""
ROWS_PER_SHARD = 100_000
ROWS_PER_GROUP = 10_000


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that was not kept: a short reason, the stage that dropped it, its evidence, and the row as JSON."""

    id: str
    reason: str
    stage: str
    evidence: str
    row: Row


def shard_paths(folder: Path) -> list[Path]:
    """Return the folder's data shards in order."""
    return sorted((folder / "data").glob("train-*.parquet"))


def read_rows(folder: Path | str) -> Iterator[Row]:
    """Yield the kept rows in order, one shard in memory at a time; UserError names a shard that cannot be read."""
    for path in shard_paths(Path(folder)):
        for batch in read_batches(path):
            yield from batch.to_pylist()


def read_ids(folder: Path | str) -> Iterator[str]:
    """Yield the ids of the kept rows in order; UserError names a shard that cannot be read."""
    for path in shard_paths(Path(folder)):
        for batch in read_batches(path, ["id"]):
            yield from batch.column("id").to_pylist()


def draw_key(seed: int, row_id: str) -> int:
    """Return a number that depends on the seed and the row's id alone, so that draws nest and survive re-ordering."""
    text = f"{seed}:{row_id}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def sample_rows(folder: Path | str, count: int, *, seed: int = 0) -> list[Row]:
    """Return `count` kept rows drawn at random, in their order; all rows when there are not more."""
    paths = shard_paths(Path(folder))
    total = sum(map(count_rows, paths))
    if total <= count:
        return list(read_rows(folder))
    places = np.sort(np.random.default_rng(seed).choice(total, count, replace=False))
    rows: list[Row] = []
    first = 0
    for batch in (batch for path in paths for batch in read_batches(path)):
        here = places[np.searchsorted(places, first) : np.searchsorted(places, first + batch.num_rows)]
        rows += batch.take(pa.array(here - first)).to_pylist()
        first += batch.num_rows
    return rows


def read_rejected(folder: Path | str) -> Iterator[Rejection]:
    """Yield the rejections of a finished folder in order; UserError names a file that cannot be read."""
    for path in sorted((Path(folder) / "rejected").glob("*.parquet")):
        for row in (row for batch in read_batches(path) for row in batch.to_pylist()):
            try:
                yield Rejection(**{**row, "row": parse_json(row["row"])})
            except (TypeError, JsonFault) as error:
                raise UserError(f"{path} holds no rejected rows: {error}") from None


def read_fingerprints(folder: Path) -> Iterator[tuple[str, int]]:
    """Yield (id, fingerprint) of every row as it was written; UserError when the file cannot be read."""
    for batch in read_batches(folder / FINGERPRINTS_NAME):
        yield from zip(batch.column("id").to_pylist(), batch.column("fingerprint").to_pylist(), strict=True)


def row_features(format_: Format, *, translated: bool = False, soft_labels: bool = False) -> Features:
    """Return the features of a stored row: the real set's columns, then `id`, `language`, and `translated_from`.

    With `soft_labels` a row has a verifier's probabilities of all labels too, and that of its own label.
    """
    features = {"id": string(), **format_.features()} if "id" in format_.columns else {**format_.features()}
    features |= {"id": string(), "language": string()}
    if translated:
        features["translated_from"] = string()
    return features | _SOFT_LABEL if soft_labels else features


def stored_features(manifest: Manifest) -> Features:
    """Return the features of the rows of a finished set."""
    is_translated = manifest.origin == "translated"
    return row_features(dataset_format(manifest), translated=is_translated, soft_labels=manifest.has_soft_labels)


def with_soft_labels(table: pa.Table, soft_labels: Mapping[str, SoftLabel], schema: pa.Schema) -> pa.Table:
    """Return a table of rows with the probabilities and the weight of each, by its id."""
    shares, weights = zip(*(soft_labels[row_id] for row_id in table["id"].to_pylist()), strict=True)
    columns = {name: table[name] for name in table.column_names} | {LABEL_PROBS: shares, WEIGHT: weights}
    return pa.table([columns[field.name] for field in schema], schema=schema)


LABEL_PROBS, WEIGHT = "label_probs", "weight"
"""Columns of a verifier's probabilities: of every label in the format's order, and of the row's own."""
_FLOAT = {"_type": "Value", "dtype": "float32"}
_SOFT_LABEL: Features = {LABEL_PROBS: {"_type": "List", "feature": _FLOAT}, WEIGHT: _FLOAT}


def arrow_schema(features: Features) -> pa.Schema:
    """Return the Arrow schema of Hugging Face features, with the metadata `datasets` reads ClassLabel names from."""
    columns = [(name, _arrow_type(feature)) for name, feature in features.items()]
    info = json.dumps({"info": {"features": features}})
    return pa.schema(columns, metadata={"huggingface": info})


def _arrow_type(feature: Any) -> pa.DataType:  # noqa: ANN401 - a feature tree is nested dicts
    if feature.get("_type") == "Value":
        return pa.type_for_alias(feature["dtype"])
    if feature.get("_type") == "ClassLabel":
        return pa.int64()
    if feature.get("_type") == "List":
        return pa.list_(_arrow_type(feature["feature"]))
    return pa.struct([(name, _arrow_type(inner)) for name, inner in feature.items()])


def write_rows(folder: Path, rows: Iterable[Row], features: Features) -> dict[str, str]:
    """Write rows as parquet shards under `folder/data` and return {relative path: sha256}."""
    schema = arrow_schema(features)
    return write_tables(folder, _tables(rows, schema), schema)


def write_tables(
    folder: Path, tables: Iterable[pa.Table], schema: pa.Schema, workers: Workers | None = None
) -> dict[str, str]:
    """Write tables of 10,000 rows as parquet shards under `folder/data` and return {relative path: sha256}.

    Shards hold 100,000 rows; the number of shards is part of their names, so they are renamed when it is known. Beside
    them goes `fingerprints.parquet`, which lets `card --verify` name a row that was changed later. The `workers` write
    the shards; what is in them does not depend on how many there are.
    """
    data, workers = folder / "data", workers or Workers()
    for earlier in (data, folder / FINGERPRINTS_NAME):
        remove(earlier)
    data.mkdir(parents=True)
    drafts: list[Path] = []

    def _shards() -> Iterator[tuple[Path, pa.Schema, Iterable[pa.Table]]]:
        batches = iter(tables)
        for first in batches:
            shard = chain([first], islice(batches, ROWS_PER_SHARD // ROWS_PER_GROUP - 1))
            drafts.append(data / f"draft-{len(drafts):05d}")
            yield drafts[-1], schema, shard if workers.processes < 2 else list(shard)

    with parquet_writer(folder / FINGERPRINTS_NAME, FINGERPRINTS) as fingerprints:
        for prints in workers.map(_write_shard, _shards(), ahead=1):
            fingerprints.write_table(prints, ROWS_PER_GROUP)
    final = [data / f"train-{i:05d}-of-{len(drafts):05d}.parquet" for i in range(len(drafts))]
    for draft, path in zip(drafts, final, strict=True):
        move(draft, path)
    return {str(path.relative_to(folder)): file_sha256(path) for path in (*final, folder / FINGERPRINTS_NAME)}


def _write_shard(shard: tuple[Path, pa.Schema, Iterable[pa.Table]]) -> pa.Table:
    """Write one parquet file and return the fingerprints of its rows."""
    path, schema, tables = shard
    prints = []
    with parquet_writer(path, schema) as writer:
        for table in tables:
            writer.write_table(table)
            prints.append(fingerprint_table(table))
    return pa.concat_tables(prints)


@contextmanager
def parquet_writer(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """Yield the writer of a new Parquet file, in a folder that is a draft or not finished."""
    with new_file(path) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        yield writer


def regrouped(tables: Iterable[pa.Table], schema: pa.Schema, rows: int = ROWS_PER_GROUP) -> Iterator[pa.Table]:
    """Yield the rows of tables of any sizes as tables of so many; one empty table for no rows."""
    waiting, is_empty = schema.empty_table(), True
    for table in tables:
        waiting = pa.concat_tables([waiting, table])
        while waiting.num_rows >= rows:
            yield waiting.slice(0, rows)
            waiting, is_empty = waiting.slice(rows), False
    if waiting.num_rows or is_empty:
        yield waiting


def cell_counts(format_: Format, table: pa.Table) -> Counter[str]:
    """Return how many of a table's rows are in each cell; where labels are plain values, each is looked at once."""
    short = table.select([column for column in format_.columns if column not in format_.text_columns])
    if len(short.column_names) > 1 or pa.types.is_nested(short.schema[0].type):
        return Counter(map(format_.cell, short.to_pylist()))
    counted = short.column(0).value_counts()
    labels = pa.table([counted.field("values")], short.column_names).to_pylist()
    return Counter(dict(zip(map(format_.cell, labels), counted.field("counts").to_pylist(), strict=True)))


def _tables(rows: Iterable[Row], schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the rows as tables of 10,000; one empty table for no rows, so that every set has a shard."""
    iterator = iter(rows)
    batch = list(islice(iterator, ROWS_PER_GROUP))
    yield pa.Table.from_pylist(batch, schema=schema)
    while batch := list(islice(iterator, ROWS_PER_GROUP)):
        yield pa.Table.from_pylist(batch, schema=schema)


def write_rejected(folder: Path, rejections: Iterable[Rejection]) -> dict[str, str]:
    """Write rejections as `rejected/rejected-00000.parquet` and return {relative path: sha256}."""
    path = folder / "rejected" / "rejected-00000.parquet"
    remove(path.parent)
    path.parent.mkdir(parents=True)
    schema = pa.schema([(field.name, pa.string()) for field in fields(Rejection)])
    iterator, encode = iter(rejections), json.JSONEncoder(ensure_ascii=False).encode
    with parquet_writer(path, schema) as writer:
        while batch := list(islice(iterator, ROWS_PER_GROUP)):
            rows = [(item.id, item.reason, item.stage, item.evidence, encode(item.row)) for item in batch]
            columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
    return {str(path.relative_to(folder)): file_sha256(path)}
