"""Duplicates: who stays never depends on order, nothing near remains, contrasts stay, planted edits are found."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.filters.base import SetFilter
from synthgen.filters.dedup.exact import ExactDuplicates
from synthgen.filters.dedup.hash_index import ByteStore, HashIndex
from synthgen.filters.dedup.minhash import row_keys
from synthgen.filters.dedup.near import NearDuplicates
from synthgen.filters.dedup.near import _packed as near_packed
from synthgen.filters.dedup.similarity import ComparedRow, NearSettings, _may_share_words, _shared_words, compared_texts
from synthgen.formats.base import Row
from synthgen.formats.choice import ChoiceFormat
from synthgen.formats.tags import TagsFormat
from synthgen.text.words import words
from tests.synthgen.conftest import NLI

PREMISE = "Two children in red coats are playing with a dog near the frozen lake"
HYPOTHESIS = "The children are outside on a very cold day"


class InMemory:
    """A set's rows, as filters ask for them."""

    def __init__(self, rows: list[Row], step: int = 7) -> None:
        self.rows, self.total, self._step = rows, len(rows), step

    def numbers(self) -> np.ndarray:
        return np.arange(self.total)

    def batches(self) -> Iterator[tuple[np.ndarray, list[Row]]]:
        for first in range(0, self.total, self._step):
            batch = self.rows[first : first + self._step]
            yield np.arange(first, first + len(batch)), batch

    def mapped(
        self, function: Callable[[pa.Table], Any], numbers: np.ndarray | None = None
    ) -> Iterator[tuple[np.ndarray, Any]]:
        for own, batch in self.batches():
            here = own if numbers is None else np.intersect1d(own, numbers)
            if len(here):
                yield here, function(pa.Table.from_pylist([batch[number - own[0]] for number in here]))


def kept(make: type, rows: list[Row], step: int = 7) -> list[Row]:
    filter_ = make(NLI)
    assert isinstance(filter_, SetFilter)
    gone = [number for number, _ in filter_.check_dataset(InMemory(rows, step))]
    assert len(gone) == len(set(gone)), "each row is dropped once"
    return [row for number, row in enumerate(rows) if number not in gone]


def pair(premise: str, hypothesis: str, label: int = 0, row_id: str = "x") -> Row:
    return {"id": row_id, "premise": premise, "hypothesis": hypothesis, "label": label}


few_words = st.lists(
    st.sampled_from(["red", "Blue", "green", "cat", "dog,", "sat", "mat", "on"]), min_size=3, max_size=9
)
texts = few_words.map(" ".join)
sets = st.lists(st.tuples(texts, texts, st.integers(0, 2)), min_size=1, max_size=40).map(
    lambda found: [pair(a, b, label, f"r{number}") for number, (a, b, label) in enumerate(found)]
)


def content(rows: list[Row]) -> list[tuple[object, ...]]:
    return sorted((row["premise"], row["hypothesis"], row["label"]) for row in rows)


@pytest.mark.parametrize("make", [ExactDuplicates, NearDuplicates])
@given(rows=sets, seed=st.integers(0, 100), step=st.integers(1, 50))
@settings(deadline=None, max_examples=25)
def test_the_survivors_depend_neither_on_order_nor_on_batches_and_survive_again(
    make: type, rows: list[Row], seed: int, step: int
) -> None:
    first = kept(make, rows)
    shuffled = random.Random(seed).sample(rows, len(rows))
    assert content(kept(make, shuffled, step)) == content(first)
    assert kept(make, first, step) == first


@pytest.mark.parametrize("make", [ExactDuplicates, NearDuplicates])
@given(rows=sets)
@settings(deadline=None, max_examples=25)
def test_rows_judged_one_by_one_leave_no_row_that_the_whole_set_would_drop(make: type, rows: list[Row]) -> None:
    online, left = make(NLI), []
    for row in rows:
        if online.check(row["id"], row) is None:
            online.add_kept(row["id"], row)
            left.append(row)
    assert kept(make, left) == left


def test_many_alike_rows_in_one_band_are_compared_until_one_is_left() -> None:
    rows = [pair(PREMISE, f"{HYPOTHESIS} number {i}", 0, f"r{i}") for i in range(300)]
    assert len(kept(NearDuplicates, rows)) == 1


