"""The import paths that users' code relies on, with the names that stood there before the packages were laid out."""

from __future__ import annotations

from importlib import import_module

import pytest

NAMES = {
    "synthgen.dataset": """FINGERPRINTS_NAME LEDGER_NAME MANIFEST_NAME Manifest Origin ROWS_PER_GROUP
        ROWS_PER_SHARD Rejection arrow_schema check_writable dataset_format drafted
        file_sha256 fingerprint fingerprint_table finish is_finished make_run_folder
        read_batches read_fingerprints read_manifest read_rejected read_rows
        refuse_taken row_features sample_rows scale_counts shard_paths write_atomically
        write_rejected write_rows write_tables""",
    "synthgen.formats": "FORMATS Format ParseError format_from_manifest",
    "synthgen.engines": """ADDRESSES DEFAULT_TIMEOUT ENGINES Engine NextRequest Outcome Reply Request Sampling
        ScriptedEngine open_engine read_replies resolve_model resolve_replies""",
    "synthgen.packs": "LOCAL PACKS PREFIX Pack ResolvedModel cache_root find_pack pull resolve",
    "synthgen.errors": "IncompleteError UserError first_line is_disk_full missing_package unknown",
    "synthgen.licences": "Part UNKNOWN derive forbidden licence_faults normalise parts_of",
}


@pytest.mark.parametrize("module", NAMES)
def test_a_kept_import_path_has_the_names_it_had(module: str) -> None:
    assert [name for name in NAMES[module].split() if not hasattr(import_module(module), name)] == []
