"""A store at an fsspec address (s3://, gs://, ...): each machine works in a folder of its own, results meet there.

Finished nodes are copied up, their manifest last, and copied down where another machine needs them. Tokenised data stay
on the machine that made them: they are made again faster than they are copied.
"""

import hashlib
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from evaluator.store.manifest import node_fault
from synthgen.dataset.layout import MANIFEST_NAME
from synthgen.errors import IncompleteError, UserError, requires
from synthgen.runtime.cache import cache_root
from synthgen.runtime.files import draft_folder

NOT_COPIED = ("features",)


def is_address(text: str) -> bool:
    """Say whether a --store names an address rather than a folder."""
    return "://" in text


def local_folder(address: str) -> Path:
    """Return this machine's working folder for an address."""
    return cache_root() / "stores" / hashlib.sha256(address.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Mirror:
    """The finished nodes at an address."""

    address: str

    @cached_property
    def _files(self) -> tuple[Any, str]:
        with requires("fsspec", "hub", f"--store {self.address}"):
            import fsspec
        try:
            files, root = fsspec.core.url_to_fs(self.address)
        except (ImportError, ValueError) as error:
            raise UserError(f"--store {self.address}: {error}") from None
        return files, root.rstrip("/")

    def has(self, kind: str, key: str) -> bool:
        """Say whether a node is there."""
        files, root = self._files
        return kind not in NOT_COPIED and bool(files.exists(f"{root}/{kind}/{key}/{MANIFEST_NAME}"))

    def fetch(self, kind: str, key: str, folder: Path) -> None:
        """Copy a finished node to a folder, which appears whole or not at all.

        IncompleteError for one that is damaged there; it is removed, so that the next run makes it again.
        """
        files, root = self._files
        with draft_folder(folder) as draft:
            for path in files.find(f"{root}/{kind}/{key}"):
                target = draft / path.partition(f"/{kind}/{key}/")[2]
                target.parent.mkdir(parents=True, exist_ok=True)
                files.get_file(path, str(target))
            if fault := node_fault(draft, key=key):
                files.rm(f"{root}/{kind}/{key}", recursive=True)
                raise IncompleteError(
                    f"{self.address}/{kind}/{key}: {fault}; it was removed, the same command makes it again"
                )
            shutil.rmtree(folder, ignore_errors=True)

    def put(self, kind: str, key: str, folder: Path) -> None:
        """Copy a finished node to the address, its manifest last."""
        if kind in NOT_COPIED:
            return
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        for path in sorted(paths, key=lambda path: path.name == MANIFEST_NAME):
            self.write(path, f"{kind}/{key}/{path.relative_to(folder).as_posix()}")

    def read(self, name: str) -> str | None:
        """Return the text of a file beside the nodes, None where there is none."""
        files, root = self._files
        return files.cat_file(f"{root}/{name}").decode(errors="replace") if files.exists(f"{root}/{name}") else None

    def write(self, path: Path, name: str) -> None:
        """Copy a file to a name below the address."""
        files, root = self._files
        files.makedirs(f"{root}/{name}".rpartition("/")[0], exist_ok=True)
        files.put_file(str(path), f"{root}/{name}")
