"""The standard streams of a command: what they cannot show, and the last word on them."""

import errno
import io
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from synthgen import console

_SHOW_CURSOR = b"\r\x1b[K\x1b[?25h"
_final_line = threading.Lock()


def prepare_streams() -> None:
    """Let the standard streams show by its number what they cannot encode, and one that is closed take anything.

    What the standard error has no room for is lost.
    """
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, number)
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if isinstance(sys.stderr, io.TextIOWrapper) and sys.stderr.fileno() == 2:
        sys.stderr = _text(_Log(2, "w", closefd=False), sys.stderr.encoding)


class _Log(io.FileIO):
    """The standard error, which loses what a full disk has no room for: nothing that is done depends on it."""

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - any bytes-like object
        try:
            return super().write(data)
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever read it has gone
                raise
            return len(memoryview(data).cast("B"))


def _text(raw: io.FileIO, encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, "backslashreplace", line_buffering=True)


@contextmanager
def stderr_to(path: Path) -> Iterator[None]:
    """Send file descriptor 2 to a file; processes started meanwhile keep it there, this one gets its own back.

    The console goes on where it was.
    """
    sys.stderr.flush()
    terminal = os.dup(2)
    log = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    os.dup2(log, 2)
    os.close(log)
    try:
        with console.stderr.writing_to(_text(_Log(terminal, "w", closefd=False), sys.stderr.encoding)):
            yield
    finally:
        sys.stderr.flush()
        if not _final_line.locked():
            os.dup2(terminal, 2)
        os.close(terminal)


class FinalLine:
    """A line printed at most once, after which this process prints nothing more: libraries may print at exit."""

    def __init__(self) -> None:
        with suppress(OSError):
            self._terminal = os.dup(2)

    def say(self, text: str) -> bool:
        """Print a line to the standard error as it was at first; return whether it is the last word."""
        if not _final_line.acquire(blocking=False):
            return False
        console.stderr.own_file = None
        quiet = os.open(os.devnull, os.O_WRONLY)
        for number in (1, 2):
            os.dup2(quiet, number)
        with suppress(OSError):
            start = _SHOW_CURSOR if os.isatty(self._terminal) else b""
            os.write(self._terminal, start + text.encode() + b"\n")
        return True
