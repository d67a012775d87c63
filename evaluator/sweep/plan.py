"""`evaluator plan`: what an experiment would run and what it would cost, before anything runs.

Runs, steps and tokens are counted by tokenising what would be trained and predicted; the tokenised data stay in the
store. Time follows from the speed of finished runs on this hardware, else from a calibration of a few steps.
"""

import shutil
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from evaluator.experiment.arguments import PlanArguments
from evaluator.experiment.call import takes
from evaluator.experiment.definition import Experiment, check_encoders, define, estimand, open_store
from evaluator.experiment.graph import build
from evaluator.experiment.hardware import Hardware, sees_gpu
from evaluator.experiment.jobs import Graph, IntermediateJob, Job
from evaluator.experiment.throughput import FORWARD_SHARE, EncoderSize, Throughput, available_memory
from evaluator.store import Json, Store
from evaluator.sweep import cluster_speed
from evaluator.sweep.assumed import plan_assumed
from evaluator.sweep.pending import pending
from synthgen.console import note, progress
from synthgen.errors import IncompleteError
from synthgen.runtime.files import format_duration, format_size
from synthgen.runtime.workers import Workers, usable_cores

NOTICED = 0.1
"""Share of the time spent waiting for cores from which an estimate is a range."""


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
class CostEstimate:
    """The cost of what is missing. Times and bytes are estimates; counts are exact.

    `devices` are GPUs, or machines without; `parallel` runs go at once on all of them at the speed of one.
    """

    jobs: tuple[JobCost, ...]
    finished_runs: int
    speed: Throughput
    flops_per_token: float
    disk_bytes: int
    memory_bytes: int
    device: str
    devices: int
    parallel: int
    workers: int
    arms: tuple[Json, ...]
    price_per_hour: float | None = None

    @property
    def seconds(self) -> float:
        """Estimated time of all runs one after the other."""
        work = sum(job.work for job in self.jobs)
        return work / self.speed.tokens_per_second + self.speed.seconds_per_run * len(self.jobs)

    @property
    def seconds_alone(self) -> float:
        """The same with nothing else on the cores."""
        return self.seconds * (1 - self.speed.waiting)

    @property
    def device_hours(self) -> float:
        """Estimated hours of all devices together."""
        return self.seconds / self.parallel * self.devices / 3600

    @property
    def duration(self) -> str:
        """The estimated time in words: two where other programs kept the cores busy when the speed was measured."""
        most, least = (format_duration(each / self.parallel) for each in (self.seconds, self.seconds_alone))
        if self.speed.waiting < NOTICED:
            return f"about {most}"
        return (
            f"{least} on idle cores to {most} at the present load (threads waited for a core in "
            f"{self.speed.waiting:.0%} of the time)"
        )

    def document(self) -> Json:
        """Return the plan as JSON values."""
        return {
            "runs": len(self.jobs),
            "finished_runs": self.finished_runs,
            "steps": sum(job.steps for job in self.jobs),
            "training_tokens": sum(job.training_tokens for job in self.jobs),
            "inference_tokens": sum(job.inference_tokens for job in self.jobs),
            "flops": self.flops_per_token * sum(job.work for job in self.jobs),
            "seconds": round(self.seconds / self.parallel, 1),
            "seconds_alone": round(self.seconds_alone / self.parallel, 1),
            "device_hours": round(self.device_hours, 3),
            **({} if (price := self.price_per_hour) is None else {"money": round(price * self.device_hours, 2)}),
            "disk_bytes": self.disk_bytes,
            "memory_bytes": self.memory_bytes,
            "tokens_per_second": round(self.speed.tokens_per_second, 1),
            "seconds_per_run": round(self.speed.seconds_per_run, 1),
            "speed_source": self.speed.source,
            "device": self.device,
            "devices": self.devices,
            "workers": self.workers,
            "arms": list(self.arms),
            "jobs": [asdict(job) for job in self.jobs],
        }


def plan_graph(experiment: Experiment, graph: Graph, store: Store) -> CostEstimate:
    """Return the cost of a graph's missing jobs; IncompleteError when disk or memory cannot hold them."""
    with progress(is_kept=False) as bar:
        bar.add_task("plan", total=None, note="counting tokens and measuring the speed")
        return _cost(experiment, graph, store)


def _cost(experiment: Experiment, graph: Graph, store: Store) -> CostEstimate:
    ray, hardware = experiment.arguments.ray, experiment.hardware
    todo, size = pending(graph.jobs, store), EncoderSize.read(experiment.model.path)
    intermediate = [job for job in todo if isinstance(job, IntermediateJob)]
    # The intermediate checkpoints, and one more for all that is small.
    weights = sum(path.stat().st_size for path in experiment.model.path.glob("*.safetensors"))
    disk = weights * (len(intermediate) + 1) if todo else 0
    # Masked language modelling trains the embeddings.
    tokens, trains_embeddings = experiment.recipe.tokens_per_batch, any(job.corpora for job in intermediate)
    memory = size.memory_bytes(tokens, trains_embeddings=trains_embeddings) if todo else 0
    workers, is_gpu_cluster = experiment.arguments.workers, ray is not None and hardware.device == "cuda"
    if workers is None:
        workers = cluster_speed.runs_a_gpu(ray, memory) if is_gpu_cluster and todo else 1
    memory *= workers
    if todo:
        check_encoders(experiment)
    _check_room(disk, memory if ray is None else 0, hardware, store.root)
    devices, parallel = 1, 1
    if ray is not None or (workers > 1 and hardware.device == "cuda"):
        devices, parallel = cluster_speed.capacity(ray, hardware, workers)
    elif workers > 1:
        parallel = cluster_speed.runs_with_cores(usable_cores(), hardware, workers)
    start = time.monotonic()
    jobs = _count(todo, store)
    reading = (time.monotonic() - start) / max(1, len(jobs))
    return CostEstimate(
        jobs=jobs,
        finished_runs=len(graph.jobs) - len(todo),
        speed=measured_speed(store, hardware)
        or (_calibrated(experiment, reading) if todo else Throughput(1.0, 0.0, "none")),
        flops_per_token=size.flops_per_token,
        disk_bytes=disk,
        memory_bytes=memory,
        device=str(hardware),
        workers=workers,
        devices=devices,
        parallel=parallel,
        arms=tuple({"name": arm.name, **arm.facts()} for arm in experiment.arms),
        price_per_hour=experiment.arguments.price_per_hour,
    )


