"""Annotation artefacts: labels that a part of the row gives away which should not.

A classifier sees the hypothesis alone, the question alone, the endings alone (Gururangan et al. 2018; Poliak et al.
2018); longest-choice takes the longest option; words are ranked by how firmly they point to one label. The same is
done for a real set of the same size: sets written by language models are solvable at 86-96 % from the hypothesis alone,
human SNLI at 63-69 % (Proebsting and Poliak 2024). A set is suspicious when it exceeds the real one by a margin, or
when a word gives a label away that does not do so there: in a fiftieth of the rows it moves no baseline, yet is learnt.
"""

import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from synthgen.analysis.bow_classifier import Floats, Ints, cross_validated, featurise
from synthgen.formats import Format
from synthgen.formats.base import Row
from synthgen.formats.choice import ChoiceFormat
from synthgen.text.words import LONGEST_EXAMPLE, tokens

MAX_ROWS = 10_000
MARGIN = 5.0
"""Points by which a baseline may exceed the real set's before the set is called suspicious."""
SHOWN_WORDS = 20
NAMED_WORDS = 5
MIN_SHARE = 0.002
LONGEST = "longest-choice"
GIVE_AWAY = 0.85
"""A word gives a label away when it takes away this share of the doubt, by the lower end of the interval: 90 % of its
rows have a label that a third of all rows have, 97 % a label that four fifths have."""
SURE = 5.0
"""Standard deviations by which it must do so in more rows than in the real set: of some thousand words none does by
chance. Halves of SNLI and MNLI against each other raise no alarm (docs/archive/log.md)."""

