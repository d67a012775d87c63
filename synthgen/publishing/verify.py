"""`synthgen card --verify`: what the shards and the ledger give recomputed, every file compared with its checksum.

The manifest is compared with the rows, the card and the Croissant file with the manifest. A fault names the file and
the row; a figure that nothing here gives is listed as not recomputed.
"""

import json
from collections import Counter
from collections.abc import Iterator
from difflib import unified_diff
from hashlib import sha256
from itertools import islice, zip_longest
from pathlib import Path

import pyarrow as pa

from synthgen.analysis.text_statistics import describe
from synthgen.cards.card import check, views
from synthgen.dataset.layout import MANIFEST_NAME, misplaced
from synthgen.dataset.manifest import Manifest, dataset_format, read_manifest
from synthgen.dataset.shards import read_rejected, read_rows, shard_paths
from synthgen.errors import UserError
from synthgen.publishing.verification import FAULTS_SHOWN, Verification, VerificationLog, short
from synthgen.publishing.verify_ledger import contradictions, name_the_rest, verify_ledger
from synthgen.publishing.verify_rows import verify_rows
from synthgen.runtime.drafts import is_draft
from synthgen.runtime.files import file_sha256

_WRITTEN_HERE = {MANIFEST_NAME, "ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm", "inspect.html"}


def verify(folder: Path) -> Verification:
    """Compute the numbers of a finished folder again; return what was computed and every number that differs."""
    log = VerificationLog()
    manifest = read_manifest(folder, faults=log.faults)
    if outside := misplaced(folder, list(manifest.files)):
        return Verification((), ("all else: nothing outside the folder is read",), tuple(outside))
    log.faults += [*check(folder), *contradictions(manifest)]
    _verify_files(folder, manifest, log)
    if verify_rows(folder, manifest, log):
        _verify_statistics(folder, manifest, log)
    _verify_rejections(folder, manifest, log)
    verify_ledger(folder, manifest, log)
    _verify_views(folder, manifest, log)
    name_the_rest(manifest, log)
    return Verification(tuple(log.recomputed), tuple(log.skipped), tuple(dict.fromkeys(log.faults)))


def _verify_files(folder: Path, manifest: Manifest, log: VerificationLog) -> None:
    for name, digest in manifest.files.items():
        path = folder / name
        if path.is_file():
            log.recomputed.append(f"sha256 of {name}")
            if file_sha256(path) != digest:
                log.faults.append(f"{name} is not the file that was written: its SHA-256 differs")
        elif name.startswith("rejected/"):
            log.skipped.append(f"{name}: rejected rows are not published")
        else:
            log.faults.append(f"{name} is missing")
    known = set(manifest.files) | set(views(manifest)) | _WRITTEN_HERE
    for path in sorted(folder.rglob("*")):
        if path.is_file() and (name := path.relative_to(folder).as_posix()) not in known and not is_draft(path.name):
            log.faults.append(f"{name} is in the folder but not in {MANIFEST_NAME}")
    if manifest.prompt_text:
        log.compare("prompt_hash", manifest.prompt_hash, sha256(manifest.prompt_text.encode()).hexdigest())


def _verify_rejections(folder: Path, manifest: Manifest, log: VerificationLog) -> None:
    if not (folder / "rejected").is_dir():
        return
    try:
        reasons = Counter(rejection.reason for rejection in read_rejected(folder))
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        log.faults.append(f"the rejected rows cannot be read: {error}")
        return
    log.compare("rejected", {k: v for k, v in manifest.rejected.items() if v}, dict(reasons))


def _verify_statistics(folder: Path, manifest: Manifest, log: VerificationLog) -> None:
    """Compute the statistics again; one that the rows give may not be missing."""
    if not manifest.kept or not shard_paths(folder):
        return
    try:
        statistics = json.loads(json.dumps(describe(dataset_format(manifest), read_rows(folder))))
    except (UserError, KeyError, TypeError) as error:
        log.faults.append(f"the statistics cannot be computed: {error}")
        return
    for name, value in statistics.items():
        claimed = manifest.statistics.get(name, "missing")
        # Whether a model is in this machine's cache is no fact about the folder.
        if not_done := next((each for each in (claimed, value) if str(each).startswith("not done")), None):
            log.skipped.append(f"statistics, {name}: {not_done}")
        else:
            log.compare(f"statistics, {name}", claimed, value)


def _verify_views(folder: Path, manifest: Manifest, log: VerificationLog) -> None:
    """Make the card and the Croissant file again and name the first lines that differ."""
    for name, text in views(manifest).items():
        path = folder / name
        if not path.is_file():
            log.faults.append(f"{name} is missing; synthgen card {folder.name} writes it")
            continue
        log.recomputed.append(name)
        written = path.read_bytes().decode("utf-8", "replace")
        log.faults += islice(_differing_lines(name, written, text), FAULTS_SHOWN)


def _differing_lines(name: str, written: str, expected: str) -> Iterator[str]:
    lines = [*islice(unified_diff(expected.split("\n"), written.split("\n"), n=0, lineterm=""), 2, None)]
    removed, added = ([short(line[1:]) for line in lines if line.startswith(sign)] for sign in "-+")
    for should, says in zip_longest(removed, added, fillvalue="nothing"):
        yield f"{name} says {says}; {MANIFEST_NAME} gives {should}"
