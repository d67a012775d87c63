"""Contract of every filter: a verdict is a function of the row alone, or of the rows kept before it."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.filters.base import FilterContext, FilterSpec, SetFilter
from synthgen.filters.registry import ORDER
from synthgen.formats.base import Row
from tests.synthgen.conftest import NLI

SUBJECT = FilterContext(NLI, prompt="Sentence A: The match was called off because of the heavy rain on Friday.")
TEXTS = (
    "The two brothers ran the old mill together for forty years.",
    "Der Hund schläft heute auf dem alten Sofa.",
    "I'm sorry, but I can't assist with that request.",
    "Hypothesis: the man sleeps.",
    "Write to ann.lee@posteo.de today, she said.",
    "no no no no no no no no",
    "Mill.",
    "The match was called off because of the heavy rain, they say.",
    "A bell\x07 rang.",
    "",
)
MODELS = ("semantic",)
"""Filters that compare rows with a model, which tests of their own have."""


def make(kind: FilterSpec) -> Any:
    return kind.make(SUBJECT, kind.settings())


FREE = [kind for kind in ORDER if kind.runs not in ("against", "verifier", "judge") and not kind.needs]
SETS = [kind for kind in FREE if kind.name not in MODELS and isinstance(make(kind), SetFilter)]
ALONE = [kind for kind in FREE if kind.name not in MODELS and kind not in SETS]

rows = st.lists(
    st.tuples(st.sampled_from(TEXTS) | st.text(max_size=40), st.sampled_from(TEXTS), st.integers(0, 2)), max_size=12
)


@pytest.mark.parametrize("kind", ALONE, ids=lambda kind: kind.name)
@settings(max_examples=25, deadline=None)
@given(drawn=rows)
def test_a_filter_partitions_its_input_whatever_the_order_and_keeps_what_it_kept(kind: FilterSpec, drawn) -> None:
    numbered = [(f"r{i}", {"premise": a, "hypothesis": b, "label": label}) for i, (a, b, label) in enumerate(drawn)]
    verdicts = make(kind).check_batch(numbered)
    assert len(verdicts) == len(numbered)
    assert all(verdict is None or (verdict.reason and isinstance(verdict.evidence, str)) for verdict in verdicts)
    assert [make(kind).check(*each) for each in numbered] == verdicts
    shuffled = random.Random(0).sample(list(zip(numbered, verdicts, strict=True)), len(numbered))
    assert make(kind).check_batch([each for each, _ in shuffled]) == [verdict for _, verdict in shuffled]
    kept = [each for each, verdict in zip(numbered, verdicts, strict=True) if verdict is None]
    assert make(kind).check_batch(kept) == [None] * len(kept)


@pytest.mark.parametrize("kind", SETS, ids=lambda kind: kind.name)
@settings(max_examples=25, deadline=None)
@given(drawn=rows)
def test_a_filter_that_compares_rows_keeps_again_what_it_kept(kind: FilterSpec, drawn) -> None:
    numbered = [(f"r{i}", {"premise": a, "hypothesis": b, "label": label}) for i, (a, b, label) in enumerate(drawn)]

    def kept(rows: list[tuple[str, Row]]) -> list[tuple[str, Row]]:
        filter_, left = make(kind), []
        for row_id, row in rows:
            if filter_.check(row_id, row) is None:
                filter_.add_kept(row_id, row)
                left.append((row_id, row))
        return left

    left = kept(numbered)
    assert kept(left) == left


def test_names_of_filters_differ() -> None:
    assert len({kind.name for kind in ORDER}) == len(ORDER)


@pytest.mark.parametrize("kind", ORDER, ids=lambda kind: kind.name)
def test_a_filters_settings_have_defaults_and_its_check_a_name(kind: FilterSpec) -> None:
    kind.settings()
    assert kind.name
    assert kind.runs in ("always", "default", "against", "verifier", "judge", "named")
