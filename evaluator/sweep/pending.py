"""Which jobs of a graph still have something to do, and what each waits for."""

from collections.abc import Sequence

from evaluator.experiment.graph import IntermediateJob, Job, TargetJob
from evaluator.store import Store


def pending(jobs: Sequence[Job], store: Store) -> list[Job]:
    """Return the jobs that lack results, intermediate models only where a target needs them, and before targets."""
    targets = [job for job in jobs if isinstance(job, TargetJob) and not is_done(job, store)]
    needed = set(map(parent, targets))
    models = [job for job in jobs if isinstance(job, IntermediateJob) and job.node.key in needed]
    return [*(job for job in models if not store.is_finished(job.node)), *targets]


def is_done(job: TargetJob, store: Store) -> bool:
    """Say whether a target's predictions and, where it was trained, the log of its training are there."""
    nodes = [*job.predictions.values(), *([job.node] if job.stage else [])]
    return all([store.is_finished(node) for node in nodes])  # each is looked at: what is damaged is said


def parent(job: Job) -> str | None:
    """Return the key of the intermediate model that a job needs, if any."""
    return job.encoder.node.key if isinstance(job, TargetJob) and job.encoder.node else None
