"""The process of a command and those it starts: how they end, whatever ends the first of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(CHECKOUT)}

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")

_COMMAND = """
import hashlib, sys, threading, time
from synthgen.runtime.entry import run
def work(**_):
    print("begun", flush=True)
    try:
        {work}
    finally:
        print("a library's word", file=sys.stderr)
if __name__ == "__main__":
    run(work)
"""
_PROGRAM = """
import subprocess, sys, time
print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid, flush=True)
time.sleep(60)
"""
_PARENT = """
import subprocess, sys, time
from synthgen.runtime.guard import ended_with_this_process
other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
with ended_with_this_process():
    program = subprocess.Popen([sys.executable, sys.argv[1]], stdout=subprocess.PIPE, text=True)
print(other.pid, program.pid, program.stdout.readline(), flush=True)
{ending}
"""


def still_running(pids: set[int], seconds: float) -> set[int]:
    """Return the processes that still run when all have ended or the time is up."""
    until = time.monotonic() + seconds
    while pids and time.monotonic() < until:
        pids = {pid for pid in pids if _is_running(pid)}
        time.sleep(0.05)
    return pids


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def start(script: Path, text: str, *arguments: str) -> subprocess.Popen[str]:
    script.write_text(text)
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, str(script), *arguments], stdout=pipe, stderr=pipe, text=True, env=ENVIRONMENT
    )


@pytest.mark.parametrize("ending", ["time.sleep(60)", "import os; os._exit(1)", ""])
def test_a_program_and_what_it_started_end_with_the_command_and_nothing_else_does(ending: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(_PROGRAM)
    with start(tmp_path / "parent.py", _PARENT.format(ending=ending), str(tmp_path / "program.py")) as parent:
        assert parent.stdout
        other, *started = map(int, parent.stdout.readline().split())
        if "sleep" in ending:
            time.sleep(0.5)
            parent.kill()
        parent.wait(10)
    assert still_running(set(started), 5) == set()
    assert _is_running(other)
    os.kill(other, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    "work",
    [
        "time.sleep(60)",
        "threading.Thread(target=time.sleep, args=(60,)).start(); time.sleep(60)",
        "hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)",
    ],
    ids=["waiting", "a thread that nobody ends", "one long call"],
)
def test_a_signal_ends_a_command_in_two_seconds_and_stopped_is_the_last_word(
    work: str, number: signal.Signals, tmp_path: Path
) -> None:
    with start(tmp_path / "command.py", _COMMAND.replace("{work}", work)) as command:
        assert command.stdout
        assert command.stderr
        command.stdout.readline()
        command.send_signal(number)
        sent = time.monotonic()
        assert command.wait(10) == 130
        assert time.monotonic() - sent < 5  # two on an idle machine
        assert command.stderr.read() == "stopped; to continue, run the same command again\n"
