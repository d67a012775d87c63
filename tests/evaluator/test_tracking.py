"""`--track`: what a tracker is told, and that no tracker ends or changes a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import evaluator
from evaluator.stats.results import read_results
from evaluator.tracking.backend import TRACKERS
from evaluator.tracking.tracker import Tracker, step_text
from synthgen.errors import UserError
from tests.evaluator.conftest import write_pairs

pytest.importorskip("torch")
CHECKOUT = Path(__file__).parents[2]

RECORDING = '''
"""Writes down what it is told; FAILS_AT says at which call it fails."""
import json, os
from pathlib import Path

calls = 0

def _told(*what):
    global calls
    calls += 1
    print("a tracker that prints")
    if str(calls) == os.environ.get("FAILS_AT"):
        raise RuntimeError("the server is gone\\nfor good")
    with Path(os.environ["TOLD"]).open("a") as file:
        file.write(json.dumps(what) + "\\n")

class Settings:
    def __init__(self, **values):
        self.values = values

class Run:
    def __init__(self, name):
        self.name = name
    def log(self, values, step=None):
        _told("log", self.name, values, step)
    def finish(self):
        _told("finish", self.name)

def init(*, project, name, config, settings=None, reinit=None, auto_log_cpu=None):
    _told("init", name, config, project, settings.values if settings else {}, reinit, auto_log_cpu)
    return Run(name)
'''


def command(package: str, folder: Path, *arguments: str, fails_at: int = 0) -> tuple[Any, list[list[Any]]]:
    """Run a command with a package of that name that records; return the process and what was told."""
    (folder / "packages").mkdir(exist_ok=True)
    (folder / "packages" / f"{package}.py").write_text(RECORDING)
    told = folder / "told.jsonl"
    told.unlink(missing_ok=True)
    environment = {"PYTHONPATH": f"{CHECKOUT}{os.pathsep}{folder / 'packages'}", "TOLD": str(told)}
    environment |= {"FAILS_AT": str(fails_at)} if fails_at else {}
    code = "from evaluator.cli.commands import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--track", package, "--json"],
        capture_output=True, text=True, check=False, env=os.environ | environment,
    )  # fmt: skip
    return done, [json.loads(line) for line in told.read_text().splitlines()] if told.exists() else []


@pytest.fixture
def train(tiny_model: Path, tiny_recipe: str, tmp_path: Path) -> list[str]:
    data = write_pairs(tmp_path / "set", 24)
    return ["train", str(data), "--model", str(tiny_model), "--recipe", tiny_recipe, "--out"]


@pytest.mark.parametrize("package", ["trackio", "wandb"])
@pytest.mark.slow
def test_a_training_is_told_step_by_step_and_nothing_of_the_machine(
    package: str, train: list[str], tmp_path: Path
) -> None:
    done, told = command(package, tmp_path, *train, str(tmp_path / "model"))
    assert done.returncode == 0, done.stderr
    manifest = json.loads(done.stdout)
    training = manifest["results"]["training"]
    assert [each[0] for each in told] == ["init", *["log"] * (training["steps"] + 1), "finish"]
    (_, name, config, project, settings, reinit, logs_load), *logs, _ = told
    assert (name, project) == ("intermediate 24 rows seed 0", "evaluator")
    assert config["seed"] == 0
    assert config["stage"] == manifest["inputs"]["stage"]
    if package == "wandb":
        assert reinit == "create_new"
        assert (settings["disable_git"], settings["x_disable_meta"], settings["console"]) == (True, True, "off")
    else:
        assert logs_load is False
    assert [each[3] for each in logs] == [*range(1, training["steps"] + 1), None]
    assert logs[0][2]["loss"] == pytest.approx(training["first_loss"], abs=6e-4)
    assert logs[-1][2]["tokens/s"] == training["tokens"] / training["seconds"]
    assert str(tmp_path) not in json.dumps(told)
    again, nothing = command(package, tmp_path, *train, str(tmp_path / "model"))
    assert (again.returncode, nothing) == (0, [])


@pytest.mark.slow
def test_a_tracker_that_fails_in_the_middle_is_said_once_and_the_run_is_the_same(
    train: list[str], tmp_path: Path
) -> None:
    whole, _ = command("wandb", tmp_path, *train, str(tmp_path / "whole"))
    failed, told = command("wandb", tmp_path, *train, str(tmp_path / "failed"), fails_at=3)
    assert (whole.returncode, failed.returncode) == (0, 0)
    lines = [line for line in failed.stderr.splitlines() if "--track" in line]
    assert lines == ["--track wandb stops here, the runs continue: the server is gone"]
    assert "Traceback" not in failed.stderr
    assert len(told) == 2
    manifests = [json.loads(done.stdout) for done in (whole, failed)]
    assert manifests[0]["files"]["model.safetensors"] == manifests[1]["files"]["model.safetensors"]
    assert manifests[0]["key"] == manifests[1]["key"]


def test_a_tracker_that_never_answers_is_left_behind(capsys: pytest.CaptureFixture[str]) -> None:
    forever = threading.Event()

    class Silent:
        def log(self, values: object, step: int | None) -> None:
            forever.wait()

        def finish(self) -> None:
            raise AssertionError("it was never told all")

    tracker = Tracker("wandb", lambda: lambda name, config: Silent())
    tracker.begin("key", "name", {})
    tracker.progress("key", "step 1/2 loss 0.500")
    tracker.end("key", dict)
    tracker.close(0.2)
    forever.set()
    assert (
        "--track wandb stops here, the runs continue: it did not receive all values within 0 s"
        in capsys.readouterr().err
    )


class Told:
    """A run that remembers the steps it was told of, and whether it has ended."""

    def __init__(self) -> None:
        self.steps: list[int | None] = []
        self.is_finished = False

    def log(self, values: Any, step: int | None) -> None:
        self.steps.append(step)

    def finish(self) -> None:
        self.is_finished = True


def test_a_second_stage_follows_the_whole_first_also_where_ray_told_only_some_steps_and_began_it_again() -> None:
    run = Told()
    tracker = Tracker("wandb", lambda: lambda name, config: run)
    tracker.begin("key", "name", {})
    for stage, step, steps in (("pretraining", 3, 10), ("", 7, 20), ("", 9, 20), ("pretraining", 4, 10), ("", 2, 20)):
        tracker.progress("key", step_text(step, steps, 0.5, stage))
    tracker.end("key", dict)
    tracker.close(5.0)
    assert run.steps == [3, 17, 19, 4, 12]


def test_what_a_run_has_said_until_it_was_interrupted_is_written() -> None:
    run = Told()
    tracker = Tracker("tensorboard", lambda: lambda name, config: run)
    tracker.begin("key", "name", {})
    tracker.progress("key", step_text(1, 10, 0.5))
    tracker.close(5.0)
    assert (run.steps, run.is_finished) == ([1], True)


def test_an_unknown_tracker_and_one_that_is_not_installed_are_refused_before_anything_is_made(
    datasets: dict[str, Path], tiny_model: Path, samples: Path, tmp_path: Path
) -> None:
    def compare(track: str) -> None:
        evaluator.compare(
            [f"real={datasets['real']}"], targets=["xnli"], languages=["es"], model=str(tiny_model), data_root=samples,
            store=tmp_path / "store", out=tmp_path / "out" / "report.html", track=track,
        )  # fmt: skip

    with pytest.raises(UserError, match="--track 'wanbd'"):
        compare("wanbd")
    lacking = [name for name in TRACKERS if find_spec(name) is None]
    for name in lacking:
        with pytest.raises(UserError, match=rf"--track {name} needs .*pip install 'synthgen-evaluator\[track\]'"):
            compare(name)
        with pytest.raises(UserError, match=rf"--track {name} needs"):
            evaluator.train(datasets["real"], out=tmp_path / "model", track=name)
    assert not any((tmp_path / name).exists() for name in ("store", "out", "model"))


def test_tensorboard_reads_back_losses_scores_and_verdicts_of_what_a_comparison_added(
    datasets: dict[str, Path], tiny_model: Path, tiny_recipe: str, samples: Path, tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed (the extra track)")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def compare(**changes: Any) -> None:
        evaluator.compare(
            ["none=none", f"real={datasets['real']}"], targets=["xnli"], languages=["es", "de"], model=str(tiny_model),
            recipe=tiny_recipe, data_root=samples, store=tmp_path / "store", out=tmp_path / "out" / "report.html",
            max_train_examples=8, max_eval_examples=6, **{"seeds": 2, "track": "tensorboard", **changes},
        )  # fmt: skip

    def read() -> dict[str, EventAccumulator]:
        runs = {path.name: EventAccumulator(str(path)) for path in sorted((tmp_path / "out" / "tensorboard").iterdir())}
        for run in runs.values():
            run.Reload()
        return runs

    compare()
    runs = read()
    trained = runs["real_24,_xnli_seed_0"]
    losses = trained.Scalars("loss")
    assert [event.step for event in losses] == list(range(1, len(losses) + 1))
    assert trained.Scalars("steps")[0].value == len(losses)
    for row in read_results(tmp_path / "out" / "results.jsonl").rows:
        name = "scores_none" if row.arm == "none" else "scores_real_24"
        [told] = runs[f"{name}_seed_{row.seed}"].Scalars(f"{row.target}/{row.language}/{row.metric}")
        assert told.value == pytest.approx(row.value)
    assert any(tag.startswith("verdict/") for tag in runs["verdicts"].Tags()["tensors"])
    files = [path for path in (tmp_path / "out" / "tensorboard").rglob("*") if path.is_file()]
    assert not any(str(tmp_path).encode() in path.read_bytes() for path in files)
    assert len(runs) == 2 * (3 + 2) + 1  # three models a seed, the scores of two arms a seed, the verdicts

    compare()
    assert [path for path in (tmp_path / "out" / "tensorboard").rglob("*") if path.is_file()] == files
    keys = sorted(path.name for path in (tmp_path / "store" / "target").iterdir())
    compare(track=None)
    assert sorted(path.name for path in (tmp_path / "store" / "target").iterdir()) == keys
