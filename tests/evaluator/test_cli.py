"""The `evaluator` command line: what its help says, what it prints, and how it ends."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import evaluator
from evaluator.cli.commands import app, print_plan, print_training
from synthgen.console import note_next_on_data
from synthgen.runtime.typer_command import Arguments

from . import experiments

results_file = experiments.results_file

COMMANDS = ("targets", "data check", "data fetch", "train", "compare", "plan", "init", "run", "score", "report")


def run(*words: str) -> str:
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_and_names_no_file_that_users_do_not_have(command: str) -> None:
    shown = " ".join(run(*command.split(), "--help").split())
    assert f"Example: evaluator {command}" in shown
    assert not re.search(r"design\.md|reference/|shared/data|LOG\.md", shown)


def test_compare_and_plan_have_the_same_options_but_for_the_report() -> None:
    compared, planned = (set(re.findall(r"--[a-z-]+", run(name, "--help"))) for name in ("compare", "plan"))
    assert compared - planned == {"--out", "--margin", "--primary", "--keep-weights", "--track"}
    assert planned - compared == {"--assume"}


def test_json_is_what_the_function_returns() -> None:
    assert json.loads(run("targets", "--json")) == evaluator.targets()


def test_a_comma_separated_list_is_the_sequence_of_the_function(samples: Path) -> None:
    shown = json.loads(run("data", "check", "--data-root", str(samples), "--targets", "xnli, udpos", "--json"))
    assert shown == evaluator.data_check(data_root=samples, targets=["xnli", "udpos"])
    table = run("data", "check", "--data-root", str(samples), "--targets", "xnli")
    assert re.search(r"xnli +de +test +30 +[0-9a-f]{16} +yes", table)


def test_a_report_prints_its_verdicts_and_its_place_or_the_comparison(
    results_file: Callable[..., Path], tmp_path: Path
) -> None:
    source, out = results_file(), tmp_path / "page.html"
    assert f"report: {out}" in run("report", str(source), "--out", str(out))
    shown = json.loads(run("report", str(source), "--out", str(out), "--json"))
    assert shown == json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))


def test_a_report_is_to_be_published_only_from_a_folder_that_has_its_scores(
    results_file: Callable[..., Path], tmp_path: Path
) -> None:
    source = results_file()
    is_named = {}
    for folder in (source.parent, tmp_path / "elsewhere"):
        done = CliRunner().invoke(app, ["report", str(source), "--out", str(folder / "page.html")])
        is_named[folder.name] = "next: evaluator publish" in done.output
    assert is_named == {source.parent.name: True, "elsewhere": False}


def test_a_plan_is_printed_as_arms_runs_and_totals(capsys: pytest.CaptureFixture[str]) -> None:
    arm = {"name": "real", "rows": 1200, "origin": "real", "tasks": ["mnli"], "model": None}
    job = {"label": "xnli seed 0", "steps": 10, "training_tokens": 5000, "inference_tokens": 7}
    plan: dict[str, Any] = {"estimand_hash": "abc", "runs": 1, "arms": [arm], "jobs": [job]}
    words = ["evaluator", "plan", "none=none", "real=my sets/real", "--targets", "xnli"]
    print_plan(plan, Arguments({"arms": words[2:4]}, words))
    shown, error = capsys.readouterr()
    assert error == "next: evaluator compare none=none 'real=my sets/real' --targets xnli\n"
    for line in (r"real +1,200 +real mnli", r"xnli seed 0 +10 +5,000 +7", "estimand hash: abc", "runs: 1"):
        assert re.search(line, shown), line


def test_after_the_plan_of_an_experiment_file_comes_the_run_that_makes_its_data(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plan: dict[str, Any] = {"estimand_hash": "abc", "runs": 0, "arms": [], "jobs": []}
    for more, following in ((), "run e.toml"), (("--seeds", "3"), "compare e.toml --seeds 3"):
        print_plan(plan, Arguments({"arms": ["e.toml"]}, ["evaluator", "plan", "e.toml", *more]))
        assert capsys.readouterr().err == f"next: evaluator {following}\n"


def test_the_command_after_a_list_or_a_check_is_one_that_can_be_given(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "store.json").write_text('{"version": 1}')
    following = {
        "targets --new pair topics.toml": ["evaluator targets --check topics.toml"],
        "targets --check topics.toml": ["evaluator data check --targets topics.toml"],
        f"data check --data-root {samples} --targets xnli": [
            f"evaluator plan none=none --targets xnli --languages de,en,es,hi,sw,tr,zh --data-root {samples}"
        ],
        f"data check --data-root {samples} --targets topics.toml": [
            "run the same command again when these files exist"
        ],
        f"data check --data-root {tmp_path} --targets xnli": [
            f"evaluator data fetch --data-root {tmp_path} --targets xnli"
        ],
        "init experiment.toml": ["evaluator run experiment.toml --check"],
    }
    for command, commands in following.items():
        app(command.split(), standalone_mode=False)
        shown = [line for line in capsys.readouterr().err.splitlines() if line.startswith("next: ")]
        assert shown == [f"next: {each}" for each in commands], command


TOPICS = """
title = "Topics"
format = "pair"
languages = "en de"
labels = ["sport", "tea"]
metrics = ["accuracy"]
licence = "CC0-1.0"
citation = "none"
columns = { text_a = "text", label = "topic" }
train_sources = [{ paths = ["topics/train.jsonl"], origin = "this test" }]

