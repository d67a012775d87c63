"""`synthgen filter`: the filters of `synthgen make` over a whole set, real or synthetic, ours or somebody else's.

The rows that stay go to a new folder with a manifest of its own; the others to its `rejected/`, each with the stage
that dropped it, the reason and what shows it. The input is not touched, and nothing is left behind when something
fails in the middle.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa

from synthgen import __version__, console
from synthgen.datacard import write_card
from synthgen.dataset import (
    ROWS_PER_GROUP,
    Manifest,
    Origin,
    Rejection,
    drafted,
    file_sha256,
    finish,
    is_finished,
    read_manifest,
    read_rows,
    write_rejected,
    write_tables,
)
from synthgen.errors import UserError
from synthgen.filters.base import Edit, Filter, Subject, Verdict
from synthgen.filters.plan import Plan, read_plan
from synthgen.formats.base import Row
from synthgen.opened import OpenedSet, open_set
from synthgen.provenance import command_line, hardware
from synthgen.statistics import describe


@dataclass(frozen=True, slots=True)
class Run:
    """One filter run: the set, the plan, the filters made for it."""

    opened: OpenedSet
    plan: Plan
    subject: Subject
    filters: tuple[Filter, ...]
    edits: tuple[Edit, ...]


@dataclass(slots=True)
class Dropped:
    """The rows to leave out, by number: the stage that dropped each and its verdict; and the edits that were made."""

    rows: dict[int, tuple[str, Verdict]] = field(default_factory=dict)
    edited: Counter[str] = field(default_factory=Counter)

    def reasons(self) -> dict[str, int]:
        """Return how many rows were dropped for each reason, most frequent first."""
        return dict(Counter(verdict.reason for _, verdict in self.rows.values()).most_common())


def filter(
    folder: Path,
    *,
    out: Path,
    filters: Path | None = None,
    against: Sequence[Path] = (),
    verifier: Path | None = None,
    origin: str | None = None,
) -> Manifest:
    """Write the rows of `folder` that pass all filters to the new folder `out` and return its manifest.

    `filters` is a TOML file (see `synthgen.filters.plan`), `against` are evaluation sets to keep out, `verifier` is a
    checkpoint that relabels. `origin` says what the rows of a folder without a manifest are. The same call again
    returns the finished folder. Raises UserError for a folder or a configuration that cannot be used, for an `out`
    that holds something else, and when no row would be kept.
    """
    started = time.monotonic()
    plan = read_plan(filters, against=bool(against), verifier=verifier is not None)
    opened = open_set(folder, origin=origin)
    prompt = opened.manifest.prompt_text if opened.manifest else ""
    subject = Subject(opened.format, opened.language, prompt, tuple(against), verifier)
    parent = _parent(opened)
    if is_finished(out):
        return _same_or_refused(out, plan.record(subject), parent)
    run = Run(opened, plan, subject, plan.build(subject), plan.build_edits(subject))
    with drafted(out) as draft:
        dropped = _judge(run)
        if len(dropped.rows) == opened.rows:
            reasons = ", ".join(f"{reason} ({count})" for reason, count in list(dropped.reasons().items())[:3])
            raise UserError(f"no row of {folder} would be kept: {reasons}; nothing is written")
        return _write(draft, run, dropped, parent, started)


def _parent(opened: OpenedSet) -> dict[str, Any]:
    """Return what the manifest says of the input: its contents and what its licence asks."""
    content = opened.manifest.content_hash if opened.manifest else _content_hash(opened.paths)
    facts = {"role": "filtered", "name": opened.name, "task": opened.task, "origin": opened.origin}
    return facts | {"licence": opened.licence, "rows": opened.rows, "content_hash": content}


def _content_hash(paths: Sequence[Path]) -> str:
    return sha256(json.dumps([file_sha256(path) for path in paths]).encode()).hexdigest()


def _same_or_refused(out: Path, record: dict[str, Any], parent: dict[str, Any]) -> Manifest:
    manifest = read_manifest(out)
    if manifest.checks.get("filters") == record and parent in manifest.parents:
        return manifest
    raise UserError(f"{out} holds another set: filtered from other rows, or with other settings; give another --out")


def _judge(run: Run) -> Dropped:
    """Give every row to every filter, in order; a row that is dropped is not seen by later filters."""
    dropped = Dropped()
    with console.progress() as bar:
        shown = bar.add_task(f"filter {run.opened.name}", total=run.opened.rows, note="")
        for number, row in enumerate(_rows(run, dropped.edited)):
            if (verdict := _first_verdict(run.filters, row)) is not None:
                dropped.rows[number] = verdict
            if number % 1000 == 0:
                bar.update(shown, completed=number, note=f"{len(dropped.rows)} dropped")
    return dropped


def _first_verdict(filters: Sequence[Filter], row: Row) -> tuple[str, Verdict] | None:
    for filter_ in filters:
        if (verdict := filter_.judge(row["id"], row)) is not None:
            return filter_.name, verdict
    for filter_ in filters:
        filter_.remember(row["id"], row)
    return None


def _rows(run: Run, edited: Counter[str]) -> Iterator[Row]:
    for table in _edited(run, edited):
        yield from table.to_pylist()


def _edited(run: Run, edited: Counter[str]) -> Iterator[pa.Table]:
    """Yield the set's tables with the plan's edits made, counting changed rows by edit."""
    for table in run.opened.tables():
        if run.edits:
            rows = table.to_pylist()
            for edit in run.edits:
                changed = [edit.apply(row) for row in rows]
                edited[edit.name] += sum(new is not old for new, old in zip(changed, rows, strict=True))
                rows = changed
            table = pa.Table.from_pylist(rows, schema=table.schema)
        yield table


def _kept(run: Run, dropped: Dropped, labels: Counter[str]) -> Iterator[pa.Table]:
    """Yield the rows that stay as tables of 10,000, counting labels."""
    waiting: list[pa.Table] = []
    first = 0
    for table in _edited(run, Counter()):
        mask = np.array([number not in dropped.rows for number in range(first, first + table.num_rows)])
        first += table.num_rows
        kept = table.filter(mask)
        labels.update(map(run.opened.format.cell, kept.to_pylist()))
        waiting.append(kept)
        whole = pa.concat_tables(waiting)
        while whole.num_rows >= ROWS_PER_GROUP:
            yield whole.slice(0, ROWS_PER_GROUP)
            whole = whole.slice(ROWS_PER_GROUP)
        waiting = [whole]
    yield pa.concat_tables(waiting)


def _rejections(run: Run, dropped: Dropped) -> Iterator[Rejection]:
    for number, row in enumerate(_rows(run, Counter())):
        if number in dropped.rows:
            stage, verdict = dropped.rows[number]
            yield Rejection(row["id"], verdict.reason, stage, verdict.evidence, row)


def _write(draft: Path, run: Run, dropped: Dropped, parent: dict[str, Any], started: float) -> Manifest:
    labels: Counter[str] = Counter()
    files = write_tables(draft, _kept(run, dropped, labels), run.opened.schema)
    files |= write_rejected(draft, _rejections(run, dropped))
    earlier = run.opened.manifest or _foreign(run.opened)
    checks = run.plan.checks(run.subject, run.filters)
    if run.edits:
        checks["edits"] = {edit.name: dropped.edited[edit.name] for edit in run.edits}
    manifest = replace(
        earlier,
        n=labels.total(),
        asked=run.opened.rows,
        kept=labels.total(),
        failed=0,
        rejected=dropped.reasons(),
        label_counts={
            cell: labels[cell] for cell in dict.fromkeys([*run.opened.format.labels, *labels]) if labels[cell]
        },
        files=files,
        attempts=dict.fromkeys(earlier.attempts, 0),
        filters_hash=run.plan.hash(),
        parents=(*earlier.parents, parent),
        versions=earlier.versions | {"synthgen-evaluator": __version__},
        tokens={},
        seconds=round(time.monotonic() - started, 1),
        hardware=hardware(),
        statistics=describe(run.opened.format, read_rows(draft)),
        checks=earlier.checks | checks,
        command=command_line(),
    )
    write_card(draft, manifest)
    return finish(draft, manifest)


def _foreign(opened: OpenedSet) -> Manifest:
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
