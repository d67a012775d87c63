"""Evaluation items found again by what they mean, in any language that the encoder knows.

A row is like an item as its texts are, one like the other in their order: where one of them has more texts, the best
of those that keep the order; a single text is compared with the whole of the other. What counts is the margin: by how
much the most similar item is more similar than the next ones (Artetxe and Schwenk 2019, 1811.01136, the distance of
section 3, among the items alone). Rows on a common topic are like many items, a translation is like one; items that
share its premise or passage are left out of the count.

Cosines are taken of vectors less the mean of their language: encoders put all texts in a narrow cone, where unrelated
ones already have cosines of 0.8, and each language in a corner of it.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

from synthgen import console
from synthgen.filters.language import MIN_WORDS, foreign, words
from synthgen.filters.meaning import SentenceEncoder, Vectors

Texts = tuple[str, ...]

_ENGLISH = Path(__file__).resolve().parents[1] / "samples" / "mnli.jsonl"
"""English to take a mean of where no English evaluation set is given."""
_NEIGHBOURS, _LOOKED_AT = 12, 64
_BACKGROUND = 0.2
"""How similar the items after the first are at least taken to be, and those that a small set does not have."""
_LEAST_TEXTS, _TEXTS_HEARD = 100, 50
_ROWS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Margins:
    """By how much an item must stand out to be a row's: in another language than the row's, and in its own.

    In one language texts on a common topic are more alike, and copies are found by their words.
    """

    other: float
    own: float


@dataclass(frozen=True, slots=True)
class Nearest:
    """The item that stands out most, by what margin, and what margin is needed."""

    item: int
    cosine: float
    margin: float
    needed: float

    @property
    def excess(self) -> float:
        """How far the margin is above the one needed; negative below."""
        return self.margin - self.needed


@dataclass(frozen=True, slots=True)
class _Group:
    """Items of one set with as many texts: their numbers and where each text of theirs is among the vectors."""

    set_number: int
    items: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]
    texts: tuple[str, ...]
    vectors: Vectors
    mean: Vectors
    spoken: dict[str, bool] = field(default_factory=dict)

    def speaks(self, language: str) -> bool:
        """Say whether most of the texts are in that language."""
        if language not in self.spoken:
            heard = [text for text in self.texts if words(text) >= MIN_WORDS][:_TEXTS_HEARD]
            heard = heard or [" ".join(self.texts[:_TEXTS_HEARD])]
            self.spoken[language] = 2 * sum(not foreign(text, language) for text in heard) > len(heard)
        return self.spoken[language]

    def similarities(self, parts: Sequence[Vectors]) -> Vectors:
        """Return how like (rows, items) rows are whose texts have these vectors, (rows, width) for each place.

        It is the mean cosine of the texts that are paired, in the pairing for which that is greatest.
        """
        cosines = [own @ self.vectors.T for own in parts]
        ways = _pairings(len(parts), self.places.shape[1])
        found = [np.mean([cosines[a][:, self.places[:, b]] for a, b in pairs], axis=0) for pairs in ways]
        return np.asarray(np.maximum.reduce(found))


class Neighbours:
    """Evaluation items by what they mean."""

    def __init__(self, encoder: SentenceEncoder, items: Sequence[Texts], sets: Sequence[int], width: int) -> None:
        """Read all items with the encoder; `sets` says which set each is of, `width` how many texts a row has."""
        self._encoder, self._items, self._width = encoder, items, width
        counts = Counter(text for item in items for text in set(item))
        self._common = {text for text, count in counts.items() if count > _LOOKED_AT}
        members: dict[tuple[int, int], list[int]] = defaultdict(list)
        for number, (item, set_number) in enumerate(zip(items, sets, strict=True)):
            members[set_number, 1 if self._is_whole(len(item)) else len(item)].append(number)
        read: list[_Group] = []
        with console.progress() as bar:
            shown = bar.add_task("evaluation items by meaning", total=len(items), note="")
            for (set_number, _), numbers in members.items():
                read.append(self._group(set_number, numbers))
                bar.update(shown, advance=len(numbers))
        self._mean = _mean_of(read)
        self._groups = list(self._centred(read))

    def nearest(self, rows: Sequence[Texts], language: str, margins: Margins, nearly: float) -> list[Nearest | None]:
        """Return for each row the item that stands out most, None where none comes `nearly` as far as it must."""
        centre = self._centre(language)
        apart = [_unit(self._encoder.embed(column) - centre) for column in zip(*rows, strict=True)]
        whole = apart
        if self._width > 1 and any(group.places.shape[1] == 1 for group in self._groups):
            whole = [_unit(self._encoder.embed([" ".join(own) for own in rows]) - centre)]
        found: list[Nearest | None] = [None] * len(rows)
        for group in self._groups:
            needed = margins.own if group.speaks(language) else margins.other
            parts = whole if group.places.shape[1] == 1 else apart
            for first in range(0, len(rows), _ROWS_AT_ONCE):
                scores = group.similarities([own[first : first + _ROWS_AT_ONCE] for own in parts])
                for row in np.flatnonzero(scores.max(axis=1) >= needed - nearly + _BACKGROUND).tolist():
                    new, old = self._stands_out(group, scores[row], needed), found[first + row]
                    if new.excess >= -nearly and (old is None or new.excess > old.excess):
                        found[first + row] = new
        return found

    def _is_whole(self, texts: int) -> bool:
        """Say whether rows are compared with items of so many texts as wholes: one of them has a single text."""
        return min(texts, self._width) == 1

    def _group(self, set_number: int, numbers: Sequence[int]) -> _Group:
        items = [self._items[number] for number in numbers]
        parts = [(" ".join(own),) if self._is_whole(len(own)) else own for own in items]
        texts = tuple(dict.fromkeys(text for own in parts for text in own))
        place = {text: number for number, text in enumerate(texts)}
        vectors = self._encoder.embed(texts)
        places = np.array([[place[text] for text in own] for own in parts])
        return _Group(set_number, np.array(numbers), places, texts, vectors, vectors.mean(axis=0))

    def _centred(self, groups: Sequence[_Group]) -> Iterator[_Group]:
        """Yield the groups with vectors less the mean of their set, or of everything where the set is small."""
        for group in groups:
            own = [each for each in groups if each.set_number == group.set_number]
            is_large = sum(len(each.texts) for each in own) >= _LEAST_TEXTS
            yield replace(group, vectors=_unit(group.vectors - (_mean_of(own) if is_large else self._mean)))

    def _centre(self, language: str) -> Vectors:
        """Return the mean of what is held out in a language; where that is little, of English or of everything."""
        own = [group for group in self._groups if group.speaks(language)]
        if sum(len(group.texts) for group in own) >= _LEAST_TEXTS:
            return _mean_of(own)
        return self._english if language == "en" else self._mean

    @cached_property
    def _english(self) -> Vectors:
        rows = map(json.loads, _ENGLISH.read_text(encoding="utf-8").splitlines())
        return np.asarray(
            self._encoder.embed([row[column] for row in rows for column in ("premise", "hypothesis")]).mean(axis=0)
        )

    def _stands_out(self, group: _Group, scores: Vectors, needed: float) -> Nearest:
        """Return the item with the best score and its margin over the next ones that share no text with it."""
        count = min(_LOOKED_AT, len(scores))
        order = np.argpartition(-scores, count - 1)[:count]
        best, *rest = order[np.argsort(-scores[order], kind="stable")].tolist()
        texts = set(self._items[group.items[best]]) - self._common
        others = [scores[each] for each in rest if texts.isdisjoint(self._items[group.items[each]])][:_NEIGHBOURS]
        background = np.mean([*others, *[_BACKGROUND] * (_NEIGHBOURS - len(others))])
        cosine = float(scores[best])
        return Nearest(int(group.items[best]), cosine, cosine - max(_BACKGROUND, float(background)), needed)


def _pairings(texts: int, others: int) -> list[list[tuple[int, int]]]:
    """Return the ways in which the texts of two that have so many can be paired in order, all of the smaller one's.

    >>> _pairings(2, 3)
    [[(0, 0), (1, 1)], [(0, 0), (1, 2)], [(0, 1), (1, 2)]]
    """
    if texts > others:
        return [[(own, other) for other, own in pairs] for pairs in _pairings(others, texts)]
    return [list(enumerate(chosen)) for chosen in combinations(range(others), texts)]


def _mean_of(groups: Sequence[_Group]) -> Vectors:
    """Return the mean of all texts' vectors."""
    return np.asarray(
        np.average([group.mean for group in groups], axis=0, weights=[len(group.texts) for group in groups])
    )


def _unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9))
