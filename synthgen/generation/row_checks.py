"""The rows of complete slots on their way to a verdict, some at a time.

What a model reads of them, a teacher or a verifier, is read in a thread of its own: the engine does not wait for it.
Which rows stay does not depend on that, nor on how many are checked together.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

from synthgen.filters.pipeline import OnlinePipeline, StageDrop, first_drops
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
        """Add a slot with its row, None where it is made and checked here."""
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
        here = iter(self._checked([slot for slot, checked in waiting if checked is None]))
        slots, checked = [slot for slot, _ in waiting], [next(here) if each is None else each for _, each in waiting]
        rows = self._with_ids(slots, checked)
        return _PreparedRows(slots, checked, rows, self._pipeline.prepare(rows, _drops(checked)))

    def _checked(self, slots: Sequence[Slot]) -> list[CheckedRow]:
        """Return the row of each slot with what the filters of single rows say of it, one filter after the other."""
        made = self._made(slots)
        drops = first_drops(self._pipeline.row_filters, self._with_ids(slots, made), _drops(made))
        return [CheckedRow(each.row, drops.get(place), {}) for place, each in enumerate(made)]

    def _with_ids(self, slots: Sequence[Slot], checked: Sequence[CheckedRow]) -> list[tuple[str, Row]]:
        return [(self._work.row_id(slot), each.row) for slot, each in zip(slots, checked, strict=True)]

    def _made(self, slots: Sequence[Slot]) -> list[CheckedRow]:
        """Return the row of each slot, of what the teacher says of its text where there is one."""
        if self._teacher is None:
            return [self._work.row(slot, slot.texts) for slot in slots]
        readings = self._teacher.read([slot.texts[SENTENCE] for slot in slots])
        return [
            no_row(slot.texts, texts) if isinstance(texts, ParseError) else self._work.row(slot, texts)
            for slot, texts in zip(slots, readings, strict=True)
        ]


def _drops(checked: Sequence[CheckedRow]) -> dict[int, StageDrop]:
    return {place: each.drop for place, each in enumerate(checked) if each.drop is not None}


def _at_once(function: Callable[..., _PreparedRows], *arguments: Any) -> Future[_PreparedRows]:  # noqa: ANN401 - as `submit`
    """Call a function here."""
    done: Future[_PreparedRows] = Future()
    done.set_result(function(*arguments))
    return done
