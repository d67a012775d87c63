"""The slots of a run, label quotas, the queue of slots with a request to make, and the contexts that slots share.

A slot is one example in progress. A context that slots of several labels share, a premise or a passage, is written
once, so that it carries no label signal.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

PRIOR_KEPT = 4
"""Pseudo-count of kept slots in a label's acceptance, so that one rejection does not double what is requested."""


@dataclass(slots=True)
class Slot:
    """One example in progress; `step` counts the steps done, `tries` the failed requests for the next one.

    `cell` is its quota cell: its label, chosen before any text.
    """

    number: int
    cell: str
    context: int
    texts: dict[str, str] = field(default_factory=dict)
    step: int = 0
    tries: int = 0

    @property
    def tag(self) -> tuple[int, int]:
        """What identifies the request for the next step."""
        return self.number, self.step

    def begin(self, texts: dict[str, str]) -> None:
        """Fill in the texts of the first step, which then needs no request."""
        self.texts |= texts
        self.step = 1


def slot_id(task: str, seed: int, number: int, language: str = "") -> str:
    """Return the id of a slot's row.

    >>> slot_id("mnli", 0, 42)
    'mnli-s0-0000042'
    >>> slot_id("mnli", 0, 42, "sw")
    'mnli-sw-s0-0000042'
    """
    return f"{task}{language and f'-{language}'}-s{seed}-{number:07d}"


class SlotOutcome(NamedTuple):
    """How a slot ended: `kept`, `rejected` or `failed`, the reason, the stage, the evidence."""

    verdict: str
    reason: str
    stage: str
    evidence: str


@dataclass(slots=True)
class QuotaCounter:
    """Counts of one quota cell (a label): its quota, its open slots, and how the others ended."""

    quota: int
    open: int = 0
    kept: int = 0
    rejected: int = 0
    failed: int = 0

    @property
    def is_full(self) -> bool:
        """Whether the quota is reached."""
        return self.kept == self.quota

    def end(self, verdict: str) -> None:
        """Count the end of an open slot: `kept`, `rejected` or `failed`."""
        self.open -= 1
        self.kept += verdict == "kept"
        self.rejected += verdict == "rejected"
        self.failed += verdict == "failed"

    def revoke(self) -> None:
        """Count a kept slot as rejected."""
        self.kept -= 1
        self.rejected += 1

    @property
    def ended(self) -> int:
        """Slots that ended in any way."""
        return self.kept + self.rejected + self.failed

    @property
    def acceptance(self) -> float:
        """Share of ended slots that were kept, surplus rows counted as not; 0 when none has ended."""
        return self.kept / self.ended if self.ended else 0.0

    @property
    def shortage(self) -> float:
        """Rows still missing once the open slots end as slots of this cell have ended so far.

        The share kept starts from `PRIOR_KEPT`: exactly as many slots are opened as rows are missing, until rejections
        show that more are needed.
        """
        expected = (self.kept + PRIOR_KEPT) / (self.ended + PRIOR_KEPT)
        return self.quota - self.kept - self.open * expected


class RequestQueue:
    """Slots with a request to make, grouped by template (step and label) for the engine's prefix cache."""

    def __init__(self) -> None:
        self._by_template: dict[tuple[int, str], deque[Slot]] = {}

    def add(self, *slots: Slot) -> None:
        """Append slots to the groups of their templates."""
        for slot in slots:
            self._by_template.setdefault((slot.step, slot.cell), deque()).append(slot)

    def next(self) -> Slot | None:
        """Take a slot of the oldest template, until that has none left; None when the queue is empty."""
        if not self._by_template:
            return None
        template, slots = next(iter(self._by_template.items()))
        slot = slots.popleft()
        if not slots:
            del self._by_template[template]
        return slot

    def clear(self) -> None:
        """Remove all slots."""
        self._by_template.clear()


@dataclass(slots=True)
class _SharedContext:
    """One context: the slot that writes it, its texts or why there are none, who waits for them, how many use it."""

    writer: int
    texts: dict[str, str] | None = None
    failure: SlotOutcome | None = None
    waiting: list[Slot] = field(default_factory=list)
    users: int = 0


@dataclass(slots=True)
class SharedContexts:
    """The contexts of open slots. The first slot of a context writes it, the others wait for it, if it is `shared`."""

    shared: bool
    _contexts: dict[int, _SharedContext] = field(default_factory=dict)

    def join(self, slot: Slot) -> SlotOutcome | None:
        """Add a slot to its context and give it the texts that are there; the outcome of a context that failed."""
        if not self.shared:
            return None
        context = self._contexts.setdefault(slot.context, _SharedContext(slot.number))
        context.users += 1
        if context.texts is not None:
            slot.begin(context.texts)
        elif context.failure is None and context.writer != slot.number:
            context.waiting.append(slot)
        return context.failure

    def waits(self, slot: Slot) -> bool:
        """Say whether another slot is still writing the context of this one."""
        context = self._contexts.get(slot.context)
        return context is not None and context.texts is None and context.writer != slot.number

    def publish(self, slot: Slot) -> list[Slot]:
        """Take the texts of a slot that has just written its context; return the slots that waited for them."""
        context = self._context_written_by(slot)
        if context is None or slot.step != 1:
            return []
        context.texts, released, context.waiting = dict(slot.texts), context.waiting, []
        for waiter in released:
            waiter.begin(context.texts)
        return released

    def fail(self, slot: Slot, outcome: SlotOutcome) -> list[Slot]:
        """Let the context that a slot was writing fail with it; return the slots that waited for it."""
        context = self._context_written_by(slot)
        if context is None or context.texts is not None:
            return []
        context.failure, released, context.waiting = outcome, context.waiting, []
        return released

    def has_waiters(self, slot: Slot) -> bool:
        """Say whether others wait for what this slot is about to write."""
        context = self._context_written_by(slot)
        return context is not None and bool(context.waiting)

    def leave(self, slot: Slot, *, still_opening: bool) -> None:
        """Remove a slot that ended, and its context when no slot uses it and none will (`still_opening`) join it."""
        if (context := self._contexts.get(slot.context)) is not None:
            context.users -= 1
            if context.users <= 0 and not still_opening:
                del self._contexts[slot.context]

    def _context_written_by(self, slot: Slot) -> _SharedContext | None:
        context = self._contexts.get(slot.context)
        return context if context is not None and context.writer == slot.number else None
