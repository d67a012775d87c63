"""`evaluator run` on the example that ships with the project: the same bytes twice, and after any kill."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import evaluator

pytest.importorskip("torch")
pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).parents[2]
FILE = "examples/tiny/experiment.toml"
FILES = ("results.jsonl", "comparison.json", "results.md", "experiment.json", "arms.json")


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the example with its model, run once; the folder where its commands are given."""
    here, folder = Path.cwd(), tmp_path_factory.mktemp("example")
    shutil.copytree(CHECKOUT / "examples", folder / "examples", ignore=shutil.ignore_patterns("model"))
    runpy.run_path(str(folder / "examples/tiny/model.py"), run_name="__main__")
    os.chdir(folder)
    evaluator.run(FILE)
    yield folder
    os.chdir(here)


def start(*words: str) -> subprocess.Popen[bytes]:
    code = "from evaluator.cli.commands import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    return subprocess.Popen([sys.executable, "-c", code, "run", FILE, *words], env=environment)


def kill_when(process: subprocess.Popen[bytes], reached: Callable[[], bool]) -> None:
    while not reached():
        assert process.poll() is None, f"ended with {process.returncode} too early"
        time.sleep(0.02)
    process.kill()
    process.wait()


def finished(folder: Path) -> int:
    return len(list(folder.glob("[!.]*")))


def test_killed_in_its_data_and_in_its_runs_it_ends_with_the_same_bytes(example: Path) -> None:
    expected = {name: Path("runs/tiny", name).read_bytes() for name in FILES}
    Path("runs/tiny").rename("runs/first")
    folder = Path("runs/tiny")
    kill_when(start(), lambda: (folder / "real/synthgen.json").exists())
    kill_when(start(), lambda: finished(folder / "store/target") >= 3)
    assert start().wait(timeout=300) == 0
    assert {name: (folder / name).read_bytes() for name in FILES} == expected


def test_a_report_from_the_results_alone_and_one_from_the_store_are_one(example: Path) -> None:
    shutil.copytree("runs/tiny/items", "apart/items")
    shutil.copy("runs/tiny/experiment.json", "apart")
    shutil.copy("runs/tiny/results.jsonl", "apart")
    alone = evaluator.report("apart/results.jsonl", out="alone/report.html")
    stored = evaluator.report("runs/tiny/store", out="stored/report.html")
    assert alone.document() == stored.document()
    assert "|items:all|" in alone.signature
