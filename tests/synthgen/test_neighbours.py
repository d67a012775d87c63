"""Items found by meaning: a translation stands out among the items, a row on their common topic does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import ClassVar, cast

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.filters.decontamination.cross_lingual import Margins, Neighbours, _Group
from synthgen.models.packs import LOCAL
from synthgen.models.sentence_encoder import SentenceEncoder, Vectors

IntArray = npt.NDArray[np.int64]
WIDTH = 64
_CORNERS = 100_000
MARGINS = Margins(other=0.22, same=0.3)
ENGLISH = "The cat with number {} sleeps on the old mat."
GERMAN = "Die Katze mit Nummer {} schläft auf der alten Matte."
OTHERS = (
    "Le chat qui porte le numéro {} dort sur le vieux tapis de la maison.",
    "El gato que lleva el número {} duerme sobre la vieja alfombra de la casa.",
    "Il gatto con il numero {} dorme sul vecchio tappeto della nostra casa.",
    "Kot z numerem {} śpi na starej macie w naszym domu.",
    "Кошка с номером {} спит на старом коврике в нашем доме.",
    "{} numaralı kedi evimizdeki eski paspasın üzerinde uyuyor.",
    "De kat met nummer {} slaapt op de oude mat in ons huis.",
    "Katten med nummer {} sover på den gamla mattan i vårt hus.",
)


@dataclass(frozen=True)
class Corners:
    """An encoder as they are: all texts in a narrow cone, each language in a corner of its own.

    What a text means is its number: whole numbers have nothing in common, 7.25 is like 7 and a little less so.
    """

    far: float
    facts: ClassVar[dict[str, str]] = {"revision": LOCAL}

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors (texts, width)."""
        return np.stack([self._vector(text) for text in texts]).astype(np.float32)

    def _vector(self, text: str) -> Vectors:
        patterns = enumerate((ENGLISH, GERMAN, *OTHERS))
        language = next((number for number, pattern in patterns if text.endswith(pattern[-8:])), 0)
        meanings = (float(word) for word in text.split() if word.replace(".", "").isdecimal())
        found = sum(map(_meaning, meanings), 20 * _meaning(_CORNERS) + self.far * _meaning(_CORNERS + 1 + language))
        return np.asarray(found / np.linalg.norm(found))


def _meaning(number: float) -> Vectors:
    whole, far = int(number), number % 1
    topic, own = (np.random.default_rng([each, 7]).normal(size=WIDTH) for each in (whole, int(number * 10_000)))
    mixed = topic / np.linalg.norm(topic) * (1 - far) + own / np.linalg.norm(own) * far
    return np.asarray(mixed / np.linalg.norm(mixed))


def known(*sets: Sequence[tuple[str, ...]], width: int = 1, far: float = 1) -> Neighbours:
    numbers = [number for number, items in enumerate(sets) for _ in items]
    encoder = cast(SentenceEncoder, Corners(far))
    return Neighbours(encoder, [item for items in sets for item in items], numbers, width)


def texts(pattern: str, numbers: Sequence[float]) -> list[tuple[str, ...]]:
    return [(pattern.format(number),) for number in numbers]


def found(neighbours: Neighbours, rows: Sequence[tuple[str, ...]], language: str = "en") -> list[int | None]:
    return [
        each.item if each and each.excess >= 0 else None for each in neighbours.nearest(rows, language, MARGINS, 0.05)
    ]


def test_a_translation_is_found_across_languages_that_lie_in_corners_of_their_own() -> None:
    german = known(texts(GERMAN, range(200)), far=10)
    assert found(german, texts(ENGLISH, [3, 150, 777])) == [3, 150, None]


def test_rows_of_a_language_are_centred_with_what_is_held_out_in_it() -> None:
    both = known(texts(GERMAN, range(200)), texts(ENGLISH, range(500, 700)), far=10)
    assert found(both, texts(ENGLISH, [3, 150, 777])) == [3, 150, None]
    assert found(both, texts(GERMAN, [3, 650, 777]), "de") == [3, 350, None]


