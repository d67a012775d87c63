"""Extractive question answering: the first and last token of the answer, over overlapping windows of the context."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional
from transformers import AutoModelForQuestionAnswering, PreTrainedModel, PreTrainedTokenizerBase

from evaluator.features import IGNORED, Feature, Features, IntArray, pack
from evaluator.heads.base import Batch, FloatArray, Output, fresh_head, load
from evaluator.recipe import Stage
from synthgen.formats.span import UNANSWERABLE, Span

MAX_QUESTION_LENGTH = 64
MAX_ANSWER_LENGTH = 30
BEST = 20
"""Sub-words kept of a question, of an answer, and start and end candidates (XT run_squad.py defaults)."""


@dataclass(frozen=True, slots=True)
class SpanHead:
    """Start and end logits per token; predictions are answer texts, "" for none.

    A feature's target is the answer's first and last token (the first token, <s>, when the window does not hold it),
    then for every token its [start, end) characters in the context and whether this window gives it the most context
    on both sides, -100 outside the context. An answer starts only where it does (XT processors/squad.py).
    """

    labels: tuple[str, ...] = ()
    name: str = "span"
    group: int = 1
    splits_steps: bool = True

    def build(self, checkpoint: Path, seed: int) -> PreTrainedModel:
        """Return the encoder with a fresh span classifier."""
        return fresh_head(load(AutoModelForQuestionAnswering, checkpoint, num_labels=2), seed)

    def encode(self, records: Sequence[Span], tokenizer: PreTrainedTokenizerBase, stage: Stage) -> Features:
        """Return one feature per window of a context; each begins `stage.stride` tokens after the one before."""
        return pack(feature for i, record in enumerate(records) for feature in _windows(i, record, tokenizer, stage))

    def loss(self, model: PreTrainedModel, batch: Batch) -> torch.Tensor:
        """Return the mean of start and end cross entropy, summed over windows."""
        output = model(input_ids=batch.ids, attention_mask=batch.mask)
        start = functional.cross_entropy(output.start_logits.float(), batch.targets[:, 0], reduction="sum")
        end = functional.cross_entropy(output.end_logits.float(), batch.targets[:, 1], reduction="sum")
        return (start + end) / 2

    def count(self, targets: Sequence[IntArray]) -> int:
        """Return the number of windows."""
        return len(targets)

    def outputs(self, model: PreTrainedModel, batch: Batch) -> list[Output]:
        """Return start and end logits of each window, (tokens, 2)."""
        output = model(input_ids=batch.ids, attention_mask=batch.mask)
        logits = torch.stack([output.start_logits, output.end_logits], dim=-1).float().cpu().numpy()
        return [row[:length] for row, length in zip(logits, batch.mask.sum(dim=1).tolist(), strict=True)]

    def decode(self, records: Sequence[Span], features: Features, outputs: Sequence[Output]) -> list[str]:
        """Return the best span of each question over all its windows; "" only if the labels allow no answer."""
        best: list[tuple[float, str]] = [(-np.inf, "") for _ in records]
        null = np.full(len(records), np.inf)
        for i, logits in enumerate(outputs):
            owner, places = int(features.owners[i]), features.target(i)[2:].reshape(-1, 3)
            null[owner] = min(null[owner], float(logits[0].sum()))
            found = best_span(logits, places)
            if found and found[0] > best[owner][0]:
                score, start, end = found
                best[owner] = (score, records[owner].context[start:end].strip())
        allows_null = UNANSWERABLE in self.labels
        return ["" if allows_null and null[i] > score else answer for i, (score, answer) in enumerate(best)]


def _windows(number: int, record: Span, tokenizer: PreTrainedTokenizerBase, stage: Stage) -> Iterator[Feature]:
    question = tokenizer(
        record.question.strip(), add_special_tokens=False, truncation=True, max_length=MAX_QUESTION_LENGTH
    )
    context = tokenizer(record.context, add_special_tokens=False, return_offsets_mapping=True)
    special = [tokenizer.bos_token_id], [tokenizer.eos_token_id]
    prefix = [*special[0], *question["input_ids"], *special[1], *special[1]]
    room = max(1, stage.max_length - len(prefix) - 1)
    ids, offsets = context["input_ids"], _trimmed(record.context, context["offset_mapping"])
    spans = window_spans(len(ids), room, min(stage.stride, room))
    for (first, last), central in zip(spans, central_tokens(spans), strict=True):
        characters, outside = offsets[first:last], [IGNORED] * 3
        inside = (value for pair, flag in zip(characters, central, strict=True) for value in (*pair, int(flag)))
        flat = [*outside * len(prefix), *inside, *outside]
        answer = _answer(record, characters, len(prefix))
        yield Feature(([*prefix, *ids[first:last], *special[1]],), [*answer, *flat], number)


def window_spans(tokens: int, room: int, stride: int) -> list[tuple[int, int]]:
    """Return the [first, last) tokens of the windows of a context; the reference's `doc_stride` is between beginnings.

    >>> window_spans(10, 5, 3)
    [(0, 5), (3, 8), (6, 10)]
    """
    count = 1 + max(0, -(-(tokens - room) // stride))
    return [(i * stride, min(i * stride + room, tokens)) for i in range(count)]


def central_tokens(spans: Sequence[tuple[int, int]]) -> list[npt.NDArray[np.bool_]]:
    """Return for each window which of its tokens have their most context there, the first window of equals.

    Context is the smaller distance to the window's ends, plus 0.01 of its length (XT _new_check_is_max_context).
    """
    best = np.full(spans[-1][1], -1.0)
    owner = np.zeros(len(best), dtype=np.int64)
    for number, (first, last) in enumerate(spans):
        place = np.arange(last - first)
        score = np.minimum(place, place[::-1]) + 0.01 * len(place)
        owner[first:last][score > best[first:last]] = number
        best[first:last] = np.maximum(best[first:last], score)
    return [owner[first:last] == number for number, (first, last) in enumerate(spans)]


def _trimmed(text: str, offsets: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the offsets without the white space that sentencepiece counts into a token."""
    return [(start + (len(text[start:end]) - len(text[start:end].lstrip())), end) for start, end in offsets]


