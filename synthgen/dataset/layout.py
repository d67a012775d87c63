"""The files of a dataset folder: their names, which ones its manifest may list, which ones `publish` may send."""

import re
from pathlib import Path

MANIFEST_NAME = "synthgen.json"
LEDGER_NAME = "ledger.sqlite"
FINGERPRINTS_NAME = "fingerprints.parquet"

_OPEN = re.compile(r"data/train-[\w-]+\.parquet|fingerprints\.parquet|contamination\.json")
_REJECTED = re.compile(r"rejected/[\w-]+\.parquet")


def is_public(name: str) -> bool:
    """Return whether a file that a manifest lists may be published: shards, their fingerprints, the report of a filter.

    >>> [is_public(name) for name in ("data/train-00000-of-00001.parquet", "ledger.sqlite", "../data/train-0.parquet")]
    [True, False, False]
    """
    return bool(_OPEN.fullmatch(name))


def misplaced(folder: Path, names: list[str]) -> list[str]:
    """Return why a set may not be read: its manifest lists what is no file of a set, or it holds links, a line each."""
    foreign = [name for name in names if not is_public(name) and not _REJECTED.fullmatch(name)]
    links = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink())
    faults = [f"synthgen.json lists '{name}', which is not a file of a set" for name in foreign]
    return faults + [f"{name} is a link; a set must contain the file itself" for name in links]