def test_a_row_on_the_common_topic_of_many_items_is_none_of_them_and_a_copy_of_one_is() -> None:
    topic = [5 + number / 1000 for number in range(300, 340)]
    german = known(texts(GERMAN, [*range(100, 200), *topic]))
    assert found(german, texts(ENGLISH, [5.25])) == [None]
    assert found(known(texts(GERMAN, [*range(100, 200), topic[0]])), texts(ENGLISH, [5.25])) == [100]


def test_items_of_one_passage_do_not_hide_each_other() -> None:
    passage = [(GERMAN.format(1), GERMAN.format(5 + number / 1000)) for number in range(300, 340)]
    others = [(GERMAN.format(number), GERMAN.format(number + 500)) for number in range(100, 200)]
    row = [(ENGLISH.format(1), ENGLISH.format(5.31))]
    assert found(known([*passage, *others], width=2), row) == [10]
    apart = [(GERMAN.format(1 + number / 10_000), text) for number, (_, text) in enumerate(passage)]
    assert found(known([*apart, *others], width=2), row) == [None]


@pytest.mark.parametrize("copies", [1, 6, 60, 200])
def test_near_copies_of_an_item_do_not_hide_it(copies: int) -> None:
    others = texts(GERMAN, range(100, 200))
    again = [(f"{' ' * copy}{GERMAN.format(3 + copy / 10_000)}",) for copy in range(copies)]
    item, none = found(known([*others, *again]), texts(ENGLISH, [3, 777]))
    assert item in range(100, 100 + copies)
    assert none is None


def test_texts_are_paired_in_their_order_where_one_side_has_more_of_them() -> None:
    german = known([tuple(GERMAN.format(number + more) for more in (0, 300)) for number in range(200)], width=3)
    first, second = ENGLISH.format(50), ENGLISH.format(350)
    asked = [(first, ENGLISH.format(777), second), (second, ENGLISH.format(777), first), (first, first, first)]
    assert found(german, asked) == [50, 50, None]
    longer = known([tuple(GERMAN.format(number + more) for more in (0, 300, 600)) for number in range(200)], width=2)
    assert found(longer, [(first, second), (first, ENGLISH.format(650)), (second, ENGLISH.format(650))]) == [50] * 3


def test_a_row_with_one_text_of_an_item_is_none_and_one_with_both_is_in_either_order() -> None:
    german = known([(GERMAN.format(number), GERMAN.format(300 + number)) for number in range(200)], width=2)
    first, second, other = (ENGLISH.format(number) for number in (50, 350, 777))
    asked = [(first, second), (second, first), (first, other), (other, second), (second, other), (other, first)]
    assert found(german, asked) == [50, 50, None, None, None, None]


def group_of(places: IntArray, vectors: Vectors) -> _Group:
    return _Group((0, ""), np.arange(len(places)), places, (), frozenset(), vectors, vectors.mean(axis=0))


