"""Checkpoints with a hole are refused before anything is trained from them or read with them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from evaluator.training.heads.pair import PairHead
from synthgen.errors import UserError
from synthgen.models.loading import load_model

Weights = dict[str, torch.Tensor]
_LAYER = "encoder.layer.0.output.dense.weight"


def _layer(weights: Weights) -> str:
    return next(name for name in weights if name.endswith(_LAYER))


def _without_a_layer(weights: Weights) -> Weights:
    return {name: weight for name, weight in weights.items() if name != _layer(weights)}


def _of_another_shape(weights: Weights) -> Weights:
    return weights | {_layer(weights): torch.ones(3, 5)}


def _not_finite(weights: Weights) -> Weights:
    return weights | {_layer(weights): torch.full_like(weights[_layer(weights)], torch.inf)}


def _change(tiny_model: Path, folder: Path, change: Callable[[Weights], Weights]) -> Path:
    shutil.copytree(tiny_model, folder)
    save_file(change(load_file(folder / "model.safetensors")), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda _: {}, r"weights are missing: .*, .*, .* and \d+ more"),
        (_without_a_layer, f"weights are missing: .*{_LAYER}$"),
        (_of_another_shape, f"weights have another shape: .*{_LAYER}$"),
        (_not_finite, f"weights are not finite: .*{_LAYER}$"),
    ],
)
def test_a_checkpoint_with_a_hole_is_refused_wherever_it_is_loaded(
    tiny_model: Path, tmp_path: Path, change: Callable[[Weights], Weights], fault: str
) -> None:
    folder = _change(tiny_model, tmp_path / "changed", change)
    with pytest.raises(UserError, match=f"changed is not a whole checkpoint: {fault}"):
        PairHead(("a", "b")).build(folder, 0)
    with pytest.raises(UserError, match=f"changed is not a whole checkpoint: {fault}"):
        load_model("AutoModel", folder)


def test_weights_that_cannot_be_read_are_one_line(tiny_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model, tmp_path / "cut")
    (tmp_path / "cut" / "model.safetensors").write_bytes(b"\x10")
    with pytest.raises(UserError, match=r"cut.model.safetensors cannot be read: its header is damaged; copy"):
        PairHead(("a", "b")).build(tmp_path / "cut", 0)


def test_a_whole_checkpoint_is_loaded_with_a_new_head_and_pooler(tiny_model: Path) -> None:
    assert PairHead(("a", "b", "c")).build(tiny_model, 0).config.num_labels == 3
    assert load_model("AutoModel", tiny_model).config.hidden_size


@pytest.mark.parametrize("padding", range(0, 64, 8))
def test_weights_are_aligned_in_memory_wherever_their_file_has_them(
    tiny_model: Path, tmp_path: Path, padding: int
) -> None:
    """Else a model just trained and the same model read again may differ in the last bit on some processors."""
    shutil.copytree(tiny_model, tmp_path / "shifted")
    path = tmp_path / "shifted" / "model.safetensors"
    save_file(load_file(path), path, metadata={"format": "pt", "padding": "x" * padding})
    model = load_model("AutoModel", path.parent)
    assert [name for name, weights in model.named_parameters() if weights.data_ptr() % 64] == []
