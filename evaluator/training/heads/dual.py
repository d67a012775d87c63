"""Dual encoder: queries and candidates in one space, trained with the other candidates of the step as negatives."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from evaluator.experiment.recipe import Stage
from evaluator.training.features import Feature, Features, pack
from evaluator.training.heads.base import Batch, Head, Output, fresh_head, load, token_ids

SCALE = 100.0
"""Start of the learned scale of the cosines (XT third_party/bert.py, BertForRetrieval)."""


class Pooler(nn.Module):
    """BERT's pooler, for encoders that have none."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Return the pooled states, (texts, width)."""
        return torch.tanh(self.dense(states[:, 0]))


@dataclass(frozen=True, slots=True)
class DualHead(Head):
    """Unit vectors from the pooler (dense + tanh over the first token) of one encoder for both sides.

    A training record is (query, candidate), any other a text. The softmax runs over all candidates of a step, so a step
    is never cut into batches.
    """

    name: str = "dual"
    group: int = 2
    splits_steps: bool = False

    def build(self, checkpoint: Path, seed: int) -> PreTrainedModel:
        """Return the encoder with a fresh pooler and scale."""
        model = load("dual", checkpoint)
        if getattr(model, "pooler", None) is None:
            model.pooler = Pooler(model.config.hidden_size)
        model = fresh_head(model, seed)
        model.register_parameter("logit_scale", nn.Parameter(torch.tensor(SCALE)))
        return model

    def encode(self, records: Sequence[Any], tokenizer: PreTrainedTokenizerBase, stage: Stage) -> Features:
        """Return one feature per text, or one of two sequences per (query, candidate)."""
        if not records or isinstance(records[0], str):
            texts = token_ids(records, tokenizer, stage.max_length)
            return pack(Feature((ids,), (), i) for i, ids in enumerate(texts))
        queries = token_ids([query for query, _ in records], tokenizer, stage.query_length or stage.max_length)
        candidates = token_ids([candidate for _, candidate in records], tokenizer, stage.max_length)
        pairs = enumerate(zip(queries, candidates, strict=True))
        return pack((Feature(pair, (), i) for i, pair in pairs), group=2)

    def loss(self, model: PreTrainedModel, batch: Batch) -> torch.Tensor:
        """Return the cross entropy of each query's own candidate among those of the step, summed."""
        vectors = self._vectors(model, batch)
        with torch.autocast(vectors.device.type, enabled=False):  # in bfloat16 the logits would go in steps of a half
            logits = vectors[0::2] @ vectors[1::2].T * model.logit_scale
        return functional.cross_entropy(logits, torch.arange(len(logits), device=logits.device), reduction="sum")

    def outputs(self, model: PreTrainedModel, batch: Batch) -> list[Output]:
        """Return each text's unit vector, (width,)."""
        return list(self._vectors(model, batch).cpu().numpy())

    def _vectors(self, model: PreTrainedModel, batch: Batch) -> torch.Tensor:
        output = model(**batch.inputs(model))
        is_ours = isinstance(model.pooler, Pooler)
        pooled: torch.Tensor = model.pooler(output.last_hidden_state) if is_ours else output.pooler_output
        return functional.normalize(pooled.float(), dim=1)
