"""Quota cells: how many rows of a label are wanted and how its slots end; which slots have a request to make."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from synthgen.generation.prompt_chain import Slot

IMAGINED = 4
"""How many kept slots a cell's estimate starts from, so that the first rejection does not double what is asked."""


@dataclass(slots=True)
class QuotaCounter:
    """Counts of one quota cell: how many are wanted, in flight, and how their slots ended."""

    quota: int
    open: int = 0
    kept: int = 0
    rejected: int = 0
    failed: int = 0

    @property
    def is_full(self) -> bool:
        """Say whether no more rows are wanted."""
        return self.kept == self.quota

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

        The share kept starts from a few imagined slots, all kept: exactly as many slots are opened as rows are wanted,
        until rejections show that more are needed.
        """
        expected = (self.kept + IMAGINED) / (self.ended + IMAGINED)
        return self.quota - self.kept - self.open * expected


class RequestQueue:
    """Slots with a request to make, in runs of one template (step and label), for prefix caches."""

    def __init__(self) -> None:
        """Start with none."""
        self._by_template: dict[tuple[int, str], deque[Slot]] = {}

    def append(self, slot: Slot) -> None:
        """Add a slot."""
        self._by_template.setdefault((slot.step, slot.cell), deque()).append(slot)

    def extend(self, slots: Iterable[Slot]) -> None:
        """Add several slots."""
        for slot in slots:
            self.append(slot)

    def next(self) -> Slot | None:
        """Take a slot of the template that has waited longest until none of it is left; None when there are none."""
        for template, slots in self._by_template.items():
            slot = slots.popleft()
            if not slots:
                del self._by_template[template]
            return slot
        return None

    def clear(self) -> None:
        """Forget all."""
        self._by_template.clear()
