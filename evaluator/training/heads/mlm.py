"""Masked language modelling with RoBERTa's masking: 80 % mask, 10 % another token, 10 % left, anew in every epoch.

The number of masked tokens per text is exact, so that a step's loss can be a mean although the draw is made batch by
batch. The output layer is tied to the embeddings and gives every row a gradient: the vocabulary cannot be compacted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from evaluator.experiment.recipe import Stage
from evaluator.training.features import Feature, Features, IntArray, pack
from evaluator.training.heads.base import Batch, Head, load, token_ids
from synthgen.errors import UserError
from synthgen.models.encoder import vocabulary_logits

SHARE = 0.15
MASKED, RANDOM = 0.8, 0.1
"""Devlin et al. 2019, as RoBERTa and XLM-R have it."""


@dataclass(frozen=True, slots=True)
class MaskedHead(Head):
    """Logits over the vocabulary at the hidden tokens; nothing is predicted with it."""

    mask_id: int
    name: str = "mlm"
    group: int = 1
    splits_steps: bool = True

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> MaskedHead:
        """Return the head for a tokenizer; UserError for one that has no mask token."""
        if tokenizer.mask_token_id is None:
            raise UserError("masked language modelling needs a tokenizer with a mask token; this model's has none")
        return cls(int(tokenizer.mask_token_id))

    def build(self, checkpoint: Path, seed: int) -> PreTrainedModel:
        """Return the encoder with the checkpoint's language-model head, or a fresh one where it has none."""
        torch.manual_seed(seed)
        return load("mlm", checkpoint)

    def encode(self, records: Sequence[str], tokenizer: PreTrainedTokenizerBase, stage: Stage) -> Features:
        """Return one feature per text, cut at the stage's length; its target is how many tokens are hidden."""
        rows = token_ids(records, tokenizer, stage.max_length)
        return pack(Feature((ids,), (max(1, round(SHARE * (len(ids) - 2))),), i) for i, ids in enumerate(rows))

    def loss(self, model: PreTrainedModel, batch: Batch) -> torch.Tensor:
        """Return the cross entropy summed over the hidden tokens; logits are computed for those alone."""
        ids, hidden = hide(batch, self.mask_id, model.config.vocab_size)
        states = model.base_model(input_ids=ids, attention_mask=batch.mask).last_hidden_state
        logits = vocabulary_logits(model, states[hidden])
        return functional.cross_entropy(logits.float(), batch.ids[hidden], reduction="sum")

    def count(self, targets: Sequence[IntArray]) -> int:
        """Return the number of hidden tokens."""
        return sum(int(target[0]) for target in targets)


def hide(batch: Batch, mask_id: int, vocabulary: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the ids with some hidden, and where, (texts, tokens) each; first and last token of a text are never.

    Drawn on the CPU from torch's generator, so that a seed hides the same tokens on every device.
    """
    mask, ids, counts = batch.mask.cpu(), batch.ids.cpu(), batch.targets[:, 0].cpu()
    places = torch.arange(ids.shape[1])
    inner = (places > 0) & (places < mask.sum(1, keepdim=True) - 1)
    order = torch.rand(ids.shape).masked_fill(~inner, 2.0).argsort(dim=1)
    ranks = torch.empty_like(order).scatter_(1, order, places.expand_as(order))
    hidden = (ranks < counts[:, None]) & inner
    fate, others = torch.rand(ids.shape), torch.randint(vocabulary, ids.shape)
    replacements = torch.where(fate < MASKED, mask_id, torch.where(fate < MASKED + RANDOM, others, ids))
    changed = torch.where(hidden, replacements, ids)
    return changed.to(batch.ids.device), hidden.to(batch.ids.device)
