"""Runs as Ray tasks, one per device: several on this machine, or on a cluster whose machines all see the store.

Ray does the scheduling: a target's task takes the reference of its intermediate model's task as an argument, so it
starts when that one has ended, on any machine. A task whose machine is lost is run again elsewhere.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from evaluator.experiment.hardware import Hardware
from evaluator.experiment.jobs import Job
from evaluator.store import Store
from evaluator.sweep.pending import parent
from evaluator.sweep.progress import SweepProgress
from evaluator.sweep.run_log import run_logged
from synthgen.errors import IncompleteError, UserError
from synthgen.runtime.ray_cluster import LOCAL, joined, largest_node

RETRIES = 5
"""How often a run is started again after its machine or process was lost. A run that fails by itself is not."""

SECONDS_BETWEEN_LOOKS, LONGEST_LOOK = 0.5, 10.0


class ProgressBoard:
    """Where tasks say what they are doing, an actor beside the driver, read by its display."""

    def __init__(self) -> None:
        self.notes: dict[str, str] = {}

    def note(self, key: str, text: str) -> None:
        """Keep the last text of a run."""
        self.notes[key] = text

    def read(self) -> dict[str, str]:
        """Return the last text of every run that has said anything since the last reading."""
        notes, self.notes = self.notes, {}
        return notes


def run_on_ray(
    jobs: Sequence[Job], store: Store, sweep: SweepProgress, *, address: str | None, workers: int, keep_weights: bool
) -> None:
    """Carry out jobs on a Ray cluster; `workers` runs share one GPU, or one machine's cores."""
    with joined(address or LOCAL) as ray:
        board = ray.remote(num_cpus=0, max_restarts=-1)(ProgressBoard).options(scheduling_strategy=_here(ray)).remote()
        task = ray.remote(max_retries=RETRIES, **resources(ray, jobs[0].hardware, workers))(_task)
        references: dict[str, Any] = {}
        for job in jobs:
            before = references.get(parent(job) or "")
            references[job.node.key] = task.remote(job, store, board, keep_weights, before)
        try:
            _watch(ray, references, board, sweep)
        except BaseException:
            for reference in references.values():
                ray.cancel(reference, force=True)
            raise


def _here(ray: Any) -> Any:  # noqa: ANN401 - a module that may be missing
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)


def resources(ray: Any, hardware: Hardware, workers: int) -> dict[str, float]:  # noqa: ANN401 - may be missing
    """Return what Ray sets aside for one run; fractions where several share a device."""
    if hardware.device == "cuda":
        if not largest_node(ray, "GPU"):
            raise UserError("no machine of the Ray cluster has a GPU; set SYNTHGEN_DEVICE=cpu to run on its CPUs")
        return {"num_gpus": 1 / workers, "num_cpus": 0}
    cores = largest_node(ray, "CPU")
    return {"num_cpus": min(hardware.threads, cores) if workers == 1 else cores / workers}


def _task(job: Job, store: Store, board: Any, keep_weights: bool, _before: Any) -> float:  # noqa: ANN401 - Ray handles
    note = partial(board.note.remote, job.node.key)
    note("")
    return run_logged(job, store, note, keep_weights=keep_weights)


def _watch(ray: Any, references: dict[str, Any], board: Any, sweep: SweepProgress) -> None:  # noqa: ANN401 - Ray handles
    """Follow the tasks until none is left; a lost or diverged run fails alone, wrong input stops everything."""
    waiting = {reference: key for key, reference in references.items()}
    while waiting:
        ended, _ = ray.wait(list(waiting), num_returns=1, timeout=SECONDS_BETWEEN_LOOKS)
        for key, text in _new_notes(ray, board).items():
            sweep.note(key, text)
        for reference in ended:
            key = waiting.pop(reference)
            try:
                sweep.finish(key, ray.get(reference))
            except ray.exceptions.RayTaskError as error:
                if not isinstance(error.cause, IncompleteError):
                    raise error.cause from None
                sweep.fail(key, str(error.cause))
            except ray.exceptions.RayError as error:
                lost = f"its process or machine was lost {RETRIES + 1} times"
                sweep.fail(key, f"{lost}: {str(error).partition(chr(10))[0]}")


def _new_notes(ray: Any, board: Any) -> dict[str, str]:  # noqa: ANN401 - Ray handles
    """Return the notes since the last look; none while the board's machine is lost, which must end no sweep."""
    try:
        return dict(ray.get(board.read.remote(), timeout=LONGEST_LOOK))
    except ray.exceptions.RayError:
        return {}
