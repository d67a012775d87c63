"""How many devices a Ray cluster has, how many runs share one, and how fast one trains, for a plan made elsewhere."""

from pathlib import Path

from evaluator.experiment.hardware import Hardware, gpu_memory, sees_gpu
from evaluator.experiment.throughput import Throughput
from evaluator.sweep.ray_runner import resources
from synthgen.runtime.ray_cluster import LOCAL, joined, largest_node

MOST_RUNS = 4
"""On a GPU: with more, the time between launches is used up."""
USABLE, LEAST_SHARE = 0.8, 0.01
"""Share of a GPU's memory that runs may take together; share of a GPU that is taken to look at it."""
RUN_OVERHEAD = 2 * 2**30
"""Bytes that a run takes of a GPU beside its training: CUDA's own, batches of inference."""


def capacity(address: str | None, hardware: Hardware, workers: int = 1) -> tuple[int, int]:
    """Return a cluster's GPUs, or else its machines, and how many runs go at once at the speed of one.

    Runs that share a GPU share its speed; on a machine without GPUs each has cores of its own while there are enough.
    """
    with joined(address or LOCAL) as ray:
        if hardware.device == "cuda":
            gpus = max(1, int(ray.cluster_resources().get("GPU", 1)))
            return gpus, gpus
        nodes = [node["Resources"].get("CPU", 0.0) for node in ray.nodes() if node["Alive"]]
        cores = [int(each) for each in nodes if each]
        return len(cores), sum(runs_with_cores(each, hardware, workers) for each in cores)


def runs_with_cores(cores: int, hardware: Hardware, workers: int) -> int:
    """Return how many runs have cores of their own on one machine, at least one, at most several `workers`."""
    runs = max(1, cores // hardware.threads)
    return runs if workers == 1 else min(runs, workers)


def runs_a_gpu(address: str | None, memory: int) -> int:
    """Return how many runs of so much memory go at once on each GPU of a cluster: 1 where nobody says what it holds."""
    with joined(address or LOCAL) as ray:
        gpus, cores = largest_node(ray, "GPU"), largest_node(ray, "CPU")
        if sees_gpu():
            size = gpu_memory()
        else:
            task = ray.remote(num_gpus=LEAST_SHARE, num_cpus=0)(gpu_memory)
            size = ray.get(task.remote()) if gpus else None
    runs_in_memory = int((size or 0) * USABLE // (memory + RUN_OVERHEAD))
    return max(1, min(MOST_RUNS, runs_in_memory, int(cores // max(1.0, gpus))))


def calibrate_on_cluster(address: str | None, model: Path, hardware: Hardware) -> Throughput:
    """Return the speed of a short training on a machine of the cluster."""
    from evaluator.training.calibration import calibrate

    with joined(address or LOCAL) as ray:
        task = ray.remote(**resources(ray, hardware, 1))(calibrate)
        try:
            speed: Throughput = ray.get(task.remote(model, hardware))
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
    return speed
