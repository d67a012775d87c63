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


def test_what_two_faults_left_is_one_state_only_where_times_and_writers_of_drafts_alone_differ(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from tests.faults.harness import state_of

    states = []
    for number, (name, text) in enumerate(
        [
            (".a.json.host-1-2.00000000.draft", '{\n"seconds": 1.5,\n"n": 1}'),
            (".a.json.host-3-4.ffffffff.draft", '{\n"seconds": 2.25,\n"n": 1}'),
            (".a.json.host-3-4.ffffffff.draft", '{\n"seconds": 2.25,\n"n": 2}'),
            ("a.json", '{\n"seconds": 1.5,\n"n": 1}'),
        ]
    ):
        (folder := tmp_path / str(number)).mkdir()
        (folder / name).write_text(text)
        states.append(state_of(folder))
    assert states[0] == states[1]
    assert len(set(states)) == 3
