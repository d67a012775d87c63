"""Every script of benchmarks can be started; mypy checks what it calls."""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py") if 'if __name__ == "__main__":' in path.read_text("utf-8"))


def test_the_scripts_are_found() -> None:
    assert len(SCRIPTS) > 25


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_benchmark_starts_and_says_what_it_measures(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
    script = importlib.import_module(f"benchmarks.{name}")
    assert script.__doc__
    with pytest.raises(SystemExit) as ended:
        script.main()
    assert ended.value.code == 0
    assert "usage:" in capsys.readouterr().out


def test_what_the_scripts_import_in_programs_of_other_processes_exists() -> None:
    lines = [line for path in FOLDER.glob("*.py") for line in path.read_text("utf-8").split("\n")]
    imports = [re.match(r"\W*from ((?:synthgen|evaluator)[\w.]*) import (\w+(?:, \w+)*)", line) for line in lines]
    named = {f"{found[1]}.{name}" for found in imports if found for name in found[2].split(", ")}
    assert len(named) > 100
    for name in sorted(named):
        assert pkgutil.resolve_name(name) is not None
