"""Columns of texts, changed and joined without a Python object a value."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


def changed(texts: pa.Array, where: pa.Array, change: Callable[[str], str]) -> pa.Array:
    """Return the texts, those at which `where` is true changed by a function; there are no nulls."""
    others = [change(text) for text in texts.filter(where).to_pylist()]
    return pc.replace_with_mask(texts, where, pa.array(others, texts.type)) if others else texts


def joined(texts: pa.Array, between: str = "") -> bytes:
    """Return the texts' bytes end to end, with something between any two."""
    every = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts)
    return bytes(pc.binary_join(every, between)[0].as_buffer())


def lazy_rows(table: pa.Table, at_once: int = 1_000) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table as objects, made so many at a time: who wants a few pays for a few."""
    for start in range(0, table.num_rows, at_once):
        yield from table.slice(start, at_once).to_pylist()


def sizes(texts: pa.Array) -> npt.NDArray[np.int64]:
    """Return the number of bytes of each text."""
    return np.asarray(pc.binary_length(texts).to_numpy().astype(np.int64))


def whole(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array, without a copy where it is one."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def is_ascii(texts: pa.Array) -> bool:
    """Say whether no text, of 32-bit offsets, has another character than ASCII's."""
    _, offsets, data = texts.buffers()
    if not len(texts) or data is None:
        return True
    ends = np.frombuffer(offsets, np.int32)
    letters = np.frombuffer(data, np.uint8)[ends[texts.offset] : ends[texts.offset + len(texts)]]
    return not len(letters) or int(letters.max()) < 128


def is_text(kind: pa.DataType) -> bool:
    """Say whether a type is one of Arrow's of texts."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
