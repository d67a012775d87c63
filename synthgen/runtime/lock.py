"""One writer at a time: the second command on a folder, file or cache entry is refused at once, or waits."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from synthgen.errors import IncompleteError, plain_os_error

try:
    import fcntl
except ImportError:  # not a Unix
    fcntl = None  # type: ignore[assignment]


SUFFIX = ".writer.lock"


@contextmanager
def only_writer(place: Path, *, wait: bool = False) -> Iterator[None]:
    """Let no other process write `place` in the block; IncompleteError at once when one does, unless it is waited for.

    The lock is one of the file `.NAME.writer.lock` beside the place; a killed process gives it up.
    A file system without locks has none.
    """
    path = place.parent / f".{place.name[:100]}{SUFFIX}"
    with plain_os_error(f"cannot write {place}"):
        place.parent.mkdir(parents=True, exist_ok=True)
        file = _locked(path, wait)
    if file is None:
        raise IncompleteError(f"another process is writing {place}; run the same command again when it has ended")
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()
        os.close(file)


def _locked(path: Path, wait: bool) -> int | None:
    """Return an open file with the lock; None where another process has it and is not waited for."""
    while True:
        file = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
        try:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(file, path):
                return file
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                os.close(file)
                return None
            if error.errno in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                return file
            os.close(file)
            raise
        os.close(file)  # who had it before has removed it meanwhile


def remove_free(path: Path) -> None:
    """Remove the file of a lock that a killed process has left, unless another process has the lock now."""
    file = os.open(path, os.O_RDWR)
    try:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(file, path):
                path.unlink()
    except BlockingIOError:
        pass
    finally:
        os.close(file)


def _is_at(file: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file), path.stat())
    return False
