"""Evaluation items found again by what they mean, in any language that the encoder knows.

Texts are paired in their order or the reverse, the best of those that keep it where one side has more; a single text
is compared with the whole of the other side. The text most alike proves nothing by itself: the others must be alike
too. What counts is the margin: by how much the most similar item is more similar than the next ones (Artetxe and
Schwenk 2019, 1811.01136, section 3, among the items alone). Rows on a common topic are like many items, a translation
is like one; items that share its premise or passage do not count, nor do near copies and other languages of its set.

Cosines are of vectors less the mean of their language: encoders put all texts in a narrow cone, where unrelated ones
already have cosines of 0.8, and each language in a corner of it.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from operator import attrgetter
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from synthgen import console
from synthgen.corpora.readers.text import read_json_lines
from synthgen.dataset.samples import MNLI_SAMPLE
from synthgen.models.embedding_cache import kept_vectors
from synthgen.models.sentence_encoder import SentenceEncoder, Vectors
from synthgen.text.language_id import MIN_WORDS, count_words, foreign, likely_language

Texts = tuple[str, ...]
Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

BACKGROUND = 0.2
"""How similar the items after the first are at least taken to be, and those that a small set does not have."""
_COPY = 0.9
"""How similar the texts of near copies of an item are to its own."""
_LEAST_OF_THE_REST = 0.25
"""How similar the texts but the one most alike are at least in a translation: unrelated ones are in 1 of 100."""
_NEIGHBOURS, _RELATIVES = 12, 64
_LEAST_TEXTS, _SAMPLE_TEXTS = 100, 50
_TEXTS_ADDED = 10
"""As many texts another language's mean counts for where a set has few: best of 0 to 1,000 (docs/archive/log.md)."""
_LEAST_OF_A_LANGUAGE = 0.02
_SCORES_AT_ONCE = 1 << 21


@dataclass(frozen=True, slots=True)
class Margins:
    """By how much an item must stand out to be a row's: in another language than the row's, and in the same one.

    In one language texts on a common topic are more alike, and copies are found by their words.
    """

    other: float
    same: float


@dataclass(frozen=True, slots=True)
class NearestItem:
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
    """Items of one set and language with as many texts: their numbers, where each text of theirs is among the vectors.

    `common` holds the texts of so many items that those are not related by them.
    """

    origin: tuple[int, str]
    items: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]
    texts: tuple[str, ...]
    common: frozenset[str]
    vectors: Vectors
    mean: Vectors

    def is_in(self, language: str) -> bool:
        """Say whether most of the texts are in that language."""
        sample = [text for text in self.texts if count_words(text) >= MIN_WORDS][:_SAMPLE_TEXTS]
        sample = sample or [" ".join(self.texts[:_SAMPLE_TEXTS])]
        return 2 * sum(not foreign(text, language) for text in sample) > len(sample)

    def alike(self, item: int, others: npt.NDArray[np.int64]) -> Vectors:
        """Return how like an item others are in the text, of those in one place, that is least alike."""
        one, many = self.vectors[self.places[item]], self.vectors[self.places[others]]
        return np.asarray((many * one).sum(axis=2).min(axis=1))

    def similarities(self, parts: Sequence[Vectors]) -> Vectors:
        """Return how like rows are whose texts have these vectors, (rows, width) for each place, and their rest alone.

        Both are (rows, items), one after the other: the mean cosine of the paired texts, and that of all but the best.
        """
        cosines, places = [part @ self.vectors.T for part in parts], self.places.T
        forward = _paired(cosines, places)
        if min(len(parts), len(places)) == 1:
            return forward
        reverse = _paired(cosines[::-1], places)
        return np.where(forward[0] >= reverse[0], forward, reverse)


