"""Any Parquet file."""

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from synthgen.runtime.hub import class_names
from synthgen.text.parquet import count_rows, read_batches, read_schema


def _file(compression: str) -> bytes:
    table = pa.table({"premise": ["A cook left.", "Tea é"] * 3, "label": [0, 1] * 3, "list": [["a"], []] * 3})
    metadata = {"huggingface": '{"info": {"features": {"label": {"names": ["a", "b"], "_type": "ClassLabel"}}}}'}
    pq.write_table(table.replace_schema_metadata(metadata), stream := io.BytesIO(), compression=compression)
    return stream.getvalue()


SEEDS = [_file("none"), _file("zstd"), _file("snappy")]


def read(data: bytes, folder: Path) -> None:
    path = folder / "x.parquet"
    path.write_bytes(data)
    class_names(read_schema(path).metadata)
    count_rows(path)
    for batch in read_batches(path):
        batch.to_pylist()
