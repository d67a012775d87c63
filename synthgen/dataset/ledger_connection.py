"""The connection to a ledger's SQLite file, whose errors are those of a command: what is wrong, where, what to do."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

from synthgen.errors import IncompleteError, UserError, disk_advice, first_line, shorten


class _Cursor(sqlite3.Cursor):
    """A cursor whose errors are those of the command; no table of a ledger has an empty cell."""

    connection: "LedgerConnection"

    def __next__(self) -> Any:  # noqa: ANN401 - SQLite's
        """Return the next row; UserError for one that is damaged."""
        try:
            row = super().__next__()
        except sqlite3.DatabaseError as error:
            raise self.connection.plain(error) from None
        if None in row:
            raise damaged(self.connection.path, "a cell is empty")
        return row

    def fetchone(self) -> Any:  # noqa: ANN401 - SQLite's
        """Return the next row, None where there is none."""
        return next(self, None)


class LedgerConnection(sqlite3.Connection):
    """A connection whose errors are those of the command: IncompleteError, or UserError for what is no ledger."""

    path: Path

    def execute(self, *arguments: Any) -> sqlite3.Cursor:  # noqa: ANN401 - SQLite's
        """Carry out one statement."""
        try:
            return self.cursor(_Cursor).execute(*arguments)
        except sqlite3.DatabaseError as error:
            raise self.plain(error) from None

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:  # noqa: ANN401 - SQLite's
        """Carry out a statement for each of many values."""
        try:
            return super().executemany(*arguments)
        except sqlite3.DatabaseError as error:
            raise self.plain(error) from None

    def plain(self, error: sqlite3.DatabaseError) -> Exception:
        """Return an error of SQLite as the command says it; one that only a fault of ours can give as it is."""
        if (fault := unwritable(error)) is not None:
            return IncompleteError(f"{self.path}: {fault}", "then run the same command again")
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR")):
            return UserError(f"{self.path} is not a ledger: {error}")
        return damaged(self.path, str(error)) if "decode" in str(error) else error


def damaged(path: Path, fault: str) -> UserError:
    """Return the error for a ledger that is not as it was written, with the way out."""
    return UserError(f"{path} is damaged: {shorten(fault)}; put a copy of it back, or give another --out")


def connect(path: Path, *, read_only: bool) -> LedgerConnection:
    """Open or create the file, in autocommit mode; UserError where that cannot be."""
    try:
        uri = _uri(path, read_only=read_only)
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=0.0, factory=LedgerConnection)
    except sqlite3.OperationalError as error:
        raise UserError(f"{path}: {unwritable(error) or error}; then run the same command again") from None
    connection.path = path
    return connection


def _uri(path: Path, *, read_only: bool) -> str:
    """Return the address of a file that only its owner may read, or of one that is there and is not changed.

    A ledger that nobody writes has no file of later writes beside it, and is read where nothing can be written.
    """
    if str(path) == ":memory:":
        return "file::memory:"
    if not read_only:
        with suppress(OSError):  # SQLite says why it cannot be made
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        return path.absolute().as_uri()
    is_written = path.with_name(path.name + "-wal").exists()
    return f"{path.absolute().as_uri()}?{'mode=ro' if is_written else 'mode=ro&immutable=1'}"


def unwritable(error: Exception) -> str | None:
    """Return what keeps a run's folder from being written and what to do about it; None for any other error."""
    if isinstance(error, IncompleteError):
        return error.fault
    if isinstance(error, OSError):
        return f"{first_line(error)}: {advice}" if (advice := disk_advice(error)) else None
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "another process is writing to this folder: wait until it has ended"
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return f"the ledger cannot be written ({error}): make room on its disk, or check the disk"
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return f"the ledger cannot be written ({error}): allow it and make room, or give another --out"
    return None
