"""A sweep on Ray: the same results as in one process, whatever is killed on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import evaluator
from evaluator.experiment.hardware import Hardware
from evaluator.experiment.throughput import Throughput
from evaluator.sweep.plan import CostEstimate, JobCost, announce
from synthgen.errors import IncompleteError, UserError
from synthgen.runtime.ray_cluster import joined
from tests.evaluator.conftest import TINY_RECIPE, write_pairs

pytest.importorskip("torch")

CHECKOUT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Sweep:
    """An experiment, and the bytes of its results when nothing goes wrong."""

    arms: list[str]
    arguments: dict[str, Any]
    expected: bytes

    def at(self, folder: Path) -> dict[str, Any]:
        """The arguments, with a store and a report of their own."""
        return {**self.arguments, "store": folder / "store", "out": folder / "report.html"}


@pytest.fixture(scope="module")
def sweep(tiny_model: Path, samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "tiny.toml").write_text(TINY_RECIPE, encoding="utf-8")
    arms = ["none=none", f"a={write_pairs(folder / 'a', 16)}", f"b={write_pairs(folder / 'b', 16, first=100)}"]
    arguments = {
        "targets": ["xnli", "udpos"],
        "languages": ["en", "es"],
        "seeds": 2,
        "model": str(tiny_model),
        "recipe": str(folder / "tiny.toml"),
        "data_root": samples,
        "max_train_examples": 16,
        "max_eval_examples": 8,
    }
    evaluator.compare(arms, **arguments, store=folder / "store", out=folder / "report.html")
    return Sweep(arms, arguments, results(folder))


def results(folder: Path) -> bytes:
    return (folder / "results.jsonl").read_bytes()


def logged(store: Path, event: str) -> dict[str, int]:
    """How often the log of each run says that it was started, or that it was done."""
    return {
        path.stem: sum(f"  {event}  " in line for line in path.read_text().splitlines())
        for path in (store / "logs").glob("*.log")
    }


def start(arms: list[str], arguments: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Start a comparison in a process of its own."""
    plain = {name: str(value) if isinstance(value, Path) else value for name, value in arguments.items()}
    code = f"import evaluator; evaluator.compare({arms!r}, **{plain!r})"
    return subprocess.Popen([sys.executable, "-c", code], cwd=CHECKOUT)


def wait_for(process: subprocess.Popen[bytes], folder: Path, nodes: int) -> None:
    while len(list(folder.glob("[!.]*"))) < nodes:
        assert process.poll() is None, f"ended with {process.returncode} before {nodes} nodes were in {folder}"
        time.sleep(0.05)


def kill(process: subprocess.Popen[bytes], store: Path) -> None:
    """Kill it anywhere but between the last of a run's two predictions and the line that says it is done.

    A run killed there has all its files and lacks that line: nothing is lost, but lines no longer count runs.
    """
    while True:
        os.kill(process.pid, signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        done = sum(count for run, count in logged(store, "done").items() if run.startswith("target-"))
        if len(list((store / "predictions").glob("[!.]*"))) < 2 * (done + 1):
            break
        os.kill(process.pid, signal.SIGCONT)
        time.sleep(0.01)
    process.kill()
    process.wait()


@pytest.mark.ray
def test_a_killed_sweep_resumes_with_other_workers_to_the_same_bytes(sweep: Sweep, tmp_path: Path) -> None:
    process = start(sweep.arms, sweep.at(tmp_path))
    wait_for(process, tmp_path / "store" / "target", 2)
    kill(process, tmp_path / "store")
    evaluator.compare(sweep.arms, **sweep.at(tmp_path), workers=2)
    assert results(tmp_path) == sweep.expected
    done = logged(tmp_path / "store", "done")
    assert len(done) == 4 + 3 * 2 * 2
    assert set(done.values()) == {1}


@pytest.mark.ray
def test_a_lost_machine_costs_nothing_but_time(sweep: Sweep, tmp_path: Path) -> None:
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    ray_runner = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    lost = ray_runner.add_node(num_cpus=2)
    ray_runner.wait_for_nodes()
    try:
        process = start(sweep.arms, {**sweep.at(tmp_path), "ray": ray_runner.address})
        wait_for(process, tmp_path / "store" / "target", 1)
        ray_runner.remove_node(lost, allow_graceful=False)
        assert process.wait(timeout=300) == 0
    finally:
        ray.shutdown()
        ray_runner.shutdown()
    assert results(tmp_path) == sweep.expected


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:9", r"--ray 127.0.0.1:9: no Ray cluster answers there .*; allowed: auto"),
        ("somewhere", "--ray somewhere: not an address"),
    ],
)
def test_a_cluster_that_does_not_answer_is_one_line(address: str, message: str) -> None:
    pytest.importorskip("ray")
    with pytest.raises(UserError, match=message), joined(address):
        pass


