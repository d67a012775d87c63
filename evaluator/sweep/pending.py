"""Which jobs of a graph still have something to do, and what each waits for."""

from collections.abc import Sequence

from evaluator.experiment.jobs import IntermediateJob, Job, TargetJob
from evaluator.store import Store


def pending(jobs: Sequence[Job], store: Store) -> list[Job]:
    """Return the jobs that lack results, intermediate models only where a later job needs them, and before it."""
    targets = [job for job in jobs if isinstance(job, TargetJob) and not is_done(job, store)]
    needed, models = set(map(parent, targets)), []
    for job in reversed(jobs):  # a model stands before those that are trained on from it
        if isinstance(job, IntermediateJob) and job.node.key in needed and not store.is_finished(job.node):
            needed.add(parent(job))
            models.append(job)
    return [*reversed(models), *targets]


def is_done(job: TargetJob, store: Store) -> bool:
    """Say whether a target's predictions and, where it was trained, the log of its training are there."""
    nodes = [*job.predictions.values(), *([job.node] if job.stage else [])]
    return all([store.is_finished(node) for node in nodes])  # each is looked at: what is damaged is said


def parent(job: Job) -> str | None:
    """Return the key of the intermediate model that a job needs, if any."""
    before = job.encoder if isinstance(job, TargetJob) else job.base
    return before.node.key if before.node else None
