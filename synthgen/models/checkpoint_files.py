"""The files of a checkpoint folder, checked without torch: what they list is there, whole, and every number finite.

What only the architecture knows, which weights there have to be, is checked when the model is built (`loading`).
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from synthgen.dataset.layout import MANIFEST_NAME
from synthgen.errors import UserError, listed, plain_os_error
from synthgen.runtime.files import json_sha256
from synthgen.runtime.integrity import folder_faults, known_sha256
from synthgen.text.json_text import JsonFault, parse_json, read_json_object

WEIGHTS = ("*.safetensors",)
READ = ("*.json", *WEIGHTS, "*.model", "*.txt", "*.jinja")
"""Patterns of the files that a model or its tokenizer is read from."""

_INDEX = "model.safetensors.index.json"
_LENGTH_BYTES, _LARGEST_HEADER = 8, 100_000_000
_FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_ALL_ONES = np.uint16(0xFF << 7)
"""The exponent of a bfloat16, which numpy has no type for: all its bits are set in what is no finite number."""
_AT_ONCE = 1 << 20
_OTHERS = (".bin", ".pt", ".pth", ".h5", ".msgpack")


def trained_revision(folder: Path) -> str | None:
    """Return the hash of the files that `evaluator train` lists in a checkpoint; None for a folder that lists none.

    UserError for a file that is not as it was when the training ended.
    """
    path = folder / MANIFEST_NAME
    files = read_json_object(path).get("files") if path.is_file() else None
    if not isinstance(files, dict) or not files:
        return None
    if fault := next(folder_faults(folder, files, MANIFEST_NAME), None):
        raise UserError(f"{folder / fault}; copy or train it again, or remove {path} to take the folder as it is")
    return json_sha256(files)[:24]


def check_weights(folder: Path) -> None:
    """Raise UserError for a folder without safetensors, or with one that is cut, or holds NaN or infinity."""
    if not (shards := sorted(folder.glob("*.safetensors"))):
        others = sorted(path.name for path in folder.iterdir() if path.suffix in _OTHERS)
        note = f"; {listed(others, 3)} may hold code and is not read" if others else ""
        raise UserError(f"{folder} has no weights in safetensors{note}: save the model with save_pretrained")
    weights = set[str]()
    for shard in shards:
        with plain_os_error(f"cannot read {shard}"):
            weights |= _weights(shard, known_sha256(shard))
    index = read_json_object(folder / _INDEX) if (folder / _INDEX).is_file() else {}
    of_shards = index.get("weight_map")
    if missing := sorted(set(of_shards if isinstance(of_shards, dict) else ()) - weights):
        raise UserError(f"{folder} is not a whole checkpoint: weights are missing: {listed(missing, 3)}")


@lru_cache(maxsize=1024)
def _weights(path: Path, _digest: str) -> frozenset[str]:
    """Return the names of a file's weights; UserError when it is cut, no safetensors, or one is not finite."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        text = file.read(length) if length <= min(_LARGEST_HEADER, size) else b""
    start = _LENGTH_BYTES + length
    try:
        header = parse_json(text.decode())
        ends = {name: _end(entry) for name, entry in header.items() if name != "__metadata__"}
    except (JsonFault, ValueError, TypeError, KeyError, AttributeError):
        raise UserError(f"{path} cannot be read: its header is damaged; copy or fetch it again") from None
    if (whole := start + max(ends.values(), default=0)) != size:
        raise UserError(f"{path} cannot be read: it has {size:,} bytes in place of {whole:,}; copy or fetch it again")
    if wrong := sorted(name for name in ends if not _is_finite(path, start, header[name])):
        raise UserError(f"{path.parent} is not a whole checkpoint: weights are not finite: {listed(wrong, 3)}")
    return frozenset(ends)


def _end(entry: Mapping[str, Any]) -> int:
    """Return where a weight ends; ValueError when its place has not the size of its shape."""
    (first, end), of_type = entry["data_offsets"], _FLOATS.get(entry["dtype"])
    if not 0 <= first <= end or (of_type and end - first != math.prod(entry["shape"]) * np.dtype(of_type).itemsize):
        raise ValueError("a weight has not the size of its shape")
    return int(end)


def _is_finite(path: Path, start: int, entry: Mapping[str, Any]) -> bool:
    (first, end), dtype = entry["data_offsets"], _FLOATS.get(entry["dtype"])
    if dtype is None or first == end:
        return True
    kind = np.dtype(dtype)
    numbers = np.memmap(path, kind, "r", start + first, ((end - first) // kind.itemsize,))
    parts = (numbers[at : at + _AT_ONCE] for at in range(0, len(numbers), _AT_ONCE))
    if entry["dtype"] == "BF16":
        return all(bool(((part & _ALL_ONES) != _ALL_ONES).all()) for part in parts)
    return all(bool(np.isfinite(part).all()) for part in parts)
