"""The dataset folder: parquet shards of kept rows, rejections with reasons, and a manifest that is written last.

A folder is finished when `synthgen.json` exists. Real, synthetic, translated and sample data have the same shape and
differ in `origin` only. Neighbours: `generate` and `real` write folders, `filters` read and write them, `evaluator`
reads them.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from itertools import chain, islice, pairwise
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synthgen.errors import UserError, is_disk_full
from synthgen.formats import Format, format_from_manifest
from synthgen.formats.base import Features, Row, string
from synthgen.runtime.workers import Workers
from synthgen.text.arrow import changed, joined, sizes

MANIFEST_NAME = "synthgen.json"
LEDGER_NAME = "ledger.sqlite"
FINGERPRINTS_NAME = "fingerprints.parquet"
_REPLACED = ("data", "rejected", "README.md", "croissant.json", FINGERPRINTS_NAME)
ROWS_PER_SHARD = 100_000
ROWS_PER_GROUP = 10_000

_LISTS = ("columns", "labels", "parents")
_MAPPINGS: tuple[str, ...] = ("rejected", "label_counts", "files", "attempts", "sampling", "versions")
_MAPPINGS += ("tokens", "hardware", "statistics", "checks")

Origin = Literal["real", "synthetic", "translated", "sample"]


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that was not kept: a short reason, the stage that dropped it, its evidence, and the row as JSON."""

    id: str
    reason: str
    stage: str
    evidence: str
    row: Row


