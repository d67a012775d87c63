"""Write docs/reference/commands.md from the commands themselves.

    python scripts/reference_pages.py

`tests/test_docs.py` compares the page with what this writes.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

import evaluator.cli
import synthgen.cli

PAGE = Path(__file__).resolve().parents[1] / "docs/reference/commands.md"
HEAD = """# Commands

Written by `python scripts/reference_pages.py` from the commands; `--help` says the same.

Exit codes: 0 done; 1 a program error; 2 the input is wrong, and one line says what; 3 the work could not be completed,
and the line says what is kept; 130 interrupted. Every command has `--json` and `--help`. Results go to stdout,
progress and notes to stderr.
"""
EXAMPLE = re.compile(r"^Examples?: ", re.MULTILINE)


def page() -> str:
    """Return the page: a section for each command of both programs, in the order of their help."""
    apps = {"synthgen": synthgen.cli.app, "evaluator": evaluator.cli.app}
    found = [pair for name, app in apps.items() for pair in leaves(typer.main.get_command(app), name)]
    return "\n".join([HEAD, *(line for name, command in found for line in _section(name, command))])


def leaves(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Return the commands below one with their full names, built with their options."""
    if hasattr(command, "commands"):
        for each in command.commands.values():
            yield from leaves(each, f"{name} {each.name}")
    else:
        yield name, command.callback()


def _section(name: str, command: Any) -> Iterator[str]:
    yield f"## {name}\n"
    text, *examples = EXAMPLE.split(command.help or "")
    yield f"{text.strip()}\n"
    if examples:
        lines = [re.sub(r"\s*\n\s*", " ", line).strip(" `;") for each in examples for line in re.split(r";\s", each)]
        yield "```sh\n" + "\n".join(lines) + "\n```\n"
    yield "| argument or option | what it is | default |\n|---|---|---|"
    for parameter in command.params:
        yield f"| {_flag(parameter)} | {_cell(parameter.help or '')} | {_default(parameter)} |"
    yield ""


def _flag(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.name.upper()}`"
    return f"`{max(parameter.opts, key=len)}`" + (", repeatable" if parameter.multiple else "")


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = parameter.default
    if value in (None, False, "", (), []) or callable(value):
        return ""
    return f"`{' '.join(map(str, value)) if isinstance(value, list | tuple) else value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
