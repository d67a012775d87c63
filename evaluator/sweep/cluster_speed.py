"""How many devices a Ray cluster has, and how fast one trains, for a plan made on a machine without such a device."""

from pathlib import Path

from evaluator.experiment.hardware import Hardware
from evaluator.experiment.throughput import Throughput
from evaluator.sweep.ray_runner import resources
from synthgen.runtime.ray_cluster import LOCAL, joined


def devices(address: str | None, hardware: Hardware) -> int:
    """Return how many GPUs, or machines where runs use CPUs, a cluster has."""
    with joined(address or LOCAL) as ray:
        if hardware.device == "cuda":
            return max(1, int(ray.cluster_resources().get("GPU", 1)))
        return sum(node["Alive"] for node in ray.nodes())


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
