"""First texts that slots of different labels share, a premise or a passage, so that they carry no label signal."""

from __future__ import annotations

from dataclasses import dataclass, field

from synthgen.generation.prompt_chain import Slot, SlotOutcome


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
        if (context := self._context_written_by(slot)) is None or slot.step != 1:
            return []
        context.texts, released, context.waiting = dict(slot.texts), context.waiting, []
        for waiter in released:
            waiter.begin(context.texts)
        return released

    def fail(self, slot: Slot, outcome: SlotOutcome) -> list[Slot]:
        """Let the context that a slot was writing fail with it; return the slots that waited for it."""
        if (context := self._context_written_by(slot)) is None or context.texts is not None:
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
