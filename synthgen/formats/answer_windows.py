"""Extractive answers: which tokens of a long context each window holds, and the best span by a model's logits.

Shared by the evaluator's span head and by `filters.labels.checkpoint`, which answers questions anew; `models.encoder`
writes the windows. Numpy only; the reference is google-research/xtreme (XT) `run_squad.py` and `processors/squad.py`.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

MAX_QUESTION_LENGTH = 64
MAX_ANSWER_LENGTH = 30
BEST = 20
"""Sub-words kept of a question, of an answer, and start and end candidates (XT run_squad.py defaults)."""
OUTSIDE = -100
"""Place of a token that is not in the context."""

Ints = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float32]


def best_answer(context: str, scored: Iterable[tuple[Floats, Ints]], *, may_be_none: bool) -> str:
    """Return the best span over a context's windows, (logits, places) each; "" only where there may be no answer."""
    place = best_place(scored, may_be_none=may_be_none)
    return context[slice(*place)].strip() if place else ""


def best_place(
    scored: Iterable[tuple[Floats, Ints]], *, may_be_none: bool = False, within: tuple[int, int] | None = None
) -> tuple[int, int] | None:
    """Return [start, end) of the best span over a context's windows, or of the best that touches nothing but `within`.

    None where there may be no answer and that is likelier, and where no token is in `within`.
    """
    best, place, none = -np.inf, None, np.inf
    for logits, places in scored:
        none = min(none, float(logits[0].sum()))
        span = best_span(*((logits, places) if within is None else _restricted(logits, places, within)))
        if span and span[0] > best:
            best, place = span[0], span[1:]
    return None if may_be_none and none > best else place


def _restricted(logits: Floats, places: Ints, within: tuple[int, int]) -> tuple[Floats, Ints]:
    """Return logits and places with every token that is not wholly inside a stretch as none of the context's."""
    inside = ((places[:, 0] >= within[0]) & (places[:, 1] <= within[1]))[:, None]
    return np.where(inside, logits, -np.inf), np.where(inside, places, OUTSIDE)


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


def best_span(logits: Floats, places: Ints) -> tuple[float, int, int] | None:
    """Return (score, start, end) in characters of the best span in the context, of at most 30 tokens.

    Shapes: `logits` (tokens, 2), `places` (tokens, 3): characters and whether a span may start there. Start and end
    come from the 20 best each (XT run_squad.py, compute_predictions_logits).
    """
    starts, ends = (np.argsort(-logits[:, side], kind="stable")[:BEST] for side in (0, 1))
    first, last = np.meshgrid(starts, ends, indexing="ij")
    in_context = (places[first, 2] == 1) & (places[last, 0] != OUTSIDE)
    allowed = in_context & (first <= last) & (last - first < MAX_ANSWER_LENGTH)
    if not allowed.any():
        return None
    scores: Any = np.where(allowed, logits[first, 0] + logits[last, 1], -np.inf)
    row, column = np.unravel_index(int(np.argmax(scores)), scores.shape)
    score = float(scores[row, column])
    return score, int(places[first[row, column], 0]), int(places[last[row, column], 1])
