"""The one way into the text files that people and programs of ours write: whole, UTF-8, never waited for."""

import os
import stat
from pathlib import Path

from synthgen.errors import UserError, not_utf8

LARGEST = 64 * 1024 * 1024
"""Bytes: a larger file, or a device without an end, is none that is read whole."""


def read_plain_text(path: Path, what: str = "") -> str:
    """Return the text of a file, every line with LF at its end, without a byte order mark.

    Raises UserError, with `what` before its name, for a file that cannot be read, is too large or not UTF-8, and for a
    pipe that nobody writes to, which would be waited for.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            content = file.read(LARGEST + 1)
            is_pipe = stat.S_ISFIFO(os.fstat(file.fileno()).st_mode)
    except OSError as error:
        raise UserError(f"cannot read {what}{path}: {error.strerror}") from None
    if is_pipe and not content:
        raise UserError(f"cannot read {what}{path}: it is a pipe that nobody writes to; give a file")
    if len(content) > LARGEST:
        raise UserError(f"cannot read {what}{path}: it has more than {LARGEST >> 20} MB; is it the right file?")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise not_utf8(f"{what}{path}", error) from None


def _open_at_once(path: str, flags: int) -> int:
    """Open a file; a pipe too, without waiting for a writer."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    return descriptor
