"""One run with a log of its own in the store."""

import time
from collections.abc import Callable

from evaluator.experiment.graph import Job
from evaluator.store import Store
from synthgen.errors import IncompleteError
from synthgen.runtime.lock import only_writer

SECONDS_BETWEEN_NOTES = 5.0
"""Between two lines of progress in the log of a run."""


def run_logged(job: Job, store: Store, on_progress: Callable[[str], None], *, keep_weights: bool) -> float:
    """Carry out one job, log its start, progress and end, and return the seconds it took."""
    from evaluator.training.jobs import run_job

    start = last_note = time.monotonic()

    def report(text: str) -> None:
        nonlocal last_note
        on_progress(text)
        if time.monotonic() - last_note >= SECONDS_BETWEEN_NOTES:
            last_note = time.monotonic()
            store.log(job.node, text)

    store.log(job.node, f"start  {job.label}")
    try:
        with only_writer(store.path(job.node), wait=True):  # another comparison may be at this very run
            run_job(job, store, report, keep_weights=keep_weights)
    except IncompleteError as error:
        store.log(job.node, f"failed  {error}")
        raise
    seconds = time.monotonic() - start
    store.log(job.node, f"done  {seconds:.1f} s")
    return seconds
