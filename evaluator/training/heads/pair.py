"""Sequence classification of two texts: natural language inference, paraphrase."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from evaluator.experiment.recipe import Stage
from evaluator.training.features import Feature, Features, pack
from evaluator.training.heads.base import LabelHead, Output, fresh_head, label_names, load
from synthgen.formats.pair import Pair
from synthgen.models.encoder import pair_ids


@dataclass(frozen=True, slots=True)
class PairHead(LabelHead):
    """Class logits over `labels` from both texts, as the tokenizer writes pairs; predictions are label names."""

    labels: tuple[str, ...]
    name: str = "pair"
    group: int = 1
    splits_steps: bool = True

    def build(self, checkpoint: Path, seed: int) -> PreTrainedModel:
        """Return the encoder with a fresh classifier."""
        return fresh_head(load("pair", checkpoint, **label_names(self.labels)), seed)

    def encode(self, records: Sequence[Pair], tokenizer: PreTrainedTokenizerBase, stage: Stage) -> Features:
        """Return one feature per pair; the longer text is cut first (XT utils_classify: truncation longest first).

        Where no record has a second text, each is encoded as one text.
        """
        if not records:
            return pack([])
        texts = [record.text_a for record in records], [record.text_b for record in records]
        ids, seconds = pair_ids(*texts, tokenizer, stage.max_length)
        return pack(Feature((ids[i],), (record.label,), i, (seconds[i],)) for i, record in enumerate(records))

    def decode(self, records: Sequence[Any], features: Features, outputs: Sequence[Output]) -> list[str]:
        """Return the likeliest label of each pair."""
        return [self.labels[int(np.argmax(output))] for output in outputs]
