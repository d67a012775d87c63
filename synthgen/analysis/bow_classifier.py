"""A small classifier of texts for annotation artefacts: logistic regression over words, in seconds on one core.

Weights are learned by AdaGrad (Duchi et al. 2011). It is meant to be weak and quick: what it gets right, any model gets
right. scikit-learn's logistic regression is as right (MNLI, 5,000 hypotheses: 46.3 to 46.7 %, here 46.3 %), but the
core would need it and SciPy, seconds to import, its probabilities differ by 0.06 to 0.13, and with them what
`rebalance` drops, and it has no model of options that share their weights.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt

from synthgen.text.words import LONGEST_EXAMPLE, tokens

FOLDS = 5
EPOCHS = 6
BATCH = 64
RATE = 0.15
MIN_COUNT = 2
PIECE = 4

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Texts:
    """The features of texts one after the other: text i has `ids[starts[i] : starts[i + 1]]`; `group` texts an item."""

    ids: Ints
    starts: Ints
    size: int
    group: int = 1

    @property
    def items(self) -> int:
        """Number of items."""
        return (len(self.starts) - 1) // self.group

    def take(self, items: Ints) -> tuple[Ints, Ints, Floats]:
        """Return, for all texts of the items, the ids, how many of them each text has, and the weight of each id."""
        texts = (items[:, None] * self.group + np.arange(self.group)).ravel()
        lengths = self.starts[texts + 1] - self.starts[texts]
        places = np.arange(lengths.sum()) + np.repeat(self.starts[texts] - (np.cumsum(lengths) - lengths), lengths)
        return self.ids[places], lengths, np.repeat(1.0 / np.sqrt(lengths), lengths)


def featurise(texts: Sequence[str], group: int = 1) -> Texts:
    """Return the features of texts; those that occur once are left out, every text has at least its length."""
    rows = [_features(tokens(text[:LONGEST_EXAMPLE])) for text in texts]
    counts = Counter(chain.from_iterable(rows))
    vocabulary = {feature: i for i, feature in enumerate(f for f, count in counts.items() if count >= MIN_COUNT)}
    unknown = len(vocabulary)
    ids = [[i for i in map(vocabulary.get, row) if i is not None] or [unknown] for row in rows]
    starts = np.cumsum([0, *map(len, ids)])
    return Texts(np.fromiter(chain.from_iterable(ids), dtype=np.int64), starts, unknown + 1, group)


def _features(words: list[str]) -> list[str]:
    pairs = [f"{a} {b}" for a, b in pairwise(["^", *words, "$"])]
    bounded = [f"<{word}>" for word in words]
    pieces = [f"~{word[i : i + PIECE]}" for word in bounded for i in range(max(1, len(word) - PIECE + 1))]
    return list(dict.fromkeys([*words, *pairs, *pieces, f"={len(words)}"]))


def cross_validated(texts: Texts, labels: Ints, classes: int, *, seed: int = 0) -> Floats:
    """Return, for each item, the probability of each class from a model that did not see the item: (items, classes).

    With `group` > 1 the classes are the places of the texts within an item, and one weight a feature is learned.
    """
    fold = np.random.default_rng(seed).permutation(texts.items) % FOLDS
    out_of_fold = np.zeros((texts.items, classes))
    for number in range(FOLDS):
        held_out = np.flatnonzero(fold == number)
        weights = fit(texts, labels, np.flatnonzero(fold != number), classes, seed + number)
        out_of_fold[held_out] = probabilities(texts, held_out, weights, classes)
    return out_of_fold


def fit(texts: Texts, labels: Ints, items: Ints, classes: int, seed: int) -> Floats:
    """Return the weights learned from the items, averaged over the last epochs: (features, classes or 1)."""
    rng = np.random.default_rng(seed)
    columns = 1 if texts.group > 1 else classes
    weights, squares = np.zeros((texts.size, columns)), np.full((texts.size, columns), 1e-2)
    total, taken, places = np.zeros_like(weights), 0, np.zeros(texts.size, dtype=np.int64)
    for epoch in range(EPOCHS):
        for batch in np.array_split(rng.permutation(items), max(1, len(items) // BATCH)):
            ids, lengths, value = texts.take(batch)
            errors = softmax(_scores(weights, ids, lengths, value, len(batch), classes))
            errors[np.arange(len(batch)), labels[batch]] -= 1.0
            touched = np.flatnonzero(np.bincount(ids, minlength=texts.size))
            places[touched] = np.arange(len(touched))
            shares = np.repeat(errors.reshape(-1, columns), lengths, axis=0) * value[:, None]
            gradient = np.empty((len(touched), columns))
            for column in range(columns):
                gradient[:, column] = np.bincount(places[ids], shares[:, column], len(touched))
            squares[touched] = so_far = squares.take(touched, axis=0) + gradient**2
            weights[touched] = weights.take(touched, axis=0) - RATE * gradient / np.sqrt(so_far)
        if 2 * epoch >= EPOCHS:
            total, taken = total + weights, taken + 1
    return total / taken


def _scores(weights: Floats, ids: Ints, lengths: Ints, value: Floats, items: int, classes: int) -> Floats:
    parts = weights.take(ids, axis=0) * value[:, None]  # which is quicker than weights[ids]
    summed: Floats = np.add.reduceat(parts, np.cumsum(lengths) - lengths, axis=0)
    return summed.reshape(items, classes)


def softmax(scores: Floats) -> Floats:
    """Return the probabilities (items, classes) of scores or logits."""
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    normalised: Floats = shifted / shifted.sum(axis=1, keepdims=True)
    return normalised


def probabilities(texts: Texts, items: Ints, weights: Floats, classes: int) -> Floats:
    """Return the probability of each class for the items: (items, classes)."""
    return softmax(_scores(weights, *texts.take(items), len(items), classes))