@dataclass(frozen=True, slots=True)
class Manifest:
    """Every fact of a finished dataset folder; `schemas/manifest.schema.json` documents each key."""

    task: str
    format: str
    columns: tuple[str, ...]
    labels: tuple[str, ...]
    origin: Origin
    language: str
    licence: str
    n: int
    asked: int
    kept: int
    failed: int
    rejected: dict[str, int]
    label_counts: dict[str, int]
    seed: int
    files: dict[str, str]
    attempts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("ok", "bad", "http", "timeout"), 0))
    model: dict[str, Any] | None = None
    engine: str | None = None
    prompt_hash: str | None = None
    prompt_text: str = ""
    parser_hash: str | None = None
    filters_hash: str | None = None
    sampling: dict[str, Any] = field(default_factory=dict)
    parents: tuple[dict[str, Any], ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    hardware: dict[str, Any] = field(default_factory=dict)
    statistics: dict[str, Any] = field(default_factory=dict)
    checks: dict[str, Any] = field(default_factory=dict)
    command: str = ""
    schema_version: int = 1

    def __post_init__(self) -> None:
        """Refuse counts that do not add up: a lost or doubled row is a bug, never a rounding."""
        accounted = self.kept + sum(self.rejected.values()) + self.failed
        if self.asked != accounted:
            raise ValueError(f"asked {self.asked} is not kept + rejected + failed = {accounted}")
        if sum(self.label_counts.values()) not in (0, self.kept):
            raise ValueError(f"label counts {self.label_counts} do not add up to kept {self.kept}")

    @property
    def content_hash(self) -> str:
        """Hash of the kept rows' files: equal for equal data, whatever the folder is called."""
        data = {name: digest for name, digest in self.files.items() if name.startswith("data/")}
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()

    def to_json(self) -> str:
        """Return the manifest as the text of `synthgen.json`."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, *, where: str) -> Manifest:
        """Return the manifest of a JSON text; unknown or missing keys are named in one UserError."""
        try:
            values = json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            raise UserError(f"{where} is not JSON: {error}") from None
        known = {item.name for item in fields(cls)}
        if not isinstance(values, dict) or set(values) - known:
            extra = sorted(set(values) - known) if isinstance(values, dict) else type(values).__name__
            raise UserError(f"{where} has unknown keys {extra}; known: {', '.join(sorted(known))}")
        for key, kind in (*((name, list) for name in _LISTS), *((name, dict) for name in _MAPPINGS)):
            if key in values and not isinstance(values[key], kind):
                allowed = "a list" if kind is list else "a mapping"
                raise UserError(
                    f"{where} is not a dataset manifest: {key} is {values[key]!r:.60}; allowed is {allowed}"
                )
        for key in _LISTS:
            values[key] = tuple(values.get(key, ()))
        try:
            return cls(**values)
        except (TypeError, ValueError) as error:
            raise UserError(f"{where} is not a dataset manifest: {error}") from None


def scale_counts(counts: Mapping[str, int], n: int) -> dict[str, int]:
    """Return `counts` scaled to sum to exactly `n` by largest remainder; ties go to the earlier name.

    >>> scale_counts({"entailment": 130_899, "neutral": 130_900, "contradiction": 130_903}, 200)
    {'entailment': 66, 'neutral': 67, 'contradiction': 67}
    """
    total = sum(counts.values())
    if total <= 0:
        raise ValueError(f"counts must be positive, got {dict(counts)}")
    floors = {name: n * count // total for name, count in counts.items()}
    by_remainder = sorted(counts, key=lambda name: -(n * counts[name] % total))
    for name in by_remainder[: n - sum(floors.values())]:
        floors[name] += 1
    return floors


def is_finished(folder: Path) -> bool:
    """Say whether the folder holds a finished dataset."""
    with suppress(OSError):
        return (folder / MANIFEST_NAME).is_file()
    return False


def read_manifest(folder: Path | str) -> Manifest:
    """Return the manifest of a finished folder; UserError when there is none or it cannot be read."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"no dataset folder at {folder}")
    if not is_finished(folder):
        raise UserError(f"{folder} is not a finished dataset folder: it has no {MANIFEST_NAME}")
    path = folder / MANIFEST_NAME
    try:
        return Manifest.from_json(path.read_text(encoding="utf-8"), where=str(path))
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from None


def dataset_format(manifest: Manifest) -> Format:
    """Return the format object that reads and writes this dataset's rows."""
    return format_from_manifest(manifest.format, manifest.columns, manifest.labels)


def shard_paths(folder: Path) -> list[Path]:
    """Return the folder's data shards in order."""
    return sorted((folder / "data").glob("train-*.parquet"))


def read_rows(folder: Path | str) -> Iterator[Row]:
    """Yield the kept rows in order, one shard in memory at a time; UserError names a shard that cannot be read."""
    for path in shard_paths(Path(folder)):
        for batch in read_batches(path):
            yield from batch.to_pylist()


def read_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a parquet file, ten thousand at a time; UserError names a file that cannot be read and why."""
    try:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(ROWS_PER_GROUP)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"cannot read {path}: {error}") from None


def sample_rows(folder: Path | str, count: int, *, seed: int = 0) -> list[Row]:
    """Return `count` kept rows drawn at random, in their order; all rows when there are not more."""
    paths = shard_paths(Path(folder))
    total = sum(pq.read_metadata(path).num_rows for path in paths)
    if total <= count:
        return list(read_rows(folder))
    wanted = np.sort(np.random.default_rng(seed).choice(total, count, replace=False))
    found: list[Row] = []
    first = 0
    for batch in (batch for path in paths for batch in read_batches(path)):
        here = wanted[np.searchsorted(wanted, first) : np.searchsorted(wanted, first + batch.num_rows)]
        found += batch.take(pa.array(here - first)).to_pylist()
        first += batch.num_rows
    return found


def read_rejected(folder: Path | str) -> Iterator[Rejection]:
    """Yield the rejections of a finished folder in order."""
    for path in sorted((Path(folder) / "rejected").glob("*.parquet")):
        for row in pq.read_table(path).to_pylist():
            yield Rejection(row["id"], row["reason"], row["stage"], row["evidence"], json.loads(row["row"]))


def row_features(format_: Format, *, translated: bool = False) -> Features:
    """Return the features of a stored row: the real set's columns, then `id`, `language`, and `translated_from`."""
    features = {"id": string(), **format_.features()} if "id" in format_.columns else {**format_.features()}
    features |= {"id": string(), "language": string()}
    return features | ({"translated_from": string()} if translated else {})


def make_folder(out: Path) -> None:
    """Make a folder that a run writes to, unless it is there; UserError when it cannot be made."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if is_disk_full(error):
            raise
        raise UserError(f"--out {out} cannot be a folder: {error.strerror}; give another --out") from None


def make_run_folder(out: Path) -> None:
    """Make a folder that a run with a ledger writes to, or take the one where it was; see `refuse_foreign`."""
    refuse_foreign(out)
    make_folder(out)


def refuse_foreign(out: Path) -> None:
    """Raise UserError when a folder holds what a run with a ledger would replace and no run of ours has written."""
    if (place := next((each for each in (out, *out.parents) if each.exists()), out)).is_file():
        raise UserError(f"--out {out} cannot be a folder: {place} is a file; give another --out")
    if (out / LEDGER_NAME).exists():
        return
    if is_finished(out):
        manifest = read_manifest(out)
        raise UserError(f"{out} holds a finished {manifest.origin} {manifest.task} set; give another --out")
    if foreign := next((name for name in _REPLACED if (out / name).exists()), None):
        raise UserError(f"{out} holds {foreign}, which no run of synthgen has written; give another --out")


@contextmanager
def drafted(out: Path) -> Iterator[Path]:
    """Yield an empty folder beside `out` that takes its place when the block ends well and is removed when it does not.

    Drafts of processes that were killed are removed. UserError when `out` cannot be made, or is there and holds
    something.
    """
    refuse_taken(out)
    out = out.resolve()
    make_folder(out.parent)
    here = f".{out.name[:100]}-{platform.node()[:50]}-"
    for left in out.parent.glob(f"{glob.escape(here)}*-*"):
        if not _is_running(left.name.removeprefix(here).partition("-")[0]):
            shutil.rmtree(left, ignore_errors=True)
    try:
        draft = Path(tempfile.mkdtemp(dir=out.parent, prefix=f"{here}{os.getpid()}-"))
    except OSError as error:
        if is_disk_full(error):
            raise
        raise UserError(f"cannot write to {out.parent}: {error.strerror}") from None
    try:
        yield draft
        draft.chmod(0o755)
        if out.exists():
            out.rmdir()
        draft.rename(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def refuse_taken(out: Path) -> None:
    """Raise UserError when a folder cannot be made at `out`: something is there, or its name is none."""
    try:
        is_taken = out.exists() and (not out.is_dir() or any(out.iterdir()))
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror}") from None
    if is_taken:
        raise UserError(f"{out} exists and is not a dataset folder; give another --out")
    if out.is_mount() or out.resolve() == Path.cwd():
        raise UserError(f"{out} cannot be replaced: name a folder inside it")


def _is_running(process: str) -> bool:
    """Say whether a process of this machine runs, by its number."""
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, ValueError):
        return False
    except OSError:
        return True
    return True


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
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    drafts: list[Path] = []

    def shards() -> Iterator[tuple[Path, pa.Schema, Iterable[pa.Table]]]:
        batches = iter(tables)
        for first in batches:
            shard = chain([first], islice(batches, ROWS_PER_SHARD // ROWS_PER_GROUP - 1))
            drafts.append(data / f"draft-{len(drafts):05d}")
            yield drafts[-1], schema, shard if workers.processes < 2 else list(shard)

    with pq.ParquetWriter(folder / FINGERPRINTS_NAME, _FINGERPRINTS, compression="zstd") as fingerprints:
        for prints in workers.map(_write_shard, shards(), ahead=1):
            fingerprints.write_table(prints, ROWS_PER_GROUP)
    final = [draft.rename(data / f"train-{i:05d}-of-{len(drafts):05d}.parquet") for i, draft in enumerate(drafts)]
    return {str(path.relative_to(folder)): file_sha256(path) for path in (*final, folder / FINGERPRINTS_NAME)}


def _write_shard(shard: tuple[Path, pa.Schema, Iterable[pa.Table]]) -> pa.Table:
    """Write one parquet file and return the fingerprints of its rows."""
    path, schema, tables = shard
    prints = []
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table)
            prints.append(fingerprint_table(table))
    return pa.concat_tables(prints)


def _tables(rows: Iterable[Row], schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the rows as tables of 10,000; one empty table for no rows, so that every set has a shard."""
    iterator = iter(rows)
    batch = list(islice(iterator, ROWS_PER_GROUP))
    yield pa.Table.from_pylist(batch, schema=schema)
    while batch := list(islice(iterator, ROWS_PER_GROUP)):
        yield pa.Table.from_pylist(batch, schema=schema)


_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode
_FINGERPRINTS = pa.schema([("id", pa.string()), ("fingerprint", pa.uint64())])


def fingerprint_table(table: pa.Table) -> pa.Table:
    """Return id and `fingerprint` of each row; the JSON is put together column by column, not row by row."""
    parts: list[Any] = []
    for name in sorted(table.column_names):
        parts += [f"{', ' if parts else '{'}{_encode(name)}: ", *_encoded(table[name].combine_chunks())]
    rows = pc.binary_join_element_wise(*parts, "}", "")
    text = memoryview(joined(rows))
    borders = pairwise([0, *np.cumsum(sizes(rows)).tolist()])
    prints = b"".join([hashlib.blake2b(text[start:end], digest_size=8).digest() for start, end in borders])
    found = pa.array(np.frombuffer(prints, dtype=">u8").astype(np.uint64))
    return pa.table({"id": table["id"], "fingerprint": found}, schema=_FINGERPRINTS)


def _encoded(values: pa.Array) -> list[Any]:
    """Return a column's values as JSON, in parts that are to be joined."""
    if pa.types.is_integer(values.type) and not values.null_count:
        return [values.cast(pa.string())]
    if pa.types.is_string(values.type) and not values.null_count:
        is_escaped = pc.match_substring_regex(values, r'["\\\x00-\x1f]')
        return ['"', changed(values, is_escaped, lambda text: encode_basestring(text)[1:-1]), '"']
    return [pa.array(map(_encode, values.to_pylist()), pa.string())]


def fingerprint(row: Row) -> int:
    """Return 64 bits that change when any value of the row does: BLAKE2b of its JSON, keys sorted."""
    text = _encode(row).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def read_fingerprints(folder: Path) -> Iterator[tuple[str, int]]:
    """Yield (id, fingerprint) of every row as it was written; UserError when the file cannot be read."""
    for batch in read_batches(folder / FINGERPRINTS_NAME):
        yield from zip(batch.column("id").to_pylist(), batch.column("fingerprint").to_pylist(), strict=True)


def write_rejected(folder: Path, rejections: Iterable[Rejection]) -> dict[str, str]:
    """Write rejections as `rejected/rejected-00000.parquet` and return {relative path: sha256}."""
    target = folder / "rejected"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    path = target / "rejected-00000.parquet"
    names = ("id", "reason", "stage", "evidence", "row")
    schema = pa.schema([(name, pa.string()) for name in names])
    iterator, encode = iter(rejections), json.JSONEncoder(ensure_ascii=False).encode
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while batch := list(islice(iterator, ROWS_PER_GROUP)):
            rows = [(item.id, item.reason, item.stage, item.evidence, encode(item.row)) for item in batch]
            columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
    return {str(path.relative_to(folder)): file_sha256(path)}


def finish(folder: Path, manifest: Manifest) -> Manifest:
    """Write the manifest, which makes the folder finished; the write is atomic."""
    write_atomically(folder / MANIFEST_NAME, manifest.to_json())
    return manifest


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees either nothing or all of it, also after a crash; text as UTF-8."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise


def check_writable(folder: Path, what: str) -> None:
    """Raise UserError unless files can be written to a folder or, before it is made, to its nearest parent."""
    folder = folder.absolute()
    try:
        with tempfile.TemporaryFile(dir=next(path for path in (folder, *folder.parents) if path.exists())):
            pass
    except OSError as error:
        if is_disk_full(error):
            raise
        raise UserError(f"cannot write {what}: {error.strerror}") from None


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
