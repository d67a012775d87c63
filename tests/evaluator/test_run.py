"""`evaluator run` on the example that ships with the project: the same bytes twice, and after any kill."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import evaluator
from synthgen.errors import IncompleteError, UserError
from tests.data import TINY_DATA_ROOT

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
    for name in ("arms.json", "experiment.json", "overlap.json"):
        shutil.copy(f"runs/tiny/{name}", "apart")
    shutil.copy("runs/tiny/results.jsonl", "apart")
    alone = evaluator.report("apart/results.jsonl", out="alone/report.html")
    stored = evaluator.report("runs/tiny/store", out="stored/report.html")
    assert alone.document() == stored.document()
    assert "|items:all|" in alone.signature


def test_seeds_are_added_within_the_budget_and_the_next_ones_are_named(example: Path) -> None:
    data = shutil.copytree(TINY_DATA_ROOT, "data")
    changes = [f"data_root={data}", "folder=runs/more", "max_eval_examples=30", "arms.half=none", "seeds=2"]
    changes += ['targets=["xnli", "udpos"]', "recipe.stages.xnli={ epochs = 1 }"]
    with pytest.raises(IncompleteError, match="the experiment itself takes about .* more than --budget; nothing was"):
        evaluator.run(FILE, changes=changes, until_resolved=True, budget=1e-4)
    evaluator.run(FILE, changes=changes)
    found = evaluator.run(FILE, changes=changes, until_resolved=True, budget=1e-4)
    assert re.fullmatch(
        r"the next step would exceed the budget: 4 seeds per arm for the comparison of \w+ and \w+ at full size .*"
        r", about .*",
        found.end,
    )
    assert found.comparison is not None
    assert {pair.seeds for pair in (p.estimate for p in found.comparison.headline())} == {2}
    more = evaluator.run(FILE, changes=changes, until_resolved=True, budget=0.1)
    assert max(pair.estimate.seeds for pair in more.comparison.headline()) in (4, 6, 8)
    with pytest.raises(UserError, match="give --until-resolved and --budget HOURS together"):
        evaluator.run(FILE, until_resolved=True)