Views = Mapping[str, Callable[[Row], Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Baseline:
    """Accuracy of labels guessed from a part of the row: percent, 95 % interval [low, high], majority share."""

    accuracy: float
    ci95: list[float]
    majority: float
    rows: int


@dataclass(frozen=True, slots=True)
class Word:
    """A word or pair of words and the label it points to: its rows and the share of them with the label."""

    text: str
    label: str
    rows: int
    share: float


@dataclass(frozen=True, slots=True)
class NewWord(Word):
    """A word that gives a label away; `real_rows` of the real set have it and that label."""

    real_rows: int


@dataclass(frozen=True, slots=True)
class WordCounts:
    """Numbers of texts by label, and of those with each word or pair of words."""

    totals: Counter[str]
    words: Mapping[str, Counter[str]]

    def gives_away(self, word: Word) -> bool:
        """Say whether nearly all rows of a word have its label, and so many that it is no chance: 35 of a third."""
        common = self.totals[word.label] / self.totals.total()
        return wilson(word.share, word.rows)[0] >= common + GIVE_AWAY * (1 - common)

    def pmi(self, word: Word) -> float:
        """Return the pointwise mutual information of a word and its label, in bits."""
        share = self.words[word.text][word.label] / word.rows
        return round(math.log2(share * self.totals.total() / self.totals[word.label]), 3)


def find_artefacts(
    format_: Format, rows: Sequence[Row], real: Sequence[Row] = (), *, margin: float = MARGIN
) -> dict[str, Any]:
    """Return for the manifest: baselines, words, the same for `real`, and the verdict.

    At most 10,000 rows of each are drawn, equally many of both. The verdict is `suspicious` when a baseline exceeds
    the real set's by more than `margin` points beyond chance or a word gives a label away that does not in the real
    set; else `like the real set`, or `no real set for comparison`.
    """
    size = min(len(rows), MAX_ROWS, len(real) or MAX_ROWS)
    counts, figures = _figures(format_, _draw(rows, size))
    facts: dict[str, Any] = {"rows": size, "margin": margin, **figures}
    if not real:
        return facts | {"verdict": "no real set for comparison"}
    real_counts, real_figures = _figures(format_, _draw(real, size))
    real_baselines = real_figures["baselines"]
    excess = {name: excess_points(each, real_baselines[name]) for name, each in figures["baselines"].items()}
    words = new_give_aways(counts, real_counts)
    suspicious = [name for name, points in excess.items() if points > margin]
    suspicious += [f"the words {', '.join(repr(word.text) for word in words[:NAMED_WORDS])}"] if words else []
    facts |= {"real": real_figures, "excess": excess, "new_give_aways": [asdict(word) for word in words]}
    return facts | {"verdict": f"suspicious: {'; '.join(suspicious)}" if suspicious else "like the real set"}


def excess_points(baseline: Mapping[str, Any], real: Mapping[str, Any]) -> float:
    """Return by how many points more a baseline gains over guessing than in the real set: the interval's lower end.

    Guessing is always saying the commonest label, of which sets have more or less.

    >>> baseline = {"accuracy": 80.0, "ci95": [77.0, 83.0], "majority": 33.0}
    >>> excess_points(baseline, {"accuracy": 60.0, "ci95": [56.0, 64.0], "majority": 33.0})
    15.0
    """
    half = math.hypot(baseline["accuracy"] - baseline["ci95"][0], real["ci95"][1] - real["accuracy"])
    gain, real_gain = (each["accuracy"] - each["majority"] for each in (baseline, real))
    return float(round(gain - real_gain - half, 2))


def _figures(format_: Format, rows: Sequence[Row]) -> tuple[WordCounts, dict[str, Any]]:
    counts = count_words(format_, rows)
    words = telling_words(counts)
    return counts, {
        "baselines": {name: asdict(baseline) for name, baseline in baselines(format_, rows).items()},
        "words": [asdict(word) | {"pmi": counts.pmi(word)} for word in words[:SHOWN_WORDS]],
        "give_aways": [word.text for word in words if counts.gives_away(word)],
    }


def views(format_: Format) -> Views:
    """Return the parts of a row that should not give its label away, by name; each is one text or one an option."""
    if isinstance(format_, ChoiceFormat):
        return {"ending-only": format_.options}
    return {f"{name}-only": partial(_column, name) for name in reversed(format_.text_columns)}


def _column(name: str, row: Row) -> Sequence[str]:
    return (str(row[name]),)


def baselines(format_: Format, rows: Sequence[Row]) -> dict[str, Baseline]:
    """Return the accuracy of every one-sided classifier in five-fold cross-validation, and of the longest choice."""
    cells = [format_.cell(row) for row in rows]
    labels = occurring_labels(format_, cells)
    if len(labels) < 2 or len(rows) < 10 * len(labels):
        return {}
    truth = np.array([labels.index(cell) for cell in cells])
    majority = Counter(cells).most_common(1)[0][1] / len(rows)
    probabilities = guesses(format_, rows)
    return {name: _baseline(each.argmax(axis=1) == truth, majority) for name, each in probabilities.items()}


def guesses(format_: Format, rows: Sequence[Row]) -> dict[str, Floats]:
    """Return each baseline's probabilities of the labels that occur, in order, out of fold: (rows, labels)."""
    cells = [format_.cell(row) for row in rows]
    labels = occurring_labels(format_, cells)
    truth: Ints = np.array([labels.index(cell) for cell in cells])
    probabilities = {}
    for name, view in views(format_).items():
        texts = [view(row) for row in rows]
        features = featurise([text for parts in texts for text in parts], len(texts[0]))
        probabilities[name] = cross_validated(features, truth, len(labels))
    if isinstance(format_, ChoiceFormat):
        lengths = np.array([[len(option) for option in format_.options(row)] for row in rows])
        probabilities[LONGEST] = lengths / lengths.sum(axis=1, keepdims=True)
    return probabilities


def occurring_labels(format_: Format, cells: Sequence[str]) -> list[str]:
    """Return the labels that occur among cells, in the format's order; of options all, each of which may be chosen."""
    return [label for label in format_.labels if isinstance(format_, ChoiceFormat) or label in set(cells)]


def _baseline(right: Any, majority: float) -> Baseline:  # noqa: ANN401 - a boolean array
    share = float(np.mean(right))
    low, high = wilson(share, len(right))
    percent = [round(100 * value, 2) for value in (share, low, high, majority)]
    return Baseline(percent[0], percent[1:3], percent[3], len(right))


def wilson(share: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share.

    >>> [round(end, 3) for end in wilson(0.5, 100)]
    [0.404, 0.596]
    """
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return middle - half, middle + half


def count_words(format_: Format, rows: Sequence[Row]) -> WordCounts:
    """Return in how many texts of each label, as `labelled_texts` gives them, the words and pairs of words are."""
    totals: Counter[str] = Counter()
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        for text, label in labelled_texts(format_, row):
            totals[label] += 1
            for word in words_and_pairs(text):
                counts.setdefault(word, Counter())[label] += 1
    return WordCounts(totals, counts)


def words_and_pairs(text: str) -> set[str]:
    """Return the words of a text and its pairs of neighbouring words.

    >>> sorted(words_and_pairs("Tea is"))
    ['is', 'tea', 'tea is']
    """
    words = tokens(text[:LONGEST_EXAMPLE])
    return {*words, *(f"{a} {b}" for a, b in pairwise(words))}


def telling_words(counts: WordCounts) -> list[Word]:
    """Return the words and pairs of words that point most firmly to one label, firmest first.

    Only words of at least 0.2 % of the rows count (and 20): a word of three rows points somewhere by chance.
    """
    totals = counts.totals
    least = max(20, MIN_SHARE * totals.total())
    words: list[Word] = []
    for text, by in counts.words.items():
        if by.total() >= least:
            label = max(by, key=lambda name: by[name] / totals[name])
            words.append(Word(text, label, by.total(), round(by[label] / by.total(), 4)))
    return sorted(
        words, key=lambda word: (-wilson(word.share, word.rows)[0] + totals[word.label] / totals.total(), word.text)
    )


def new_give_aways(counts: WordCounts, real: WordCounts) -> list[NewWord]:
    """Return the words that give a label away in certainly more rows than in as many real rows with that label.

    A pair of words is left out when one of the two alone is there: ". indeed" says no more than "indeed".
    """
    new: dict[str, NewWord] = {}
    words = [word for word in telling_words(counts) if counts.gives_away(word)]
    for word in sorted(words, key=lambda word: (" " in word.text, -word.rows, word.text)):
        rows, real_rows = (each.words.get(word.text, Counter())[word.label] for each in (counts, real))
        ratio = counts.totals[word.label] / max(1, real.totals[word.label])
        is_sure = rows - ratio * real_rows > SURE * math.sqrt(rows + ratio**2 * real_rows)
        if is_sure and new.keys().isdisjoint(word.text.split()):
            new[word.text] = NewWord(word.text, word.label, word.rows, word.share, real_rows)
    return list(new.values())


def labelled_texts(format_: Format, row: Row) -> list[tuple[str, str]]:
    """Return the texts of a row that should not give a label away, each with its label: `right` or `wrong` options."""
    cell = format_.cell(row)
    if isinstance(format_, ChoiceFormat):
        right = format_.labels.index(cell)
        options = enumerate(format_.options(row))
        return [(option, "right" if place == right else "wrong") for place, option in options]
    return [(str(row[column]), cell) for column in format_.text_columns[-1:]]


def _draw(rows: Sequence[Row], size: int) -> list[Row]:
    return random.Random(0).sample(list(rows), size) if size < len(rows) else list(rows)
