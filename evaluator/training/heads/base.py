"""The interface of a task head, batches of padded tensors, and building a model with a fresh, a kept or a shared part.

Models are transformers' own classes. Neighbours: `features` and `batching` before, `loop` and `inference` after.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from evaluator.experiment.recipe import Stage
from evaluator.training import soft_targets
from evaluator.training.features import IGNORED, Features, IntArray
from synthgen.models.encoder import auto_class, takes_segments
from synthgen.models.loading import LOCAL, load_checked, load_config

FloatArray = npt.NDArray[np.float32]
Output = npt.NDArray[Any]
Remap = Callable[[IntArray], IntArray]


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded tensors: `ids`, `mask` (features x group, tokens), `targets` (features, values), padded with -100.

    `real_tokens` are those that are not padding. `segments`, of the shape of `ids`, are there for tokenizers that have
    them.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    targets: torch.Tensor
    real_tokens: int
    segments: torch.Tensor | None = None

    def inputs(self, model: PreTrainedModel) -> dict[str, torch.Tensor]:
        """Return what a model reads, by name; segments only for one that has several."""
        read = {"input_ids": self.ids, "attention_mask": self.mask}
        if self.segments is not None and takes_segments(model):
            read["token_type_ids"] = self.segments
        return read


class Head(Protocol):
    """Task head on an encoder: records to features, a batch to its loss and its outputs, outputs to predictions.

    Where nothing else is said, a head classifies features. `encode` may give several features per record, each of
    `group` sequences. The representation of a head is part of the key under which its features are stored.
    """

    @property
    def name(self) -> str:
        """The format that it is for, or the name of its module."""

    @property
    def group(self) -> int:
        """Sequences per feature."""

    @property
    def splits_steps(self) -> bool:
        """Whether a step's loss is a sum over its features, so that a step may be cut into batches."""

    def build(self, checkpoint: Path, seed: int) -> PreTrainedModel:
        """Return the checkpoint's encoder with a head initialised from the seed."""

    def encode(self, records: Sequence[Any], tokenizer: PreTrainedTokenizerBase, stage: Stage) -> Features:
        """Return the records as features."""

    def loss(self, model: PreTrainedModel, batch: Batch) -> torch.Tensor:
        """Return the loss summed over what `count` counts, a scalar: the cross entropy over classes."""
        return functional.cross_entropy(self.logits(model, batch), batch.targets[:, 0], reduction="sum")

    def count(self, targets: Sequence[IntArray]) -> float:
        """Return what the summed loss of a step is divided by: the number of features, whose targets are passed."""
        return len(targets)

    def outputs(self, model: PreTrainedModel, batch: Batch) -> list[Output]:
        """Return each feature's outputs, on the CPU: its logits, (classes,)."""
        return list(self.logits(model, batch).cpu().numpy())

    def logits(self, model: PreTrainedModel, batch: Batch) -> torch.Tensor:
        """Return the model's logits in float32."""
        logits: torch.Tensor = model(**batch.inputs(model)).logits
        return logits.float()

    def decode(self, records: Sequence[Any], features: Features, outputs: Sequence[Output]) -> list[Any]:
        """Return one prediction per record: the outputs themselves, in the order of the features."""
        return list(outputs)


def collate(
    features: Features, indices: IntArray, padding_id: int, device: torch.device, remap: Remap | None = None
) -> Batch:
    """Return the features at `indices` as padded tensors; `remap` turns vocabulary ids into rows of a compact table."""
    numbers = (np.asarray(indices)[:, None] * features.group + np.arange(features.group)).ravel()
    rows = [features.sequence(int(number)) for number in numbers]
    ids = _padded(rows, padding_id)
    ids = remap(ids) if remap else ids
    lengths, places = np.array([len(row) for row in rows]), np.arange(ids.shape[1])
    mask = (places < lengths[:, None]).astype(np.int64)
    targets = _padded([features.target(int(index)) for index in indices], IGNORED)
    tensors = [torch.from_numpy(array).to(device) for array in (ids, mask, targets)]
    if features.seconds is None:
        return Batch(tensors[0], tensors[1], tensors[2], int(lengths.sum()))
    segments = torch.from_numpy(mask * (places >= features.seconds[numbers][:, None])).to(device)
    return Batch(tensors[0], tensors[1], tensors[2], int(lengths.sum()), segments)


