"""A fixed tenth of the faults of `make faults`, in a process of its own: the library that injects them is preloaded."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or shutil.which("cc") is None, reason="needs Linux and a C compiler")
def test_a_fault_at_any_write_of_any_command_is_one_line_and_the_same_command_goes_on() -> None:
    pytest.importorskip("torch")
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", "--part", "10"], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
