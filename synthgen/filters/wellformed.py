"""Well-formed rows: nothing missing, and what the format's own check asks for. Later filters rely on it."""

from __future__ import annotations

from synthgen.filters.base import BaseFilter, Subject, Verdict
from synthgen.formats.base import Row


class WellFormed(BaseFilter):
    """Drops rows with a missing value and rows that break their format."""

    name = "format"

    def __init__(self, subject: Subject) -> None:
        """Judge by the set's format."""
        self._format = subject.format

    def judge(self, row_id: str, row: Row) -> Verdict | None:
        """Return the first fault of the row."""
        for column in self._format.columns:
            if row.get(column) is None:
                return Verdict("format", f"no {column}")
        fault = self._format.check(row)
        return Verdict("format", fault) if fault else None
