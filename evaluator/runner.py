"""Running jobs one after the other in this process, with one live line for the sweep on stderr."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from rich.progress import Progress, TaskID

from evaluator.graph import IntermediateJob, Job
from evaluator.store import Store
from synthgen.console import progress, stderr


def pending(jobs: Sequence[Job], store: Store) -> list[Job]:
    """Return the jobs that still have something to do, intermediate models only where something needs them."""
    targets = [job for job in jobs if not isinstance(job, IntermediateJob) and not _is_done(job, store)]
    needed = {job.encoder.node.key for job in targets if not isinstance(job, IntermediateJob) and job.encoder.node}
    intermediate = [
        job
        for job in jobs
        if isinstance(job, IntermediateJob) and job.node.key in needed and not store.is_finished(job.node)
    ]
    return [*intermediate, *targets]


def _is_done(job: Job, store: Store) -> bool:
    if isinstance(job, IntermediateJob):
        return store.is_finished(job.node)
    return all(store.is_finished(node) for node in job.predictions.values())


def run_jobs(jobs: Sequence[Job], store: Store, *, keep_weights: bool = False) -> None:
    """Carry out what is missing; torch is imported only when something is."""
    todo = pending(jobs, store)
    if not todo:
        return
    from evaluator.work import carry_out

    with progress() as bar:
        sweep = bar.add_task("sweep", total=len(jobs), completed=len(jobs) - len(todo), note="")
        for job in todo:
            started = time.monotonic()
            bar.update(sweep, note=job.label)
            note = partial(_note, bar, sweep, job.label)
            carry_out(job, store, note, keep_weights=keep_weights)
            bar.advance(sweep)
            stderr.print(f"done  {job.label}  {time.monotonic() - started:.0f} s  {job.node.key}", highlight=False)
        bar.update(sweep, note="")


def _note(bar: Progress, sweep: TaskID, label: str, text: str) -> None:
    bar.update(sweep, note=f"{label}: {text}")
