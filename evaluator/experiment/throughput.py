"""The speed of training on a device: what a plan's time follows from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Throughput:
    """Real training tokens a second, what a run takes besides (loading, tokenising, saving), and where this is from."""

    tokens_per_second: float
    seconds_per_run: float
    source: str
