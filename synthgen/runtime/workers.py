"""A process pool that maps a function over many items: results in order, few of them waiting.

Processes are spawned, so that none inherits threads or open files; with one, the function is called in this process.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers:
    """Processes for the length of a `with` block, started when the first work comes; with 1 there are none."""

    def __init__(self, processes: int = 1) -> None:
        self.processes = processes
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes; work not begun is given up."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def map(self, function: Callable[[Item], Result], items: Iterable[Item], ahead: int = 2) -> Iterator[Result]:
        """Yield the function's results in the items' order; function and items must be ones that can be sent.

        For each process so many items are read `ahead`; large ones are better read one at a time.
        """
        if self.processes < 2:
            yield from map(function, items)
            return
        if self._pool is None:
            self._pool = ProcessPoolExecutor(self.processes, mp_context=multiprocessing.get_context("spawn"))
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(self._pool.submit(function, item))
            if len(waiting) >= ahead * self.processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
