"""A sweep on Ray: the same results as in one process, whatever is killed on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import evaluator
from synthgen.errors import UserError

pytest.importorskip("torch")

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def arguments(tiny_model: Path, tiny_recipe: str, samples: Path, tmp_path: Path) -> dict[str, Any]:
    return {
        "targets": ["xnli", "udpos"],
        "languages": ["en", "es"],
        "sizes": [8, 16],
        "seeds": 2,
        "model": str(tiny_model),
        "recipe": tiny_recipe,
        "data_root": samples,
        "store": tmp_path / "store",
        "out": tmp_path / "out" / "report.html",
        "max_train_examples": 16,
        "max_eval_examples": 8,
    }


@pytest.fixture
def arms(datasets: dict[str, Path]) -> list[str]:
    return ["none=none", *(f"{name}={folder}" for name, folder in datasets.items())]


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
    return subprocess.Popen([sys.executable, "-c", code], cwd=CHECKOUT, stderr=subprocess.DEVNULL)


def wait_for(folder: Path, nodes: int) -> None:
    deadline = time.monotonic() + 120
    while len(list(folder.glob("[!.]*"))) < nodes:
        assert time.monotonic() < deadline, f"no {nodes} nodes in {folder}"
        time.sleep(0.05)


@pytest.mark.ray
def test_a_killed_sweep_resumes_with_other_workers_to_the_same_bytes(
    arguments: dict[str, Any], arms: list[str], tmp_path: Path
) -> None:
    whole = {**arguments, "store": tmp_path / "whole", "out": tmp_path / "whole" / "report.html"}
    evaluator.compare(arms, **whole)
    process = start(arms, arguments)
    wait_for(tmp_path / "store" / "target", 3)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    evaluator.compare(arms, **arguments, workers=2)
    assert results(tmp_path / "out") == results(tmp_path / "whole")
    done = logged(tmp_path / "store", "done")
    assert len(done) == 8 + 2 * 10
    assert set(done.values()) == {1}


@pytest.mark.ray
def test_a_lost_machine_costs_nothing_but_time(arguments: dict[str, Any], arms: list[str], tmp_path: Path) -> None:
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    whole = {**arguments, "store": tmp_path / "whole", "out": tmp_path / "whole" / "report.html"}
    evaluator.compare(arms, **whole)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    lost = cluster.add_node(num_cpus=2)
    cluster.wait_for_nodes()
    try:
        process = start(arms, {**arguments, "ray": cluster.address})
        wait_for(tmp_path / "store" / "target", 2)
        cluster.remove_node(lost, allow_graceful=False)
        assert process.wait(timeout=240) == 0
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert results(tmp_path / "out") == results(tmp_path / "whole")


def test_an_address_that_does_not_answer_is_one_line(arguments: dict[str, Any], arms: list[str]) -> None:
    pytest.importorskip("ray")
    with pytest.raises(UserError, match=r"--ray 127.0.0.1:9: no Ray cluster answers there .*; allowed are auto"):
        evaluator.compare(arms, **arguments, ray="127.0.0.1:9")


def test_an_address_without_a_port_is_refused(arguments: dict[str, Any], arms: list[str]) -> None:
    pytest.importorskip("ray")
    with pytest.raises(UserError, match="--ray somewhere: not an address"):
        evaluator.compare(arms, **arguments, ray="somewhere")
