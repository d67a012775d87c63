"""`evaluator data fetch`: official files from the hub's parquet copies, into the layout that everything else reads.

A file is complete when it stands in `fetched.json`, with its SHA-256, repository and revision; a second fetch goes on
where the first stopped. Revisions are resolved once per repository and locked in that file.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from evaluator import options
from evaluator.benchmark.registry import check_languages, load_all, select
from evaluator.benchmark.target import HubFile, Target
from synthgen.console import progress
from synthgen.errors import IncompleteError, first_line, missing_package
from synthgen.runtime.files import check_writable, file_sha256, write_atomically
from synthgen.runtime.hub import download, named_rows, network_errors, parquet_files, repository_files
from synthgen.runtime.lock import only_writer
from synthgen.text.json_text import read_json_object
from synthgen.text.languages import any_language

LOCK = "fetched.json"
ATTEMPTS, WAIT_S = 3, 2.0


def data_fetch(
    *, data_root: options.FetchRoot, targets: options.TargetNames = (), languages: options.Languages = ()
) -> list[dict[str, Any]]:
    """Fetch the official files from the hub into the layout of a data root. Run the command again to resume.

    Example: `evaluator data fetch --data-root data --targets xnli,udpos,tatoeba`

    Returns {path, sha256, repository, revision} of every file there. Raises IncompleteError when the hub does not
    answer, or for targets whose files it does not have; what was fetched is kept.
    """
    root = Path(data_root)
    chosen = select(targets) if targets else load_all()
    check_languages(languages, chosen)
    check_writable(root, f"to --data-root {root}")
    root.mkdir(parents=True, exist_ok=True)
    files = [file for target in chosen for file in _official_files(target, languages)]
    with only_writer(root / LOCK), progress() as bar:
        lock = _read_lock(root)
        task = bar.add_task("files", total=len(files), note="")
        for file in files:
            bar.update(task, note=file.path)
            _fetch(file, root, lock)
            bar.advance(task)
    manual = [f"{t.name}: {s[0].origin}" for t in chosen if not t.hub_files for s in t.sources.values()]
    if manual:
        where = "; ".join(dict.fromkeys(manual))
        raise IncompleteError(f"not on the hub in a form that can be fetched: {where}; the other files are in {root}")
    return [{"path": path, **facts} for path, facts in sorted(lock["files"].items())]


def _official_files(target: Target, languages: Sequence[str]) -> list[HubFile]:
    """Return the files of a target, one for each language where their path says so."""
    files: dict[str, HubFile] = {}
    for file in target.hub_files:
        codes = [file.language] if file.language else [c for c in target.languages if not languages or c in languages]
        for code in codes:
            names = {"language": target.file_code(code), "name": any_language(code).name}
            path = file.path.format(**names)
            files.setdefault(path, replace(file, path=path, config=file.config.format(**names)))
    return list(files.values())


def _fetch(file: HubFile, root: Path, lock: dict[str, Any]) -> None:
    path, known = root / file.path, lock["files"].get(file.path)
    if known and path.is_file() and file_sha256(path) == known["sha256"]:
        return
    rows = _rows(file, root, lock)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, file.write(rows))
    facts = {"repository": file.repository, "config": file.config}
    facts |= {"sha256": file_sha256(path), "revision": lock["revisions"].get(file.repository)}
    lock["files"][file.path] = facts
    write_atomically(root / LOCK, json.dumps(lock, indent=1, sort_keys=True) + "\n")


def _rows(file: HubFile, root: Path, lock: dict[str, Any]) -> list[Mapping[str, Any]]:
    """Return the rows, trying again when the network fails, unless the hub never answered."""
    reason, attempts = "", ATTEMPTS if lock["files"] else 1
    failures: tuple[type[BaseException], ...] = (*network_errors(), ValueError)
    for attempt in range(attempts):
        try:
            return list(_load(file, lock))
        except failures as error:
            reason = first_line(error)
            time.sleep(WAIT_S * attempt if attempt + 1 < attempts else 0)
    raise IncompleteError(
        f"could not fetch {file.path} from {file.repository} ({reason}); what was fetched is kept in {root}; "
        "run the same command again to continue"
    )


def _load(file: HubFile, lock: dict[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a hub split at the locked revision, labels by their names."""
    if find_spec("huggingface_hub") is None:
        raise missing_package("huggingface_hub", "hub", "fetching from the hub")
    repository, revisions = file.repository, lock["revisions"]
    revisions[repository], listed = repository_files(repository, revisions.get(repository))
    names = parquet_files(listed, file.config, file.split)
    if not names:
        raise ValueError(f"it has no Parquet files for {file.config or 'the only configuration'}/{file.split}")
    for name in names:
        yield from named_rows(download(repository, name, revisions[repository]))


def _read_lock(root: Path) -> dict[str, Any]:
    path = root / LOCK
    lock: dict[str, Any] = read_json_object(path) if path.is_file() else {}
    return {"files": {}, "revisions": {}} | lock
