"""The tables at the root of a store that `evaluator report` reads, with their SHA-256 in `tables.json`."""

import json
from collections.abc import Iterator
from pathlib import Path

from synthgen.errors import UserError
from synthgen.runtime.files import write_atomically
from synthgen.runtime.integrity import file_fault, known_sha256

TABLES_FILE = "tables.json"
_TABLES = ("results.jsonl", "arms.json", "experiment.json", "overlap.json", "items/*.parquet")


def seal_tables(root: Path) -> None:
    """Write the hashes of the tables, all of which are written."""
    paths = sorted(path for pattern in _TABLES for path in root.glob(pattern))
    hashes = {path.relative_to(root).as_posix(): known_sha256(path) for path in paths}
    write_atomically(root / TABLES_FILE, json.dumps(hashes, indent=2) + "\n")


def check_tables(root: Path) -> None:
    """Raise UserError when a table of a store is not as it was written."""
    for name, fault in table_faults(root):
        raise UserError(f"{root / name} {fault}; give the `evaluator compare` command again, it writes the tables anew")


def table_faults(root: Path, *, anew: bool = False) -> Iterator[tuple[str, str]]:
    """Yield name and fault of each table that is not as it was written."""
    path = root / TABLES_FILE
    if not path.exists():
        return
    try:
        hashes = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        yield TABLES_FILE, "cannot be read"
        return
    for name, digest in hashes.items():
        if fault := file_fault(root / name, digest, TABLES_FILE, anew=anew):
            yield name, fault
