"""How much intermediate training each arm had: epochs, updates and tokens, from the manifests of its runs."""

from collections.abc import Iterator
from statistics import fmean
from typing import Any

from evaluator.experiment.jobs import Graph, IntermediateJob, Job, TargetJob
from evaluator.store import Json, Store


def training_counts(graph: Graph, arm: str, store: Store) -> dict[str, dict[str, float]]:
    """Return the means over the runs of an arm, by size; runs whose manifests are not in the store are left out.

    An epoch is one pass over the features of all stages together, so that half a pass over each is half of one.
    """
    jobs = {job.node.key: job for job in graph.jobs}
    chains: dict[int, dict[str, list[IntermediateJob]]] = {}
    for cell in graph.cells:
        if cell.arm.name == arm and (stages := list(_stages(jobs[cell.predictions.inputs["model"]], jobs))):
            chains.setdefault(cell.size, {})[stages[0].node.key] = stages
    counts: dict[str, dict[str, float]] = {}
    for size, by_key in sorted(chains.items()):
        whole = (stages for stages in by_key.values() if all(store.is_finished(stage.node) for stage in stages))
        runs = [_counts([store.results(stage.node) for stage in stages]) for stages in whole]
        names = dict.fromkeys(name for run in runs for name in run)
        means = {name: round(fmean(run[name] for run in runs if name in run), 2) for name in names}
        counts |= {str(size): {"runs": len(runs), **means}} if runs else {}
    return counts


def _stages(job: Job, jobs: dict[str, Job]) -> Iterator[IntermediateJob]:
    """Yield the intermediate trainings that a run started from, the last one first."""
    node = job.encoder.node if isinstance(job, TargetJob) else job.base.node
    if node is not None and isinstance(stage := jobs.get(node.key), IntermediateJob):
        yield stage
        yield from _stages(stage, jobs)


def _counts(stages: list[Json]) -> dict[str, Any]:
    """Return epochs, updates and tokens of a run; runs of before features were counted have no epochs."""
    logs = [stage["training"] for stage in stages]
    features = sum(inputs["features"] for stage in stages for inputs in stage.get("inputs", {}).values())
    epochs = {"epochs": sum(log["examples"] for log in logs) / features} if features else {}
    return {**epochs, "updates": sum(log["steps"] for log in logs), "tokens": sum(log["tokens"] for log in logs)}
