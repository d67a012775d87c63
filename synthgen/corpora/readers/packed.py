"""Packed files as streams of bytes: gzip, Zstandard, xz, bzip2 and zip, told by their first bytes, not by their names.

What a file unpacks to is limited, so that a few kilobytes cannot become terabytes.
"""

import io
import lzma
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import pyarrow as pa

from synthgen.corpora.readers.splits import best_split, is_data_name
from synthgen.errors import UserError

MOST_TIMES = 100
ALWAYS_ALLOWED = 1 << 26
"""A file may unpack to a hundred times its size; to 64 MB in any case. Text seldom packs better than 1 : 20."""
_STARTS = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bz2",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
}
_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, pa.ArrowException)


def packing(start: bytes) -> str:
    r"""Return how a file with these first bytes is packed, an empty string where it is not.

    >>> packing(b"\x1f\x8b\x08\x00"), packing(b"{}")
    ('gzip', '')
    """
    return next((name for magic, name in _STARTS.items() if start.startswith(magic)), "")


@contextmanager
def open_unpacked(path: Path, split: str | None = None) -> Iterator[BinaryIO]:
    """Open a file for reading, unpacked where it is packed; of a zip file the one data file, of the best split.

    UserError when it cannot be opened, or, while it is read, cannot be unpacked or unpacks to too much.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("rb"))
            kind = packing(file.read(8))
            file.seek(0)
            raw = stack.enter_context(_unpacked(file, kind, path, split)) if kind else None
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror or error}") from None
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise UserError(f"{path} cannot be unpacked: {error}") from None
        if raw is None:
            yield cast(BinaryIO, file)
            return
        limit = max(ALWAYS_ALLOWED, MOST_TIMES * path.stat().st_size)
        yield cast(BinaryIO, stack.enter_context(io.BufferedReader(_LimitedFile(raw, path, limit), 1 << 20)))


@contextmanager
def open_seekable(path: Path, split: str | None = None) -> Iterator[BinaryIO]:
    """Open a file as `open_unpacked` does, a packed one in a temporary file: for formats that are read from their end.

    UserError as there.
    """
    with open_unpacked(path, split) as file, tempfile.TemporaryFile(prefix="synthgen-") as copy:
        if isinstance(getattr(file, "raw", None), io.FileIO):
            yield file
            return
        while block := file.read(1 << 20):
            copy.write(block)
        copy.seek(0)
        yield cast(BinaryIO, copy)


def _unpacked(file: IO[bytes], kind: str, path: Path, split: str | None) -> Any:  # noqa: ANN401 - anything with `read`
    if kind == "xz":
        return lzma.LZMAFile(file)
    if kind == "zip":
        archive = zipfile.ZipFile(file)
        return archive.open(_member(tuple(archive.namelist()), path, split))
    return pa.CompressedInputStream(pa.PythonFile(file, mode="r"), kind)


@lru_cache(1)  # a file is opened several times, and what is left out said once
def _member(names: tuple[str, ...], path: Path, split: str | None) -> str:
    """Return the name of the one data file of a zip file; UserError when there are several, or none."""
    if {"xl/workbook.xml", "content.xml"} & set(names):
        raise UserError(f"{path} is a spreadsheet: save it as CSV (UTF-8)")
    data = [name for name in names if not name.endswith("/") and is_data_name(name)]
    if not data:
        raise UserError(f"{path} holds no data file: {', '.join(names[:8]) or 'nothing'}")
    chosen = best_split([Path(name) for name in data], str(path), split)
    if len(chosen) > 1:
        listed = ", ".join(each.as_posix() for each in chosen[:8])
        raise UserError(f"{path} holds {len(chosen)} files: {listed}; unpack it and give the folder or one of them")
    return chosen[0].as_posix()


class _LimitedFile(io.RawIOBase):
    """A packed stream that may give so many bytes; what goes wrong with it is a UserError."""

    def __init__(self, stream: Any, path: Path, limit: int) -> None:  # noqa: ANN401 - anything with `read`
        self._stream, self._path, self._left, self._limit = stream, path, limit, limit

    def readable(self) -> bool:
        """Say that it is there to be read, as its buffer asks."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - a writable buffer
        """Fill a buffer; UserError where the file cannot be unpacked or unpacks to too much."""
        view = memoryview(buffer).cast("B")
        try:
            data = self._stream.read(len(view))
        except _ERRORS as error:
            raise UserError(f"{self._path} cannot be unpacked: {error}") from None
        self._left -= len(data)
        if self._left < 0:
            most = f"{self._limit >> 20} MB"
            raise UserError(f"{self._path} unpacks to more than {most}: unpack it yourself if that is right")
        view[: len(data)] = data
        return len(data)
