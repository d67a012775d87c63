"""The tables that `evaluator report` reads and the pages that it writes, with their SHA-256 in `tables.json`.

It stands at the root of a store and in the folder of a report. Results from elsewhere have none: they are read as they
are.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath

from synthgen.errors import UserError
from synthgen.runtime.files import write_atomically
from synthgen.runtime.integrity import file_fault, known_sha256
from synthgen.text.json_text import read_json

TABLES_FILE, PLAN_NAME = "tables.json", "plan.json"
RESULTS_NAME, ARMS_NAME, RECORD_NAME, OVERLAP_NAME = "results.jsonl", "arms.json", "experiment.json", "overlap.json"
_TABLES = (RESULTS_NAME, ARMS_NAME, RECORD_NAME, OVERLAP_NAME, "items/*.parquet")


def seal_tables(root: Path) -> None:
    """Write the hashes of the tables, all of which are written."""
    _seal(root, sorted(path for pattern in _TABLES for path in root.glob(pattern)), {})


def seal_report(pages: Iterable[Path], root: Path) -> None:
    """Add the hashes of what a report consists of to those of the tables in its folder."""
    hashes = _hashes(root) or {}
    _seal(root, pages, {name: digest for name, digest in hashes.items() if (root / name).is_file()})


def _seal(root: Path, paths: Iterable[Path], others: dict[str, str]) -> None:
    hashes = others | {path.relative_to(root).as_posix(): known_sha256(path) for path in paths}
    write_atomically(root / TABLES_FILE, json.dumps(hashes, indent=2) + "\n")


def check_tables(results: Path) -> None:
    """Raise UserError when a table beside results, or in the folder of them, is not as it was written."""
    root = results if results.is_dir() else results.parent
    for name, fault in table_faults(root):
        if name == TABLES_FILE or any(PurePath(name).match(pattern) for pattern in _TABLES):
            anew = "give the `evaluator compare` command again, it writes the tables anew"
            raise UserError(f"{root / name} {fault}; {anew}, or remove {TABLES_FILE} if the change is yours")


def table_faults(root: Path, *, anew: bool = False) -> Iterator[tuple[str, str]]:
    """Yield name and fault of each table, and each page of a report, that is not as it was written."""
    if (hashes := _hashes(root)) is None:
        yield TABLES_FILE, "cannot be read"
        return
    for name, digest in hashes.items():
        if fault := file_fault(root / name, digest, TABLES_FILE, anew=anew):
            yield name, fault


def _hashes(root: Path) -> dict[str, str] | None:
    """Return the hashes, none where no file has them; None for a file that cannot be read."""
    if not (root / TABLES_FILE).exists():
        return {}
    try:
        document = read_json(root / TABLES_FILE)
    except UserError:
        return None
    is_whole = isinstance(document, dict) and all(isinstance(digest, str) for digest in document.values())
    return document if is_whole else None
