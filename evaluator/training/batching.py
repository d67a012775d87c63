"""Length bucketing: steps of a fixed number of examples with little padding, batches within a token budget.

How a step is cut into batches changes speed and memory only: the loss is normalised over the step. Pools follow HF's
`LengthGroupedSampler`; steps are shuffled after bucketing, so that neighbouring steps do not have neighbouring lengths
(modelscope/ms-swift#10111).
"""

import itertools
from collections.abc import Iterator

import numpy as np

from evaluator.training.features import IntArray

POOL_STEPS = 64
"""Steps sorted by length together; more means less padding and less mixing of lengths within a step."""

BATCH_OVERHEAD_TOKENS = {"cpu": 24, "cuda": 1024}
"""Cost of one more batch in tokens' worth of time. CPU: 15 ms at 750 tokens a second, measured on two cores; GPU: ten
milliseconds of kernel launches at 100,000 tokens a second, an estimate."""

MAX_PADDING = 0.045
"""The share of a step that may be padding; small sets of short texts would pass it where only time counted."""


def count_steps(examples: int, examples_per_step: int, epochs: int) -> int:
    """Return the number of optimizer steps of a run; the last step of an epoch may be smaller.

    >>> count_steps(200, 32, epochs=3)
    21
    """
    return -(-examples // examples_per_step) * epochs


def training_steps(
    lengths: IntArray, examples_per_step: int, steps: int, generator: np.random.Generator
) -> Iterator[IntArray]:
    """Yield `steps` arrays of feature indices, each epoch in a new order that covers every feature once."""
    while steps > 0:
        epoch = _epoch(lengths, examples_per_step, generator)[:steps]
        steps -= len(epoch)
        yield from epoch


def _epoch(lengths: IntArray, examples_per_step: int, generator: np.random.Generator) -> list[IntArray]:
    """Return one epoch's steps: shuffle, sort pools by length, cut into steps, shuffle the steps."""
    order = generator.permutation(len(lengths))
    pool_size, steps = examples_per_step * POOL_STEPS, list[IntArray]()
    for pool in np.split(order, range(pool_size, len(order), pool_size)):
        ordered = pool[np.argsort(lengths[pool], kind="stable")]
        steps.extend(np.split(ordered, range(examples_per_step, len(pool), examples_per_step)))
    return [steps[i] for i in generator.permutation(len(steps))]


def split_step(
    indices: IntArray, lengths: IntArray, tokens_per_batch: int, group: int = 1, *, device: str = "cpu"
) -> list[IntArray]:
    """Cut one step into the batches that take the least time, none above the token budget.

    Time is padded tokens plus an overhead per batch, which is halved while the cuts leave more than `MAX_PADDING`. An
    example longer than the budget gets a batch of its own.

    >>> [batch.tolist() for batch in split_step(np.arange(4), np.array([10, 300, 11, 290]), 4096)]
    [[0, 2], [3, 1]]
    """
    order = indices[np.argsort(lengths[indices], kind="stable")]
    widths, overhead = (lengths[order] * group).tolist(), BATCH_OVERHEAD_TOKENS[device]
    while True:
        cuts = _cheapest_cuts(widths, tokens_per_batch, overhead)
        edges = itertools.pairwise([0, *cuts, len(widths)])
        padded = sum((end - start) * widths[end - 1] for start, end in edges)
        if not overhead or padded * (1 - MAX_PADDING) <= sum(widths):
            return np.split(order, cuts)
        overhead //= 2


def _cheapest_cuts(widths: list[int], budget: int, overhead: int) -> list[int]:
    """Return the cuts of sorted widths with the fewest padded tokens and overheads: exact dynamic programming."""
    cost, cut = [0] * (len(widths) + 1), [0] * (len(widths) + 1)
    for end in range(1, len(widths) + 1):
        width, best = widths[end - 1], -1
        for start in range(end - 1, -1, -1):
            if (end - start) * width > budget and start < end - 1:
                break
            candidate = cost[start] + (end - start) * width + overhead
            if best < 0 or candidate < best:
                best, cut[end] = candidate, start
        cost[end] = best
    cuts, end = [], cut[len(widths)]
    while end:
        cuts.append(end)
        end = cut[end]
    return cuts[::-1]


def inference_batches(lengths: IntArray, tokens_per_batch: int, group: int = 1) -> Iterator[IntArray]:
    """Yield batches of features in order of length, longest first, so that running out of memory shows at once."""
    order = np.argsort(-lengths, kind="stable")
    while len(order):
        size = max(1, tokens_per_batch // max(1, int(lengths[order[0]]) * group))
        yield order[:size]
        order = order[size:]
