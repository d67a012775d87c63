"""`evaluator plan`: what an experiment would run and what it would cost, before anything runs.

Runs, steps and tokens are counted exactly, by tokenising what would be trained and predicted; the tokenised data stay
in the store for the runs themselves. Time follows from the speed of finished runs on this hardware, else from a
calibration of a few steps. FLOPs per token: `reference/evaluation.md` §3.1.
"""

from __future__ import annotations

import json
import shutil
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evaluator.definition import DEFAULT_MODEL, define, estimand, open_store
from evaluator.graph import Experiment, Graph, IntermediateJob, Job, build
from evaluator.runner import pending
from evaluator.store import Json, Store
from synthgen.console import stderr
from synthgen.errors import IncompleteError
from synthgen.packs import ResolvedModel

FORWARD_SHARE = 1 / 3
"""A forward pass costs a third of a training step: the backward pass is two forwards' worth of products."""

UNMEASURED_SECONDS_PER_RUN = 4.0
"""Loading a model, tokenising and saving, on the machine where the token speeds were measured."""


@dataclass(frozen=True, slots=True)
class JobCost:
    """One job of a plan; tokens are real ones, in training counted once per epoch."""

    key: str
    label: str
    kind: str
    steps: int
    training_tokens: int
    inference_tokens: int

    @property
    def work(self) -> float:
        """Training tokens' worth of work."""
        return self.training_tokens + self.inference_tokens * FORWARD_SHARE


@dataclass(frozen=True, slots=True)
class Plan:
    """The cost of what is missing. Times are estimates; counts are exact."""

    jobs: tuple[JobCost, ...]
    finished_runs: int
    tokens_per_second: float
    speed_source: str
    flops_per_token: float
    disk_bytes: int
    device: str
    arms: tuple[Json, ...]

    @property
    def seconds(self) -> float:
        """Estimated time on one device."""
        return sum(job.work for job in self.jobs) / self.tokens_per_second + UNMEASURED_SECONDS_PER_RUN * len(self.jobs)

    def document(self) -> Json:
        """Return the plan as JSON values."""
        totals = {
            "runs": len(self.jobs),
            "finished_runs": self.finished_runs,
            "steps": sum(job.steps for job in self.jobs),
            "training_tokens": sum(job.training_tokens for job in self.jobs),
            "inference_tokens": sum(job.inference_tokens for job in self.jobs),
            "flops": self.flops_per_token * sum(job.work for job in self.jobs),
            "seconds": round(self.seconds, 1),
            "device_hours": round(self.seconds / 3600, 3),
            "disk_bytes": self.disk_bytes,
        }
        speed = {"tokens_per_second": round(self.tokens_per_second, 1), "speed_source": self.speed_source}
        return {
            **totals,
            **speed,
            "device": self.device,
            "arms": list(self.arms),
            "jobs": [asdict(j) for j in self.jobs],
        }


def plan_graph(experiment: Experiment, graph: Graph, store: Store) -> Plan:
    """Return the cost of a graph's missing jobs."""
    todo = pending(graph.jobs, store)
    jobs = tuple(_costs(todo, store))
    speed, source = measured_speed(store) or ((_calibrated(experiment), "calibration") if todo else (1.0, "none"))
    size = sum(path.stat().st_size for path in experiment.model.path.glob("*.safetensors"))
    largest = size * (sum(isinstance(job, IntermediateJob) for job in todo) + 1)
    return Plan(
        jobs=jobs,
        finished_runs=len(graph.jobs) - len(todo),
        tokens_per_second=speed,
        speed_source=source,
        flops_per_token=flops_per_token(experiment.model),
        disk_bytes=largest if todo else 0,
        device=f"{experiment.hardware.device}, {experiment.hardware.threads} threads",
        arms=tuple({"name": arm.name, **arm.facts()} for arm in experiment.arms),
    )


def _costs(jobs: Sequence[Job], store: Store) -> list[JobCost]:
    if not jobs:
        return []
    from evaluator.counting import count_job

    return [JobCost(job.node.key, job.label, job.node.kind, *count_job(job, store)) for job in jobs]


def measured_speed(store: Store) -> tuple[float, str] | None:
    """Return the median training speed of finished runs in real tokens a second, None where there are none."""
    speeds = []
    for kind in ("target", "intermediate"):
        for path in sorted((store.root / kind).glob("*/synthgen.json")):
            training = json.loads(path.read_text(encoding="utf-8"))["results"]["training"]
            if training["seconds"]:
                speeds.append(training["tokens"] / training["seconds"])
    return (statistics.median(speeds), f"{len(speeds)} finished runs") if speeds else None


def _calibrated(experiment: Experiment) -> float:
    from evaluator.counting import calibrate

    return calibrate(experiment.model.path, experiment.hardware)


def flops_per_token(model: ResolvedModel) -> float:
    """Return training FLOPs per real token, 6 N + 12 L d s with N weights outside the embeddings and s = 40."""
    config = json.loads((model.path / "config.json").read_text(encoding="utf-8"))
    layers, width, inner = (config[key] for key in ("num_hidden_layers", "hidden_size", "intermediate_size"))
    weights = layers * (4 * width * width + 2 * width * inner)
    return float(6 * weights + 12 * layers * width * 40)


def announce(plan: Plan, root: Path) -> None:
    """Print the plan in one line; IncompleteError when its checkpoints do not fit on the disk of the store."""
    totals = plan.document()
    tokens = totals["training_tokens"] + totals["inference_tokens"]
    stderr.print(
        f"plan: {totals['runs']} runs, {plan.finished_runs} finished before, {totals['steps']:,} steps, "
        f"{tokens:,} tokens, about {plan.seconds / 60:.0f} min at {plan.tokens_per_second:.0f} tokens/s, "
        f"from {plan.speed_source}",
        highlight=False,
    )
    free = shutil.disk_usage(root).free
    if plan.disk_bytes > free:
        raise IncompleteError(
            f"the plan writes about {plan.disk_bytes / 1e9:.1f} GB and {root} has {free / 1e9:.1f} GB free; "
            "nothing was started: make room, give another --store, or fewer seeds and sizes"
        )


def plan(
    arms: Sequence[str],
    *,
    targets: Sequence[str],
    languages: Sequence[str] = (),
    split: str = "test",
    sizes: Sequence[str | int] = ("full",),
    seeds: int = 5,
    match: str = "epochs",
    model: str = DEFAULT_MODEL,
    recipe: str = "xtreme",
    select: str = "last",
    preset: str | None = None,
    data_root: Path | str | None = None,
    store: Path | str = "runs/store",
    max_train_examples: int | None = None,
    max_eval_examples: int | None = None,
) -> dict[str, Any]:
    """Return what `compare` with the same arguments would run and its cost; nothing is trained."""
    experiment = define(
        arms,
        targets=targets,
        languages=languages,
        split=split,
        sizes=sizes,
        seeds=seeds,
        match=match,
        model=model,
        recipe=recipe,
        select=select,
        data_root=data_root,
        max_train_examples=max_train_examples,
        max_eval_examples=max_eval_examples,
        preset=preset,
    )
    found = plan_graph(experiment, build(experiment), open_store(experiment, Path(store)))
    return {"estimand_hash": estimand(experiment)["hash"], **found.document()}
