"""Texts from outside on the terminal: neither markup nor commands to it, and no longer than a person reads."""

import ast
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from synthgen import console
from synthgen.errors import UserError
from synthgen.runtime.entry import carry_out
from synthgen.runtime.streams import stderr_to
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


@pytest.mark.parametrize("package", ["synthgen", "evaluator"])
def test_a_command_starts_as_a_module_too_where_its_script_is_not_on_the_path(package: str) -> None:
    command = [sys.executable, "-m", package, "--help"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert f"python -m {package}" in ended.stdout


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


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_progress_of_a_run_cuts_neither_its_count_nor_a_label_nor_a_name(width: int) -> None:
    labels = "entailment 100% neutral 98% contradiction 97% not_duplicate 3% answerable –"
    with console.progress() as bar:
        bar.add_task("make commonsenseqa", total=1_104_934, completed=392_702, note=f"0.4 kept/s, accepted: {labels}")
        bar.add_task("filter: format, shape, residue, language, personal", total=None, note="12 dropped")
        screen = Console(width=width, file=io.StringIO())
        screen.print(bar.get_renderable())
    lines = screen.file.getvalue().splitlines()  # type: ignore[attr-defined]
    words = " ".join(" ".join(lines).split())
    assert "…" not in words
    assert max(map(cell_len, lines)) <= width
    for shown in ("392702/1104934", labels, "12 dropped", "make commonsenseqa:", "shape, residue, language, personal:"):
        assert shown in words


def test_the_console_goes_on_where_it_was_while_libraries_write_to_a_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with stderr_to(tmp_path / "log"):
        os.write(2, b"of a library\n")
        console.note("of the command")
    console.note("after it")
    assert capfd.readouterr().err == "of the command\nafter it\n"
    assert (tmp_path / "log").read_text(encoding="utf-8") == "of a library\n"


def test_a_terminal_shows_that_an_engine_starts_and_that_no_reply_has_come(tmp_path: Path) -> None:
    replies = [{"text": f"The {word} waits at the station.", "seconds": 0.3} for word in ("doctor", "lawyer", "farmer")]
    (tmp_path / "replies.jsonl").write_text("\n".join(map(json.dumps, replies)), encoding="utf-8")
    options = {
        "task": "mnli",
        "n": "1",
        "engine": "scripted",
        "model": "replies.jsonl",
        "decoding": "plain",
        "out": "out",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    command = [str(Path(sys.executable).with_name("synthgen")), "make", *words, "--out", "out"]
    environment = os.environ | {"TTY_COMPATIBLE": "1", "TERM": "xterm", "COLUMNS": "80"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    order = [done.stderr.index(each) for each in ("engine scripted: starting ", "no reply yet", "1/1")]
    assert order == sorted(order)
    assert re.search(r"accepted: entailment \S+ neutral \S+ contradiction \S+", done.stderr)
