"""Rows of complete slots: what a model reads of them keeps nobody waiting, and nothing depends on it."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from synthgen.dataset.ledger import StoredReply
from synthgen.dataset.prompt_packer import PromptPacker
from synthgen.filters.base import Drop, Filter, FilterContext
from synthgen.filters.config import read_config
from synthgen.filters.pipeline import OnlinePipeline
from synthgen.formats.base import Row
from synthgen.generation.row_checks import RowChecks
from synthgen.generation.run import open_chain
from synthgen.generation.slot_work import CheckedRow, SlotWork
from synthgen.generation.slots import Slot
from synthgen.models.packs import ResolvedModel


class Reader(Filter):
    """A model that drops every third row, and reads only when it may."""

    name = "reader"
    VERSION = 1
    rows_at_once = 2
    is_slow = True

    def __init__(self, *, needs_loop: bool = False) -> None:
        self.needs_loop, self.may_read = needs_loop, threading.Event()
        self.threads: set[str] = set()

    def check(self, row_id: str, row: Row) -> Drop | None:
        self.threads.add(threading.current_thread().name)
        assert self.may_read.wait(60)
        return Drop("read", "") if row["label"] % 3 == 0 else None

    def check_batch(self, rows: Sequence[tuple[str, Row]]) -> list[Drop | None]:
        return [self.check(*each) for each in rows]


def checks_of(reader: Reader) -> RowChecks:
    chain, model = open_chain("mnli", 0, structured=False), ResolvedModel(Path(), "model", "1", "")
    return RowChecks(OnlinePipeline([reader]), SlotWork(chain, [], model, PromptPacker()), None)


def numbers(outcomes: Iterator[tuple[Slot, Row, object]]) -> list[tuple[int, bool]]:
    return [(slot.number, drop is None) for slot, _, drop in outcomes]


def add(checks: RowChecks, *slots: int) -> None:
    for number in slots:
        row = {"premise": f"Rain {number}.", "hypothesis": "Wet.", "label": number}
        checks.add(Slot(number, "neutral", number), CheckedRow(row, None, {}))


def test_nobody_waits_while_a_model_reads_rows_and_verdicts_come_in_order() -> None:
    with closing(checks_of(reader := Reader())) as checks:
        add(checks, 1, 2)
        assert numbers(checks.due()) == []
        add(checks, 3, 4, 5)
        assert numbers(checks.due()) == []
        reader.may_read.set()
        assert numbers(checks.rest()) == [(1, True), (2, True), (3, False), (4, True), (5, True)]
        assert not checks.has_any
    assert threading.current_thread().name not in reader.threads


@pytest.mark.parametrize("slots", [(1,), (1, 2, 3)])
def test_what_needs_the_engine_is_read_in_its_thread_when_there_is_enough(slots: tuple[int, ...]) -> None:
    with closing(checks_of(reader := Reader(needs_loop=True))) as checks:
        reader.may_read.set()
        add(checks, *slots)
        assert len(numbers(checks.due())) == (0 if len(slots) < reader.rows_at_once else len(slots))
        numbers(checks.rest())
    assert reader.threads == {threading.current_thread().name}


def test_an_error_of_a_reader_is_raised_where_its_rows_are_asked_for() -> None:
    class Broken(Reader):
        def check(self, row_id: str, row: Row) -> Drop | None:
            raise MemoryError("no room on the GPU")

    with closing(checks_of(Broken())) as checks:
        add(checks, 1, 2)
        with pytest.raises(MemoryError, match="no room"):
            numbers(checks.rest())


def test_rows_that_are_checked_elsewhere_and_here_side_by_side_come_to_the_same() -> None:
    chain, model = open_chain("mnli", 0, structured=False), ResolvedModel(Path(), "model", "1", "")
    texts = (
        "The old mill is closed.",
        "I'm sorry, but I can't assist with that request.",
        "No.",
        "Nobody was there.",
        "",
    )

    def outcomes(elsewhere: set[int]) -> tuple[list[tuple[int, Row, object]], list[dict[str, int]]]:
        pipeline = OnlinePipeline(read_config().build(FilterContext(chain.task.format)))
        work = SlotWork(chain, pipeline.row_filters, model, PromptPacker())
        with closing(RowChecks(pipeline, work, None)) as checks:
            for number, text in enumerate(texts):
                slot = Slot(number, "neutral", number, {"premise": f"The mill {number} stood by the river."}, step=1)
                there = pickle.loads(pickle.dumps(work.elsewhere())) if number in elsewhere else work
                reading = there.read(slot, StoredReply(number, 1, "", "ok", text, "", 1, 1))
                assert reading is not None
                if not reading.fault:
                    slot.texts |= reading.texts
                    checks.add(slot, reading.checked)
            seen = [(slot.number, row, drop) for slot, row, drop in checks.rest()]
        return seen, [dict(filter_.counts) for filter_ in pipeline.row_filters]

    expected = outcomes(set())
    assert [number for number, _, drop in expected[0] if drop is None] == [0, 3]
    assert outcomes({1, 3}) == outcomes({0, 1, 2, 3, 4}) == expected
