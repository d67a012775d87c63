"""The content-addressed store: a node is a folder named by the hash of everything that determines it.

    STORE/<kind>/<key>/synthgen.json           written last; the node is finished when it exists
    STORE/<kind>/.<key>.<writer>.draft         a node being written; swept away when its process is gone
    STORE/logs/<kind>-<key>.log                what a run did and when, a line each; a second attempt is appended

Kinds are `intermediate` (a checkpoint folder), `target` (what its training did; weights only when asked for),
`predictions`, `scores`, `features` and `overlap` (of data). A manifest lists the SHA-256 of the node's files and has
one of itself: a node that is not as it was finished counts as not done, is said and removed, and the run makes it
again. Killing a process leaves finished nodes and drafts, nothing in between. Any number of processes, on all machines
that see the folder, may write to a store at once: the first to finish a node wins.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evaluator.store.manifest import node_fault, read_node, read_own_node, write_node
from evaluator.store.mirror import Mirror, is_address, local_folder
from synthgen.console import note
from synthgen.dataset.layout import MANIFEST_NAME
from synthgen.errors import IncompleteError, UserError
from synthgen.runtime.drafts import sweep
from synthgen.runtime.files import check_writable, move, naming, scratch_folder, sync_folder, write_atomically

STORE_VERSION = 2
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
                    f"{place} contains runs of {ref} at revision {known}; the model is now at {revision}: use another "
                    "--store"
                )
        root.mkdir(parents=True, exist_ok=True)
        for kind in root.iterdir():
            sweep(kind)
        path = root / STORE_FILE
        write_atomically(path, json.dumps({**here, "models": {**here["models"], **models}}, indent=2) + "\n")
        if mirror:
            mirror.write(path, STORE_FILE)
        return cls(root, mirror)

    def folder(self, node: Node) -> Path:
        """Return where a finished node is, fetched from the mirror if need be; IncompleteError for a damaged one."""
        path = self.path(node)
        if not self.is_finished(node):
            raise IncompleteError(f"{path} was changed during the command; run the same command again")
        if self.mirror and not (path / MANIFEST_NAME).exists():
            self.mirror.fetch(node.kind, node.key, path)
        return path

    def path(self, node: Node) -> Path:
        """Return where a node will be."""
        return self.root / node.kind / node.key

    def is_finished(self, node: Node) -> bool:
        """Say whether a node is there, whole; one that was changed since it was finished is said and removed."""
        folder = self.path(node)
        if (folder / MANIFEST_NAME).exists():
            if not (fault := node_fault(folder)):
                return True
            self._remove(folder, fault)
        return self.mirror is not None and self.mirror.has(node.kind, node.key)

    def _remove(self, folder: Path, fault: str) -> None:
        """Move a damaged node out of the way, unless another process has made it again, and say so."""
        try:
            with scratch_folder(folder) as aside:
                move(folder, aside)
                if node_fault(aside, key=folder.name) is None:
                    move(aside, folder)
                    return
        except OSError:  # another process was quicker
            return
        note(f"{folder}: {fault}; it is computed again")

    def results(self, node: Node) -> Json:
        """Return what a finished node recorded."""
        return dict(read_node(self.folder(node))["results"])

    def finished(self, kind: str) -> Iterator[Json]:
        """Yield the manifests of this machine's nodes of a kind; damaged ones are passed over."""
        for path in sorted((self.root / kind).glob(f"*/{MANIFEST_NAME}")):
            with suppress(UserError):
                yield read_own_node(path.parent)

    @contextmanager
    def writing(self, node: Node) -> Iterator[tuple[Path, Json]]:
        """Yield a draft folder and the results to fill in; on success they become the finished node, atomically."""
        final = self.path(node)
        results: Json = {}
        with scratch_folder(final) as draft:
            yield draft, results
            sync_folder(draft)
            write_node(draft, {"kind": node.kind, "key": node.key, "inputs": node.inputs, "results": results})
            if node_fault(final):
                shutil.rmtree(final, ignore_errors=True)
            try:
                move(draft, final)
            except OSError:
                if node_fault(final):
                    raise
        if self.mirror:
            self.mirror.put(node.kind, node.key, final)

    def log(self, node: Node, text: str) -> None:
        """Append a line, with the time, to the log of the run that makes a node."""
        path = self.root / "logs" / f"{node.kind}-{node.key}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        with naming(path), path.open("a", encoding="utf-8") as file:
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
    text = mirror.read(path.name) if mirror else _text(path)
    head = {"version": STORE_VERSION, "models": {}} if text is None else _parsed(text)
    if head is None:
        advice = "use another --store" if mirror else f"use another --store, or: evaluator store repair {place}"
        raise UserError(f"{place} is not a store: its {STORE_FILE} cannot be read; {advice}")
    if (version := head["version"]) != STORE_VERSION:
        raise UserError(
            f"{place} is a store of version {version}, this is version {STORE_VERSION}; use another --store"
        )
    return mirror, root, head


def has_head(root: Path) -> bool:
    """Say whether a store's folder has a head that can be read; UserError for a store of another version."""
    path = root / STORE_FILE
    text = _text(path)
    if path.exists() and (text is None or _parsed(text) is None):
        return False
    _place(root)
    return True


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None


def _parsed(text: str) -> Json | None:
    try:
        head = json.loads(text)
        return {"version": head["version"], "models": dict(head["models"])}
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