def _padded(rows: Sequence[IntArray], value: int) -> IntArray:
    filled = np.full((len(rows), max((len(row) for row in rows), default=0)), value, dtype=np.int64)
    for i, row in enumerate(rows):
        filled[i, : len(row)] = row
    return filled


class LabelHead(Head):
    """A head with one label for a feature, which may be soft: probabilities and a weight."""

    labels: tuple[str, ...]

    def loss(self, model: PreTrainedModel, batch: Batch) -> torch.Tensor:
        """Return the cross entropy over labels, or over their probabilities by weight, summed over features."""
        if soft_targets.is_soft(batch.targets):
            return soft_targets.cross_entropy(self.logits(model, batch), batch.targets)
        return super().loss(model, batch)

    def count(self, targets: Sequence[IntArray]) -> float:
        """Return the number of features, or the sum of their weights."""
        return soft_targets.total_weight(targets) if soft_targets.is_soft(targets[0]) else super().count(targets)


class ExactLinear(nn.Linear):
    """A linear layer in float32 under autocast too: in bfloat16 two close scores are equal, and the first wins."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return the layer's output."""
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.float())


def fresh_head(model: PreTrainedModel, seed: int) -> PreTrainedModel:
    """Re-initialise everything but the encoder: Phang et al. 2020 drop the head of the intermediate task.

    The head's layers compute in float32 whatever the encoder does. A pooler belongs to transformers' encoder class but
    to no XLM-R checkpoint's training, so it counts as head; ModernBERT's head takes over nothing of its pretraining.
    """
    generator = torch.Generator().manual_seed(seed)
    outside = model.named_children() if model.base_model is not model else ()
    heads = [module for name, module in outside if name != model.base_model_prefix]
    heads += [module for name, module in model.named_modules() if name.endswith("pooler")]
    modules = dict.fromkeys(module for head in heads for module in head.modules())
    for norm in (module for module in modules if isinstance(module, nn.LayerNorm)):
        norm.reset_parameters()
    for module in (module for module in modules if isinstance(module, nn.Linear)):
        weight = torch.empty_like(module.weight, device="cpu")
        module.weight.data.copy_(weight.normal_(0.0, model.config.initializer_range, generator=generator))
        module.__class__ = ExactLinear
        if module.bias is not None:
            module.bias.data.zero_()
    return model


def keep_head(model: PreTrainedModel, checkpoint: Path) -> PreTrainedModel:
    """Load the head of a checkpoint that was trained on the same task, pooler included, in place of the fresh one."""
    encoder = f"{model.base_model_prefix}."
    head = {name for name in model.state_dict() if not name.startswith(encoder) or ".pooler." in name}
    saved: dict[str, torch.Tensor] = {}
    for shard in sorted(checkpoint.glob("*.safetensors")):
        saved |= load_file(shard)
    model.load_state_dict({name: saved[name] for name in head}, strict=False)
    return model


def share_encoder(first: PreTrainedModel, other: PreTrainedModel) -> None:
    """Let two models train one encoder; a pooler is part of a head, which choices have and sequence pairs do not.

    Where there is none the whole encoder is shared, since its embeddings may stand in it and be exchanged (`compact`).
    """
    if not any(getattr(model.base_model, "pooler", None) for model in (first, other)):
        setattr(other, other.base_model_prefix, first.base_model)
        return
    for name, module in first.base_model.named_children():
        if name != "pooler":
            setattr(other.base_model, name, module)


def load(head: str, checkpoint: Path, **config: Any) -> PreTrainedModel:  # noqa: ANN401 - values of a config
    """Return a model with a head from a local folder's safetensors; `config` changes entries of its config.

    UserError when weights of its encoder are missing, of another shape or not finite.
    """
    model_class, stand_in = auto_class(head, load_config(checkpoint))
    changed = load_config(checkpoint, **(config | stand_in))
    options = {"config": changed, "dtype": torch.float32, **LOCAL}
    model: PreTrainedModel = load_checked(model_class.from_pretrained, checkpoint, new_head=True, **options)[0]
    return model


def label_names(labels: Sequence[str]) -> dict[str, Any]:
    """Return the config entries for label names, `id2label` and its inverse."""
    return {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}


def token_ids(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[list[int]]:
    """Return each text's token ids, cut at `max_length` with the special tokens."""
    if not texts:
        return []
    ids: list[list[int]] = tokenizer(list(texts), truncation=True, max_length=max_length)["input_ids"]
    return ids
