"""The commands of `make demo`: each takes its options, and data that ship are all it needs."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import typer

import evaluator.cli
import synthgen.cli
from evaluator.demo import STUDY, TEST_ITEMS, commands

APPS = {"synthgen": synthgen.cli.app, "evaluator": evaluator.cli.app}


@pytest.mark.parametrize("data_root", [None, Path("mine")])
def test_every_command_takes_the_options_that_the_demo_gives_it(data_root: Path | None) -> None:
    for step in commands(Path("runs/demo"), data_root):
        command, rest = typer.main.get_command(APPS[step.words[0]]), list(step.words[1:])
        while hasattr(command, "commands"):
            command, rest = command.commands[rest[0]], rest[1:]
        command.make_context(step.words[0], rest)


def test_the_demo_needs_neither_a_hub_nor_a_data_root() -> None:
    words = [word for step in commands(Path("runs/demo")) for word in step.words]
    assert "hub" not in words
    assert not any(word == "fetch" or word.startswith(("http", "/")) for word in words)


def test_the_demo_scores_at_least_two_hundred_items_of_each_language_that_ships() -> None:
    (compare,) = (step.words for step in commands(Path("runs/demo")) if step.words[1] == "compare")
    given = dict(pairwise(compare))
    assert int(given["--max-eval-examples"]) == TEST_ITEMS >= 200
    languages, targets = given["--languages"].split(","), given["--targets"].split(",")
    rows = evaluator.data_check(data_root=given["--data-root"], targets=targets)
    sets = {(row["target"], row["language"]) for row in rows if row["split"] == "test" and row["rows"] >= TEST_ITEMS}
    wanted = {(target, language) for target in targets for language in languages} - {("tatoeba", "en")}
    assert wanted <= sets


def test_the_report_of_a_study_is_computed_where_its_results_are() -> None:
    last = commands(Path("runs/demo"))[-1].words
    assert (last[1] == "report") == STUDY.is_file()
