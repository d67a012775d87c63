"""Worker processes: they end with their parent, and one that is lost is an error of one line."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from synthgen.errors import IncompleteError
from synthgen.runtime.workers import Workers

_SCRIPT = """
from time import sleep
from synthgen.runtime.workers import Workers
from tests.synthgen.test_workers import pid_and_wait
if __name__ == "__main__":
    with Workers(2) as workers:
        for pid in workers.map(pid_and_wait, [0.2, 0.2, 0.2, 0.2, 60, 60, 60, 60]):
            print(pid, flush=True)
"""


def pid_and_wait(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def _kill(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _wait_for_end(pids: set[int], seconds: float) -> set[int]:
    """Return the processes that still run when all have ended or the time is up."""
    until = time.monotonic() + seconds
    while pids and time.monotonic() < until:
        pids = {pid for pid in pids if Path(f"/proc/{pid}").exists()}
        time.sleep(0.05)
    return pids


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_a_parent_that_is_killed_or_interrupted(tmp_path: Path, ending: signal.Signals) -> None:
    script = tmp_path / "parent.py"
    script.write_text(_SCRIPT)
    path = {"PYTHONPATH": str(Path(__file__).parents[2])}
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, str(script)], env=os.environ | path, text=True, **quiet) as parent:  # type: ignore[call-overload]
        pids = {int(parent.stdout.readline()) for _ in range(4)}
        parent.send_signal(ending)
        parent.wait(timeout=10)
    assert not _wait_for_end(pids, 10)


def test_a_worker_that_is_killed_is_one_line_with_what_to_do() -> None:
    with (
        pytest.raises(IncompleteError, match="one of 2 worker processes was killed.*--processes 1"),
        Workers(2) as pool,
    ):
        list(pool.map(_kill, range(8)))


def test_an_error_ends_work_that_has_begun_at_once() -> None:
    start = time.monotonic()
    with pytest.raises(KeyError), Workers(2) as pool:  # noqa: PT012 - the block's own error is the subject
        next(pool.map(pid_and_wait, [0, 0, 0, 0, 60, 60, 60, 60]))
        raise KeyError
    assert time.monotonic() - start < 30
