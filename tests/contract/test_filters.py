"""Contract of every filter that judges a row alone: a verdict is a function of the row, and every row gets one."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.filters import ORDER
from synthgen.filters.base import Kind, SetFilter, Subject
from tests.synthgen.conftest import NLI

SUBJECT = Subject(NLI, prompt="Sentence A: The match was called off because of the heavy rain on Friday.")
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
ALONE = [kind for kind in ORDER if kind.runs not in ("against", "verifier", "judge") and not kind.needs]

rows = st.lists(
    st.tuples(st.sampled_from(TEXTS) | st.text(max_size=40), st.sampled_from(TEXTS), st.integers(0, 2)), max_size=12
)


def make(kind: Kind):
    made = kind.make(SUBJECT, kind.settings())
    if isinstance(made, SetFilter):
        pytest.skip(f"{kind.name} compares rows of a set")
    return made


@pytest.mark.parametrize("kind", ALONE, ids=lambda kind: kind.name)
@settings(max_examples=25, deadline=None)
@given(drawn=rows)
def test_a_filter_partitions_its_input_whatever_the_order_and_keeps_what_it_kept(kind: Kind, drawn) -> None:
    numbered = [(f"r{i}", {"premise": a, "hypothesis": b, "label": label}) for i, (a, b, label) in enumerate(drawn)]
    verdicts = make(kind).judge_many(numbered)
    assert len(verdicts) == len(numbered)
    assert all(verdict is None or (verdict.reason and isinstance(verdict.evidence, str)) for verdict in verdicts)
    assert [make(kind).judge(*each) for each in numbered] == verdicts
    shuffled = random.Random(0).sample(list(zip(numbered, verdicts, strict=True)), len(numbered))
    assert make(kind).judge_many([each for each, _ in shuffled]) == [verdict for _, verdict in shuffled]
    kept = [each for each, verdict in zip(numbered, verdicts, strict=True) if verdict is None]
    assert make(kind).judge_many(kept) == [None] * len(kept)


@pytest.mark.parametrize("kind", ORDER, ids=lambda kind: kind.name)
def test_a_filters_settings_have_defaults_and_its_check_a_name(kind: Kind) -> None:
    kind.settings()
    assert kind.name
    assert kind.runs in ("always", "default", "against", "verifier", "judge", "named")