[sources]
test = [{ paths = ["topics/{language}.jsonl"], origin = "this test" }]
"""


def test_data_check_says_what_a_target_of_ones_own_lacks_and_names_its_file_in_the_next_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "topics").mkdir()
    (tmp_path / "topics.toml").write_text(TOPICS, encoding="utf-8")
    root, target = f"--data-root {tmp_path}", tmp_path / "topics.toml"
    lacking, shown = ["topics/en.jsonl", "topics/de.jsonl", "topics/train.jsonl"], []
    for name in ["", *lacking]:
        if name:
            (tmp_path / name).write_text('{"text": "A cup of it.", "topic": "tea"}\n', encoding="utf-8")
        app(f"data check {root} --targets {target}".split(), standalone_mode=False)
        shown.append(capsys.readouterr().err.splitlines())
    again, plan = (
        "next: run the same command again when these files exist",
        f"next: evaluator plan none=none --targets {target}",
    )
    assert shown == [
        [f"topics lacks {', '.join(lacking)}, which come from this test", again],
        [f"topics lacks {', '.join(lacking[1:])}, which come from this test", again],
        [f"topics lacks {lacking[2]}, which come from this test", again],
        [f"{plan} {root}"],
    ]
    (tmp_path / lacking[1]).unlink()
    app(f"data check {root} --targets {target}".split(), standalone_mode=False)
    assert capsys.readouterr().err.splitlines()[1:] == [f"{plan} --languages en {root}"]


def test_without_a_data_root_the_next_command_is_the_one_that_fetches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SYNTHGEN_DATA", raising=False)
    fetch, plan = "evaluator data fetch --data-root data", "evaluator plan none=none --targets all"
    note_next_on_data(plan)
    assert capsys.readouterr().err == f"next: {fetch}\nnext: {plan}\n"
    (tmp_path / "data").mkdir()
    note_next_on_data(plan)
    assert capsys.readouterr().err == f"next: {plan}\n"


def test_a_training_is_printed_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    training = {"steps": 3, "examples": 24, "final_loss": 1.23456}
    print_training({"results": {"training": training}}, {"out": "runs/model"})
    shown = capsys.readouterr()
    assert shown.out == "runs/model: 3 steps, 24 examples, loss 1.235\n"
    assert shown.err.endswith("next: evaluator compare none=none trained=model:runs/model --targets all\n")


def test_wrong_input_ends_with_one_line_and_exit_code_2() -> None:
    code = "import sys; sys.argv = ['evaluator', 'compare', 'none=none', '--margin', '0']; "
    done = subprocess.run(
        [sys.executable, "-c", code + "from evaluator.cli.commands import main; main()"],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "error: --margin 0: the equivalence margin is in points, above 0 and at most 100; default 0.5"
    ]
