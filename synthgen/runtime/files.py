"""Files and folders that appear whole or not at all, their hashes, and how sizes and times are printed."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from synthgen.errors import UserError, is_disk_full


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
