"""Row fingerprints: 64 bits a row, written beside the shards, by which `card --verify` names a row changed later."""

import hashlib
import json
from itertools import pairwise
from json.encoder import encode_basestring
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthgen.formats.base import Row
from synthgen.text.arrow import changed, joined, sizes

_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode
FINGERPRINTS = pa.schema([("id", pa.string()), ("fingerprint", pa.uint64())])


def fingerprint_table(table: pa.Table) -> pa.Table:
    """Return id and `fingerprint` of each row; the JSON is put together column by column, not row by row."""
    parts: list[Any] = []
    for name in sorted(table.column_names):
        parts += [f"{', ' if parts else '{'}{_encode(name)}: ", *_encoded(table[name].combine_chunks())]
    rows = pc.binary_join_element_wise(*parts, "}", "")
    text = memoryview(joined(rows))
    borders = pairwise([0, *np.cumsum(sizes(rows)).tolist()])
    prints = b"".join([hashlib.blake2b(text[start:end], digest_size=8).digest() for start, end in borders])
    numbers = pa.array(np.frombuffer(prints, dtype=">u8").astype(np.uint64))
    return pa.table({"id": table["id"], "fingerprint": numbers}, schema=FINGERPRINTS)


def _encoded(values: pa.Array) -> list[Any]:
    """Return a column's values as JSON, in parts that are to be joined."""
    if pa.types.is_integer(values.type) and not values.null_count:
        return [values.cast(pa.string())]
    if pa.types.is_string(values.type) and not values.null_count:
        is_escaped = pc.match_substring_regex(values, r'["\\\x00-\x1f]')
        return ['"', changed(values, is_escaped, lambda text: encode_basestring(text)[1:-1]), '"']
    return [pa.array(map(_encode, values.to_pylist()), pa.string())]


def fingerprint(row: Row) -> int:
    """Return 64 bits that change when any value of the row does: BLAKE2b of its JSON, keys sorted."""
    text = _encode(row).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
