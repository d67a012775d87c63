"""`synthgen card --verify`: every number of a folder recomputed from its shards, every file compared with its checksum.

What the manifest says is compared with the rows, what the card and the Croissant file say with the manifest. A fault
names the file, and where fingerprints are there, the row. Memory stays flat: rows are read once, a batch at a time.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import unified_diff
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from synthgen import console
from synthgen.contents import misplaced
from synthgen.datacard import check, views
from synthgen.dataset import (
    MANIFEST_NAME,
    Manifest,
    dataset_format,
    file_sha256,
    fingerprint,
    read_fingerprints,
    read_manifest,
    read_rejected,
    read_rows,
    shard_paths,
)
from synthgen.errors import UserError
from synthgen.formats.base import Row
from synthgen.ledger import Ledger
from synthgen.statistics import describe

FAULTS_SHOWN = 5
_WRITTEN_HERE = {MANIFEST_NAME, "ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm", "inspect.html"}


@dataclass(frozen=True, slots=True)
class Verification:
    """What was recomputed, what could not be and why, and every fault. `is_true` is the verdict."""

    recomputed: tuple[str, ...]
    not_recomputed: tuple[str, ...]
    faults: tuple[str, ...]

    @property
    def is_true(self) -> bool:
        """Say whether nothing that could be recomputed differs."""
        return not self.faults

    def to_json(self) -> dict[str, Any]:
        """Return the verification as JSON values."""
        return {
            "verified": self.is_true,
            "recomputed": list(self.recomputed),
            "not_recomputed": list(self.not_recomputed),
            "faults": list(self.faults),
        }


class _Findings:
    """Collects what each step of a verification says."""

    def __init__(self) -> None:
        self.recomputed: list[str] = []
        self.skipped: list[str] = []
        self.faults: list[str] = []

    def compare(self, name: str, claimed: object, found: object) -> None:
        """Record that a value was recomputed, and a fault when it differs; values are compared as JSON."""
        self.recomputed.append(name)
        if json.dumps(claimed, sort_keys=True) != json.dumps(found, sort_keys=True):
            self.faults.append(f"{MANIFEST_NAME}: {name} is {_short(claimed)}, the rows give {_short(found)}")


def verify(folder: Path) -> Verification:
    """Return what of a finished folder could be recomputed and every place where it says something else."""
    manifest = read_manifest(folder)
    if wrong := misplaced(folder, list(manifest.files)):
        return Verification((), ("all else: nothing outside the folder is read",), tuple(wrong))
    findings = _Findings()
    findings.faults += check(folder)
    intact = _verify_files(folder, manifest, findings)
    _verify_rows(folder, manifest, findings)
    if not intact:
        findings.faults += islice(_changed_rows(folder), FAULTS_SHOWN)
    _verify_rejections(folder, manifest, findings)
    _verify_statistics(folder, manifest, findings)
    _verify_ledger(folder, manifest, findings)
    _verify_views(folder, manifest, findings)
    faults = tuple(dict.fromkeys(findings.faults))
    return Verification(tuple(findings.recomputed), tuple(findings.skipped), faults)


def _verify_files(folder: Path, manifest: Manifest, findings: _Findings) -> bool:
    """Compare every file with its checksum; True when all data files are as they were written."""
    before = len(findings.faults)
    for name, digest in manifest.files.items():
        path = folder / name
        if path.is_file():
            findings.recomputed.append(f"sha256 of {name}")
            if file_sha256(path) != digest:
                findings.faults.append(f"{name} is not the file that was written: its SHA-256 differs")
        elif name.startswith("rejected/"):
            findings.skipped.append(f"{name}: rejected rows are not published")
        else:
            findings.faults.append(f"{name} is missing")
    intact = len(findings.faults) == before
    known = set(manifest.files) | set(views(manifest)) | _WRITTEN_HERE
    for path in sorted(folder.rglob("*")):
        if path.is_file() and (name := path.relative_to(folder).as_posix()) not in known:
            findings.faults.append(f"{name} is in the folder but not in {MANIFEST_NAME}")
    if manifest.prompt_text:
        findings.compare("prompt_hash", manifest.prompt_hash, sha256(manifest.prompt_text.encode()).hexdigest())
    return intact


def _verify_rows(folder: Path, manifest: Manifest, findings: _Findings) -> None:
    """Count rows and labels, and look for repeated ids and other languages, in one pass."""
    format_ = dataset_format(manifest)
    labels: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    ids = []
    try:
        for row in _with_progress(read_rows(folder), manifest.kept, "verify"):
            labels[format_.cell(row)] += 1
            languages[row["language"]] += 1
            ids.append(hash(row["id"]))
    except (UserError, KeyError, TypeError, IndexError) as error:
        findings.faults.append(f"the rows cannot be read: {error!r}" if isinstance(error, KeyError) else str(error))
        return
    findings.compare("kept", manifest.kept, labels.total())
    findings.compare("n", manifest.n, labels.total())
    if manifest.label_counts:
        findings.compare("label_counts", {k: v for k, v in manifest.label_counts.items() if v}, dict(labels))
    findings.compare("language", manifest.language, next(iter(languages)) if len(languages) == 1 else "mul")
    if len(np.unique(np.array(ids, dtype=np.int64))) < len(ids):
        findings.faults += [f"the id {row_id} occurs {count} times" for row_id, count in _repeated(folder)]


def _repeated(folder: Path) -> Iterable[tuple[str, int]]:
    counts = Counter(row["id"] for row in read_rows(folder))
    return islice(((row_id, count) for row_id, count in counts.items() if count > 1), FAULTS_SHOWN)


def _changed_rows(folder: Path) -> Iterator[str]:
    """Yield a line for each row that was changed, removed or added since it was written."""
    try:
        written = dict(read_fingerprints(folder))
        for row in read_rows(folder):
            expected = written.pop(row["id"], None)
            if expected is None:
                yield f"row {row['id']} was not there when the set was written"
            elif expected != fingerprint(row):
                yield f"row {row['id']} was changed after it was written"
    except (UserError, KeyError) as error:
        yield f"which rows were changed cannot be said: {error}"
        return
    yield from (f"row {row_id} was removed" for row_id in written)


def _verify_rejections(folder: Path, manifest: Manifest, findings: _Findings) -> None:
    if not (folder / "rejected").is_dir():
        findings.skipped.append("rejected: the rejected rows are not here")
        return
    try:
        reasons = Counter(rejection.reason for rejection in read_rejected(folder))
    except (OSError, ValueError, KeyError) as error:
        findings.faults.append(f"the rejected rows cannot be read: {error}")
        return
    findings.compare("rejected", {k: v for k, v in manifest.rejected.items() if v}, dict(reasons))


def _verify_statistics(folder: Path, manifest: Manifest, findings: _Findings) -> None:
    """Compute the statistics again; those that need another set or the run itself are named as not recomputed."""
    if not shard_paths(folder):
        return
    try:
        found = json.loads(json.dumps(describe(dataset_format(manifest), read_rows(folder))))
    except (UserError, KeyError, TypeError) as error:
        findings.faults.append(f"the statistics cannot be computed: {error}")
        return
    for name, value in manifest.statistics.items():
        if name not in found:
            findings.skipped.append(f"statistics, {name}: not a function of the rows alone")
        elif isinstance(found[name], str) and found[name].startswith("not done"):
            findings.skipped.append(f"statistics, {name}: {found[name]}")
        else:
            findings.compare(f"statistics, {name}", value, found[name])


def _verify_ledger(folder: Path, manifest: Manifest, findings: _Findings) -> None:
    path = folder / "ledger.sqlite"
    if not path.is_file():
        findings.skipped += ["tokens: the ledger is not here"] if manifest.tokens else []
    elif manifest.tokens:
        ledger = Ledger(path, read_only=True)
        findings.compare("tokens", manifest.tokens, ledger.token_totals())
        ledger.close()


def _verify_views(folder: Path, manifest: Manifest, findings: _Findings) -> None:
    """Make the card and the Croissant file again and name the first lines that differ."""
    for name, text in views(manifest).items():
        path = folder / name
        if not path.is_file():
            findings.faults.append(f"{name} is missing; synthgen card {folder.name} writes it")
        else:
            findings.recomputed.append(name)
            findings.faults += islice(_differing_lines(name, path.read_text(encoding="utf-8"), text), FAULTS_SHOWN)


def _differing_lines(name: str, there: str, expected: str) -> Iterator[str]:
    if there == expected:
        return
    lines = unified_diff(expected.split("\n"), there.split("\n"), n=0, lineterm="")
    changes = [line for line in islice(lines, 2, None) if not line.startswith("@@")]
    removed = [line[1:] for line in changes if line.startswith("-")]
    added = [line[1:] for line in changes if line.startswith("+")]
    for number in range(max(len(removed), len(added))):
        says = _short(added[number]) if number < len(added) else "nothing"
        should = _short(removed[number]) if number < len(removed) else "nothing"
        yield f"{name} says {says}; {MANIFEST_NAME} gives {should}"


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text.strip()
    return f"'{text if len(text) <= 100 else text[:97] + '...'}'"


def _with_progress(rows: Iterator[Row], total: int, name: str) -> Iterator[Row]:
    with console.progress() as bar:
        shown = bar.add_task(name, total=total, note="")
        for number, row in enumerate(rows):
            if number % 10_000 == 0:
                bar.update(shown, completed=number)
            yield row