@given(st.integers(2, 6), st.integers(2, 6), st.integers(0, 1000))
def test_the_best_pairing_in_order_or_the_reverse_is_the_best_of_all_there_are(
    texts_of_row: int, texts_of_item: int, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    parts = draw.normal(size=(texts_of_row, 3, 8)).astype(np.float32)
    vectors, places = draw.normal(size=(10, 8)).astype(np.float32), draw.integers(0, 10, (5, texts_of_item))
    fewer = min(texts_of_row, texts_of_item)
    ways = product(
        [*combinations(range(texts_of_row), fewer), *combinations(reversed(range(texts_of_row)), fewer)],
        combinations(range(texts_of_item), fewer),
    )
    paired = np.array(
        [[parts[own] @ vectors[places[:, other]].T for own, other in zip(row, item, strict=True)] for row, item in ways]
    )
    best = paired.sum(axis=1).argmax(axis=0)
    chosen = np.take_along_axis(paired, best[None, None], axis=0)[0]
    mean, rest = group_of(places, vectors).similarities(list(parts))
    np.testing.assert_allclose(mean, chosen.mean(axis=0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(rest, np.sort(chosen, axis=0)[:-1].mean(axis=0), rtol=1e-4, atol=1e-4)


def test_an_item_of_many_texts_costs_no_more_than_its_texts() -> None:
    vectors = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    group = group_of(np.arange(40)[None], vectors)
    assert group.similarities([vectors[at : at + 1] for at in (3, 9, 17, 21, 30, 39)]).shape == (2, 1, 1)


def test_the_languages_of_one_set_do_not_hide_each_other() -> None:
    parallel = known([item for pattern in (GERMAN, *OTHERS) for item in texts(pattern, range(100))])
    assert [None if each is None else each % 100 for each in found(parallel, texts(ENGLISH, [3, 77, 777]))] == [
        3,
        77,
        None,
    ]


def test_a_set_in_one_language_stays_whole_where_some_texts_seem_to_be_in_others() -> None:
    few = [item for pattern in OTHERS for item in texts(pattern, range(900, 905))]
    assert len(known([*texts(GERMAN, range(200)), *few])._groups) == 1


def test_a_text_that_many_items_of_another_set_have_tells_items_apart_all_the_same() -> None:
    passage = [(GERMAN.format(1), GERMAN.format(5 + number / 1000)) for number in range(100, 140)]
    others = [(GERMAN.format(number), GERMAN.format(number + 500)) for number in range(100, 200)]
    stock = [(GERMAN.format(1), GERMAN.format(number)) for number in range(600, 700)]
    row = [(ENGLISH.format(1), ENGLISH.format(5.11))]
    assert found(known([*passage, *others], stock, width=2), row) == [10]


def test_a_single_text_is_compared_with_the_whole_of_the_other() -> None:
    german = known([(f"{GERMAN.format(number)} {GERMAN.format(900 + number)}",) for number in range(10, 200)], width=2)
    row, other = (ENGLISH.format(50), ENGLISH.format(950)), (ENGLISH.format(50), ENGLISH.format(777))
    assert found(german, [row, other]) == [40, None]


def test_a_row_needs_more_to_be_an_item_in_its_own_language() -> None:
    rows = texts(ENGLISH, [3])
    (near,) = known(texts(ENGLISH, range(200))).nearest(rows, "en", MARGINS, 0.05)
    (far,) = known(texts(GERMAN, range(200))).nearest(rows, "en", MARGINS, 0.05)
    assert near is not None
    assert far is not None
    assert (near.needed, far.needed) == (MARGINS.same, MARGINS.other)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(12)), st.permutations(range(6)), st.integers(1, 6))
def test_what_is_found_depends_on_no_order_and_on_no_other_row(
    items: list[int], rows: list[int], together: int
) -> None:
    sets = [texts(GERMAN, range(6)), texts(ENGLISH, range(50, 56)), texts(GERMAN, range(80, 86))]
    flat = [(number, item) for number, held_out in enumerate(sets) for item in held_out]
    numbers = [item for _, item in flat]
    order = [index for index in items if index < len(flat)] + list(range(12, len(flat)))
    encoder = cast(SentenceEncoder, Corners(1))
    neighbours = Neighbours(encoder, [flat[i][1] for i in order], [flat[i][0] for i in order], 1)
    wanted = texts(ENGLISH, [0, 5, 52, 81, 300, 85])
    plain = {row: each for row, each in zip(wanted, found(known(*sets), wanted), strict=True)}
    asked = [wanted[index] for index in rows][:together]
    assert [None if each is None else flat[order[each]][1] for each in found(neighbours, asked)] == [
        None if plain[row] is None else numbers[cast(int, plain[row])] for row in asked
    ]


@pytest.mark.parametrize("count", [1, 2, 13, 99, 101])
def test_a_set_of_few_items_is_searched_too(count: int) -> None:
    assert found(known(texts(GERMAN, range(count))), texts(ENGLISH, [0, 777])) == [0, None]
    assert found(known(texts(ENGLISH, range(count))), texts(ENGLISH, [0, 777])) == [0, None]
