"""Texts of one sign over and over, of tens of thousands of characters: patterns over rows stay linear."""

import time
from collections.abc import Callable

import pytest

from synthgen.analysis.text_statistics import count_tokens
from synthgen.filters.base import FilterContext
from synthgen.filters.registry import ORDER
from synthgen.text import language_id, sentences, words
from tests.synthgen.conftest import NLI

CHARACTERS = 60_000
SECONDS = 2.0
"""A pattern that is not linear takes half a minute or more; one that is takes some hundredths of a second."""
KINDS = ["1", ".", "?", "_", "x", "é", "东", "a.", ". A", "<your ", "[your ", "here is an example ", "1-", "a@", "+1 "]
SUBJECTS: dict[str, Callable[[str], object]] = {
    "sentences": sentences.sentences,
    "whole sentences": sentences.whole_sentences,
    "pieces": lambda text: sentences.pieces(text, len, 400),
    "packed": lambda text: sentences.packed(text, len, 400),
    "words": words.words_and_letters,
    "hashes": lambda text: words.word_hashes([text]),
    "treebank": words.treebank_tokens,
    "language": language_id.count_words,
}
FILTERS = {spec.name: spec for spec in ORDER if spec.runs in ("always", "default", "asked") or spec.name == "personal"}


def texts() -> list[str]:
    return [(kind * CHARACTERS)[:CHARACTERS] for kind in KINDS]


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_splitter_or_tokeniser_reads_a_long_run_in_linear_time(name: str) -> None:
    begin = time.process_time()
    for text in texts():
        SUBJECTS[name](text)
    assert time.process_time() - begin < SECONDS


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_reads_rows_of_long_runs_in_linear_time(name: str) -> None:
    spec = FILTERS[name]
    judged = spec.build(FilterContext(NLI, prompt="A prompt."), spec.settings())
    judged.check("first", {"premise": "A text that loads models.", "hypothesis": "It is read once.", "label": 0})
    begin = time.process_time()
    for number, text in enumerate(texts()):
        row = {"premise": text, "hypothesis": f"{text}!", "label": 0}
        if judged.check(str(number), row) is None:
            judged.add_kept(str(number), row)
    assert time.process_time() - begin < 2 * SECONDS


def test_a_text_longer_than_any_example_is_too_long() -> None:
    shape = next(spec for spec in ORDER if spec.name == "shape")
    judged = shape.build(FilterContext(NLI), shape.settings())
    dropped = judged.check("a", {"premise": "1" * 20_001, "hypothesis": "It is a number.", "label": 0})
    assert dropped is not None
    assert (dropped.reason, dropped.evidence) == ("too long", "premise: 20001 characters")


@pytest.mark.model
def test_the_pieces_of_a_text_longer_than_any_example_are_estimated_from_its_beginning() -> None:
    longest, ten_times = count_tokens(["word " * 4_000, "word " * 40_000])
    assert 4_000 <= longest <= 4_010
    assert ten_times == 10 * longest
