"""The manifest of a node: what it is made from, its results, the SHA-256 of its files and of the manifest itself."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthgen.dataset.layout import MANIFEST_NAME
from synthgen.errors import UserError
from synthgen.runtime.files import json_sha256, write_atomically
from synthgen.runtime.integrity import folder_faults, folder_hashes
from synthgen.text.json_text import read_json_object

_SHAPE = {"kind": str, "key": str, "inputs": dict, "results": dict, "files": dict}


def write_node(folder: Path, facts: dict[str, Any]) -> None:
    """Write the manifest of a node whose files are all in the folder."""
    manifest = {**facts, "files": folder_hashes(folder)}
    document = {**manifest, "sha256": json_sha256(manifest)}
    write_atomically(folder / MANIFEST_NAME, json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def read_node(folder: Path) -> dict[str, Any]:
    """Return the manifest of a node; UserError when it is not as it was written."""
    try:
        manifest = read_json_object(folder / MANIFEST_NAME, nan=True)
        digest = manifest.pop("sha256")
    except (UserError, KeyError):
        raise UserError(f"{MANIFEST_NAME} cannot be read") from None
    if digest != json_sha256(manifest):
        raise UserError(f"{MANIFEST_NAME} was changed after it was written: its SHA-256 differs")
    if not _is_of_a_node(manifest):
        raise UserError(f"{MANIFEST_NAME} is not that of a run")
    return manifest


def _is_of_a_node(manifest: Mapping[str, Any]) -> bool:
    """Say whether a manifest has what `write_node` writes; its own SHA-256 vouches for nothing else."""
    has_shape = all(isinstance(manifest.get(name), kind) for name, kind in _SHAPE.items())
    return has_shape and all(isinstance(digest, str) for digest in manifest["files"].values())


def read_own_node(folder: Path, key: str | None = None) -> dict[str, Any]:
    """Return the manifest of the node that a folder is named for, or of `key`; UserError for any other."""
    manifest = read_node(folder)
    if manifest["key"] != (key or folder.name):
        raise UserError(f"{MANIFEST_NAME} is that of {manifest['kind']}/{manifest['key']}")
    return manifest


def node_fault(folder: Path, *, key: str | None = None, anew: bool = False) -> str | None:
    """Return what is wrong with a finished node, None when it is whole; `anew` reads files of a known hash again."""
    try:
        manifest = read_own_node(folder, key)
    except UserError as error:
        return str(error)
    return next(folder_faults(folder, manifest["files"], MANIFEST_NAME, anew=anew), None)
