"""A fault of the GPU costs one run a second try, in a new process; a second one costs that run alone."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from evaluator.sweep.run_log import with_second_try
from synthgen.errors import IncompleteError

FAULT = "CUDA error: unspecified launch failure\nCUDA kernel errors might be asynchronously reported"


def flaky(marks: Path, faults: int, error: Exception, _: Callable[[str], None]) -> None:
    """Fail so many times; each call leaves a file in `marks` with the number of its process."""
    import os

    (marks / f"{len(list(marks.iterdir()))}").write_text(str(os.getpid()))
    if len(list(marks.iterdir())) <= faults:
        raise error


def test_a_run_whose_gpu_failed_once_is_done_in_a_new_process(tmp_path: Path) -> None:
    lines: list[str] = []
    with_second_try(partial(flaky, tmp_path, 1, RuntimeError(FAULT)), print, log=lines.append)
    processes = {each.read_text() for each in tmp_path.iterdir()}
    assert len(processes) == 2
    assert lines == ["the GPU failed, the run is tried again in a new process: CUDA error: unspecified launch failure"]


def test_a_second_fault_is_that_runs_end_and_says_so_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(IncompleteError, match="^the GPU failed twice: CUDA error: unspecified launch failure; [^\n]*$"):
        with_second_try(partial(flaky, tmp_path, 2, RuntimeError(FAULT)), print, log=print)


@pytest.mark.parametrize("error", [RuntimeError("size mismatch"), IncompleteError("it diverged"), OSError("disk")])
def test_no_other_error_is_tried_again(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error), match=str(error)):
        with_second_try(partial(flaky, tmp_path, 1, error), print, log=print)
    assert len(list(tmp_path.iterdir())) == 1
