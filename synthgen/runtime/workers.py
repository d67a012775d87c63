"""A process pool that maps a function over many items: results in order, few of them waiting.

Processes are spawned, so that none inherits threads or open files; with one, the function is called in this process.
They end with it, whatever ends it: each waits for the end of a pipe whose other side is open here alone.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection, wait
from threading import Thread
from typing import TypeVar

from synthgen.errors import IncompleteError

Item = TypeVar("Item")
Result = TypeVar("Result")


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def wait_passively() -> None:
    """Let the threads of OpenMP sleep while they wait, here and in processes started from here; before torch is loaded.

    Spinning, as they do by default, gains nothing on idle cores and costs most of the speed on shared ones
    (benchmarks/shared_cpu.py). What the environment says already stays.
    """
    for name, value in {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}.items():
        os.environ.setdefault(name, value)


class Workers:
    """Processes for the length of a `with` block, started when the first work comes; with 1 there are none."""

    def __init__(self, processes: int = 1) -> None:
        self.processes = processes
        self._pool: ProcessPoolExecutor | None = None
        self._pipe: tuple[Connection, Connection] | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        """End the processes: after their work when the block ended well, else at once."""
        if self._pool is not None and self._pipe is not None:
            if error is not None:
                self._pipe[1].close()
            self._pool.shutdown(cancel_futures=True)
            for end in self._pipe:
                end.close()

    def map(self, function: Callable[[Item], Result], items: Iterable[Item], ahead: int = 2) -> Iterator[Result]:
        """Yield the function's results in the items' order; function and items must be ones that can be sent.

        For each process so many items are read `ahead`; large ones are better read one at a time. IncompleteError when
        a process was killed.
        """
        if self.processes < 2:
            yield from map(function, items)
            return
        pool = self._started()
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= ahead * self.processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            lost = f"one of {self.processes} worker processes was killed, as when memory runs out"
            advice = "run the same command again with --processes 1, which needs less memory"
            raise IncompleteError(f"{lost}; what was finished before is kept: {advice}") from None

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            spawn = multiprocessing.get_context("spawn")
            self._pipe = spawn.Pipe(duplex=False)
            self._pool = ProcessPoolExecutor(self.processes, spawn, _end_with_parent, self._pipe[:1])
        return self._pool


def _end_with_parent(pipe: Connection) -> None:
    """Let this process end when nobody can write to the pipe any more; an interrupt is its parent's to handle."""

    def _watch() -> None:
        wait([pipe])
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_watch, daemon=True).start()
