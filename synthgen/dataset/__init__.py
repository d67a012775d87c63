"""Dataset folders: Parquet shards of kept rows, rejections with reasons, and a manifest that is written last.

A folder is finished when `synthgen.json` exists. Real, synthetic, translated and sample data have the same shape and
differ in `origin` only. What users import from here stays; inside the packages, import from the modules.
"""

from synthgen.dataset.fingerprints import fingerprint, fingerprint_table
from synthgen.dataset.folder import drafted, make_run_folder, refuse_foreign, refuse_taken
from synthgen.dataset.layout import FINGERPRINTS_NAME, LEDGER_NAME, MANIFEST_NAME
from synthgen.dataset.manifest import Manifest, Origin, dataset_format, finish, is_finished, read_manifest, scale_counts
from synthgen.dataset.shards import (
    ROWS_PER_GROUP,
    ROWS_PER_SHARD,
    Rejection,
    arrow_schema,
    read_fingerprints,
    read_rejected,
    read_rows,
    row_features,
    sample_rows,
    shard_paths,
    write_rejected,
    write_rows,
    write_tables,
)
from synthgen.runtime.files import check_writable, file_sha256, write_atomically
from synthgen.text.parquet import read_batches

__all__ = [
    "FINGERPRINTS_NAME", "LEDGER_NAME", "MANIFEST_NAME", "ROWS_PER_GROUP", "ROWS_PER_SHARD", "Manifest", "Origin",
    "Rejection", "arrow_schema", "check_writable", "dataset_format", "drafted", "file_sha256", "fingerprint",
    "fingerprint_table", "finish", "is_finished", "make_run_folder", "read_batches", "read_fingerprints",
    "read_manifest", "read_rejected", "read_rows", "refuse_foreign", "refuse_taken", "row_features", "sample_rows",
    "scale_counts", "shard_paths", "write_atomically", "write_rejected", "write_rows", "write_tables",
]  # fmt: skip
