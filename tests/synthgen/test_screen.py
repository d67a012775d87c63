"""Filters over rows as they are made: what is kept does not depend on how many are judged at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.filters.base import FilterContext
from synthgen.filters.config import read_config
from synthgen.filters.pipeline import OnlinePipeline, StageDrop
from synthgen.formats.base import Row
from tests.synthgen.conftest import NLI

TEXTS = (
    "The old mill stands by the river in the valley.",
    "The old mill stands by the river in the village.",
    "An old mill stands by the river, in the valley.",
    "Nobody has seen the miller since last winter.",
    "Das ist ein deutscher Satz, der nicht hierher gehört.",
    "I'm sorry, but I can't assist with that request.",
    "No.",
)
ROWS = st.lists(st.tuples(st.sampled_from(TEXTS), st.sampled_from(TEXTS), st.integers(0, 2)), min_size=1, max_size=24)


def screened(rows: Sequence[tuple[str, Row]], sizes: Iterator[int]) -> list[StageDrop | None]:
    screen, verdicts, start = OnlinePipeline(read_config().build(FilterContext(NLI))), [], 0
    while start < len(rows):
        batch = rows[start : start + next(sizes)]
        for (row_id, row), objection in zip(batch, screen.check_batch(batch), strict=True):
            verdicts.append(objection)
            if objection is None:
                screen.add_kept(row_id, row)
        start += len(batch)
    return verdicts


@given(ROWS, st.lists(st.integers(1, 9), min_size=24, max_size=24))
@settings(deadline=None, max_examples=60)
def test_verdicts_are_the_same_for_rows_judged_one_by_one_and_in_batches(
    texts: list[tuple[str, str, int]], sizes: list[int]
) -> None:
    rows = [(f"row-{i}", {"premise": a, "hypothesis": b, "label": label}) for i, (a, b, label) in enumerate(texts)]
    assert screened(rows, iter(sizes)) == screened(rows, iter([1] * len(rows)))


def test_a_row_is_compared_with_rows_kept_in_its_own_batch() -> None:
    rows = [(f"row-{i}", {"premise": TEXTS[0], "hypothesis": TEXTS[i], "label": 0}) for i in (3, 3, 5)]
    first, second, third = screened(rows, iter([3]))
    assert first is None
    assert second is not None
    assert (second[0], second[1].evidence) == ("exact", "row-3")
    assert third is not None
    assert third[0] == "residue"
