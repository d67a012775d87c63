"""The one way into Parquet files: rows in batches of bounded size, or one line that names the file and its fault."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synthgen.errors import UserError, disk_advice, first_line

ROWS_AT_ONCE = 10_000
LARGEST_BATCH = 16_000_000
"""Bytes after which a batch is handed on, however few its rows."""
FEWEST_UNPACKED, MOST_UNPACKED = 50, 20_000
"""Rows that Arrow unpacks at a time: few of a group at first, more where they are short."""
_BUFFER = 1 << 18
"""Bytes of a column that are read at a time, not the whole group's."""
LARGEST_PART, MOST_PACKED = 64_000_000, 200
"""Bytes that a file may unpack to although they are more than so many times its size."""


@contextmanager
def open_parquet(path: Path, content: BinaryIO | None = None) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file; UserError when it cannot be read, there or in the block, or unpacks to far more than it is.

    `content` is what is read where the file itself is packed. A full disk stays what it is.
    """
    if content is None and path.is_fifo():
        raise UserError(f"cannot read {path}: it is not a file")
    try:
        with pq.ParquetFile(content or path, buffer_size=_BUFFER) as file:
            # Only sizes of whole groups are asked for: pyarrow ends the process where those of a column are damaged.
            sizes = [file.metadata.row_group(group).total_byte_size for group in range(file.num_row_groups)]
            _refuse_bomb(path, sum(sizes), _size(path, content))
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
        batches: list[pa.RecordBatch] = []
        number = size = unpacked = 0
        packed = _size(path, content)
        try:
            for part in _parts(file, content or path, columns, rows):
                batches.append(part)
                number, size, unpacked = number + part.num_rows, size + part.nbytes, unpacked + part.nbytes
                _refuse_bomb(path, unpacked, packed)
                if number % rows == 0 or size > LARGEST_BATCH:
                    yield _together(batches)
                    batches, size = [], 0
            if batches:
                yield _together(batches)
        except _FAULTS as error:
            raise UserError(f"cannot read {path} from row {number} on: {first_line(error)}") from None


def _together(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    """Return parts as one; one part without the copy that Arrow makes of it."""
    return parts[0] if len(parts) == 1 else pa.concat_batches(parts)


def _parts(
    file: pq.ParquetFile, source: Path | BinaryIO, columns: Sequence[str] | None, rows: int
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file in parts that unpack to little and lie within batches of so many rows.

    A dictionary of one long text unpacks to its length in every row, and may follow upon any number of short texts:
    what it holds is looked at before the rows of a group are unpacked.
    """
    leaves = [file.schema.column(place).path for place in range(len(file.schema))]
    done = 0
    with pq.ParquetFile(source, read_dictionary=leaves, buffer_size=_BUFFER) as packed:
        for group in range(file.num_row_groups):
            most = _most_rows(packed, group, columns)
            at_once = max(1, min(most, FEWEST_UNPACKED))
            for part in file.iter_batches(min(at_once, rows - done % rows), row_groups=[group], columns=columns):
                part.validate(full=True)
                part = _without_dictionaries(part)
                yield part
                done += part.num_rows
                fitting = LARGEST_BATCH // (1 + part.nbytes // part.num_rows)
                at_once = max(1, min(most, 4 * at_once, fitting))
                file.reader.set_batch_size(min(at_once, rows - done % rows))


def _most_rows(packed: pq.ParquetFile, group: int, columns: Sequence[str] | None) -> int:
    """Return how many rows of a group unpack to little; few where pyarrow can look at no dictionary."""
    try:
        first = next(packed.iter_batches(1, row_groups=[group], columns=columns), None)
    except _FAULTS:  # DELTA_BYTE_ARRAY, which has none, or a damaged file: its rows will say so
        names = columns or packed.schema_arrow.names
        alone = [_most_rows(packed, group, [name]) for name in names] if len(names) > 1 else []
        return min([FEWEST_UNPACKED, *alone])
    longest = max(map(_longest, first.columns if first else ()), default=0)
    return min(MOST_UNPACKED, LARGEST_BATCH // (1 + longest))


def _without_dictionaries(part: pa.RecordBatch) -> pa.RecordBatch:
    """Return rows with the texts of columns that were categories when they were written."""
    if not any(pa.types.is_dictionary(kind) for kind in part.schema.types):
        return part
    columns = [each.dictionary_decode() if pa.types.is_dictionary(each.type) else each for each in part.columns]
    return pa.RecordBatch.from_arrays(columns, names=part.schema.names).replace_schema_metadata(part.schema.metadata)


def _longest(values: pa.Array) -> int:
    """Return the bytes of the longest text in the dictionaries of a column."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        values.validate(full=True)
        return pc.max(pc.binary_length(values.dictionary)).as_py() or 0
    if pa.types.is_struct(kind):
        return max(map(_longest, values.flatten()), default=0)
    return _longest(values.values) if hasattr(values, "values") else 0


def _size(path: Path, content: BinaryIO | None) -> int:
    return content.seek(0, os.SEEK_END) if content else path.stat().st_size


def _refuse_bomb(path: Path, unpacked: int, packed: int) -> None:
    """Raise UserError for a file that unpacks to far more than any text does, as it says or as far as it was read."""
    if unpacked > LARGEST_PART and unpacked > MOST_PACKED * packed:
        raise UserError(f"cannot read {path}: it unpacks to {unpacked:,} bytes from {packed:,}")
