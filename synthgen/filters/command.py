"""`synthgen filter`: the filters of `synthgen make` over a whole set, real or synthetic, ours or somebody else's.

The rows that stay go to a new folder with a manifest of its own; the others to its `rejected/`, each with the stage
that dropped it, the reason and what shows it. The input is not touched, and nothing is left behind when something
fails in the middle.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, cast

from typer import Option

from synthgen import __version__, options
from synthgen.analysis.similarity_to_real import measure, warn_of_artefacts
from synthgen.analysis.text_statistics import describe
from synthgen.cards.card import write_card
from synthgen.corpora.any_folder import InputDataset, open_set
from synthgen.dataset.folder import drafted, refuse_taken
from synthgen.dataset.licences import LicensedSource, derive, parts_of
from synthgen.dataset.manifest import Manifest, Origin, finish, is_finished, read_manifest
from synthgen.dataset.shards import read_rows, write_rejected, write_tables
from synthgen.errors import UserError
from synthgen.filters.base import Filter, FilterContext
from synthgen.filters.config import FilterConfig, closing_all, read_plan, write_reports
from synthgen.filters.labels.filter import readers_of
from synthgen.filters.labels.llm_judge import JudgeConfig
from synthgen.filters.registry import ORDER
from synthgen.filters.set_pipeline import FilteredDataset, filter_dataset, refuse_repeated_ids, workers_for
from synthgen.models.packs import cache_root
from synthgen.runtime.provenance import command_line, hardware
from synthgen.runtime.workers import usable_cores
from synthgen.task.definition import definitions

Processes = Annotated[
    int,
    Option(
        help="Compare rows in so many processes (every core); no result depends on it.",
        default_factory=usable_cores,
        show_default=False,
    ),
]


def filter(
    folder: options.Folder,
    *,
    out: options.NewFolder,
    filters: options.FilterFile = None,
    against: options.Against = (),
    verifier: options.Verifier = None,
    judge: options.Judge = None,
    like: options.Like = None,
    origin: options.Origin = None,
    task: options.FolderTask = None,
    processes: Processes = 1,
) -> Manifest:
    """Keep the rows of any set, ours or somebody's parquet files, that pass the filters; write them to a new folder.

    Example: synthgen filter runs/mnli --out runs/mnli-clean --against data

    Returns the new folder's manifest; the same call again returns it too. A script that asks for more than one process
    needs `if __name__ == "__main__":`. Raises UserError for a folder or a configuration that cannot be used, for an
    `out` that holds something else, and when no row would be kept.
    """
    started = time.monotonic()
    if processes < 1:
        raise UserError(f"processes = {processes} is less than 1")
    opened = open_set(folder, origin=origin, task=task)
    prompt = opened.manifest.prompt_text if opened.manifest else ""
    judging = JudgeConfig(judge or "", definitions(opened.task), cache_root() / "judged" / opened.content_hash[:16])
    subject = FilterContext(opened.format, opened.language, prompt, tuple(against), verifier, like, judging)
    plan = read_plan(filters, subject)
    if not opened.manifest and out.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"{out} is inside {folder}, whose files are all rows to filter; give another --out")
    if is_finished(out):
        return _same_or_refused(out, plan.record(subject), opened.parent("filtered"))
    refuse_taken(out)
    refuse_repeated_ids(opened)
    return _filter_rows(opened, out, plan, subject, processes, started)


def _filter_rows(
    opened: InputDataset, out: Path, plan: FilterConfig, subject: FilterContext, processes: int, started: float
) -> Manifest:
    """Write the new folder and return its manifest."""
    made = plan.build(subject)
    with drafted(out) as draft, closing_all(made), workers_for(opened, processes) as workers:
        sieve = filter_dataset(opened, made, plan.build_edits(subject), workers)
        if not sieve.stays.any():
            reasons = ", ".join(f"{reason} ({count})" for reason, count in list(sieve.reasons().items())[:3])
            raise UserError(f"no row of {opened.name} would be kept: {reasons}; nothing is written")
        checks = plan.checks(subject, made) | ({"edits": dict(sieve.edited)} if plan.edits else {})
        facts = {"filters_hash": plan.hash(), "checks": checks, "like": subject.like}
        manifest = _write(draft, sieve, made, facts, opened.parent("filtered"), started)
    warn_of_artefacts(manifest.checks["artefacts"])
    return manifest


def _same_or_refused(out: Path, record: dict[str, Any], parent: dict[str, Any]) -> Manifest:
    manifest = read_manifest(out)
    if manifest.checks.get("filters") == record and parent in manifest.parents:
        if lost := next((name for name in manifest.files if not (out / name).is_file()), None):
            raise UserError(f"{out} lacks {lost}, which its manifest names: remove the folder to filter again")
        return manifest
    raise UserError(f"{out} holds another set: filtered from other rows, or with other settings; give another --out")


def _write(
    draft: Path,
    sieve: FilteredDataset,
    made: Sequence[Filter],
    facts: dict[str, Any],
    parent: dict[str, Any],
    started: float,
) -> Manifest:
    labels: Counter[str] = Counter()
    opened = sieve.opened
    files = write_tables(draft, sieve.kept(labels), opened.schema, sieve.workers)
    files |= write_rejected(draft, sieve.rejections()) | write_reports(draft, made)
    earlier = opened.manifest or _foreign(opened)
    readers = readers_of(facts["checks"])
    parts = [LicensedSource("filtered", opened.name, earlier.licence), *parts_of(None, readers)]
    manifest = replace(
        earlier,
        licence=derive(parts),
        n=labels.total(),
        asked=opened.rows,
        kept=labels.total(),
        failed=0,
        rejected=sieve.reasons(),
        label_counts={cell: labels[cell] for cell in dict.fromkeys([*opened.format.labels, *labels]) if labels[cell]},
        files=files,
        attempts=dict.fromkeys(earlier.attempts, 0),
        filters_hash=facts["filters_hash"],
        parents=(*earlier.parents, parent, *readers),
        versions=earlier.versions | {"synthgen-evaluator": __version__},
        tokens={},
        seconds=round(time.monotonic() - started, 1),
        hardware=hardware(),
        statistics=describe(opened.format, read_rows(draft)),
        checks=_checks_before(earlier) | facts["checks"] | measure(draft, opened.format, facts["like"]),
        command=command_line(),
    )
    write_card(draft, manifest)
    return finish(draft, manifest)


def _checks_before(earlier: Manifest) -> dict[str, Any]:
    """Return the checks of the set that was filtered; what was said of its rows, which are others now, stands apart."""
    of_rows = {kind.check or kind.name for kind in ORDER} | {"filters", "edits", "judged"}
    kept = {name: found for name, found in earlier.checks.items() if name not in of_rows}
    if before := {name: found for name, found in earlier.checks.items() if name in of_rows}:
        kept["filtered_before"] = [*kept.get("filtered_before", []), before]
    return kept


def _foreign(opened: InputDataset) -> Manifest:
    """Return what a manifest can say of a set that came without one."""
    return Manifest(
        task=opened.task,
        format=opened.format.name,
        columns=opened.format.columns,
        labels=opened.format.labels,
        origin=cast(Origin, opened.origin),
        language=opened.language,
        licence=opened.licence,
        n=0,
        asked=0,
        kept=0,
        failed=0,
        rejected={},
        label_counts={},
        seed=0,
        files={},
    )
