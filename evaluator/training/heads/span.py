"""Extractive question answering: the first and last token of the answer, over overlapping windows of the context."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from evaluator.experiment.recipe import Stage
from evaluator.training.features import Feature, Features, IntArray, pack
from evaluator.training.heads.base import Batch, FloatArray, Head, Output, fresh_head, load
from synthgen.formats.answer_windows import best_answer
from synthgen.formats.span import UNANSWERABLE, Span
from synthgen.models.encoder import span_logits, windows


@dataclass(frozen=True, slots=True)
class SpanHead(Head):
    """Start and end logits per token; predictions are answer texts, "" for none.

    A feature's target is the answer's first and last token (the window's first, such as <s>, when it does not hold
    it), then for every token its [start, end) characters in the context and whether this window gives it the most
    context on both sides, -100 outside the context. An answer starts only where it does (XT processors/squad.py).
    """

    labels: tuple[str, ...] = ()
    name: str = "span"
    group: int = 1
    splits_steps: bool = True

    def build(self, checkpoint: Path, seed: int) -> PreTrainedModel:
        """Return the encoder with a fresh span classifier."""
        return fresh_head(load("span", checkpoint, num_labels=2), seed)

    def encode(self, records: Sequence[Span], tokenizer: PreTrainedTokenizerBase, stage: Stage) -> Features:
        """Return one feature per window of a context; each begins `stage.stride` tokens after the one before."""
        return pack(feature for i, record in enumerate(records) for feature in _windows(i, record, tokenizer, stage))

    def loss(self, model: PreTrainedModel, batch: Batch) -> torch.Tensor:
        """Return the mean of start and end cross entropy, summed over windows.

        Padding is no place to start or end. The reference lets it compete, which makes the loss of a window depend on
        how long its neighbours are; here it must not depend on how a step is cut.
        """
        start, end = (
            functional.cross_entropy(logits.float().masked_fill(batch.mask == 0, -torch.inf), places, reduction="sum")
            for logits, places in zip(span_logits(model, batch.inputs(model)), batch.targets[:, :2].T, strict=True)
        )
        return (start + end) / 2

    def outputs(self, model: PreTrainedModel, batch: Batch) -> list[Output]:
        """Return start and end logits of each window, (tokens, 2)."""
        logits = torch.stack(span_logits(model, batch.inputs(model)), dim=-1).float().cpu().numpy()
        return [row[:length] for row, length in zip(logits, batch.mask.sum(dim=1).tolist(), strict=True)]

    def decode(self, records: Sequence[Span], features: Features, outputs: Sequence[Output]) -> list[str]:
        """Return the best span of each question over all its windows; "" only if the labels allow no answer."""
        scored: list[list[tuple[FloatArray, IntArray]]] = [[] for _ in records]
        for i, logits in enumerate(outputs):
            scored[int(features.owners[i])].append((logits, features.target(i)[2:].reshape(-1, 3)))
        answer = partial(best_answer, may_be_none=UNANSWERABLE in self.labels)
        return [answer(record.context, logits) for record, logits in zip(records, scored, strict=True)]


def _windows(number: int, record: Span, tokenizer: PreTrainedTokenizerBase, stage: Stage) -> Iterator[Feature]:
    texts = record.question, record.context
    for window in windows(*texts, tokenizer, max_length=stage.max_length, stride=stage.stride):
        answer = _answer(record, window.places[window.inside, :2], window.inside.start)
        yield Feature((window.ids,), [*answer, *window.places.ravel().tolist()], number, (window.second,))


def _answer(record: Span, characters: IntArray, shift: int) -> tuple[int, int]:
    """Return the answer's first and last token in a window, (0, 0) when the window does not hold all of it."""
    start, end = record.start, record.end
    if start is None or end is None or not len(characters) or start < characters[0, 0] or end > characters[-1, 1]:
        return 0, 0
    inside = np.flatnonzero((characters[:, 1] > start) & (characters[:, 0] < end))
    return (int(inside[0]) + shift, int(inside[-1]) + shift) if len(inside) else (0, 0)
