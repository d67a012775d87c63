"""A small process that ends other people's programs (vLLM, Ray, a quality estimator) with the one that started them.

Whatever ends that one, `kill -9` too: the guard waits for the end of a pipe whose other side that one alone holds.
Meanwhile it follows the processes that were started in a block of `ended_with_this_process`, and theirs, since they may
outlive each other. Run as a program this module is the guard.
"""

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SECONDS, SECONDS_OF_A_START = 2.0, 0.2
"""Between two looks at the processes; while one is started."""
_lock = threading.Lock()
_guard: subprocess.Popen[bytes] | None = None
_Table = dict[int, tuple[int, str]]


@contextmanager
def ended_with_this_process() -> Iterator[None]:
    """Let the processes that are started in the block, and theirs, end with this process, whatever ends it.

    Processes that other threads start meanwhile count too.
    """
    _send(b"+")
    try:
        yield
    finally:
        _send(b"-")


def _send(word: bytes) -> None:
    """Send the guard a word and wait until it has looked; without a guard, such as a killed one, there is none."""
    global _guard
    with _lock, suppress(OSError):
        if _guard is None:
            _guard = _start()
        assert _guard.stdin
        assert _guard.stdout
        _guard.stdin.write(word)
        _guard.stdout.read(1)


def _start() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", "-S", __file__, str(os.getpid())]
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    guard = subprocess.Popen(command, bufsize=0, start_new_session=True, stdin=pipe, stdout=pipe, stderr=nothing)
    assert guard.stdin
    os.register_at_fork(after_in_child=guard.stdin.close)
    return guard


def _processes() -> _Table:
    """Return parent and start time of every process."""
    if not Path("/proc/self/stat").exists():
        listing = subprocess.run(["ps", "-axo", "pid=,ppid=,lstart="], capture_output=True, text=True, check=False)
        lines = (line.split(maxsplit=2) for line in listing.stdout.splitlines())
        return {int(pid): (int(parent), start) for pid, parent, start in lines}
    table: _Table = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            fields = path.read_text(errors="replace").rpartition(")")[2].split()
            table[int(path.parent.name)] = (int(fields[1]), fields[19])
    return table


class _ProcessTree:
    """The processes that were started, as far as they were seen, and those that stood there before."""

    def __init__(self, parent: int) -> None:
        self.parent, self.starts = parent, 0
        self._others = set[int]()
        self._seen: dict[int, str] = {}

    def began(self) -> None:
        """Note that one more program is started; the children there are before the first are nobody's business."""
        self.starts += 1
        if self.starts == 1:
            self._others = {pid for pid, (parent, _) in _processes().items() if parent == self.parent} - set(self._seen)
            self._others.add(os.getpid())

    def ended(self) -> None:
        """Note that a program has ended, and what it left running."""
        self.look()
        self.starts -= 1

    def look(self) -> None:
        """Follow what is new since the last look."""
        table = _processes()
        self._seen = {pid: start for pid, start in self._seen.items() if table.get(pid, (0, ""))[1] == start}
        if self.starts:
            own = {pid: start for pid, (parent, start) in table.items() if parent == self.parent}
            self._seen |= {pid: start for pid, start in own.items() if pid not in self._others}
        while new := {pid: s for pid, (parent, s) in table.items() if parent in self._seen and pid not in self._seen}:
            self._seen |= new

    def end(self) -> None:
        """Kill what is left, and what that has started meanwhile."""
        for _ in range(3):
            self.look()
            for pid in self._seen:
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)


def _main(parent: int) -> None:
    """Follow the parent's processes until it has ended, then end them."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    followed = _ProcessTree(parent)
    while True:
        ready, _, _ = select.select([0], [], [], SECONDS_OF_A_START if followed.starts else SECONDS)
        word = os.read(0, 1) if ready else None
        if word == b"":
            break
        if word == b"+":
            followed.began()
        elif word == b"-":
            followed.ended()
        else:
            followed.look()
        if word:
            os.write(1, word)
    followed.starts = 0
    followed.end()


if __name__ == "__main__":
    _main(int(sys.argv[1]))
