"""Adversarial rebalancing: rows go whose labels a part of the row gives away, until the set is like the real one.

First go rows with a word that gives their label away and does not do so in the real set. Then, as in AFLite (Le Bras
et al. 2020, Adversarial Filters of Dataset Biases), those that a one-sided classifier gets right with most confidence,
equally many of each label, and it is trained again on the rest. The filter sees the set as a whole; `synthgen make`
asks it when every label has its quota, and fills up what it drops.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthgen.analysis import artefacts
from synthgen.dataset.fingerprints import fingerprint
from synthgen.dataset.shards import sample_rows
from synthgen.filters.base import Drop, FilterContext, FilterSpec, SetFilter, SetRows
from synthgen.formats import Format
from synthgen.formats.base import Row

SHARE_AT_ONCE = 0.1
LEAST_LEFT = 0.25
"""A round drops at most a tenth of the rows; it ends at a quarter of them, however easy those are."""


@dataclass(frozen=True, slots=True)
class RebalanceSettings:
    """A baseline may exceed the real set's at the same number of rows by so many points."""

    margin: float = artefacts.MARGIN

    def __post_init__(self) -> None:
        """Refuse a set that must be harder than the real one: it may never be."""
        if not 0 <= self.margin < 100:
            raise ValueError(f"margin = {self.margin} is not at least 0 and below 100")


class Rebalance(SetFilter):
    """Drops the rows that make a one-sided classifier better than it is on the real set."""

    name = "rebalance"
    VERSION = 1
    rechecks_set = True

    def __init__(self, context: FilterContext, settings: RebalanceSettings) -> None:
        if context.like is None:
            raise ValueError("the filter rebalance needs a real set as its model: give --like DATASET")
        self._format, self._settings = context.format, settings
        self._real = sample_rows(context.like, artefacts.MAX_ROWS)
        self._gains: dict[str, float] = {}

    def check(self, row_id: str, row: Row) -> Drop | None:
        """Let a row alone stay: what gives labels away is seen in a whole set only."""
        return None

    def check_dataset(self, rows: SetRows) -> Iterator[tuple[int, Drop]]:
        """Yield number and reason of each row to drop."""
        numbered = [pair for numbers, batch in rows.batches() for pair in zip(numbers.tolist(), batch, strict=True)]
        for place, drop in self.recheck_set([row for _, row in numbered]).items():
            yield numbered[place][0], drop

    def recheck_set(self, rows: Sequence[Row]) -> dict[int, Drop]:
        """Return the rows to drop by their places; parts of the real set's size are checked apart.

        Rows are ordered by what they say, so that their own order does not matter.
        """
        prints = [fingerprint({name: value for name, value in row.items() if name != "id"}) for row in rows]
        order = sorted(range(len(rows)), key=prints.__getitem__)
        parts = max(1, round(len(rows) / len(self._real)))
        margin = self._settings.margin
        drops: dict[int, Drop] = {}
        for part in (order[number::parts] for number in range(parts)):
            real = artefacts.baselines(self._format, self._real[: len(part)])
            self._gains = {name: round(each.accuracy - each.majority + margin, 2) for name, each in real.items()}
            by_words = with_new_words(self._format, [rows[place] for place in part], self._real[: len(part)])
            drops |= {part[place]: drop for place, drop in by_words.items()}
            rest = [place for place in part if place not in drops]
            by_guesses = give_aways(self._format, [rows[place] for place in rest], self._gains)
            drops |= {rest[place]: drop for place, drop in by_guesses.items()}
        return drops

    def metadata(self) -> dict[str, Any]:
        """Return the target: points over guessing, by baseline."""
        return {"gain at most": self._gains}


SPEC = FilterSpec(Rebalance, RebalanceSettings, builder=Rebalance, runs="named", needs="like", place=120)


def with_new_words(format_: Format, rows: Sequence[Row], real: Sequence[Row]) -> dict[int, Drop]:
    """Return, by place, the rows to drop so that no word gives a label away that does not do so in `real`.

    As many rows with the word and its label stay, the first ones, as the real set has.
    """
    drops: dict[int, Drop] = {}
    counts, real_counts = artefacts.count_words(format_, rows), artefacts.count_words(format_, real)
    for word in artefacts.new_give_aways(counts, real_counts):
        evidence = f"'{word.text}' gives '{word.label}' in {word.share:.0%} of {word.rows} rows"
        holding = [place for place, row in enumerate(rows) if _holds(format_, row, word)]
        drops |= dict.fromkeys(holding[word.real_rows :], Drop("label given away", evidence))
    return drops


def _holds(format_: Format, row: Row, word: artefacts.NewWord) -> bool:
    texts = (text for text, label in artefacts.labelled_texts(format_, row) if label == word.label)
    return any(word.text in artefacts.words_and_pairs(text) for text in texts)


def give_aways(format_: Format, rows: Sequence[Row], gains: Mapping[str, float]) -> dict[int, Drop]:
    """Return, by place, the rows to drop so that no baseline gains more over guessing.

    `gains` are points over always saying the commonest label, by baseline. In each round those go that are guessed
    right with most confidence, equally many of each label.
    """
    drops: dict[int, Drop] = {}
    kept = list(range(len(rows)))
    while gains and len(kept) > LEAST_LEFT * len(rows):
        remaining = [rows[place] for place in kept]
        cells = np.array([format_.cell(row) for row in remaining])
        labels = artefacts.occurring_labels(format_, cells.tolist())
        probabilities = artefacts.guesses(format_, remaining)
        majority = 100 * max(Counter(cells.tolist()).values()) / len(cells)
        right = {name: np.array(labels)[probabilities[name].argmax(axis=1)] == cells for name in gains}
        excess = {name: 100 * float(right[name].mean()) - majority - gain for name, gain in gains.items()}
        worst = max(excess, key=lambda name: excess[name])
        if excess[worst] <= 0 or not right[worst].any():
            break
        # Without k rows that were guessed right, (a n - k) / (n - k) are: equal to the target for this k.
        needed = math.ceil(len(remaining) * excess[worst] / max(1.0, 100 - majority - gains[worst]))
        count = min(needed, math.ceil(SHARE_AT_ONCE * len(remaining)))
        for label, confidences in zip(labels, probabilities[worst].T, strict=True):
            places = np.flatnonzero(right[worst] & (cells == label))
            easiest = places[np.argsort(-confidences[places], kind="stable")][: math.ceil(count / len(labels))]
            for place in easiest.tolist():
                evidence = f"{worst} gives '{label}' at {confidences[place]:.2f}"
                drops[kept[place]] = Drop("label given away", evidence)
        kept = [place for place in kept if place not in drops]
    return drops
