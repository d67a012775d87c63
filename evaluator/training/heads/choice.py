"""Multiple choice: one score per option, softmax over the options."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from evaluator.experiment.recipe import Stage
from evaluator.training.features import Feature, Features, pack
from evaluator.training.heads.base import Batch, LabelHead, Output, fresh_head, load
from synthgen.formats.choice import Choice
from synthgen.models.encoder import choice_scores, pair_ids


@dataclass(frozen=True, slots=True)
class ChoiceHead(LabelHead):
    """A scalar per option, read after context and question as a pair; predictions are 0-based positions.

    One scalar whatever the number of options, so SIQa's three-way weights serve COPA's two (XT run_xcopa.py).
    """

    labels: tuple[str, ...]
    name: str = "choice"
    splits_steps: bool = True

    @property
    def group(self) -> int:
        """Sequences per example: one per option."""
        return len(self.labels)

    def build(self, checkpoint: Path, seed: int) -> PreTrainedModel:
        """Return the encoder with a fresh scorer."""
        return fresh_head(load("choice", checkpoint), seed)

    def encode(self, records: Sequence[Choice], tokenizer: PreTrainedTokenizerBase, stage: Stage) -> Features:
        """Return one feature per question, its options as a group; the context is cut first."""
        if not records:
            return pack([], group=self.group)
        prompts = [f"{record.context} {record.question}".strip() for record in records for _ in record.options]
        options = [option for record in records for option in record.options]
        ids, seconds = pair_ids(prompts, options, tokenizer, stage.max_length)
        starts = np.cumsum([0, *(len(record.options) for record in records)])
        places = [slice(first, last) for first, last in pairwise(starts.tolist())]
        features = (
            Feature(tuple(ids[place]), (record.label,), i, tuple(seconds[place]))
            for i, (record, place) in enumerate(zip(records, places, strict=True))
        )
        return pack(features, group=self.group)

    def decode(self, records: Sequence[Choice], features: Features, outputs: Sequence[Output]) -> list[int]:
        """Return the position of the best option of each question."""
        return [int(np.argmax(output)) for output in outputs]

    def logits(self, model: PreTrainedModel, batch: Batch) -> torch.Tensor:
        """Return each question's option scores, (questions, options)."""
        scores: torch.Tensor = choice_scores(model, batch.inputs(model), self.group)
        return scores.float()
