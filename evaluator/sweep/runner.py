"""Running the jobs of a graph: one after the other in this process, or on Ray; what is finished is left alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from evaluator.experiment.graph import IntermediateJob, Job
from evaluator.store.store import Store
from evaluator.sweep.progress import SweepProgress, shown
from synthgen.errors import IncompleteError

SECONDS_BETWEEN_NOTES = 5.0
"""Between two lines of progress in the log of a run."""


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


def parent(job: Job) -> str | None:
    """Return the key of the intermediate model that a job needs."""
    return None if isinstance(job, IntermediateJob) or job.encoder.node is None else job.encoder.node.key


def run_jobs(
    jobs: Sequence[Job],
    store: Store,
    *,
    keep_weights: bool = False,
    ray: str | None = None,
    workers: int = 1,
    work: Mapping[str, float] | None = None,
) -> None:
    """Carry out what is missing; torch is imported only when something is.

    With `ray` or several workers the runs are Ray tasks. A run that cannot be completed does not stop the others;
    IncompleteError at the end names it.
    """
    todo = pending(jobs, store)
    if not todo:
        return
    with shown(todo, len(jobs) - len(todo), work or {}) as sweep:
        if ray is None and workers == 1:
            _run_here(todo, store, sweep, keep_weights=keep_weights)
        else:
            from evaluator.sweep.ray_runner import run_on_ray

            run_on_ray(todo, store, sweep, address=ray, workers=workers, keep_weights=keep_weights)
    if sweep.failed:
        key, message = next(iter(sweep.failed.items()))
        raise IncompleteError(
            f"{len(sweep.failed)} of {len(todo)} runs were not completed, the others are kept in {store.root}; "
            f"{sweep.jobs[key].label}: {message}"
        )


def _run_here(jobs: Sequence[Job], store: Store, sweep: SweepProgress, *, keep_weights: bool) -> None:
    for job in jobs:
        key = job.node.key
        if parent(job) in sweep.failed:
            sweep.fail(key, "its intermediate model was not completed")
            continue
        sweep.start(key)
        try:
            seconds = run_logged(job, store, partial(sweep.note, key), keep_weights=keep_weights)
        except IncompleteError as error:
            sweep.fail(key, str(error))
        else:
            sweep.finish(key, seconds)


def run_logged(job: Job, store: Store, note: Callable[[str], None], *, keep_weights: bool) -> float:
    """Carry out one job with a log of its own in the store, and return the seconds it took."""
    from evaluator.training import jobs as work

    started = said = time.monotonic()

    def report(text: str) -> None:
        nonlocal said
        note(text)
        if time.monotonic() - said >= SECONDS_BETWEEN_NOTES:
            said = time.monotonic()
            store.log(job.node, text)

    store.log(job.node, f"start  {job.label}")
    try:
        work.carry_out(job, store, report, keep_weights=keep_weights)
    except IncompleteError as error:
        store.log(job.node, f"failed  {error}")
        raise
    seconds = time.monotonic() - started
    store.log(job.node, f"done  {seconds:.1f} s")
    return seconds
