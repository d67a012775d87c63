"""Dataset repositories of the Hugging Face hub: where their Parquet files lie, and the class names stored in them."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from synthgen.text.json_text import parse_json
from synthgen.text.parquet import read_batches, read_schema

BATCH_ROWS = 1_000


def endpoint() -> str | None:
    """Return the hub to talk to when the environment names another than the usual one."""
    return os.environ.get("HF_ENDPOINT") or None


def network_errors() -> tuple[type[BaseException], ...]:
    """Return what the hub's client raises without a network.

    Its own error derives from that of its HTTP library, which is requests, httpx or httpx2 by version, and whose
    connection errors come through as they are.
    """
    try:
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError:
        return (OSError,)
    return (OSError, *HfHubHTTPError.__bases__)


def repository_files(repository: str, revision: str | None) -> tuple[str, list[str]]:
    """Return the commit of a dataset repository's branch or revision, and the names of its files."""
    from huggingface_hub import HfApi

    info = HfApi(endpoint=endpoint()).dataset_info(repository, revision=revision)
    return str(info.sha), [sibling.rfilename for sibling in info.siblings or []]


def download(repository: str, name: str, revision: str) -> Path:
    """Return a dataset repository's file in the hub's cache, downloaded where it is not there."""
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(repository, name, repo_type="dataset", revision=revision, endpoint=endpoint()))


def parquet_files(names: Sequence[str], config: str, split: str) -> list[str]:
    """Return the Parquet files of a split, in shard order, in any of the layouts the hub uses.

    >>> layout = ["mnli/train-00000-of-00001.parquet", "qqp/train-00000-of-00001.parquet", "mnli/test-0.parquet"]
    >>> parquet_files(layout, "mnli", "train")
    ['mnli/train-00000-of-00001.parquet']
    >>> parquet_files(["default/train/0000.parquet"], "default", "train")
    ['default/train/0000.parquet']
    """
    of_split = re.compile(rf"(.*/)?{re.escape(split)}([-./].*)?\.parquet")
    files = sorted(name for name in names if of_split.fullmatch(name))
    of_config = [name for name in files if config in name.split("/")[:-1]]
    # A repository with one configuration keeps its files in data/ or at the top.
    return of_config or [name for name in files if name.split("/")[0] == "data" or "/" not in name]


def class_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """Return {column: class names} of the columns that `datasets` stored as ClassLabel or as lists of it."""
    names = {}
    for column, feature in _features(metadata).items():
        inner = feature.get("feature", feature) if isinstance(feature, dict) else {}
        if isinstance(inner, dict) and inner.get("_type") == "ClassLabel" and isinstance(inner.get("names"), list):
            names[column] = list(map(str, inner["names"]))
    return names


def _features(metadata: Mapping[bytes, bytes] | None) -> dict[str, Any]:
    """Return the features that `datasets` described in a file's metadata; none where they cannot be read."""
    try:
        described = parse_json((metadata or {}).get(b"huggingface", b"{}").decode())
        return dict(described["info"]["features"])
    except (ValueError, KeyError, TypeError):
        return {}


def named_rows(path: Path, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet file of the hub, class numbers replaced by the names that the file gives.

    Hubs order labels as they like: mapped by number, one order's "neutral" is another's "entailment".
    """
    names = class_names(read_schema(path).metadata)
    for row in (row for batch in read_batches(path, columns, BATCH_ROWS) for row in batch.to_pylist()):
        yield row | {column: _named(row[column], names[column]) for column in names.keys() & row}


def _named(value: Any, names: Sequence[str]) -> Any:  # noqa: ANN401 - a class number, or a list of them
    if isinstance(value, list):
        return [_named(item, names) for item in value]
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value
