"""Vectors in the cache: texts are read once, a killed run goes on, and nothing odd in the cache is believed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synthgen.models.embedding_cache import BLOCK, kept_vectors
from synthgen.models.packs import LOCAL
from synthgen.models.sentence_encoder import SentenceEncoder, Vectors

TEXTS = [f"text {number}" for number in range(BLOCK + 5)]


class Counting:
    """An encoder that counts what it reads, and fails after so many texts."""

    def __init__(self, *, revision: str = "1", most: int = 1_000_000) -> None:
        self.facts, self.read, self._most = {"encoder": "e", "revision": revision}, 0, most

    def embed(self, texts: Sequence[str]) -> Vectors:
        if self.read + len(texts) > self._most:
            raise KeyboardInterrupt
        self.read += len(texts)
        return np.array([[len(text) / 3, float(text.split()[1])] for text in texts], np.float32)


def vectors_of(encoder: Counting, texts: Sequence[str] = TEXTS) -> Vectors:
    return np.concatenate(list(kept_vectors(cast(SentenceEncoder, encoder), texts)))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "vectors"


def test_texts_are_read_once_and_are_the_same_the_first_time_and_the_second() -> None:
    first, second = Counting(), Counting()
    np.testing.assert_array_equal(vectors_of(first), vectors_of(second))
    np.testing.assert_allclose(vectors_of(second), first.embed(TEXTS), rtol=1e-3)
    assert (first.read, second.read) == (2 * len(TEXTS), 0)


def test_a_run_that_was_stopped_goes_on_with_the_block_it_was_at() -> None:
    with pytest.raises(KeyboardInterrupt):
        vectors_of(Counting(most=BLOCK))
    again = Counting()
    vectors_of(again)
    assert again.read == 5


def test_another_encoder_or_another_text_is_not_what_was_read_before() -> None:
    vectors_of(Counting())
    other, same = Counting(revision="2"), Counting()
    vectors_of(other)
    vectors_of(same, [*TEXTS[:-1], "text 0"])
    assert (other.read, same.read) == (len(TEXTS), 5)


def test_a_model_folder_that_does_not_say_what_is_in_it_keeps_nothing(cache: Path) -> None:
    vectors_of(Counting(revision=LOCAL))
    assert not cache.exists()


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
def test_a_file_of_the_cache_that_was_changed_anywhere_is_read_anew(cache: Path, data: st.DataObject) -> None:
    whole = vectors_of(Counting(), TEXTS[:20])
    (path,) = cache.iterdir()
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(data.draw(st.sampled_from([bytes(content), bytes(content[:-7]), b"", b"\x93NUMPY", bytes(99)])))
    again = Counting()
    np.testing.assert_array_equal(vectors_of(again, TEXTS[:20]), whole)
    assert again.read == 20
    assert [each.name for each in cache.iterdir()] == [path.name]


def test_a_cache_that_cannot_be_written_to_costs_nothing_but_time(cache: Path) -> None:
    cache.parent.write_text("a file where the folder should be")
    assert len(vectors_of(Counting())) == len(TEXTS)