def _paired(cosines: Sequence[Vectors], places: npt.NDArray[np.int64]) -> Vectors:
    """Return the mean cosine of texts paired in order, for the best pairing, and the mean of all but the best of them.

    All texts of the side that has fewer are paired: `sums[n]` is the greatest sum so far with n of them.
    """
    more, fewer = max(len(cosines), len(places)), min(len(cosines), len(places))
    sums: list[Any] = [0.0, *[-np.inf] * fewer]
    tops: list[Any] = [-np.inf] * (fewer + 1)
    for at in range(more):
        for paired in range(min(at + 1, fewer), max(0, fewer - more + at), -1):
            row, item = (at, paired - 1) if len(cosines) == more else (paired - 1, at)
            cosine = cosines[row][:, places[item]]
            total, top = sums[paired - 1] + cosine, np.maximum(tops[paired - 1], cosine)
            better = total > sums[paired]
            sums[paired] = np.where(better, total, sums[paired])
            tops[paired] = np.where(better, top, tops[paired])
    mean = sums[fewer] / fewer
    return np.stack([mean, (sums[fewer] - tops[fewer]) / (fewer - 1) if fewer > 1 else mean])


class Neighbours:
    """Evaluation items by what they mean."""

    def __init__(self, encoder: SentenceEncoder, items: Sequence[Texts], sets: Sequence[int], width: int) -> None:
        """Read all items with the encoder; `sets` says which set each is of, `width` how many texts a row has."""
        self._encoder, self._items, self._width = encoder, items, width
        self._groups: list[_Group] = []
        with console.progress() as bar:
            advance = partial(bar.advance, bar.add_task("evaluation items by meaning", total=len(items), note=""))
            for set_number, members in grouped(range(len(items)), sets.__getitem__).items():
                for language, numbers in self._by_language(members).items():
                    self._groups += self._read((set_number, language), numbers, advance)
        self._mean = self._centre(self._groups)
        self._centred: dict[str, tuple[Vectors, list[bool]]] = {}
        self._take_means_away()

    def nearest(
        self, rows: Sequence[Texts], language: str, margins: Margins, nearly: float
    ) -> list[NearestItem | None]:
        """Return for each row the item that stands out most, None where none comes `nearly` as far as it must."""
        if not rows:
            return []
        centre, is_same = self._in(language)
        apart = [_unit(self._encoder.embed(column) - centre) for column in zip(*rows, strict=True)]
        whole = apart
        if self._width > 1 and any(group.places.shape[1] == 1 for group in self._groups):
            whole = [_unit(self._encoder.embed([" ".join(texts) for texts in rows]) - centre)]
        nearest: list[NearestItem | None] = [None] * len(rows)
        for group, is_same_language in zip(self._groups, is_same, strict=True):
            needed = margins.same if is_same_language else margins.other
            parts = whole if group.places.shape[1] == 1 else apart
            for row, new in self._near_items(group, parts, needed, nearly):
                old = nearest[row]
                if old is None or new.excess > old.excess:
                    nearest[row] = new
        return nearest

    def _near_items(
        self, group: _Group, parts: Sequence[Vectors], needed: float, nearly: float
    ) -> Iterator[tuple[int, NearestItem]]:
        """Yield the item of a group that is most like a row, with the row's number, where it nearly stands out.

        Rows are compared in blocks whose scores fit in memory.
        """
        block = max(1, _SCORES_AT_ONCE // max(len(group.items), len(group.texts)))
        for first in range(0, len(parts[0]), block):
            scores, rest = group.similarities([part[first : first + block] for part in parts])
            alike = np.where(rest >= _LEAST_OF_THE_REST, scores, -1)
            for row in np.flatnonzero(alike.max(axis=1) >= needed - nearly + BACKGROUND).tolist():
                item = self._stands_out(group, int(alike[row].argmax()), scores[row], needed)
                if item.excess >= -nearly:
                    yield first + row, item

    def _is_whole(self, texts: int) -> bool:
        """Say whether rows are compared with items of so many texts as wholes: one of them has a single text."""
        return min(texts, self._width) == 1

    def _by_language(self, numbers: Sequence[int]) -> dict[str, list[int]]:
        """Return a set's items by language where it has many of several, as a file of parallel texts; else as one."""
        likely = {number: likely_language(" ".join(self._items[number])) for number in numbers}
        counts = Counter(likely.values())
        enough = max(_LEAST_TEXTS, _LEAST_OF_A_LANGUAGE * len(numbers))
        main = max(counts, key=lambda language: (counts[language], language))
        return grouped(numbers, lambda number: likely[number] if counts[likely[number]] >= enough else main)

    def _read(
        self, origin: tuple[int, str], numbers: Sequence[int], advance: Callable[[float], None]
    ) -> Iterator[_Group]:
        """Yield the groups of a set's items in one language; `advance` is told how many items have been read."""
        counts = Counter(text for number in numbers for text in set(self._items[number]))
        common = frozenset(text for text, count in counts.items() if count > _RELATIVES)
        lengths = {number: len(self._items[number]) for number in numbers}
        for group in grouped(numbers, lambda at: 1 if self._is_whole(lengths[at]) else lengths[at]).values():
            items = [self._items[number] for number in group]
            parts = [(" ".join(item),) if self._is_whole(len(item)) else item for item in items]
            texts = tuple(sorted({text for part in parts for text in part}))
            place = {text: number for number, text in enumerate(texts)}
            places = np.array([[place[text] for text in part] for part in parts])
            blocks = []
            for block in kept_vectors(self._encoder, texts):
                blocks.append(block)
                advance(len(group) * len(block) / len(texts))
            vectors = np.concatenate(blocks)
            yield _Group(origin, np.array(group), places, texts, common, vectors, vectors.mean(axis=0))

    def _take_means_away(self) -> None:
        for groups in grouped(self._groups, attrgetter("origin")).values():
            mean = self._centre(groups, self._mean)
            for group in groups:
                group.vectors[:] = _unit(group.vectors - mean)

    def _in(self, language: str) -> tuple[Vectors, list[bool]]:
        """Return what rows of a language are centred with, and which groups are in it; worked out once.

        The centre is the mean of what is held out in the language; where that is little, of English or of everything.
        """
        if language not in self._centred:
            is_same = [group.is_in(language) for group in self._groups]
            groups = [group for group, same in zip(self._groups, is_same, strict=True) if same]
            self._centred[language] = (self._centre(groups, None if language == "en" else self._mean), is_same)
        return self._centred[language]

    def _centre(self, groups: Sequence[_Group], otherwise: Vectors | None = None) -> Vectors:
        """Return the mean of all texts of the groups; where they are few, with some of another mean or of English."""
        means, weights = [group.mean for group in groups], [len(group.texts) for group in groups]
        if sum(weights) < _LEAST_TEXTS:
            means, weights = [*means, self._english if otherwise is None else otherwise], [*weights, _TEXTS_ADDED]
        return np.asarray(np.average(means, axis=0, weights=weights), np.float32)

    @cached_property
    def _english(self) -> Vectors:
        """The mean of the MNLI pairs that ship with the package."""
        texts = [row[column] for row in read_json_lines(MNLI_SAMPLE) for column in ("premise", "hypothesis")]
        return np.asarray(self._encoder.embed(texts).mean(axis=0))

    def _stands_out(self, group: _Group, best: int, scores: Vectors, needed: float) -> NearestItem:
        """Return an item with its margin over the most similar others that share no text with it and are no copies."""
        count = min(_RELATIVES + _NEIGHBOURS, len(scores))
        order = np.argpartition(-scores, count - 1)[:count]
        order = order[np.argsort(-scores[order], kind="stable")]
        rest = order[group.alike(best, order) < _COPY].tolist()
        texts = set(self._items[group.items[best]]) - group.common
        apart = (each for each in rest if texts.isdisjoint(self._items[group.items[each]]))
        others = [scores[each] for each in islice(apart, _NEIGHBOURS)]
        background = np.mean([*others, *[BACKGROUND] * (_NEIGHBOURS - len(others))])
        cosine = float(scores[best])
        return NearestItem(int(group.items[best]), cosine, cosine - max(BACKGROUND, float(background)), needed)


def grouped(values: Iterable[Value], key: Callable[[Value], Key]) -> dict[Key, list[Value]]:
    """Return the values by their key, in order."""
    groups: dict[Key, list[Value]] = defaultdict(list)
    for value in values:
        groups[key(value)].append(value)
    return groups


def _unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9))
