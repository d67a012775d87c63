"""Prompt files that are wrong: every fault at once, each with its line."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest

from synthgen.errors import UserError
from synthgen.task.task_file import parse_task

GOOD = """+++
title = "A task"
format = "pair"
columns = ["premise", "hypothesis", "label"]
language = "en"
real_size = 3
licence = "mit"
source = "nobody"
stem = "premise"
[label_counts]
yes = 1
no = 2
[per_stem]
yes = 1
no = 2
[definitions]
yes = "it holds"
[conditions]
max_words = { hypothesis = 20 }
[attributes]
genre = ["a letter", "a story"]
style = { plain = 2, ornate = 1 }
[steps.premise]
max_tokens = 20
[steps.hypothesis]
temperature = 0.5
labels = ["yes", "no"]
+++
## premise
{{ genre }} {{ style }}:
## hypothesis
{{ premise }} {{ definition }}:
"""


def faults(*changes: tuple[str, str]) -> str:
    text = GOOD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    with pytest.raises(UserError) as caught:
        parse_task("a", text, where="prompts/a.md")
    return str(caught.value)


def test_a_good_file_gives_its_steps_attributes_and_conditions() -> None:
    task = parse_task("a", GOOD, where="prompts/a.md")
    assert [step.name for step in task.steps_of("yes")] == ["premise", "hypothesis"]
    assert task.attributes["style"].weights == (2, 1)
    assert (task.stem, task.per_stem, task.conditions.max_words) == ("premise", {"yes": 1, "no": 2}, {"hypothesis": 20})


def test_all_faults_are_named_at_once_with_their_lines() -> None:
    message = faults(
        ('language = "en"', 'language = "en"\nlenguage = "de"'),
        ('yes = "it holds"', 'maybe = "it may hold"'),
        ("{{ genre }} {{ style }}", "{{ gender }}"),
    )
    assert "prompts/a.md:6: unknown key 'lenguage'; did you mean 'language'?" in message
    assert "unknown label 'maybe'" in message
    assert "step 'premise': unknown variable 'gender'; did you mean 'genre'?" in message
    assert message.count("prompts/a.md:") == 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('format = "pair"', 'format = "pairs"'), "unknown format 'pairs'; did you mean 'pair'?"),
        (("no = 2\n[per_stem]", "no = 3\n[per_stem]"), "label counts sum to 4, real_size is 3"),
        (("max_tokens = 20", "max_token = 20"), "unknown key 'max_token'; did you mean 'max_tokens'?"),
        (("max_tokens = 20", 'max_tokens = "20"'), "step 'premise': max_tokens is '20'; expected int from 1"),
        (('labels = ["yes", "no"]', 'labels = ["yess"]'), "step 'hypothesis': unknown label 'yess'; did you mean"),
        (("max_words =", "most_words ="), "unknown condition 'most_words'"),
        (('stem = "premise"', 'stem = "hypothesis"'), "stem 'hypothesis' is not the first step"),
        (("{{ genre }}", "{{ genre"), "template of 'premise'"),
        (("## hypothesis\n", "## hypotheses\n"), "step 'hypothesis' has no section '## hypothesis'"),
    ],
)
def test_a_fault_is_named_with_what_is_allowed(change: tuple[str, str], said: str) -> None:
    assert said in faults(change)


def test_a_later_text_is_no_variable_of_an_earlier_step() -> None:
    assert "unknown variable 'hypothesis'" in faults(("{{ genre }}", "{{ hypothesis }}"))


ODD = ("5", "true", '["x", 1]', '{ a = ["b"] }', "nan")


def test_a_value_of_any_other_kind_is_named_and_never_a_traceback() -> None:
    for number, line in enumerate(GOOD.split("\n")):
        key = re.match(r"\w+(?= = )", line)
        for value in ODD if key else ():
            lines = GOOD.split("\n")
            lines[number] = f"{key[0]} = {value}"
            with suppress(UserError):
                parse_task("a", "\n".join(lines), where="prompts/a.md")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('columns = ["premise", "hypothesis", "label"]', "columns = 5"), "columns is 5; expected list of text"),
        (("real_size = 3", 'real_size = "3"'), "real_size is '3'; expected int from 1"),
        (("yes = 1", 'yes = "1"'), "label_counts is {'yes': '1', 'no': 2}; expected table of int"),
        (('genre = ["a letter", "a story"]', "genre = true"), "expected list of text, or table of weights"),
        (("max_words = { hypothesis = 20 }", "max_words = 20"), "condition max_words is 20; expected table of int"),
        (('labels = ["yes", "no"]', "labels = 1"), "step 'hypothesis': labels is 1; expected list of text"),
    ],
)
def test_an_entry_of_the_wrong_type_is_named_with_what_it_should_be(change: tuple[str, str], said: str) -> None:
    assert said in faults(change)
