"""Training rows from the Hugging Face hub: Parquet files at a resolved revision, read row by row.

A branch is resolved to a commit once and remembered in a lock file in the user cache, with the files of the split, so
that the same command gives the same rows tomorrow, and needs no network then.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from synthgen.corpora.catalogue import CorpusEntry, HubSplit
from synthgen.corpora.readers.item import UNLABELLED, Item, is_labelled
from synthgen.corpora.readers.text import require
from synthgen.errors import IncompleteError, UserError, first_line, missing_package
from synthgen.formats import Format
from synthgen.runtime.cache import cache_root
from synthgen.runtime.files import write_atomically
from synthgen.runtime.hub import class_names, download, named_rows, network_errors, parquet_files, repository_files
from synthgen.text.json_text import read_json_object
from synthgen.text.parquet import read_schema

LOCK_NAME = "hub.lock.json"


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """One Parquet file of a split: where it lies now, its name in the repository, and the commit it is of."""

    path: Path
    name: str
    revision: str


def fetch_split(split: HubSplit, source: CorpusEntry) -> list[FetchedFile]:
    """Return the split's files, downloaded where the hub's cache lacks them.

    Raises IncompleteError, with the ways out, when the hub does not answer or has no such split.
    """
    if find_spec("huggingface_hub") is None:
        raise missing_package("huggingface_hub", "hub", f"--from hub for {source.name}")
    key = f"{split.repo}@{split.branch}:{split.config}/{split.split}"
    try:
        lock = _read_locks().get(key) or _resolve(split)
        revision, names = lock["revision"], lock["files"]
        fetched = [FetchedFile(download(split.repo, name, revision), name, revision) for name in names]
    except network_errors() as error:
        raise IncompleteError(
            f"cannot fetch {split.repo} ({split.config}/{split.split}) from the hub: {first_line(error)}. Nothing was "
            f"written. Run the command again when the hub answers, or give --from PATH with {source.official}"
        ) from None
    # Written after the files have arrived.
    cache_root().mkdir(parents=True, exist_ok=True)
    write_atomically(cache_root() / LOCK_NAME, json.dumps(_read_locks() | {key: lock}, indent=2, sort_keys=True) + "\n")
    return fetched


def _read_locks() -> dict[str, Any]:
    path = cache_root() / LOCK_NAME
    return read_json_object(path) if path.is_file() else {}


def _resolve(split: HubSplit) -> dict[str, Any]:
    """Ask the hub for the branch's commit and the split's files; IncompleteError when it has none."""
    revision, names = repository_files(split.repo, split.branch)
    if not (files := parquet_files(names, split.config, split.split)):
        parquet = [name for name in names if name.endswith(".parquet")]
        raise IncompleteError(
            f"{split.repo} has no Parquet files for {split.config}/{split.split}; "
            f"it has {', '.join(parquet[:8]) or 'none'}"
        )
    return {"revision": revision, "files": files}


def read_hub_parquet(path: Path, format_: Format, ids: str = "") -> Iterator[Item]:
    """Yield the rows of a hub Parquet file in the format's columns, class labels mapped by their names.

    Only rows whose id begins with `ids`.
    """
    schema = read_schema(path)
    require(dict.fromkeys(schema.names), format_.columns, str(path))
    columns = [name for name in schema.names if name in format_.columns or name == "id"]
    classes = {column: names for column, names in class_names(schema.metadata).items() if column in columns}
    for names in classes.values():
        if set(names) != set(format_.labels):
            raise UserError(f"{path} has the labels {', '.join(names)}; expected {', '.join(format_.labels)}")
    for row in named_rows(path, columns):
        if not ids or str(row["id"]).startswith(ids):
            row |= {column: _indices(row[column], format_.labels) for column in classes}
            row_id = row["id"] if "id" in format_.columns else row.pop("id", None)
            fault = None if is_labelled(row, format_) else UNLABELLED
            yield Item(row, id=None if row_id is None else str(row_id), fault=fault)


def _indices(value: Any, labels: tuple[str, ...]) -> Any:  # noqa: ANN401 - a label's name, or a list of them
    if isinstance(value, list):
        return [_indices(name, labels) for name in value]
    return labels.index(value) if value in labels else -1
