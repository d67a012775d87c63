"""Token classification: part of speech, named entities, supertags."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from evaluator.experiment.recipe import Stage
from evaluator.training.features import IGNORED, Feature, Features, IntArray, pack
from evaluator.training.heads.base import Batch, Head, Output, fresh_head, label_names, load
from synthgen.formats.tags import TaggedSentence
from synthgen.models.encoder import frame, word_ids


@dataclass(frozen=True, slots=True)
class TagsHead(Head):
    """Label logits per token, read at its first sub-word; predictions are tuples of label names, one per token.

    A sentence with more sub-words than fit is split between words, so that every token gets a prediction (XT
    utils_preprocess.py splits at 128 and re-joins by an .idx file).
    """

    labels: tuple[str, ...]
    name: str = "tags"
    group: int = 1
    splits_steps: bool = True

    def build(self, checkpoint: Path, seed: int) -> PreTrainedModel:
        """Return the encoder with a fresh token classifier."""
        return fresh_head(load("tags", checkpoint, **label_names(self.labels)), seed)

    def encode(self, records: Sequence[TaggedSentence], tokenizer: PreTrainedTokenizerBase, stage: Stage) -> Features:
        """Return one feature per piece of a sentence."""
        tokens = list({token for record in records for token in record.tokens})
        subwords = dict(zip(tokens, word_ids(tokens, tokenizer), strict=True))
        around = frame(tokenizer, 1)
        before, after = [IGNORED] * len(around.first), [IGNORED] * len(around.last)
        return pack(
            Feature(([*around.first, *ids, *around.last],), [*before, *target, *after], i)
            for i, record in enumerate(records)
            for ids, target in _split(record, subwords, stage.max_length - len(around))
        )

    def loss(self, model: PreTrainedModel, batch: Batch) -> torch.Tensor:
        """Return the cross entropy summed over tokens."""
        logits, targets = self.logits(model, batch).flatten(0, 1), batch.targets.flatten()
        return functional.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="sum")

    def count(self, targets: Sequence[IntArray]) -> int:
        """Return the number of tokens."""
        return sum(int((target != IGNORED).sum()) for target in targets)

    def outputs(self, model: PreTrainedModel, batch: Batch) -> list[Output]:
        """Return the likeliest label of each sub-word, (sub-words,) per feature."""
        best = self.logits(model, batch).argmax(dim=-1).to(torch.int32).cpu().numpy()
        return [row[:length] for row, length in zip(best, batch.mask.sum(dim=1).tolist(), strict=True)]

    def decode(
        self, records: Sequence[TaggedSentence], features: Features, outputs: Sequence[Output]
    ) -> list[tuple[str, ...]]:
        """Return the tags of each sentence, its pieces re-joined."""
        tags: list[list[str]] = [[] for _ in records]
        for i, output in enumerate(outputs):
            starts = features.target(i) != IGNORED
            tags[int(features.owners[i])].extend(self.labels[int(label)] for label in output[starts])
        for record, predicted in zip(records, tags, strict=True):
            if len(record.tokens) != len(predicted):
                raise RuntimeError(f"{len(predicted)} tags for {len(record.tokens)} tokens: {' '.join(record.tokens)}")
        return [tuple(predicted) for predicted in tags]


def _split(record: TaggedSentence, subwords: dict[str, list[int]], room: int) -> Iterator[tuple[list[int], list[int]]]:
    """Yield ids and target of pieces of at most `room` sub-words; a single token longer than that is shortened."""
    ids: list[int] = []
    target: list[int] = []
    for token, tag in zip(record.tokens, record.tags, strict=True):
        added = subwords[token][:room]
        if len(ids) + len(added) > room:
            yield ids, target
            ids, target = [], []
        ids.extend(added)
        target.extend([tag] + [IGNORED] * (len(added) - 1))
    if ids:
        yield ids, target
