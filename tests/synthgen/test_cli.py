"""The `synthgen` command as a user meets it: listings, one-line errors, exit codes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from synthgen import __version__
from synthgen.cli.commands import app
from synthgen.dataset.schemas import faults

SYNTHGEN = Path(sys.executable).with_name("synthgen")


def synthgen(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(SYNTHGEN), *words], capture_output=True, text=True, check=False, cwd=cwd)


def test_tasks_as_json_is_valid_by_its_schema_and_stdout_holds_nothing_else() -> None:
    done = synthgen("tasks", "--json")
    assert done.returncode == 0
    assert faults(json.loads(done.stdout), "tasks") == []


def test_every_public_function_is_a_function_at_its_second_use_too() -> None:
    code = "import synthgen; print(*(n for n in synthgen.FUNCTIONS if getattr(synthgen, n) != getattr(synthgen, n)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_version_is_the_installed_one() -> None:
    assert synthgen("--version").stdout.strip() == f"synthgen {__version__}"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("make", "--task", "mnly"), "unknown task 'mnly'; did you mean 'mnli'?"),
        (("make", "--task", "mnli", "--n", "0"), "--n 0 is less than 1"),
        (("make", "--task", "mnli", "--n", "5", "--max-requests", "3"), "--max-requests 3 cannot make 5 rows"),
        (("make", "--task", "mnli", "--n", "5", "--model", "pack:smolm2"), "unknown pack 'smolm2'"),
        (("make", "--task", "mnli", "--n", "5", "--decoding", "xml"), "--decoding 'xml' is neither 'plain' nor 'json'"),
        (("make", "--task", "mnli", "--n", "5", "--engine", "vlm"), "unknown engine 'vlm'; did you mean 'vllm'?"),
        (
            ("make", "--task", "mnli", "--engine", "endpoint", "--model", "pack:x"),
            "--model 'pack:x' is not an endpoint",
        ),
        (("make", "--task", "mnli", "--engine", "scripted", "--model", "no.jsonl"), 'such as {"text": "It rains."}'),
        (("make", "--task", "mnli", "--n", "5", "--timeout", "0"), "--timeout 0; allowed: seconds above 0"),
        (("make", "--task", "mnli", "--n", "5", "--preview", "-1"), "--preview -1; allowed: 1 or more"),
        (("make", "--task", "mnli", "--n", "5", "--preview", "1", "--filters", "no.toml"), "cannot read no.toml"),
        (("why", "nowhere", "mnli-s0-0000001"), "no dataset folder at nowhere"),
        (("card", "nowhere"), "no dataset folder at nowhere"),
        (("packs", "push"), "unknown action 'push'"),
        (("import", "mnli", "--from", "nowhere", "--out", "x"), "nowhere"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(words: tuple[str, ...], line: str, tmp_path: Path) -> None:
    done = synthgen(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert line in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


@pytest.mark.parametrize("command", sorted(typer.main.get_command(app).commands))
def test_every_command_has_help_with_an_example(command: str) -> None:
    done = CliRunner().invoke(app, [command, "--help"])
    assert done.exit_code == 0
    assert re.search(f"Examples?: synthgen {command} ?", " ".join(done.stdout.split()))


def test_import_then_card_then_why_on_the_shipped_sample(tmp_path: Path) -> None:
    out = tmp_path / "sample"
    made = synthgen("import", "mnli", "--from", "sample", "--out", str(out), "--json")
    assert made.returncode == 0, made.stderr
    manifest = json.loads(made.stdout)
    assert (manifest["origin"], manifest["kept"]) == ("sample", 60)
    card = (out / "README.md").read_text()
    assert synthgen("card", str(out)).returncode == 0
    assert (out / "README.md").read_text() == card
    story = json.loads(synthgen("why", str(out), _first_id(out), "--json").stdout)
    first, second = synthgen("why", str(out), _first_id(out)).stdout.splitlines()[:2]
    assert first.endswith(": kept"), "a kept row has no reason, stage or evidence to print"
    assert second.startswith("  premise: ")
    assert story["verdict"] == "kept"


def test_a_wrong_engine_leaves_no_folder_that_would_refuse_the_right_one(tmp_path: Path) -> None:
    assert (
        synthgen("make", "--task", "mnli", "--n", "5", "--engine", "vlm", "--out", "out", cwd=tmp_path).returncode == 2
    )
    assert not (tmp_path / "out").exists()


def test_a_set_without_a_prompt_file_gets_its_card_anew(tmp_path: Path) -> None:
    row = '{"premise": "It rained all day.", "hypothesis": "The day was wet.", "label": "entailment"}\n'
    (tmp_path / "snli.jsonl").write_text(row)
    assert synthgen("import", "snli", "--from", "snli.jsonl", "--out", "out", cwd=tmp_path).returncode == 0
    card = (tmp_path / "out" / "README.md").read_text()
    assert synthgen("card", "out", cwd=tmp_path).returncode == 0
    assert (tmp_path / "out" / "README.md").read_text() == card


def _first_id(folder: Path) -> str:
    from synthgen.dataset import read_rows

    return str(next(read_rows(folder))["id"])
