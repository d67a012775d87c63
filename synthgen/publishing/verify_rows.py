"""The rows of a set read once, ten thousand at a time: counts, labels, ids, column types, and every row's fingerprint.

This is the part of a verification that takes time. Memory stays flat; rows are looked up by id only when a
fingerprint has already been found to differ.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthgen import console
from synthgen.dataset.fingerprints import fingerprint, fingerprint_table
from synthgen.dataset.layout import FINGERPRINTS_NAME
from synthgen.dataset.manifest import Manifest, dataset_format
from synthgen.dataset.shards import arrow_schema, read_fingerprints, read_rows, shard_paths, stored_features
from synthgen.errors import UserError
from synthgen.formats import Format
from synthgen.formats.base import Features
from synthgen.publishing.verification import FAULTS_SHOWN, VerificationLog
from synthgen.text.json_text import parse_json
from synthgen.text.languages import SEVERAL_LANGUAGES
from synthgen.text.parquet import read_batches, read_schema


@dataclass(frozen=True, slots=True)
class _Counts:
    """Counts of labels and languages, and the hashes of the ids, of the rows so far."""

    labels: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    ids: list[int] = field(default_factory=list)

    def add(self, table: pa.Table, format_: Format) -> None:
        """Count the rows of a table."""
        for row in table.to_pylist():
            self.labels[format_.cell(row)] += 1
            self.languages[row["language"]] += 1
            self.ids.append(hash(row["id"]))


def verify_rows(folder: Path, manifest: Manifest, log: VerificationLog) -> bool:
    """Compare the rows with the manifest and with their fingerprints; False when they cannot be read."""
    format_, counts = dataset_format(manifest), _Counts()
    features = stored_features(manifest)
    if faults := list(_schema_faults(folder, features)):
        log.faults += faults
        return False
    written = read_fingerprints(folder) if (folder / FINGERPRINTS_NAME).is_file() else None
    as_written = True
    try:
        for name, table in _tables(folder, manifest.kept):
            if faults := [*_gaps(table, format_, name), *_label_faults(table, features, name)]:
                log.faults += faults
                return False
            counts.add(table, format_)
            as_written = as_written and (written is None or _is_next(written, table))
        as_written = as_written and (written is None or next(written, None) is None)
    except (UserError, KeyError, TypeError, IndexError) as error:
        log.faults.append(f"the rows cannot be read: {error!r}" if isinstance(error, KeyError) else str(error))
        return False
    _compare(folder, manifest, counts, log)
    if written is None:
        log.skipped.append("fingerprints: they are not here, so a changed row cannot be named")
        return True
    log.recomputed.append("fingerprints")
    if not as_written:
        log.faults += list(islice(_changed_rows(folder), FAULTS_SHOWN)) or ["the rows are in another order"]
    return True


def _compare(folder: Path, manifest: Manifest, counts: _Counts, log: VerificationLog) -> None:
    languages = counts.languages
    log.compare("kept", manifest.kept, counts.labels.total())
    log.compare("n", manifest.n, counts.labels.total())
    if manifest.label_counts or manifest.labels:
        claimed = {label: count for label, count in manifest.label_counts.items() if count}
        log.compare("label_counts", claimed, dict(counts.labels))
    if languages:  # a set of which no row was kept has none to compare with
        log.compare("language", manifest.language, next(iter(languages)) if len(languages) == 1 else SEVERAL_LANGUAGES)
    if len(np.unique(np.array(counts.ids, dtype=np.int64))) < len(counts.ids):
        occurrences = Counter(row["id"] for row in read_rows(folder))
        repeated = (f"the id {row_id} occurs {count} times" for row_id, count in occurrences.items() if count > 1)
        log.faults += islice(repeated, FAULTS_SHOWN)


def _tables(folder: Path, total: int) -> Iterator[tuple[str, pa.Table]]:
    """Yield each shard's name with ten thousand of its rows; UserError names a shard that cannot be read."""
    with console.progress() as bar:
        task = bar.add_task("verify", total=total, note="")
        for path in shard_paths(folder):
            for batch in read_batches(path):
                yield f"data/{path.name}", pa.Table.from_batches([batch])
                bar.advance(task, batch.num_rows)


def _schema_faults(folder: Path, features: Features) -> Iterator[str]:
    """Yield a line for each shard whose columns, their types or the names of its labels are not those of the format."""
    format_schema = arrow_schema(features)
    expected = {field.name: field.type for field in format_schema}  # not as text: parquet renames the items of lists
    for path in shard_paths(folder):
        try:
            schema = read_schema(path)
        except UserError as error:
            yield str(error)
            continue
        types = {field.name: field.type for field in schema}
        differing = [name for name in {**expected, **types} if types.get(name) != expected.get(name)]
        for name in differing:
            column = f"the column '{name}' is {types.get(name, 'not there')}"
            yield f"data/{path.name}: {column}; a set of this format has {expected.get(name, 'no such column')}"
        if not differing and _metadata(schema) != _metadata(format_schema):
            yield f"data/{path.name}: its columns are described otherwise than {folder.name}'s format describes them"


def _metadata(schema: pa.Schema) -> Any:  # noqa: ANN401 - what `datasets` reads of it
    try:
        return parse_json((schema.metadata or {}).get(b"huggingface", b"{}").decode())
    except ValueError:
        return None


def _gaps(table: pa.Table, format_: Format, name: str) -> Iterator[str]:
    """Yield a line for each column of texts with a cell that holds nothing."""
    for column in ("id", "language", *format_.text_columns):
        if table[column].null_count:
            place = pc.index(pc.is_null(table[column]), True).as_py()
            yield f"{name}, row {table['id'][place]}: {column} is null"


def _label_faults(table: pa.Table, features: Features, name: str) -> Iterator[str]:
    """Yield a line for each column of labels that holds no label's number, with the first row that does so."""
    for column, feature in features.items():
        inner = feature.get("feature", feature)
        if inner.get("_type") != "ClassLabel":
            continue
        labels, values = len(inner["names"]), table[column].combine_chunks()
        is_list = pa.types.is_list(values.type)
        flat = values.flatten() if is_list else values
        is_label = pc.and_(pc.greater_equal(flat, 0), pc.less(flat, labels)).fill_null(False)
        if (place := pc.index(is_label, False).as_py()) >= 0:
            row = pc.list_parent_indices(values)[place].as_py() if is_list else place
            fault = f"{column} is {flat[place].as_py()}; allowed: 0 to {labels - 1}"
            yield f"{name}, row {table['id'][row]}: {fault}"


def _is_next(written: Iterator[tuple[str, int]], table: pa.Table) -> bool:
    """Say whether the next rows that were written are these, in this order."""
    pairs = list(zip(*(column.to_pylist() for column in fingerprint_table(table).columns), strict=True))
    return list(islice(written, len(pairs))) == pairs


def _changed_rows(folder: Path) -> Iterator[str]:
    """Yield a line for each row that was changed, removed or added since it was written."""
    written = dict(read_fingerprints(folder))
    for row in read_rows(folder):
        expected = written.pop(row["id"], None)
        if expected is None:
            yield f"row {row['id']} was not there when the set was written"
        elif expected != fingerprint(row):
            yield f"row {row['id']} was changed after it was written"
    yield from (f"row {row_id} was removed" for row_id in written)
