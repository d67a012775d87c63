"""`evaluator publish`: a checkpoint or a comparison to the hub or to a folder, all of it or nothing.

Of a checkpoint go the weights, the tokenizer, its card and its manifest, and the scores where it is a target model that
a comparison kept; of a comparison the results card, the results with the scores of items, and the report; never the
store. Everything but weights is searched for what is private.
"""

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from evaluator import options
from evaluator.stats.results import read_results
from evaluator.store.manifest import read_node
from evaluator.store.tables import (
    ARMS_NAME,
    OVERLAP_NAME,
    PLAN_NAME,
    RECORD_NAME,
    RESULTS_NAME,
    TABLES_FILE,
    table_faults,
)
from evaluator.sweep.kept_target import KIND, stage_target
from synthgen.dataset.layout import MANIFEST_NAME
from synthgen.errors import UserError
from synthgen.publishing.parcel import Parcel, Publication, check_place, send
from synthgen.runtime.integrity import folder_faults

CARD, README = "results_card.md", "README.md"
_BESIDE = ("results.md", "comparison.json", ARMS_NAME, RECORD_NAME, PLAN_NAME, OVERLAP_NAME, TABLES_FILE)


def publish(
    run: options.PublishedRun,
    *,
    to: options.Destination,
    private: options.Private = False,
    dry_run: options.DryRun = False,
) -> Publication:
    """Publish a checkpoint of `evaluator train`, a target model of `compare --keep-weights`, or the folder of a report.

    Example: `evaluator publish runs/mnli-model --to owner/name --dry-run`

    Example: `evaluator publish runs/comparison --to ./public`

    Example: `evaluator publish runs/store/target/KEY --to owner/name`

    The same call again finishes an interrupted upload and does nothing for a finished one. Raises UserError for a
    folder that is neither, or not as it was written, when something private would be sent, for a name that is invalid
    or taken by something else, and when nobody is logged in; IncompleteError when the hub or the disk fails.
    """
    folder = Path(run)
    check_place(to, folder, "run", private=private)
    with TemporaryDirectory(prefix="evaluator-publish-") as staging:
        return send(parcel_of(folder, Path(staging)), to, private=private, dry_run=dry_run)


def parcel_of(folder: Path, staging: Path) -> Parcel:
    """Return what is published of a folder, what is written for that in an empty one.

    UserError for a folder that is not a complete checkpoint and no comparison.
    """
    if (folder / "config.json").is_file() and (folder / MANIFEST_NAME).is_file():
        return _checkpoint(folder, staging)
    if folder.resolve().parent.name == KIND and (folder / MANIFEST_NAME).is_file():
        advice = "run `evaluator compare --keep-weights` with another --store to keep them"
        raise UserError(f"{folder} has no weights: {advice}")
    if (folder / RESULTS_NAME).is_file():
        return _comparison(folder)
    raise UserError(
        f"{folder} is neither a checkpoint of `evaluator train` (config.json, {MANIFEST_NAME}) nor the folder of a "
        f"report ({RESULTS_NAME}, {CARD})"
    )


def _checkpoint(folder: Path, staging: Path) -> Parcel:
    manifest = _whole(folder)
    if manifest["kind"] == KIND:
        place, names = staging, stage_target(folder, manifest, staging)
    elif README not in manifest["files"] and not (folder / README).is_file():
        raise UserError(
            f"{folder} has no model card, {README}; publish a checkpoint of `evaluator train`, or a target model of "
            "`evaluator compare --keep-weights`"
        )
    else:
        place, names = folder, [*dict.fromkeys([README, *manifest["files"]]), MANIFEST_NAME]
    files = dict(zip(names, names, strict=True))
    return _parcel(place, files, "checkpoint", "model", f"checkpoint {str(manifest['key'])[:12]}")


def _whole(folder: Path) -> dict[str, Any]:
    """Return the manifest of a checkpoint; UserError when it or a file is not as it was written."""
    try:
        manifest = read_node(folder)
    except UserError as error:
        raise UserError(f"{folder} is not a complete checkpoint: {error}; train it again") from None
    if fault := next(folder_faults(folder, manifest["files"], MANIFEST_NAME), None):
        raise UserError(f"not published: {folder / fault}; train it again")
    return manifest


def _comparison(folder: Path) -> Parcel:
    results = read_results(folder / RESULTS_NAME)
    pages = sorted(path.name for path in folder.glob("*.html"))
    if not pages or not (folder / CARD).is_file():
        raise UserError(f"{folder} has no report: evaluator report {folder} --out {folder / 'report.html'} writes it")
    for name, fault in table_faults(folder, anew=True):
        again = "`evaluator compare` or `evaluator report` writes it again"
        raise UserError(f"not published: {folder / name} {fault}; {again}")
    beside = [name for name in _BESIDE if (folder / name).is_file()]
    beside += sorted(path.relative_to(folder).as_posix() for path in (folder / "items").rglob("*.parquet"))
    files = {README: CARD} | {name: name for name in (*pages, *beside, RESULTS_NAME)}
    return _parcel(folder, files, "comparison", "dataset", f"results of {len(results.rows)} scores")


def _parcel(folder: Path, files: dict[str, str], kind: str, repository: str, message: str) -> Parcel:
    own = (folder / list(files.values())[-1]).read_text(encoding="utf-8")

    def check_published(text: str, where: str) -> str:
        if text != own:
            raise UserError(f"{where} exists and contains another {kind}; give another --to")
        return "already published"

    tag = f"{kind}-{hashlib.sha256(own.encode()).hexdigest()[:12]}"
    return Parcel(folder, files, kind, repository, tag, message, check_published)
