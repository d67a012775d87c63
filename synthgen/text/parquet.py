"""The one way into Parquet files: rows in batches of bounded size, or one line that names the file and its fault."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from synthgen.errors import UserError, disk_advice, first_line

ROWS_AT_ONCE = 10_000
LARGEST_BATCH = 16_000_000
"""Bytes after which a batch is handed on, however few its rows."""
ROWS_UNPACKED = 50
"""Rows that Arrow unpacks at a time: a dictionary of one long text unpacks to its length in every row."""
LARGEST_PART, MOST_PACKED = 64_000_000, 200
"""Bytes that a file may unpack to although they are more than so many times its size."""


@contextmanager
def open_parquet(path: Path, content: BinaryIO | None = None) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file; UserError when it cannot be read, there or in the block, or unpacks to far more than it is.

    `content` is what is read where the file itself is packed. A full disk stays what it is.
    """
    try:
        with pq.ParquetFile(content or path) as file:
            _refuse_bomb(path, file.metadata, content.seek(0, os.SEEK_END) if content else path.stat().st_size)
            yield file
    except _FAULTS as error:
        if isinstance(error, OSError) and disk_advice(error):
            raise
        raise UserError(f"cannot read {path}: {first_line(error)}") from None


_FAULTS = (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError)


def read_schema(path: Path) -> pa.Schema:
    """Return the columns of a file and their metadata; UserError names a file that cannot be read."""
    with open_parquet(path) as file:
        return file.schema_arrow


def count_rows(path: Path) -> int:
    """Return the number of rows that a file says it has; UserError names a file that cannot be read."""
    with open_parquet(path) as file:
        return int(file.metadata.num_rows)


def read_batches(
    path: Path, columns: Sequence[str] | None = None, rows: int = ROWS_AT_ONCE, content: BinaryIO | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file in order, so many at a time, fewer where they are long; all columns or only these.

    UserError names a file that cannot be read and why.
    """
    with open_parquet(path, content) as file:
        held: list[pa.RecordBatch] = []
        number = count = size = 0
        try:
            for part in file.iter_batches(min(rows, ROWS_UNPACKED), columns=columns):
                part.validate(full=True)
                held.append(part)
                count, size = count + part.num_rows, size + part.nbytes
                if count + ROWS_UNPACKED > rows or size > LARGEST_BATCH:
                    yield pa.concat_batches(held)
                    number, held, count, size = number + count, [], 0, 0
            if held:
                yield pa.concat_batches(held)
        except _FAULTS as error:
            raise UserError(f"cannot read {path} from row {number} on: {first_line(error)}") from None


def _refuse_bomb(path: Path, metadata: pq.FileMetaData, packed: int) -> None:
    """Raise UserError for a file that unpacks to far more than any text does.

    Only the sizes of whole row groups are asked for: pyarrow ends the process where those of a column are damaged.
    """
    unpacked = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    if unpacked > LARGEST_PART and unpacked > MOST_PACKED * packed:
        raise UserError(f"cannot read {path}: it unpacks to {unpacked:,} bytes from {packed:,}")
