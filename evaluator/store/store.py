"""The content-addressed store: a node is a folder named by the hash of everything that determines it.

    STORE/<kind>/<key>/synthgen.json           written last; the node is finished when it exists
    STORE/<kind>/.<key>.<process>.draft        a node being written; swept away when its process is gone
    STORE/logs/<kind>-<key>.log                what a run did and when, a line each; a second attempt is appended

Kinds are `intermediate` (a checkpoint folder), `target` (what its training did; weights only when asked for),
`predictions` and `scores`. Killing a process leaves finished nodes and drafts, nothing in between. Any number of
processes, on all machines that see the folder, may write to a store at once: the first to finish a node wins.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evaluator.store.mirror import Mirror, is_address, local_folder
from synthgen.dataset.layout import MANIFEST_NAME
from synthgen.errors import UserError
from synthgen.runtime.files import check_writable, new_draft, write_atomically

STORE_VERSION = 1
"""Goes up when the meaning of a node changes; stores of another version are refused."""

STORE_FILE = "store.json"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Node:
    """A result identified by what it is made from. `inputs` are JSON values; parents appear in them by key."""

    kind: str
    inputs: Json
    key: str = field(init=False)

    def __post_init__(self) -> None:
        document = json.dumps([STORE_VERSION, self.kind, self.inputs], sort_keys=True, ensure_ascii=False)
        object.__setattr__(self, "key", hashlib.sha256(document.encode()).hexdigest()[:24])

    def __hash__(self) -> int:
        return hash(self.key)


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of nodes; with a mirror, this machine's copy of some of the nodes at an address."""

    root: Path
    mirror: Mirror | None = None

    @classmethod
    def open(cls, place: Path | str, models: Mapping[str, str]) -> Store:
        """Return the store at a folder or an fsspec address, made when missing; `models` maps references to revisions.

        Raises UserError for a store of another version, or one that knows a model by another revision: its name would
        stand for two models in one table.
        """
        mirror, root, here = _place(place)
        for ref, revision in models.items():
            if (known := here["models"].get(ref, revision)) != revision:
                raise UserError(
                    f"{place} holds runs of {ref} at revision {known}; it is now {revision}: use another --store"
                )
        root.mkdir(parents=True, exist_ok=True)
        path = root / STORE_FILE
        write_atomically(path, json.dumps({**here, "models": {**here["models"], **models}}, indent=2) + "\n")
        if mirror:
            mirror.write(path, STORE_FILE)
        return cls(root, mirror)

    def folder(self, node: Node) -> Path:
        """Return where a node is, or will be; one that is only at the mirror is fetched."""
        path = self._folder(node)
        if self.mirror and not (path / MANIFEST_NAME).is_file() and self.mirror.has(node.kind, node.key):
            self.mirror.fetch(node.kind, node.key, path)
        return path

    def _folder(self, node: Node) -> Path:
        return self.root / node.kind / node.key

    def manifest(self, node: Node) -> Json | None:
        """Return the manifest of a finished node, else None."""
        path = self.folder(node) / MANIFEST_NAME
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def is_finished(self, node: Node) -> bool:
        """Say whether a node is there."""
        is_here = (self._folder(node) / MANIFEST_NAME).is_file()
        return is_here or (self.mirror is not None and self.mirror.has(node.kind, node.key))

    def results(self, node: Node) -> Json:
        """Return what a finished node recorded."""
        if (manifest := self.manifest(node)) is None:
            raise RuntimeError(f"node {node.kind}/{node.key} is not finished")
        return dict(manifest["results"])

    @contextmanager
    def writing(self, node: Node) -> Iterator[tuple[Path, Json]]:
        """Yield a draft folder and the results to fill in; on success they become the finished node, atomically."""
        final = self._folder(node)
        draft = new_draft(final)
        results: Json = {}
        yield draft, results
        manifest = {"kind": node.kind, "key": node.key, "inputs": node.inputs, "results": results}
        _sync(draft)
        write_atomically(draft / MANIFEST_NAME, json.dumps(manifest, ensure_ascii=False, indent=2) + "\n")
        if not (final / MANIFEST_NAME).is_file():
            shutil.rmtree(final, ignore_errors=True)
        try:
            draft.rename(final)
        except OSError:
            if not (final / MANIFEST_NAME).is_file():
                raise
            shutil.rmtree(draft, ignore_errors=True)
        if self.mirror:
            self.mirror.put(node.kind, node.key, final)

    def log(self, node: Node, text: str) -> None:
        """Append a line, with the time, to the log of the run that makes a node."""
        path = self.root / "logs" / f"{node.kind}-{node.key}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')}  {text}\n")


def check_store(place: Path | str) -> None:
    """Raise UserError unless runs can be kept at a place; nothing is made there."""
    _, root, _ = _place(place)
    check_writable(root, f"to --store {place}")


def _place(place: Path | str) -> tuple[Mirror | None, Path, Json]:
    """Return the mirror, the folder and the head of the store at a place; UserError for one of another version."""
    mirror = Mirror(str(place)) if is_address(str(place)) else None
    root = local_folder(str(place)) if mirror else Path(place)
    path = root / STORE_FILE
    text = mirror.read(path.name) if mirror else path.read_text(encoding="utf-8") if path.is_file() else None
    try:
        head: Json = {"version": STORE_VERSION, "models": {}} if text is None else json.loads(text)
        version = head["version"]
    except (ValueError, TypeError, KeyError):
        raise UserError(f"{place} is not a store: its {STORE_FILE} cannot be read; use another --store") from None
    if version != STORE_VERSION:
        raise UserError(
            f"{place} is a store of version {version}, this is version {STORE_VERSION}; use another --store"
        )
    return mirror, root, head


def _sync(folder: Path) -> None:
    """Force the files to disk, so that a manifest never outlives what it vouches for."""
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