@pytest.mark.ray
def test_a_plan_can_be_calibrated_on_the_cluster(tiny_model: Path) -> None:
    """As for a driver without a GPU; what the cluster cannot do is said in a line, as in a run."""
    from evaluator.sweep.cluster_speed import calibrate_on_cluster

    assert calibrate_on_cluster("local", tiny_model, Hardware("cpu", 1, bfloat16=False)).tokens_per_second > 0
    with pytest.raises(UserError, match="no machine of the Ray cluster has a GPU; set SYNTHGEN_DEVICE=cpu"):
        calibrate_on_cluster("local", tiny_model, Hardware("cuda", 1, bfloat16=False))


@pytest.mark.ray
def test_a_plan_counts_the_runs_that_a_clusters_cores_hold_at_once() -> None:
    import ray

    from evaluator.sweep.cluster_speed import capacity
    from evaluator.sweep.ray_runner import resources

    ray.init(address="local", num_gpus=2, num_cpus=6, include_dashboard=False, logging_level="ERROR")
    try:
        assert [capacity("auto", Hardware("cpu", threads, bfloat16=False)) for threads in (1, 2, 4, 8)] == [
            (1, runs) for runs in (6, 3, 1, 1)
        ]
        assert capacity("auto", Hardware("cuda", 4, bfloat16=True)) == (2, 2)
        one_thread = Hardware("cpu", 1, bfloat16=False)
        assert [capacity("auto", one_thread, workers) for workers in (2, 4, 9)] == [(1, 2), (1, 4), (1, 6)]
        assert [resources(ray, one_thread, workers) for workers in (1, 2, 3)] == [
            {"num_cpus": cores} for cores in (1, 3, 2)
        ]
    finally:
        ray.shutdown()


@pytest.mark.ray
def test_as_many_runs_share_a_gpu_as_its_memory_and_the_cores_beside_it_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    from evaluator.sweep.cluster_speed import runs_a_gpu

    program, gigabyte = tmp_path / "nvidia-smi", 2**30
    program.write_text('#!/bin/sh\ncase "$1" in -L) echo "GPU 0: X";; *memory*) printf "81559\\n46068\\n";; esac\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    ray.init(address="local", num_gpus=2, num_cpus=12, include_dashboard=False, logging_level="ERROR")
    try:
        assert [runs_a_gpu("auto", size * gigabyte) for size in (5, 14, 30, 90)] == [4, 2, 1, 1]
        program.write_text("#!/bin/sh\n")
        assert runs_a_gpu("auto", gigabyte) == 1  # nobody says what the GPUs hold
    finally:
        ray.shutdown()


def estimate(speed: Throughput) -> CostEstimate:
    job = JobCost("key", "label", "target", steps=10, training_tokens=3_600_000, inference_tokens=0)
    return CostEstimate((job,), 0, speed, 1.0, 0, 0, "cpu", devices=1, parallel=1, workers=1, arms=())


def test_a_machine_that_holds_four_runs_is_paid_once() -> None:
    alone = replace(estimate(Throughput(1000.0, 0.0, "calibration")), price_per_hour=2.0).document()
    assert (alone["seconds"], alone["device_hours"], alone["money"]) == (3600.0, 1.0, 2.0)
    plan = replace(estimate(Throughput(1000.0, 0.0, "calibration")), price_per_hour=2.0, parallel=4).document()
    assert (plan["seconds"], plan["device_hours"], plan["money"]) == (900.0, 0.25, 0.5)


def test_a_plan_measured_beside_other_programs_gives_a_range(capsys: pytest.CaptureFixture[str]) -> None:
    announce(estimate(Throughput(1000.0, 0.0, "calibration", waiting=0.02)))
    assert "about 1 h 00 min; " in " ".join(capsys.readouterr().err.split())
    busy = estimate(Throughput(1000.0, 0.0, "calibration", waiting=0.75))
    announce(busy)
    said = " ".join(capsys.readouterr().err.split())
    assert (
        "15 min 00 s on idle cores to 1 h 00 min at the present load (threads waited for a core in 75% of the time)"
        in said
    )
    assert (busy.document()["seconds"], busy.document()["seconds_alone"]) == (3600.0, 900.0)


@pytest.mark.skipif(not Path("/proc/self/schedstat").is_file(), reason="this kernel counts no waiting for cores")
def test_a_calibration_beside_busy_programs_says_how_long_it_waited(tiny_model: Path) -> None:
    from evaluator.training.calibration import calibrate

    cores = len(os.sched_getaffinity(0))
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * cores)]
    try:
        assert calibrate(tiny_model, Hardware("cpu", cores, bfloat16=False)).waiting > 0.1
    finally:
        for process in others:
            process.kill()
            process.wait()


def test_ray_that_does_not_start_here_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")

    def overloaded(**options: object) -> None:
        raise Exception("The current node timed out during startup.\nPages of it.")

    monkeypatch.setattr(ray, "init", overloaded)
    message = r"Ray could not be started on this machine: The current node timed out during startup\.; nothing was run"
    with pytest.raises(IncompleteError, match=message), joined("local"):
        pass
