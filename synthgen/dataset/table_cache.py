"""A cache of Arrow tables that are read several times, in a nameless temporary file that ends with the process."""

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

import pyarrow as pa


class TableCache:
    """The tables of a source, which is not asked again once it was read to its end."""

    def __init__(self, source: Callable[[], Iterable[pa.Table]]) -> None:
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
        """Yield the source's tables and keep them; where there is no room for that, the source is read each time.

        Half of the room there is may be taken: others need some too.
        """
        room, file = 0, None
        with suppress(OSError):
            room = shutil.disk_usage(tempfile.gettempdir()).free // 2
            file = tempfile.TemporaryFile(prefix="synthgen-")  # noqa: SIM115 - closed when unread
        writer: pa.RecordBatchFileWriter | None = None
        for table in self._source():
            room -= table.nbytes
            try:
                if file and room >= 0:
                    writer = writer or pa.ipc.new_file(pa.PythonFile(file, mode="w"), table.schema)
                    writer.write_table(table.combine_chunks())
                    file.flush()
                else:
                    file = writer = None
            except OSError:
                file = writer = None
            yield table
        if file and writer:
            with suppress(OSError):
                writer.close()
                file.flush()
                self._kept = pa.ipc.open_file(pa.PythonFile(file, mode="r"))
