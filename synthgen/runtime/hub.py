"""What both packages know of the Hugging Face hub's dataset repositories: where Parquet files lie, what they say."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence


def endpoint() -> str | None:
    """Return the hub to talk to when the environment names another than the usual one."""
    return os.environ.get("HF_ENDPOINT") or None


def parquet_files(names: Sequence[str], config: str, split: str) -> list[str]:
    """Return the Parquet files of a split, in shard order, in any of the layouts the hub uses.

    >>> layout = ["mnli/train-00000-of-00001.parquet", "qqp/train-00000-of-00001.parquet", "mnli/test-0.parquet"]
    >>> parquet_files(layout, "mnli", "train")
    ['mnli/train-00000-of-00001.parquet']
    >>> parquet_files(["default/train/0000.parquet"], "default", "train")
    ['default/train/0000.parquet']
    """
    of_split = re.compile(rf"(.*/)?{re.escape(split)}([-./].*)?\.parquet")
    found = sorted(name for name in names if of_split.fullmatch(name))
    of_config = [name for name in found if config in name.split("/")[:-1]]
    # A repository with one configuration keeps its files in data/ or at the top.
    return of_config or [name for name in found if name.split("/")[0] == "data" or "/" not in name]


def class_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """Return {column: class names} of the columns that `datasets` stored as ClassLabel or as lists of it."""
    info = json.loads((metadata or {}).get(b"huggingface", b"{}")).get("info") or {}
    found = {}
    for column, feature in (info.get("features") or {}).items():
        inner = feature.get("feature", feature) if isinstance(feature, dict) else {}
        if isinstance(inner, dict) and inner.get("_type") == "ClassLabel":
            found[column] = list(inner["names"])
    return found
