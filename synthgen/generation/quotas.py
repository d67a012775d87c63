"""Label quotas: how many rows each label still lacks, and the queue of slots that have a request to make."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from synthgen.generation.prompt_chain import Slot

PRIOR_KEPT = 4
"""Pseudo-count of kept slots in a label's acceptance, so that one rejection does not double what is requested."""


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
        for template, slots in self._by_template.items():
            slot = slots.popleft()
            if not slots:
                del self._by_template[template]
            return slot
        return None

    def clear(self) -> None:
        """Remove all slots."""
        self._by_template.clear()
