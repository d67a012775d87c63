"""What the machine computes with, and that lower precision changes little and nothing that must stay exact."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from evaluator.experiment.hardware import Hardware, detect
from evaluator.experiment.recipe import Stage
from evaluator.training.features import Feature, Features, pack
from synthgen.errors import UserError

torch = pytest.importorskip("torch")

from evaluator.training import inference  # noqa: E402
from evaluator.training.heads.base import Head, collate  # noqa: E402
from evaluator.training.heads.choice import ChoiceHead  # noqa: E402
from evaluator.training.heads.dual import DualHead  # noqa: E402
from evaluator.training.heads.pair import PairHead  # noqa: E402
from evaluator.training.heads.span import SpanHead  # noqa: E402
from evaluator.training.heads.tags import TagsHead  # noqa: E402
from evaluator.training.loop import TrainingConfig, TrainingLog, TrainingTask, fit  # noqa: E402


def test_the_environment_overrides_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"DEVICE": "cpu", "THREADS": "3", "BFLOAT16": "0"}.items():
        monkeypatch.setenv(f"SYNTHGEN_{name}", value)
    assert detect() == Hardware("cpu", 3, bfloat16=False)
    assert str(detect()) == "cpu, 3 threads, float32"


@pytest.mark.parametrize(("name", "value"), [("DEVICE", "tpu"), ("THREADS", "0"), ("BFLOAT16", "yes")])
def test_a_value_that_is_not_allowed_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"SYNTHGEN_{name}", value)
    with pytest.raises(UserError, match=f"SYNTHGEN_{name} is '{value}'; allowed: "):
        detect()


@pytest.mark.parametrize(
    ("line", "there"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_bf16 amx_tile", True),
        ("flags\t\t: fpu avx2 amx_bf16", True),
        ("Features\t: fp asimd bf16 i8mm", True),
        ("flags\t\t: fpu avx2 avx512f avx512_vnni", False),
    ],
)
def test_units_for_bfloat16_are_read_from_the_list_of_the_kernel(
    monkeypatch: pytest.MonkeyPatch, line: str, there: bool
) -> None:
    monkeypatch.delenv("SYNTHGEN_BFLOAT16", raising=False)
    monkeypatch.setenv("SYNTHGEN_DEVICE", "cpu")
    monkeypatch.setattr(Path, "read_text", lambda self, **_: f"processor\t: 0\n{line}\n")
    assert detect().bfloat16 is there


def test_runs_of_another_precision_are_other_nodes() -> None:
    assert Hardware("cpu", 2, bfloat16=True).to_json() != Hardware("cpu", 2, bfloat16=False).to_json()


def test_cores_are_part_of_the_key_on_a_cpu_and_not_on_a_gpu() -> None:
    assert Hardware("cpu", 2, bfloat16=True).to_json() == {"device": "cpu", "threads": 2, "bfloat16": True}
    assert Hardware("cuda", 2, bfloat16=True).to_json() == {"device": "cuda", "threads": 0, "bfloat16": True}
    assert Hardware("cuda", 2, bfloat16=True).to_json() == Hardware("cuda", 64, bfloat16=True).to_json()


def pairs(count: int) -> Features:
    draw = np.random.default_rng(0)
    rows = [draw.integers(4, 30, size=draw.integers(4, 20)) for _ in range(count)]
    return pack(Feature(([0, *row, 2],), (int(row.sum()) % 3,), i) for i, row in enumerate(rows))


@pytest.mark.slow
def test_bfloat16_trains_as_float32_does_and_leaves_weights_in_it(tiny_model: Path) -> None:
    head, features = PairHead(("a", "b", "c")), pairs(64)

    def run(bfloat16: bool) -> tuple[TrainingLog, np.ndarray]:
        network = head.build(tiny_model, 1)
        log = fit(
            [TrainingTask(network, head, features)], TrainingConfig(Stage(1e-3, 1, 8), 3, steps=30, bfloat16=bfloat16)
        )
        assert {value.dtype for value in network.parameters()} == {torch.float32}
        return log, np.stack(inference.run(network, head, features, 4096, bfloat16=bfloat16))

    (exact, expected), (low, outputs) = run(False), run(True)
    assert low.losses == pytest.approx(exact.losses, abs=0.05)
    assert low.losses != exact.losses
    assert np.allclose(outputs, expected, atol=0.1)
    assert not np.array_equal(outputs, expected)


@pytest.mark.parametrize("head", [PairHead(("a", "b", "c")), TagsHead(("a", "b")), SpanHead(), ChoiceHead(("0", "1"))])
def test_scores_are_finer_than_bfloat16(head: Head, tiny_model: Path) -> None:
    network = head.build(tiny_model, 1).eval()
    ids = torch.arange(4, 24).reshape(2, 10)
    if head.group > 1:
        ids = ids[None]
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        output = network(input_ids=ids, attention_mask=torch.ones_like(ids))
    scores = output[0]
    assert scores.dtype == torch.float32
    assert not torch.equal(scores, scores.bfloat16().float())


def test_similarities_in_training_are_finer_than_bfloat16(tiny_model: Path) -> None:
    head = DualHead()
    network = head.build(tiny_model, 1).eval()
    features = pack((Feature(([0, 5 + i, 2], [0, 9 + i, 2]), (), i) for i in range(4)), group=2)
    batch = collate(features, np.arange(4), 1, network.device)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = head.loss(network, batch)
        vectors = head._vectors(network, batch)
    logits = vectors[0::2] @ vectors[1::2].T * network.logit_scale
    assert loss.item() == pytest.approx(
        torch.nn.functional.cross_entropy(logits, torch.arange(4), reduction="sum").item()
    )


@pytest.mark.parametrize(
    ("capabilities", "there"), [("8.0\n9.0\n", True), ("7.5\n", False), ("8.0\n7.0\n", False), ("", True)]
)
def test_units_of_gpus_are_those_that_all_of_them_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capabilities: str, there: bool
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\nprintf '{capabilities}'\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("SYNTHGEN_DEVICE", "cuda")
    monkeypatch.delenv("SYNTHGEN_BFLOAT16", raising=False)
    assert detect().bfloat16 is there


def nvidia_smi(folder: Path, monkeypatch: pytest.MonkeyPatch, prints: str) -> None:
    """Put an `nvidia-smi` first on the path, on a machine whose variables name no GPU."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\nprintf '{prints}'\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    for name in ("SYNTHGEN_DEVICE", "SYNTHGEN_BFLOAT16", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("visible", "order", "there"),
    [
        (None, None, False),
        ("0", None, True),
        ("1", None, False),
        ("1", "PCI_BUS_ID", True),
        ("0,1", None, False),
        ("GPU-aa", None, True),
        ("GPU-74", None, False),
        ("MIG-11", None, False),
    ],
)
def test_only_gpus_that_are_visible_to_the_process_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: str | None, order: str | None, there: bool
) -> None:
    nvidia_smi(tmp_path, monkeypatch, "GPU-7400, 7.5\\nGPU-aa00, 8.0\\n")
    monkeypatch.setenv("SYNTHGEN_DEVICE", "cuda")
    for name, value in {"CUDA_VISIBLE_DEVICES": visible, "CUDA_DEVICE_ORDER": order}.items():
        if value is not None:
            monkeypatch.setenv(name, value)
    assert detect().bfloat16 is there


def test_a_gpu_without_a_device_file_is_seen_through_nvidia_smi(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nvidia_smi(tmp_path, monkeypatch, "GPU 0: NVIDIA RTX 4090 (UUID: GPU-aa00)\\n")
    assert detect().device == "cuda"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert detect().device == "cpu"


@pytest.mark.skipif(any(Path("/dev").glob("nvidia[0-9]*")), reason="this machine has a GPU")
def test_a_driver_that_does_not_run_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvidia_smi(tmp_path, monkeypatch, "NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.")
    assert detect().device == "cpu"


def test_a_system_that_cannot_say_which_cores_are_ours_gives_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.delenv("SYNTHGEN_THREADS", raising=False)
    assert detect().threads == os.cpu_count()


def test_bfloat16_gives_the_same_twice(tiny_model: Path) -> None:
    head, features = PairHead(("a", "b", "c")), pairs(40)
    runs = [head.build(tiny_model, 1) for _ in range(2)]
    for network in runs:
        fit([TrainingTask(network, head, features)], TrainingConfig(Stage(1e-3, 1, 8), 3, bfloat16=True))
    first, second = (network.state_dict() for network in runs)
    assert all(torch.equal(first[name], second[name]) for name in first)
