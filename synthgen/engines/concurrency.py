"""Concurrency limit of an endpoint, adapted to its replies (additive increase, multiplicative decrease, as in TCP)."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_LIMIT = 32
MAX_LIMIT = 256


@dataclass(slots=True)
class Limit:
    """How many requests may be in flight: doubles per round until the server is busy, then grows by one per round.

    >>> limit = Limit()
    >>> limit.good(); limit.now
    33
    >>> limit.busy(sent=1.0, now=2.0); limit.busy(sent=1.5, now=2.1); limit.now
    16
    """

    _size: float = FIRST_LIMIT
    _steady: bool = False
    _cut_at: float = 0.0

    @property
    def now(self) -> int:
        """Requests that may be in flight."""
        return int(self._size)

    def good(self) -> None:
        """Grow after a reply."""
        self._size = min(MAX_LIMIT, self._size + (1 / self._size if self._steady else 1))

    def busy(self, *, sent: float, now: float) -> None:
        """Halve, once for all requests that were sent before the last cut."""
        if sent >= self._cut_at:
            self._size, self._steady, self._cut_at = max(1.0, self._size / 2), True, now

    def late(self) -> None:
        """Shrink by a tenth after a timeout: one costs little, many in a row mean an overloaded server."""
        self._size = max(1.0, self._size * 0.9)
