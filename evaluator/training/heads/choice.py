"""Multiple choice: one score per option, softmax over the options."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForMultipleChoice, PreTrainedModel, PreTrainedTokenizerBase

from evaluator.experiment.recipe import Stage
from evaluator.training.features import Feature, Features, pack
from evaluator.training.heads.base import Batch, Head, Output, fresh_head, load
from synthgen.formats.choice import Choice


@dataclass(frozen=True, slots=True)
class ChoiceHead(Head):
    """A scalar from `<s> context question </s></s> option </s>` per option; predictions are 0-based positions.

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
        return fresh_head(load(AutoModelForMultipleChoice, checkpoint), seed)

    def encode(self, records: Sequence[Choice], tokenizer: PreTrainedTokenizerBase, stage: Stage) -> Features:
        """Return one feature per question, its options as a group; the context is cut first."""
        if not records:
            return pack([], group=self.group)
        prompts = [f"{record.context} {record.question}".strip() for record in records for _ in record.options]
        options = [option for record in records for option in record.options]
        ids = tokenizer(prompts, options, truncation="longest_first", max_length=stage.max_length)["input_ids"]
        starts = np.cumsum([0, *(len(record.options) for record in records)])
        return pack(
            (Feature(tuple(ids[starts[i] : starts[i + 1]]), (record.label,), i) for i, record in enumerate(records)),
            group=self.group,
        )

    def decode(self, records: Sequence[Choice], features: Features, outputs: Sequence[Output]) -> list[int]:
        """Return the position of the best option of each question."""
        return [int(np.argmax(output)) for output in outputs]

    def logits(self, model: PreTrainedModel, batch: Batch) -> torch.Tensor:
        """Return each question's option scores, (questions, options)."""
        shape = (-1, self.group, batch.ids.shape[1])
        logits: torch.Tensor = model(input_ids=batch.ids.view(shape), attention_mask=batch.mask.view(shape)).logits
        return logits.float()