@given(rows=sets, neighbours=st.integers(1, 3))
@settings(deadline=None, max_examples=25)
def test_survivors_survive_again_where_keys_have_more_rows_than_are_compared(rows: list[Row], neighbours: int) -> None:
    make = partial(NearDuplicates, neighbours=neighbours)
    left = kept(make, rows)
    assert kept(make, left) == left


def test_a_near_match_names_the_row_the_measure_and_the_words() -> None:
    near = NearDuplicates(NLI)
    near.add_kept("a", pair(PREMISE, HYPOTHESIS))
    verdict = near.check("b", pair(PREMISE, HYPOTHESIS.replace("cold", "windy")))
    assert verdict is not None
    assert json.loads(verdict.evidence) == {
        "row": "a",
        "measure": "jaccard",
        "score": 0.7,
        "text": f"{words(PREMISE)} | {words(HYPOTHESIS)}",
    }


def test_a_near_match_with_another_label_stays_and_is_counted() -> None:
    near = NearDuplicates(NLI)
    near.add_kept("a", pair(PREMISE, HYPOTHESIS, 0))
    assert near.check("b", pair(PREMISE, HYPOTHESIS.replace("cold", "hot"), 2)) is None
    assert near.contrasts == 1
    rows = [pair(PREMISE, HYPOTHESIS, 0, "a"), pair(PREMISE, HYPOTHESIS.replace("cold", "hot"), 2, "b")]
    assert kept(NearDuplicates, rows) == rows


@pytest.mark.parametrize(
    ("other", "near"),
    [
        (HYPOTHESIS.upper() + "!!", True),
        (HYPOTHESIS.replace("very ", ""), True),
        (HYPOTHESIS.replace("cold day", "day cold"), True),
        (HYPOTHESIS.replace("outside", "outsied"), True),
        (HYPOTHESIS.replace("outside", "half-frozen"), True),
        (HYPOTHESIS.replace("outside", "freezing and wet"), False),
        ("Nobody is wearing a coat at the lake", False),
        ("The children are inside on a very hot night", False),
    ],
)
def test_within_one_premise_the_hypothesis_is_compared_alone(other: str, near: bool) -> None:
    judge = NearDuplicates(NLI)
    judge.add_kept("a", pair(PREMISE, HYPOTHESIS))
    assert (judge.check("b", pair(PREMISE, other)) is not None) == near


def edited(draw: random.Random) -> tuple[list[str], list[str]]:
    """Return two texts of few different words, the second the first with some put in, taken out or replaced."""
    left = draw.choices("abcdefgh"[: draw.randint(1, 8)], k=draw.randint(0, 12))
    right = list(left)
    for _ in range(draw.randint(0, 6)):
        at = draw.randint(0, len(right))
        right[at : at + draw.randint(0, 2)] = draw.choices("abcdefghijkl", k=draw.randint(0, 1))
    return left, right


@given(seed=st.integers(0, 2**32), jaccard=st.sampled_from([0.3, 0.5, 0.7, 0.9]))
@settings(max_examples=1000)
def test_the_cheap_look_at_words_turns_away_no_texts_that_are_alike(seed: int, jaccard: float) -> None:
    left, right = edited(random.Random(seed))
    if _shared_words(left, right, NearSettings(jaccard=jaccard)):
        assert _may_share_words(left, right, jaccard)


def test_all_texts_must_be_alike() -> None:
    judge = NearDuplicates(NLI)
    judge.add_kept("a", pair(PREMISE, HYPOTHESIS))
    assert judge.check("b", pair("An old man sells bread at the market every morning", HYPOTHESIS)) is None


def test_options_and_tokens_are_part_of_the_row() -> None:
    swag = ChoiceFormat(("ctx_a", "ctx_b", "ctx", "endings", "label"), ("0", "1"))
    row = {"id": "a", "ctx_a": "It rained.", "ctx_b": "She", "ctx": "", "endings": ["got wet.", "flew."], "label": "0"}
    assert compared_texts(swag, row) == ("It rained.", "She", "got wet.\nflew.")
    exact = ExactDuplicates(swag)
    exact.add_kept("a", row)
    assert exact.check("b", row | {"endings": ["ran home.", "sang."]}) is None
    upos = TagsFormat(("tokens", "tags"), ("NOUN", "VERB"))
    tagged = ExactDuplicates(upos)
    tagged.add_kept("a", {"tokens": ["Dogs", "bark"], "tags": [0, 1]})
    assert tagged.check("b", {"tokens": ["Cats", "purr"], "tags": [0, 1]}) is None
    assert tagged.check("c", {"tokens": ["dogs", "Bark"], "tags": [0, 1]}) is not None


