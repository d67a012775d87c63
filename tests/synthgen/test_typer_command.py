"""A command built from a function: options from the signature, help from the docstring, the result printed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner, Result

from synthgen import console
from synthgen.runtime.typer_command import COMMAS, add_command

Folder = Annotated[Path, typer.Argument(help="A dataset folder.")]
Rows = Annotated[int | str, typer.Option(help="Rows to keep.")]
Source = Annotated[str | Path | None, typer.Option("--from", help="Where rows come from.")]
Against = Annotated[Sequence[Path], typer.Option(help="Evaluation set. Repeatable.")]
Languages = Annotated[Sequence[str], typer.Option(help="Codes."), COMMAS]
Processes = Annotated[int, typer.Option(default_factory=lambda: 7, help="Processes.")]
Check = Annotated[bool, typer.Option("--check", help="Write nothing.")]


@dataclass
class Outcome:
    rows: str
    exit_code: int = 0


def tally(
    folder: Folder,
    *,
    n: Rows = "real",
    source: Source = None,
    against: Against = (),
    languages: Languages = ("de", "sw"),
    processes: Processes = 1,
    check: Check = False,
    started_engine: object | None = None,
) -> Outcome:
    """Count rows.

    Example: app tally runs/mnli

    `started_engine` is for notebooks.
    """
    assert started_engine is None
    return Outcome(repr((folder, n, source, against, languages, processes)), exit_code=2 if check else 0)


def run(*words: str) -> Result:
    app = console.new_app("app", "Counts.")
    add_command(app, "tally", tally, lambda result, arguments: print(arguments["folder"], result.rows))
    return CliRunner().invoke(app, list(words))


def test_each_kind_of_option_reaches_the_function_as_python_has_it() -> None:
    words = ["tally", "x", "--n", "5", "--from", "hub", "--against", "a", "--against", "b", "--languages", "es, ca"]
    done = run(*words)
    assert done.exit_code == 0
    assert done.stdout.strip() == f"x {(Path('x'), '5', 'hub', [Path('a'), Path('b')], ['es', 'ca'], 7)!r}"


def test_defaults_are_those_of_the_signature_unless_the_option_has_a_factory() -> None:
    rows = json.loads(run("tally", "x", "--json").stdout)["rows"]
    assert rows == repr((Path("x"), "real", None, (), ("de", "sw"), 7))


def test_the_help_ends_with_the_examples_and_has_no_option_that_exists_only_in_python() -> None:
    shown = run("tally", "--help").stdout
    assert "Count rows." in shown
    assert "Example: app tally" in shown
    assert "notebooks" not in shown
    assert "--started-engine" not in shown
    assert "de,sw" in shown


def test_a_result_with_an_exit_code_ends_the_command_with_it() -> None:
    assert run("tally", "x", "--check", "--json").exit_code == 2
    assert run("tally", "x", "--check").exit_code == 2


def test_a_function_that_is_named_is_imported_only_when_its_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_to_import.py").write_text('def count() -> int:\n    """Count all."""\n\n\nraise RuntimeError\n')
    monkeypatch.syspath_prepend(tmp_path)
    app = console.new_app("app", "Counts.")
    add_command(app, "count", "slow_to_import:count", print)
    assert "Count all." in CliRunner().invoke(app, ["--help"]).stdout
    assert isinstance(CliRunner().invoke(app, ["count"]).exception, RuntimeError)


@pytest.mark.parametrize("words", [("tally", "x", "--nn", "1"), ("tally", "x", "--processes", "y")])
def test_wrong_words_end_with_exit_code_2(words: tuple[str, ...]) -> None:
    assert run(*words).exit_code == 2
