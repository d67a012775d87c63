"""Nearest neighbours by cosine, rankings, mined pairs."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluator.benchmark.metrics.classification import same_length
from evaluator.benchmark.metrics.tags import f1
from evaluator.benchmark.target import Split, SplitScores

Vectors = npt.NDArray[np.float32]

QUERIES_AT_ONCE = 1024


def nearest(queries: Vectors, pool: Vectors, k: int) -> npt.NDArray[np.int64]:
    """Return the pool indices of the k most similar vectors, best first, (queries, k); ties go to the lower index.

    Vectors have unit length, so the inner product is the cosine (faiss IndexFlatIP in XT utils_retrieve.py, knnCPU).
    """
    ranked = [
        np.argsort(-(queries[first : first + QUERIES_AT_ONCE] @ pool.T), axis=1, kind="stable")[:, :k]
        for first in range(0, len(queries), QUERIES_AT_ONCE)
    ]
    return np.concatenate(ranked) if ranked else np.zeros((0, k), dtype=np.int64)


def nearest_ids(split: Split, queries: Vectors, pool: Vectors) -> list[list[str]]:
    """Return the ids of the 20 candidates nearest to each query."""
    return [[split.pool_ids[index] for index in row] for row in nearest(queries, pool, 20)]


def score_ranking(split: Split, predictions: Sequence[Sequence[str] | None]) -> SplitScores:
    """Return `map20`: the mean over queries of the average precision at 20. A query without a prediction counts 0.

    With a single gold candidate this is the mean reciprocal rank at 20 (Mewsli-X: XT utils_mewslix.py, evaluate).
    """
    same_length(split, predictions)
    items = [average_precision(gold, ranked or (), 20) for gold, ranked in zip(split.gold, predictions, strict=True)]
    return SplitScores({"map20": 100 * sum(items) / len(items)}, {"map20": items})


def average_precision(gold: Collection[str], ranked: Sequence[str], k: int) -> float:
    """Return the average precision at k, divided by min(gold, k) (XT utils_lareqa.py, average_precision_at_k).

    A candidate named twice counts once, at its first rank.

    >>> average_precision({"a", "b"}, ["a", "x", "b"], 20)
    0.8333333333333333
    """
    total, hits, seen = 0.0, 0, set[str]()
    for rank, candidate in enumerate(ranked[:k], start=1):
        if candidate in gold and candidate not in seen:
            hits += 1
            total += hits / rank
        seen.add(candidate)
    return total / min(len(gold), k)


def score_pairs(split: Split, predictions: Sequence[Sequence[str] | None]) -> SplitScores:
    """Return `f1` over mined pairs, given as the list of targets of each source (XT evaluate.py, bucc_f1)."""
    same_length(split, predictions)
    counts = [
        [len(set(gold) & set(mined or ())), len(set(mined or ())), len(set(gold))]
        for gold, mined in zip(split.gold, predictions, strict=True)
    ]
    return SplitScores({"f1": 100 * f1(*(sum(column) for column in zip(*counts, strict=True)))}, {"f1": counts})


@dataclass(frozen=True, slots=True)
class MinedPair:
    """A pair of indices and its margin score."""

    source: int
    target: int
    score: float


def mine(sources: Vectors, targets: Vectors, neighbours: int = 4) -> list[MinedPair]:
    """Return one-to-one pairs by ratio margin, best first (XT utils_retrieve.py, mine_bitext, retrieval "max").

    The margin of a pair is its cosine over the mean of both sides' mean cosine to their nearest neighbours
    (Artetxe and Schwenk 2019, eq. 2-3); each side proposes its best candidate among its neighbours.
    """
    forward, backward = nearest(sources, targets, neighbours), nearest(targets, sources, neighbours)
    forward_cosine = np.einsum("nd,nkd->nk", sources, targets[forward])
    backward_cosine = np.einsum("nd,nkd->nk", targets, sources[backward])
    forward_mean, backward_mean = forward_cosine.mean(axis=1), backward_cosine.mean(axis=1)
    forward_margin = forward_cosine / ((forward_mean[:, None] + backward_mean[forward]) / 2)
    backward_margin = backward_cosine / ((backward_mean[:, None] + forward_mean[backward]) / 2)
    best_target = forward[np.arange(len(sources)), forward_margin.argmax(axis=1)]
    best_source = backward[np.arange(len(targets)), backward_margin.argmax(axis=1)]
    pairs = [*enumerate(best_target.tolist()), *zip(best_source.tolist(), range(len(targets)), strict=True)]
    scores = np.concatenate([forward_margin.max(axis=1), backward_margin.max(axis=1)])
    used_sources, used_targets = set[int](), set[int]()
    mined = []
    for i in np.argsort(-scores, kind="stable"):
        source, target = pairs[i]
        if source not in used_sources and target not in used_targets:
            used_sources.add(source)
            used_targets.add(target)
            mined.append(MinedPair(source, target, float(scores[i])))
    return mined


def best_threshold(scores: Sequence[float], is_gold: Sequence[bool], gold: int) -> float:
    """Return the score above which keeping pairs gives the best F1; pairs stand best first.

    The threshold lies midway to the next pair (XT utils_retrieve.py, bucc_optimize). It is chosen on the gold pairs of
    the set that is scored, as the reference does for BUCC's published training part: an upper bound, said in reports.
    """
    threshold, best, correct = 0.0, 0.0, 0
    for taken, (score, hit) in enumerate(zip(scores, is_gold, strict=True), start=1):
        correct += hit
        value = f1(correct, taken, gold)
        if value > best:
            following = scores[taken] if taken < len(scores) else score
            best, threshold = value, (score + following) / 2
    return threshold