def _check_room(disk: int, memory: int, hardware: Hardware, root: Path) -> None:
    """Raise IncompleteError before anything has begun, rather than when half of it is done."""
    free = shutil.disk_usage(root).free
    if disk > free:
        raise IncompleteError(
            f"the runs need about {format_size(disk)} of disk space and {root} has {format_size(free)} free; "
            "nothing was started: free disk space, give another --store, or give fewer seeds or sizes"
        )
    available = available_memory() if hardware.device == "cpu" else None
    if available is not None and memory > available:
        raise IncompleteError(
            f"the runs need about {format_size(memory)} of memory and {format_size(available)} are free; nothing was "
            "started: give fewer --workers, a smaller --model, or a recipe with fewer tokens_per_batch"
        )


def _count(jobs: Sequence[Job], store: Store) -> tuple[JobCost, ...]:
    if not jobs:
        return ()
    from evaluator.training.calibration import count_job

    return tuple(JobCost(job.node.key, job.label, job.node.kind, *count_job(job, store)) for job in jobs)


def work_of(jobs: Sequence[Job], store: Store) -> float:
    """Return the training tokens' worth of work of jobs, done or not."""
    return sum(cost.work for cost in _count(jobs, store))


def measured_speed(store: Store, hardware: Hardware) -> Throughput | None:
    """Return the median speed of finished runs on such a device, None where there are none."""
    speeds, apart = [], []
    for manifest in chain(store.finished("target"), store.finished("intermediate")):
        training = manifest["results"]["training"]
        if training["seconds"] and hardware.to_json().items() <= manifest["inputs"].items():
            speeds.append(training["tokens"] / training["seconds"])
            apart.append(manifest["results"].get("seconds_apart", 0.0))
    if not speeds:
        return None
    return Throughput(statistics.median(speeds), statistics.median(apart), f"{len(speeds)} finished runs")


def _calibrated(experiment: Experiment, reading: float) -> Throughput:
    """Return the speed of a short training here, or on the cluster where only that has the device.

    `reading` is added to the seconds of a run: it reads again what was read to count its tokens.
    """
    from evaluator.training.calibration import calibrate

    model, hardware, ray = experiment.model.path, experiment.hardware, experiment.arguments.ray
    is_elsewhere = ray is not None and hardware.device == "cuda" and not sees_gpu()
    if is_elsewhere:
        speed = cluster_speed.calibrate_on_cluster(ray, model, hardware)
    elif hardware.device == "cuda":  # in a process of its own: this one would keep a part of the GPU
        with Workers(2) as workers:
            (speed,) = workers.map(partial(calibrate, hardware=hardware), [model])
    else:
        speed = calibrate(model, hardware)
    return replace(speed, seconds_per_run=speed.seconds_per_run + reading)


def announce(plan: CostEstimate) -> None:
    """Print what will run, and the speed from which its time is estimated."""
    totals, speed = plan.document(), plan.speed
    tokens = totals["training_tokens"] + totals["inference_tokens"]
    disk, memory = format_size(plan.disk_bytes), format_size(plan.memory_bytes)
    note(
        f"plan: {totals['runs']} runs, {plan.finished_runs} finished before, {totals['steps']:,} steps, "
        f"{tokens:,} tokens; {plan.duration}; {disk} disk, {memory} memory"
    )
    devices = plan.device if plan.devices == 1 else f"{plan.devices} devices ({plan.device})"
    runs = max(plan.parallel, plan.workers * plan.devices)
    note(
        f"speed: {speed.tokens_per_second:,.0f} tokens/s, plus {speed.seconds_per_run:.0f} s per run, on {devices}; "
        f"simultaneous runs: {runs}; source: {speed.source}"
    )


@takes(PlanArguments)
def plan(arguments: PlanArguments) -> dict[str, Any]:
    """Print the runs of `compare` with the same arguments and their cost: exact counts, estimated time.

    --assume needs no data, model or GPU: it estimates a range of hours and money from tasks and numbers of rows.

    Example: `evaluator plan none=none real=runs/real --targets all --seeds 5`

    Example: `evaluator plan experiment.toml`

    Example: `evaluator plan none=none real=mnli:392702 --targets all --assume h100 --price-per-hour 2.5`

    Returns the counts and the estimate as JSON values; nothing is trained.
    """
    if arguments.assume is not None:
        return plan_assumed(arguments, arguments.assume)
    experiment = define(arguments)
    cost = plan_graph(experiment, build(experiment), open_store(experiment))
    return {"estimand_hash": estimand(experiment)["hash"], **cost.document()}
