"""Texts from outside on the terminal: neither markup nor commands to it, and no longer than a person reads."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from synthgen import console
from synthgen.errors import UserError
from synthgen.runtime.entry import carry_out
from tests.payloads import HOSTILE

SOURCES = [path for side in ("synthgen", "evaluator") for path in (Path(__file__).parents[1] / side).rglob("*.py")]
MOVES_THE_CURSOR = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2060-\u206f]")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_line_shows_a_hostile_text_and_obeys_none_of_it(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    console.print_lines([text])
    console.note(text, label="error")
    done = capsys.readouterr()
    for shown in (done.out, done.err):
        assert shown.count("\n") == 1
        assert not MOVES_THE_CURSOR.search(shown)
        assert len(shown) < console.MOST_OF_A_LINE * 12
    if text.isprintable() and len(text) < 1000:
        assert done.out == f"{text}\n"


def test_addresses_in_messages_have_neither_user_nor_password(capsys: pytest.CaptureFixture[str]) -> None:
    console.note("--model http://ann:s3:cret@host:8/v1 is an endpoint, a@b.example and https://x.example/@y are not")
    shown = "--model http://***@host:8/v1 is an endpoint, a@b.example and https://x.example/@y are not\n"
    assert " ".join(capsys.readouterr().err.split()) + "\n" == shown


@pytest.mark.parametrize("text", HOSTILE)
def test_json_on_the_terminal_is_the_same_value_without_a_command_to_it(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    console.print_json({text: [text]})
    shown = capsys.readouterr().out
    assert json.loads(shown) == {text: [text]}
    assert not MOVES_THE_CURSOR.search(shown)


def test_an_error_is_one_line_whatever_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    def fails(**_: object) -> None:
        raise UserError("no\\[/such] :smile:\n\x1b[2J" + "x" * 10_000)

    with pytest.raises(SystemExit) as ended:
        carry_out(fails)  # type: ignore[arg-type]
    assert ended.value.code == 2
    start, _, more = capsys.readouterr().err.partition("… (")
    assert start.startswith(r"error: no\[/such] :smile:\n\x1b[2Jxxx")
    assert more.endswith(" more characters)\n")


def printing(tree: ast.AST) -> Iterator[str]:
    """Yield what prints past the console: `print`, a Rich console or markup, a standard stream."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "Console"):
            yield node.func.id
        if isinstance(node, ast.ImportFrom) and node.module in ("rich.markup", "rich.prompt"):
            yield node.module
        if isinstance(node, ast.keyword) and node.arg == "markup" and getattr(node.value, "value", None) is not False:
            yield "markup"
        if isinstance(node, ast.Attribute) and node.attr in ("from_markup", "from_ansi", "echo", "secho"):
            yield node.attr
        if isinstance(node, ast.Attribute) and node.attr == "write" and ast.unparse(node).startswith("sys.std"):
            yield ast.unparse(node)


def test_nothing_but_the_console_prints() -> None:
    found = {path.name: list(printing(ast.parse(path.read_text(encoding="utf-8")))) for path in SOURCES}
    assert {name: uses for name, uses in found.items() if uses} == {"console.py": ["sys.stdout.write"]}
