"""Files and folders that appear whole or not at all, their hashes, and sizes, counts and times in few characters."""

import errno
import hashlib
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from synthgen.errors import UserError, plain_os_error
from synthgen.runtime.drafts import draft_name, sweep


class _NewFile(io.FileIO):
    """A file to write whose errors name what it is going to be called."""

    def __init__(self, path: Path, target: Path, mode: str) -> None:
        self._target = target
        with naming(target):
            super().__init__(path, mode)

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - what holds bytes
        """Write bytes."""
        with naming(self._target):
            return super().write(data)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an OSError name this file, not its draft or none."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a file to write, in a folder that is a draft or not finished; it is on disk when the block ends well."""
    with _writing(path, path, "wb") as file:
        yield file


@contextmanager
def _writing(path: Path, target: Path, mode: str) -> Iterator[BinaryIO]:
    with io.BufferedWriter(_NewFile(path, target, mode)) as file:
        yield file
        file.flush()
        with naming(target):
            os.fsync(file.fileno())


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a file to write that takes the place of `path` when the block ends well, and is removed otherwise.

    A reader sees the old content or the new, also after a crash. What is no file, as a device, is written to directly;
    UserError for a pipe that nobody reads.
    """
    if path.exists() and not path.is_file():
        with open(path, "wb", opener=_open_at_once) as file:
            yield file
        return
    sweep(path.parent, path.name)
    draft = path.with_name(draft_name(path.name))
    try:
        with _writing(draft, path, "xb") as file:
            yield file
        with naming(path):
            draft.replace(path)
            _sync(path.parent)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise


def _open_at_once(path: str, flags: int) -> int:
    """Open what is no file; UserError for a pipe without a reader, which is otherwise waited for."""
    try:
        descriptor = os.open(path, flags | os.O_NONBLOCK)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        raise UserError(f"cannot write {path}: it is a pipe that nobody reads; remove it") from None
    os.set_blocking(descriptor, True)
    return descriptor


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees either nothing or all of it, also after a crash; text as UTF-8."""
    with atomic_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def draft_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside `target` that takes its place when the block ends well, and is removed otherwise.

    Whatever fills `target` has to be removed in the block: only an empty folder is replaced. OSError when it is not.
    """
    with scratch_folder(target) as draft:
        yield draft
        sync_folder(draft)
        move(draft, target)


@contextmanager
def scratch_folder(target: Path) -> Iterator[Path]:
    """Yield a new empty folder beside `target` that is removed when the block ends; OSError when there can be none."""
    sweep(target.parent, target.name)
    draft = target.with_name(draft_name(target.name))
    with naming(target):
        draft.mkdir(parents=True)
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def move(source: Path, target: Path) -> None:
    """Move a file or folder within a disk, where it is also after a crash."""
    with naming(target):
        source.rename(target)
        _sync(target.parent)


def sync_folder(folder: Path) -> None:
    """Force a folder and all that is in it to disk, so that nothing outlives what it vouches for."""
    for path in (*folder.rglob("*"), folder):
        if not path.is_symlink():
            _sync(path)


def _sync(path: Path) -> None:
    """Force a file to disk, or the names in a folder, where its file system can do that."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with naming(path):
            os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


@contextmanager
def rust_writer(folder: Path) -> Iterator[None]:
    """Raise an OSError for one of libraries in Rust (safetensors, tokenizers), which have errors of their own."""
    try:
        yield
    except Exception as error:
        if (number := re.search(r"\(os error (\d+)\)", str(error))) is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(folder)) from None


def remove(path: Path) -> None:
    """Remove what is at a path, if anything: a file, a link (not what it leads to), or a folder and all in it.

    OSError for what cannot be removed, as in a folder of somebody else.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, onerror=_refuse_all_but_gone)
    else:
        path.unlink(missing_ok=True)


def _refuse_all_but_gone(_call: object, _path: str, failure: tuple[Any, BaseException, Any]) -> None:
    """Raise the error of a removal, unless another process was quicker."""
    if not isinstance(failure[1], FileNotFoundError):
        raise failure[1]


def check_writable(folder: Path, what: str) -> None:
    """Raise UserError unless files can be written to a folder or, before it is made, to its nearest parent."""
    folder = folder.absolute()
    with plain_os_error(f"cannot write {what}"):
        tempfile.TemporaryFile(dir=next(path for path in (folder, *folder.parents) if path.exists())).close()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def json_sha256(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return the SHA-256 of a JSON value, whatever the order of its keys, as hex."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def format_size(size: float) -> str:
    """Return a number of bytes in gigabytes, or in the largest smaller unit that it has one of.

    >>> format_size(1_250_000_000), format_size(48_000_000), format_size(675), format_size(0)
    ('1.2 GB', '48.0 MB', '0.7 kB', '0.0 kB')
    """
    unit, name = next((each for each in ((1e9, "GB"), (1e6, "MB")) if size >= each[0]), (1e3, "kB"))
    return f"{size / unit:.1f} {name}"


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
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
