"""One run with a log of its own in the store; a fault of the GPU is worth a second try in a new process."""

import time
from collections.abc import Callable
from functools import partial

from evaluator.experiment.jobs import Job
from evaluator.store import Store
from synthgen.console import note
from synthgen.errors import IncompleteError, first_line
from synthgen.runtime.lock import only_writer
from synthgen.runtime.workers import Workers

SECONDS_BETWEEN_NOTES = 5.0
"""Between two lines of progress in the log of a run."""
OF_THE_GPU = ("CUDA", "CUBLAS", "cuDNN", "CUDNN", "HIP error")
"""What stands in the message of an error that a GPU had, not the run."""


def run_logged(job: Job, store: Store, on_progress: Callable[[str], None], *, keep_weights: bool) -> float:
    """Carry out one job, log its start, progress and end, and return the seconds it took.

    IncompleteError when it cannot be completed, or the GPU failed twice.
    """
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
        run = partial(run_job, job, store, keep_weights=keep_weights)
        with only_writer(store.path(job.node), wait=True):  # another comparison may be at this very run
            with_second_try(run, report, log=partial(store.log, job.node))
    except IncompleteError as error:
        store.log(job.node, f"failed  {error}")
        raise
    seconds = time.monotonic() - start
    store.log(job.node, f"done  {seconds:.1f} s")
    return seconds


def with_second_try(
    run: Callable[[Callable[[str], None]], None], report: Callable[[str], None], *, log: Callable[[str], None]
) -> None:
    """Call `run(report)`; after a fault of the GPU once more, in a new process: in this one it may be of no more use.

    IncompleteError after a second fault.
    """
    try:
        run(report)
        return
    except RuntimeError as error:
        if not is_gpu_fault(error):
            raise
        fault = first_line(error)
    again = f"the GPU failed, the run is tried again in a new process: {fault}"
    log(again)
    note(again)
    with Workers(2) as workers:
        try:
            list(workers.map(run, [_silent]))
        except RuntimeError as error:
            if not is_gpu_fault(error):
                raise
            raise IncompleteError(
                f"the GPU failed twice: {first_line(error)}; run the same command to try again"
            ) from None


def is_gpu_fault(error: RuntimeError) -> bool:
    """Say whether an error was the GPU's (a launch failure, its memory), by its class or its message."""
    names = {each.__name__ for each in type(error).__mro__}
    return not names.isdisjoint({"AcceleratorError", "OutOfMemoryError"}) or (
        not isinstance(error, IncompleteError) and any(each in str(error) for each in OF_THE_GPU)
    )


def _silent(_: str) -> None:
    """Report nothing: the new process has no display."""
