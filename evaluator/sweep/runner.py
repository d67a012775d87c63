"""Running the jobs of a graph: one after the other in this process, or on Ray; what is finished is left alone."""

from collections.abc import Mapping, Sequence
from functools import partial

from evaluator.experiment.jobs import Job
from evaluator.store import Store
from evaluator.sweep.pending import parent, pending
from evaluator.sweep.progress import SweepProgress, display
from evaluator.sweep.ray_runner import run_on_ray
from evaluator.sweep.run_log import run_logged
from evaluator.sweep.tracked import TrackedSweep
from synthgen.console import note
from synthgen.errors import IncompleteError


def run_jobs(
    jobs: Sequence[Job],
    tracked: TrackedSweep,
    work: Mapping[str, float],
    *,
    ray: str | None,
    workers: int,
    keep_weights: bool,
) -> str | None:
    """Carry out what is missing; torch is imported only when something is.

    With `ray` or several workers the runs are Ray tasks. A run that cannot be completed does not stop the others.
    Returns a line that counts such runs and names the first, None when all are complete.
    """
    store = tracked.store
    todo = pending(jobs, store)
    if not todo:
        return None
    with display(todo, len(jobs) - len(todo), work, tracked) as sweep:
        if ray is None and workers == 1:
            _name_idle_gpus(todo)
            _run_here(todo, store, sweep, keep_weights=keep_weights)
        else:
            run_on_ray(todo, store, sweep, address=ray, workers=workers, keep_weights=keep_weights)
    if not sweep.failed:
        return None
    key, message = next(iter(sweep.failed.items()))
    return (
        f"{len(sweep.failed)} of {len(todo)} runs failed, the others are kept in {store.root}; "
        f"{sweep.jobs[key].label}: {message}"
    )


def _name_idle_gpus(jobs: Sequence[Job]) -> None:
    """Say how many GPUs runs one after the other leave idle, and what uses them."""
    if len(jobs) > 1 and jobs[0].hardware.device == "cuda":
        import torch

        if (idle := torch.cuda.device_count() - 1) > 0:
            more = f"{idle} more GPU{'s are' if idle > 1 else ' is'} idle"
            note(f"{more}: --ray auto uses all of them, --workers 2 gives each two runs")


def _run_here(jobs: Sequence[Job], store: Store, sweep: SweepProgress, *, keep_weights: bool) -> None:
    for job in jobs:
        key = job.node.key
        if parent(job) in sweep.failed:
            sweep.fail(key, "the training of its intermediate model failed")
            continue
        sweep.start(key)
        try:
            seconds = run_logged(job, store, partial(sweep.note, key), keep_weights=keep_weights)
        except IncompleteError as error:
            sweep.fail(key, str(error))
        else:
            sweep.finish(key, seconds)
