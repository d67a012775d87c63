"""A cache of Arrow tables that are read several times, in a nameless temporary file that ends with the process."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa


class TableCache:
    """The tables of a source, which is not asked again once it was read to its end."""

    def __init__(self, source: Callable[[], Iterable[pa.Table]]) -> None:
        """Read nothing yet."""
        self._source = source
        self._kept: pa.RecordBatchFileReader | None = None

    def __iter__(self) -> Iterator[pa.Table]:
        """Yield the tables; those without rows may be left out."""
        if self._kept is None:
            yield from self._first()
        else:
            for number in range(self._kept.num_record_batches):
                yield pa.Table.from_batches([self._kept.get_batch(number)])

    def _first(self) -> Iterator[pa.Table]:
        """Yield the source's tables and keep them; where there is no room for that, the source is read each time."""
        writer: _Writer | None = None
        has_room = True
        for table in self._source():
            if has_room:
                try:
                    writer = writer or _Writer(table.schema)
                    writer.write(table)
                except OSError:
                    writer, has_room = None, False
            yield table
        if writer:
            self._kept = writer.reader()


class _Writer:
    """A temporary Arrow file that takes half of the room there is at most: others need some too."""

    def __init__(self, schema: pa.Schema) -> None:
        self._room = shutil.disk_usage(tempfile.gettempdir()).free // 2
        self._file = tempfile.TemporaryFile(prefix="synthgen-")  # noqa: SIM115 - it is closed when nobody reads it
        self._tables = pa.ipc.new_file(pa.PythonFile(self._file, mode="w"), schema)

    def write(self, table: pa.Table) -> None:
        """Write a table as one batch; OSError when there is no room."""
        self._room -= table.nbytes
        if self._room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._tables.write_table(table.combine_chunks())
        self._file.flush()

    def reader(self) -> pa.RecordBatchFileReader | None:
        """Return what reads the tables, None when there was no room for the last bytes."""
        try:
            self._tables.close()
            self._file.flush()
        except OSError:
            return None
        return pa.ipc.open_file(pa.PythonFile(self._file, mode="r"))