def _answer(record: Span, characters: Sequence[tuple[int, int]], shift: int) -> tuple[int, int]:
    """Return the answer's first and last token in a window, (0, 0) when the window does not hold all of it."""
    start, end = record.start, record.end
    if start is None or end is None or not characters or start < characters[0][0] or end > characters[-1][1]:
        return 0, 0
    inside = [i for i, (first, last) in enumerate(characters) if last > start and first < end]
    return (inside[0] + shift, inside[-1] + shift) if inside else (0, 0)


def best_span(logits: FloatArray, places: IntArray) -> tuple[float, int, int] | None:
    """Return (score, start, end) in characters of the best span in the context, of at most 30 tokens.

    Shapes: `logits` (tokens, 2), `places` (tokens, 3): characters and whether a span may start there. Start and end
    come from the 20 best each (XT run_squad.py, compute_predictions_logits).
    """
    starts, ends = (np.argsort(-logits[:, side], kind="stable")[:BEST] for side in (0, 1))
    first, last = np.meshgrid(starts, ends, indexing="ij")
    in_context = (places[first, 2] == 1) & (places[last, 0] != IGNORED)
    allowed = in_context & (first <= last) & (last - first < MAX_ANSWER_LENGTH)
    if not allowed.any():
        return None
    scores: Any = np.where(allowed, logits[first, 0] + logits[last, 1], -np.inf)
    row, column = np.unravel_index(int(np.argmax(scores)), scores.shape)
    score = float(scores[row, column])
    return score, int(places[first[row, column], 0]), int(places[last[row, column], 1])
