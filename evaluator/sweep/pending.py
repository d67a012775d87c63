"""Which jobs of a graph still have something to do, and what each waits for."""

from collections.abc import Sequence

from evaluator.experiment.graph import IntermediateJob, Job, TargetJob
from evaluator.store import Store


def pending(jobs: Sequence[Job], store: Store) -> list[Job]:
    """Return the jobs that lack results, intermediate models only where a target needs them, and before targets."""
    targets = [job for job in jobs if isinstance(job, TargetJob) and not _is_predicted(job, store)]
    needed = set(map(parent, targets))
    models = [job for job in jobs if isinstance(job, IntermediateJob) and job.node.key in needed]
    return [*(job for job in models if not store.is_finished(job.node)), *targets]


def _is_predicted(job: TargetJob, store: Store) -> bool:
    return all(map(store.is_finished, job.predictions.values()))


def parent(job: Job) -> str | None:
    """Return the key of the intermediate model that a job needs, if any."""
    return job.encoder.node.key if isinstance(job, TargetJob) and job.encoder.node else None
