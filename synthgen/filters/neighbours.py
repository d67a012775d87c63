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

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from synthgen import console
from synthgen.filters.language import MIN_WORDS, foreign, words
from synthgen.filters.meaning import SentenceEncoder, Vectors
from synthgen.real.files import SAMPLES
from synthgen.real.items import read_json_lines

Texts = tuple[str, ...]

_NEIGHBOURS, _LOOKED_AT = 12, 64
_BACKGROUND = 0.2
"""How similar the items after the first are at least taken to be, and those that a small set does not have."""
_LEAST_TEXTS, _TEXTS_HEARD = 100, 50
_SCORES_AT_ONCE = 1 << 21


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

    def speaks(self, language: str) -> bool:
        """Say whether most of the texts are in that language."""
        heard = [text for text in self.texts if words(text) >= MIN_WORDS][:_TEXTS_HEARD]
        heard = heard or [" ".join(self.texts[:_TEXTS_HEARD])]
        return 2 * sum(not foreign(text, language) for text in heard) > len(heard)

    def similarities(self, parts: Sequence[Vectors]) -> Vectors:
        """Return how like (rows, items) rows are whose texts have these vectors, (rows, width) for each place.

        It is the mean cosine of the texts that are paired in order, for the best pairing of all texts of the side that
        has fewer: `best[n]` is the greatest sum so far with n of them paired.
        """
        cosines, places = [own @ self.vectors.T for own in parts], self.places.T
        more, fewer = max(len(parts), len(places)), min(len(parts), len(places))
        best: list[Any] = [0.0, *[-np.inf] * fewer]
        for at in range(more):
            for paired in range(min(at + 1, fewer), max(0, fewer - more + at), -1):
                own, other = (at, paired - 1) if len(parts) == more else (paired - 1, at)
                best[paired] = np.maximum(best[paired], best[paired - 1] + cosines[own][:, places[other]])
        return np.asarray(best[fewer] / fewer)


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
        self._mean, self._groups = _mean_of(read), read
        self._spoken: dict[str, tuple[Vectors, list[bool]]] = {}
        self._take_means_away()

    def nearest(self, rows: Sequence[Texts], language: str, margins: Margins, nearly: float) -> list[Nearest | None]:
        """Return for each row the item that stands out most, None where none comes `nearly` as far as it must."""
        centre, is_own = self._in(language)
        apart = [_unit(self._encoder.embed(column) - centre) for column in zip(*rows, strict=True)]
        whole = apart
        if self._width > 1 and any(group.places.shape[1] == 1 for group in self._groups):
            whole = [_unit(self._encoder.embed([" ".join(own) for own in rows]) - centre)]
        found: list[Nearest | None] = [None] * len(rows)
        for group, own_language in zip(self._groups, is_own, strict=True):
            needed = margins.own if own_language else margins.other
            parts = whole if group.places.shape[1] == 1 else apart
            step = max(1, _SCORES_AT_ONCE // len(group.items))
            for first in range(0, len(rows), step):
                scores = group.similarities([own[first : first + step] for own in parts])
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

    def _take_means_away(self) -> None:
        """Take from all vectors the mean of their set, or of everything where the set is small."""
        sets: dict[int, list[_Group]] = defaultdict(list)
        for group in self._groups:
            sets[group.set_number].append(group)
        for own in sets.values():
            mean = _mean_of(own) if _texts_of(own) >= _LEAST_TEXTS else self._mean
            for group in own:
                group.vectors[:] = _unit(group.vectors - mean)

    def _in(self, language: str) -> tuple[Vectors, list[bool]]:
        """Return what rows of a language are centred with, and which groups are in it; worked out once.

        The centre is the mean of what is held out in the language; where that is little, of English or of everything.
        """
        if language not in self._spoken:
            is_own = [group.speaks(language) for group in self._groups]
            own = [group for group, speaks in zip(self._groups, is_own, strict=True) if speaks]
            otherwise = self._english if language == "en" else self._mean
            self._spoken[language] = (_mean_of(own) if _texts_of(own) >= _LEAST_TEXTS else otherwise, is_own)
        return self._spoken[language]

    @cached_property
    def _english(self) -> Vectors:
        """The mean of the sample that ships with the package."""
        texts = [row[column] for row in read_json_lines(SAMPLES["mnli"]) for column in ("premise", "hypothesis")]
        return np.asarray(self._encoder.embed(texts).mean(axis=0))

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


def _texts_of(groups: Sequence[_Group]) -> int:
    """Return how many different texts the groups have, each by itself."""
    return sum(len(group.texts) for group in groups)


def _mean_of(groups: Sequence[_Group]) -> Vectors:
    """Return the mean of all texts' vectors."""
    return np.asarray(
        np.average([group.mean for group in groups], axis=0, weights=[len(group.texts) for group in groups])
    )


def _unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9))
