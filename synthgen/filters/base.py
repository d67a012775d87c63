"""What a filter is, and the verdict it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from synthgen.formats.base import Row


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a row was dropped, and what shows it: the matching row, the score, the words."""

    reason: str
    evidence: str


class Filter(Protocol):
    """One reason to drop rows."""

    @property
    def name(self) -> str:
        """The stage's name in manifests and rejections."""

    def judge(self, row_id: str, row: Row) -> Verdict | None:
        """Return why the row must go, None when it may stay."""

    def remember(self, row_id: str, row: Row) -> None:
        """Take note of a row that was kept."""
