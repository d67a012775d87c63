"""What all heads share: batches, building a model with a fresh head, running it.

A head turns records of one format into features, its model's outputs into a loss, and outputs into predictions.
Models are transformers' own classes. Neighbours: `features` and `batching` before, `trainer` and `inference` after.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from evaluator.experiment.recipe import Stage
from evaluator.training.features import IGNORED, Features, IntArray

FloatArray = npt.NDArray[np.float32]
Output = npt.NDArray[Any]
Remap = Callable[[IntArray], IntArray]


@dataclass(frozen=True, slots=True)
class Batch:
    """Shapes: `ids`, `mask` (examples x group, tokens); `targets` (examples, values), padded with -100."""

    ids: torch.Tensor
    mask: torch.Tensor
    targets: torch.Tensor

    @property
    def real_tokens(self) -> int:
        """Number of tokens that are not padding."""
        return int(self.mask.sum())


class Head(Protocol):
    """One format's way through the encoder."""

    @property
    def name(self) -> str:
        """pair, choice, tags, span, retrieval or dual."""

    @property
    def group(self) -> int:
        """Sequences per example."""

    @property
    def splits_steps(self) -> bool:
        """Whether a step's loss is a sum over its examples, so that a step may be cut into batches."""

    def build(self, checkpoint: Path, seed: int) -> PreTrainedModel:
        """Return the checkpoint's encoder with a fresh head, initialised from the seed."""

    def encode(self, records: Sequence[Any], tokenizer: PreTrainedTokenizerBase, stage: Stage) -> Features:
        """Return the records as features."""

    def loss(self, model: PreTrainedModel, batch: Batch) -> torch.Tensor:
        """Return the loss summed over what `count` counts, a scalar."""

    def count(self, targets: Sequence[IntArray]) -> int:
        """Return what the summed loss of a step is divided by, given the target of each of its features."""

    def outputs(self, model: PreTrainedModel, batch: Batch) -> list[Output]:
        """Return the outputs of each example of the batch that `decode` needs, on the CPU."""

    def decode(self, records: Sequence[Any], features: Features, outputs: Sequence[Output]) -> list[Any]:
        """Return one prediction per record; `outputs` stand in the order of the features."""


def collate(
    features: Features, indices: IntArray, padding_id: int, device: torch.device, remap: Remap | None = None
) -> Batch:
    """Return the chosen features as padded tensors; `remap` turns vocabulary ids into those of a compact table."""
    numbers = (np.asarray(indices)[:, None] * features.group + np.arange(features.group)).ravel()
    rows = [features.sequence(int(number)) for number in numbers]
    ids = _padded(rows, padding_id)
    ids = remap(ids) if remap else ids
    lengths = np.array([len(row) for row in rows])
    mask = (np.arange(ids.shape[1]) < lengths[:, None]).astype(np.int64)
    targets = _padded([features.target(int(index)) for index in indices], IGNORED)
    return Batch(*(torch.from_numpy(array).to(device) for array in (ids, mask, targets)))


def _padded(rows: Sequence[IntArray], value: int) -> IntArray:
    filled = np.full((len(rows), max((len(row) for row in rows), default=0)), value, dtype=np.int64)
    for i, row in enumerate(rows):
        filled[i, : len(row)] = row
    return filled


class ExactLinear(nn.Linear):
    """A linear layer in float32 under autocast too: in bfloat16 two close scores are equal, and the first wins."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return the layer's output."""
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.float())


def fresh_head(model: PreTrainedModel, seed: int) -> PreTrainedModel:
    """Re-initialise everything that is not the encoder, whatever the checkpoint held: the paper drops the head.

    Its layers compute in float32 whatever the encoder does. A pooler belongs to transformers' encoder class but to no
    XLM-R checkpoint's training, so it counts as head.
    """
    generator = torch.Generator().manual_seed(seed)
    heads = [module for name, module in model.named_children() if name != model.base_model_prefix]
    heads += [module for name, module in model.named_modules() if name.endswith("pooler")]
    for head in heads:
        for module in head.modules():
            if isinstance(module, nn.Linear):
                weight = torch.empty_like(module.weight, device="cpu")
                weight.normal_(0.0, model.config.initializer_range, generator=generator)
                module.weight.data.copy_(weight)
                module.__class__ = ExactLinear
                if module.bias is not None:
                    module.bias.data.zero_()
    return model


def keep_head(model: PreTrainedModel, checkpoint: Path) -> PreTrainedModel:
    """Put a checkpoint's own head, trained on the same task, in the place of the fresh one; a pooler is part of it."""
    own = {
        name for name in model.state_dict() if not name.startswith(f"{model.base_model_prefix}.") or ".pooler." in name
    }
    saved = {
        name: value for path in sorted(checkpoint.glob("*.safetensors")) for name, value in load_file(path).items()
    }
    model.load_state_dict({name: saved[name] for name in own}, strict=False)
    return model


def share_encoder(first: PreTrainedModel, other: PreTrainedModel) -> None:
    """Make two heads train one encoder. A pooler is part of a head: choices have one, sequence pairs have none."""
    for name, module in first.base_model.named_children():
        if name != "pooler":
            setattr(other.base_model, name, module)


def load(model_class: Any, checkpoint: Path, **config: Any) -> PreTrainedModel:  # noqa: ANN401 - an Auto class
    """Return a model of one of transformers' Auto classes from a local folder, weights from safetensors only."""
    model: PreTrainedModel = model_class.from_pretrained(
        checkpoint,
        config=_config(checkpoint, **config),
        ignore_mismatched_sizes=True,
        use_safetensors=True,
        local_files_only=True,
        dtype=torch.float32,
    )
    return model


def _config(checkpoint: Path, **changes: Any) -> Any:  # noqa: ANN401 - a transformers config
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(checkpoint, local_files_only=True, **changes)


def label_names(labels: Sequence[str]) -> dict[str, Any]:
    """Return the config entries that make a checkpoint say its labels by name."""
    return {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}