def test_entries_read_by_table_are_those_made_row_by_row() -> None:
    swag = ChoiceFormat(("ctx_a", "ctx_b", "ctx", "endings", "label"), ("0", "1"))
    option = {"id": "a", "ctx_a": "It's", "ctx_b": "She", "ctx": "", "endings": ["got wet.", "flew."], "label": "0"}
    for format_, rows in ((NLI, [pair("Straße!", "", 2), pair(PREMISE, HYPOTHESIS)]), (swag, [option])):
        packed = near_packed(format_, pa.Table.from_pylist(rows))
        assert packed == [ComparedRow.of(format_, row["id"], row).pack() for row in rows]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't  STOP—now!", "don t stop now"),
        ("Größe, ÉTÉ", "grösse été"),
        ("東京は雨。", "東 京 は 雨"),
        ("यह एक परीक्षा है।", "यह एक परीक्षा है"),
        ("…", ""),
    ],
)
def test_words_of_any_script_are_found(text: str, expected: str) -> None:
    assert words(text) == expected


def test_one_character_changed_in_a_language_without_spaces_is_found() -> None:
    judge = NearDuplicates(NLI)
    judge.add_kept("a", pair("孩子们穿着红色外套在结冰的湖边和狗玩耍", "孩子们在寒冷的日子里待在户外"))
    assert judge.check("b", pair("孩子们穿着红色外套在结冰的湖边和狗玩耍", "孩子们在炎热的日子里待在户外")) is not None


@given(st.lists(st.integers(1, 2**64 - 1), min_size=1, max_size=300, unique=True), st.integers(1, 24))
@settings(deadline=None, max_examples=50)
def test_the_index_finds_every_row_under_each_of_its_keys(keys: list[int], per_row: int) -> None:
    index = HashIndex()
    rows = [keys[first : first + per_row] for first in range(0, len(keys), per_row)]
    for number, of_row in enumerate(rows):
        index.add(np.array(of_row, dtype=np.uint64), number)
    for number, of_row in enumerate(rows):
        for key in of_row:
            assert number in index.find(np.array([key], dtype=np.uint64))


def test_the_index_grows_and_keeps_what_it_has_even_where_keys_crowd() -> None:
    index, draw = HashIndex(), np.random.default_rng(0)
    crowded = (np.uint64(2**64 - 1) - np.arange(200, dtype=np.uint64) * np.uint64(2**32)).astype(np.uint64)
    keys = np.concatenate((draw.integers(0, 2**64, 5_000, dtype=np.uint64), crowded))
    for number, key in enumerate(keys):
        index.add(keys[number : number + 1], number)
        assert index.find(np.array([key], dtype=np.uint64))
    assert all(number in index.find(keys[number : number + 1]) for number in range(0, len(keys), 37))
    assert len(index) == len(keys)


def test_a_blob_gives_back_what_was_put_in() -> None:
    blob = ByteStore()
    for item in (b"one", b"", b"three"):
        blob.append(item)
    assert [blob[number] for number in range(len(blob))] == [b"one", b"", b"three"]


def test_keys_are_the_same_for_one_row_and_for_many_and_in_every_process() -> None:
    columns = [[f"{HYPOTHESIS} {i}" for i in range(50)], [f"{i} {PREMISE}" for i in range(50)]]
    for texts in (columns[:1], columns):
        together = row_keys(texts)
        alone = [row_keys([[text] for text in row]) for row in zip(*texts, strict=True)]
        assert (together == np.concatenate(alone, axis=1)).all()
    assert (together == row_keys([[words(text) for text in column] for column in columns])).all()
    assert row_keys([["a b"]])[0, 0] == FIRST_KEY


FIRST_KEY = 11911377845842959675
"""Written down once: keys on disk and in other processes must not depend on where they are computed."""
