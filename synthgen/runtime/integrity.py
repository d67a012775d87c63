"""Finished files against the SHA-256 that was written when they were finished.

A file is read for its hash once: the hash is kept with the file's device, inode, size and times, in the process and,
of a large file, in the user cache. A file that was copied or touched is read again; Git's index works the same way.
"""

import hashlib
import json
import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from synthgen.errors import first_line
from synthgen.runtime.cache import cache_root
from synthgen.runtime.files import file_sha256, write_atomically

LARGE = 4_000_000
"""Bytes of a file from which on its hash is worth a file in the user cache: some milliseconds of reading."""

_TICK = 50_000_000
"""Nanoseconds in which a file may change again without another time (a kernel's clock ticks up to every 10 ms)."""


class _State(NamedTuple):
    """What a file has before and after a change of its content only if somebody sets clocks back."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int

    @classmethod
    def of(cls, state: os.stat_result) -> "_State":
        """Return what tells a changed file from the one that was read."""
        return cls(state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


_known: dict[_State, str] = {}


def known_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, computed where it is not known for the file as it is now."""
    state = _State.of(path.stat())
    digest = _known.get(state) or _kept(state)
    if digest is None:
        digest = file_sha256(path)
        if _State.of(path.stat()) != state or time.time_ns() - max(state.modified, state.changed) < _TICK:
            return digest
        _keep(state, digest)
    _known[state] = digest
    return digest


def folder_hashes(folder: Path) -> dict[str, str]:
    """Return {path inside the folder: SHA-256} of every file of a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): known_sha256(path) for path in files}


def file_fault(path: Path, digest: str, listed_in: str, *, anew: bool = False) -> str:
    """Return what is wrong with a file of that SHA-256, to be said after its name, or ""; `anew` reads it."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return "is not a file"
        actual = file_sha256(path) if anew else known_sha256(path)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror or first_line(error)}"
    except ValueError:
        return "is not a name of a file"
    return "" if actual == digest else f"is not the file that {listed_in} lists: its SHA-256 differs"


def folder_faults(folder: Path, files: Mapping[str, str], listed_in: str, *, anew: bool = False) -> Iterator[str]:
    """Yield "NAME is missing" and the like for each listed file that is not as it was finished."""
    for name, digest in files.items():
        if fault := file_fault(folder / name, digest, listed_in, anew=anew):
            yield f"{name} {fault}"


def _place(state: _State) -> Path:
    return cache_root() / "hashes" / hashlib.sha256(repr((state.device, state.inode)).encode()).hexdigest()[:32]


def _kept(state: _State) -> str | None:
    if state.size < LARGE:
        return None
    with suppress(OSError, ValueError, RecursionError):
        known = json.loads(_place(state).read_text(encoding="utf-8"))
        if isinstance(known, list) and known[:-1] == list(state):
            return str(known[-1])
    return None


def _keep(state: _State, digest: str) -> None:
    if state.size >= LARGE:
        with suppress(OSError):
            _place(state).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(_place(state), json.dumps([*state, digest]) + "\n")
