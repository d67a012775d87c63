"""What only a GPU can show: vLLM in process, a GPU shared with others, equal bytes, speeds. They skip without one.

`SYNTHGEN_GPU_MODEL` names another generator than the bundled one. `pytest tests/gpu -m gpu -s -n 0` prints the numbers.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluator.experiment.hardware import Hardware, sees_gpu
from evaluator.experiment.recipe import Stage
from synthgen.dataset.layout import MANIFEST_NAME
from synthgen.models.packs import resolve
from synthgen.task.registry import task_names

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not sees_gpu(), reason="no CUDA device here")]

SYNTHGEN = Path(sys.executable).with_name("synthgen")
GENERATOR = os.environ.get("SYNTHGEN_GPU_MODEL", "pack:smollm2-135m-instruct")
ENCODER = "pack:multilingual-e5-small"


def command(out: Path, rows: int, task: str = "mnli") -> list[str]:
    """The command that makes a set; the bundled generator is too small for JSON."""
    plain = ["--decoding", "plain"] if "SYNTHGEN_GPU_MODEL" not in os.environ else []
    return [str(SYNTHGEN), "make", "--task", task, "--n", str(rows), "--model", GENERATOR, "--out", str(out), *plain]


def make(out: Path, rows: int, task: str = "mnli") -> subprocess.CompletedProcess[str]:
    """Make a set in a process of its own."""
    return subprocess.run(command(out, rows, task), capture_output=True, text=True, timeout=540, check=False)


def manifest(out: Path) -> dict[str, Any]:
    return json.loads((out / MANIFEST_NAME).read_text(encoding="utf-8"))


def test_vllm_in_process_makes_exactly_n_rows(tmp_path: Path) -> None:
    ended = make(tmp_path / "out", 300)
    assert ended.returncode == 0, ended.stderr
    assert manifest(tmp_path / "out")["kept"] == 300


@pytest.fixture
def balloon() -> Iterator[None]:
    """Another process that holds 4 GB of the GPU."""
    script = "import torch; held = torch.empty(4 << 30, dtype=torch.uint8, device='cuda'); print('held', flush=True)"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", f"{script}; input()"], stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield
        process.kill()


@pytest.mark.usefixtures("balloon")
def test_a_gpu_that_someone_uses_serves_or_is_refused_in_one_line(tmp_path: Path) -> None:
    ended = make(tmp_path / "out", 300)
    assert ended.returncode in (0, 2), ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_gpu_is_busy_while_rows_are_made(tmp_path: Path) -> None:
    query = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
    shares = []
    with subprocess.Popen(command(tmp_path / "out", 20_000), stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            said = subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()
            shares.append(
                max((int(share) for share in said if share.isdecimal()), default=0)
            )  # "[N/A]" of a part of one
            time.sleep(1)
    assert process.returncode == 0
    busy = [share for share in shares if share]
    print(f"utilisation: median {np.median(busy):.0f} % over {len(busy)} of {len(shares)} s")
    assert busy


def test_the_same_training_twice_gives_the_same_bytes() -> None:
    torch = pytest.importorskip("torch")
    from evaluator.training.features import Feature, pack
    from evaluator.training.heads.pair import PairHead
    from evaluator.training.jobs import configure_torch
    from evaluator.training.loop import TrainingConfig, TrainingTask, fit

    device, head = configure_torch(Hardware("cuda", 8, bfloat16=True)), PairHead(("a", "b", "c"))
    draw = np.random.default_rng(0)
    rows = [draw.integers(4, 1000, size=draw.integers(8, 60)) for _ in range(6400)]
    features = pack(Feature(([0, *row, 2],), (int(row.sum()) % 3,), i) for i, row in enumerate(rows))
    states = []
    for _ in range(2):
        network = head.build(resolve(ENCODER).path, 1).to(device)
        fit([TrainingTask(network, head, features)], TrainingConfig(Stage(2e-5, 1, 32), 3, steps=200, bfloat16=True))
        states.append({name: value.cpu() for name, value in network.state_dict().items()})
    first, second = states
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


def test_several_runs_on_a_gpu_train_more_tokens_a_second_than_one() -> None:
    script = (
        "import sys, time; from evaluator.experiment.hardware import Hardware\n"
        "from evaluator.training.calibration import calibrate; from synthgen.models.packs import resolve\n"
        f"path, speed = resolve({ENCODER!r}).path, 0.0\n"
        "while not speed or time.time() < float(sys.argv[1]):  # so that the last ones measure together\n"
        "    speed = calibrate(path, Hardware('cuda', 4, bfloat16=True)).tokens_per_second\n"
        "print(speed)"
    )
    speeds = {}
    for workers in (1, 2, 4):
        command_ = [sys.executable, "-c", script, str(time.time() + 45)]
        started = [subprocess.Popen(command_, stdout=subprocess.PIPE, text=True) for _ in range(workers)]
        speeds[workers] = sum(float(process.communicate(timeout=300)[0].split()[-1]) for process in started)
    print({workers: f"{speed:,.0f} tokens/s" for workers, speed in speeds.items()})
    assert speeds[1] < speeds[2] < speeds[4]


def children(process: int) -> dict[str, int]:
    """The direct children of a process: {name: process id}."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":\t", 1) for line in path.read_text().splitlines() if ":\t" in line)
        except OSError:
            continue
        if lines["PPid"] == str(process):
            found[lines["Name"]] = int(path.parent.name)
    return found


def test_a_killed_engine_ends_the_run_within_half_a_minute(tmp_path: Path) -> None:
    with subprocess.Popen(command(tmp_path / "out", 1_000_000), stderr=subprocess.PIPE, text=True) as process:
        time.sleep(120)
        (engine,) = [number for name, number in children(process.pid).items() if name.startswith("VLLM::Engine")]
        os.kill(engine, signal.SIGKILL)
        _, printed = process.communicate(timeout=30)
    assert process.returncode == 3
    assert re.search(
        r"signal 9.*\.log\b.*; all replies are kept; run the same command again to continue", " ".join(printed.split())
    )


@pytest.mark.skipif("SYNTHGEN_GPU_MODEL" not in os.environ, reason="SYNTHGEN_GPU_MODEL names no model that writes JSON")
@pytest.mark.parametrize("task", task_names())
def test_json_replies_of_every_task_are_accepted(task: str, tmp_path: Path) -> None:
    ended = make(tmp_path / "out", 100, task)
    assert ended.returncode == 0, ended.stderr
    facts = manifest(tmp_path / "out")
    print(f"{task}: {facts['kept'] / facts['asked']:.0%} accepted; {facts['rejected']}")
    assert facts["kept"] / facts["asked"] > 0.2
