"""The rows of complete slots on their way to a verdict, some at a time.

What a model reads of them, a teacher or a verifier, is read in a thread of its own: the engine does not wait for it.
Which rows stay does not depend on that, nor on how many are checked together.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

from synthgen.filters.pipeline import OnlinePipeline, StageDrop
from synthgen.formats.base import ParseError, Row
from synthgen.formats.tags import SENTENCE
from synthgen.generation.slot_work import CheckedRow, SlotWork, no_row
from synthgen.generation.slots import Slot
from synthgen.generation.teacher import Teacher

Outcome = tuple[Slot, Row, StageDrop | None]
"""A complete slot, its row (its texts where they make none), and why that must go."""


class _PreparedRows(NamedTuple):
    slots: list[Slot]
    checked: list[CheckedRow]
    rows: list[tuple[str, Row]]
    drops: dict[int, StageDrop]


class RowChecks:
    """Complete slots in the order in which they became so, and what `pipeline` and `teacher` say of their rows."""

    def __init__(self, pipeline: OnlinePipeline, work: SlotWork, teacher: Teacher | None) -> None:
        self._pipeline, self._work, self._teacher = pipeline, work, teacher
        self._size = max([each.rows_at_once for each in pipeline.filters] + [teacher.rows_at_once if teacher else 1])
        self._waiting: list[tuple[Slot, CheckedRow | None]] = []
        self._prepared: Future[_PreparedRows] | None = None
        self._thread: ThreadPoolExecutor | None = None
        if pipeline.is_slow or (teacher and not pipeline.needs_loop):
            self._thread = ThreadPoolExecutor(1, "readers")

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def has_any(self) -> bool:
        """Whether a slot has no verdict yet."""
        return bool(self._waiting or self._prepared)

    def add(self, slot: Slot, checked: CheckedRow | None) -> None:
        """Add a slot with its row, None where that needs the teacher."""
        self._waiting.append((slot, checked))

    def due(self) -> Iterator[Outcome]:
        """Yield what is checked, without waiting for more."""
        if self._prepared is None and len(self._waiting) >= self._size:
            self._begin()
        if self._prepared is not None and self._prepared.done():
            yield from self._outcomes(self._prepared)

    def rest(self) -> Iterator[Outcome]:
        """Yield all that is left."""
        while self.has_any:
            yield from self._outcomes(self._prepared or self._begin())

    def close(self) -> None:
        """End the thread, when it has read the rows that it reads."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)

    def _begin(self) -> Future[_PreparedRows]:
        waiting, self._waiting = self._waiting, []
        start = self._thread.submit if self._thread else _at_once
        self._prepared = start(self._prepare, waiting)
        return self._prepared

    def _outcomes(self, prepared: Future[_PreparedRows]) -> Iterator[Outcome]:
        """Yield each slot's outcome; the next is compared with those kept until then."""
        slots, checked, rows, drops = prepared.result()
        self._prepared = None
        results = self._pipeline.check_prepared(rows, drops)
        for slot, of_row, (_, row), drop in zip(slots, checked, rows, results, strict=True):
            self._pipeline.count(of_row.counts)
            yield slot, row, drop

    def _prepare(self, waiting: Sequence[tuple[Slot, CheckedRow | None]]) -> _PreparedRows:
        slots, checked = [slot for slot, _ in waiting], self._labelled(waiting)
        rows = [(self._work.row_id(slot), each.row) for slot, each in zip(slots, checked, strict=True)]
        dropped = {place: each.drop for place, each in enumerate(checked) if each.drop is not None}
        return _PreparedRows(slots, checked, rows, self._pipeline.prepare(rows, dropped))

    def _labelled(self, waiting: Sequence[tuple[Slot, CheckedRow | None]]) -> list[CheckedRow]:
        """Return the checked row of each slot, made here of what the teacher says where there is none."""
        if self._teacher is None:
            return [checked for _, checked in waiting if checked is not None]
        slots = [slot for slot, _ in waiting]
        readings = self._teacher.read([slot.texts[SENTENCE] for slot in slots])
        return [
            no_row(slot.texts, texts) if isinstance(texts, ParseError) else self._work.check(slot, texts)
            for slot, texts in zip(slots, readings, strict=True)
        ]


def _at_once(function: Callable[..., _PreparedRows], *arguments: Any) -> Future[_PreparedRows]:  # noqa: ANN401 - as `submit`
    """Call a function here."""
    done: Future[_PreparedRows] = Future()
    done.set_result(function(*arguments))
    return done
