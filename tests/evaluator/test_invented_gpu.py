"""What is set and said on a GPU, with an invented one: nothing here computes on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from evaluator.experiment.hardware import Hardware
from evaluator.experiment.recipe import Stage
from evaluator.sweep.runner import _name_idle_gpus
from evaluator.training.heads.pair import PairHead
from evaluator.training.jobs import configure_torch
from evaluator.training.loop import TrainingConfig, TrainingTask, fit
from synthgen.errors import UserError
from tests.evaluator.test_training import pairs

GPU = Hardware("cuda", 8, bfloat16=False)


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A torch that sees eight GPUs, and is deterministic as before afterwards."""
    before, warns = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    yield
    torch.use_deterministic_algorithms(before, warn_only=warns)


@pytest.mark.usefixtures("cuda")
def test_a_gpu_computes_by_deterministic_algorithms_alone_with_the_workspace_that_cublas_needs() -> None:
    configure_torch(GPU)
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.is_deterministic_algorithms_warn_only_enabled()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


@pytest.mark.usefixtures("cuda")
def test_what_has_no_deterministic_algorithm_is_said_and_computed_all_the_same(
    tiny_model: object, capsys: pytest.CaptureFixture[str]
) -> None:
    class Head(PairHead):
        def loss(self, model: torch.nn.Module, batch: object) -> torch.Tensor:
            if not torch.is_deterministic_algorithms_warn_only_enabled():
                raise RuntimeError("x_backward_cuda does not have a deterministic implementation, but you set ...")
            return super().loss(model, batch)

    torch.use_deterministic_algorithms(True)
    head = Head(("a", "b", "c"))
    log = fit([TrainingTask(head.build(tiny_model, 1), head, pairs(tiny_model, 16))], TrainingConfig(Stage(1e-3, 1), 3))
    assert log.steps == 1
    said = capsys.readouterr().err
    assert said.count("differ in the last digits: x_backward_cuda does not have a deterministic implementation") == 1


def test_a_gpu_that_torch_cannot_use_is_one_line() -> None:
    if torch.cuda.is_available():
        pytest.skip("torch can use the GPU here")
    with pytest.raises(UserError, match="torch cannot use this machine's GPU; install its CUDA build, or set"):
        configure_torch(GPU)


@pytest.mark.usefixtures("cuda")
def test_gpus_that_runs_one_after_the_other_leave_idle_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    _name_idle_gpus([SimpleNamespace(hardware=GPU)] * 2)
    assert "7 more GPUs are idle: --ray auto uses all" in capsys.readouterr().err
    _name_idle_gpus([SimpleNamespace(hardware=Hardware("cpu", 2, bfloat16=False))] * 2)
    _name_idle_gpus([SimpleNamespace(hardware=GPU)])
    assert not capsys.readouterr().err
