"""Files and folders that appear whole or not at all, their hashes, and sizes, counts and times in few characters."""

import glob
import hashlib
import os
import platform
import re
import secrets
import shutil
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from synthgen.errors import UserError, plain_os_error

DRAFT_DAYS = 7
"""After this a draft of another machine is taken to be abandoned."""
_WRITER = re.compile(r"(?P<host>.*)-(?P<process>\d+)(\.[0-9a-f]{8})?\.draft")


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


@contextmanager
def draft_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside `target` that takes its place when the block ends well, and is removed otherwise.

    Whatever fills `target` has to be removed in the block: only an empty folder is replaced. OSError when it is not.
    """
    draft = new_draft(target)
    try:
        yield draft
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def new_draft(target: Path) -> Path:
    """Return a new empty folder `.NAME.HOST-PROCESS.RANDOM.draft` beside `target`; OSError when there can be none.

    Drafts that nobody writes any more are removed: of processes of this machine that have ended, and of other machines
    after a week.
    """
    start, host = f".{target.name[:100]}.", platform.node()
    for path in target.parent.glob(f"{glob.escape(start)}*.draft"):
        writer = _WRITER.fullmatch(path.name.removeprefix(start))
        with suppress(OSError):
            is_old = time.time() - path.stat().st_mtime > DRAFT_DAYS * 86_400
            if not _is_running(writer["process"]) if writer and writer["host"] == host else is_old:
                shutil.rmtree(path, ignore_errors=True)
    draft = target.parent / f"{start}{host}-{os.getpid()}.{secrets.token_hex(4)}.draft"
    draft.mkdir(parents=True)
    return draft


def _is_running(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, ValueError):
        return False
    except OSError:
        pass  # somebody else's
    return True


def remove(path: Path) -> None:
    """Remove what is at a path, if anything: a file, a link (not what it leads to), or a folder and all in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def check_writable(folder: Path, what: str) -> None:
    """Raise UserError unless files can be written to a folder or, before it is made, to its nearest parent."""
    folder = folder.absolute()
    with plain_os_error(f"cannot write {what}"):
        tempfile.TemporaryFile(dir=next(path for path in (folder, *folder.parents) if path.exists())).close()


def read_toml(path: Path, what: str = "") -> dict[str, Any]:
    """Return the values of a TOML file; UserError when it cannot be read, with `what` before its name."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"cannot read {what}{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not TOML: {error}") from None


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def format_size(size: float) -> str:
    """Return a number of bytes in gigabytes.

    >>> format_size(1_250_000_000)
    '1.2 GB'
    """
    return f"{size / 1e9:.1f} GB"


def format_count(count: float) -> str:
    """Return a number in three figures.

    >>> format_count(999), format_count(12_345), format_count(3_927_020)
    ('999', '12.3k', '3.93M')
    """
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return f"{count:.3g}"


def format_duration(seconds: float) -> str:
    """Return a time in its two largest units.

    >>> format_duration(42), format_duration(605), format_duration(90_000)
    ('42 s', '10 min 05 s', '25 h 00 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
