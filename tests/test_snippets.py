"""Every snippet of the README and the pages: run, or where it needs a GPU, a hub or an hour, checked.

The language of a block says which: `bash` and `python` are run, page by page, in the order of the page, in one folder;
those titled "vllm" with the real engine. Of `sh` every command is parsed with all its options, `py` is compiled, `toml`
is read. `text` is output.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from markdown_it import MarkdownIt

import evaluator.cli
import synthgen.cli

CHECKOUT = Path(__file__).resolve().parents[1]
PAGES = [
    path for path in [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))] if "archive" not in path.parts
]
KINDS = {"bash", "python", "sh", "py", "toml", "text", "mermaid", "json", "jsonl"}
APPS = {"synthgen": synthgen.cli.app, "evaluator": evaluator.cli.app}


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    kind: str
    title: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def _blocks() -> Iterator[Block]:
    for page in PAGES:
        for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
            if token.type == "fence":
                kind, _, rest = token.info.partition(" ")
                title = re.search(r'title="(.*)"', rest)
                assert token.map is not None
                name = page.relative_to(CHECKOUT).as_posix()
                yield Block(name, token.map[0] + 1, kind, title[1] if title else "", token.content)


BLOCKS = list(_blocks())
COMMANDS = [block for block in BLOCKS if block.kind in ("sh", "bash")]


def test_every_block_says_what_it_is() -> None:
    assert len(BLOCKS) > 30
    assert [str(block) for block in BLOCKS if block.kind not in KINDS] == []


@pytest.mark.parametrize("block", COMMANDS, ids=str)
def test_every_command_takes_the_options_that_a_snippet_gives_it(block: Block) -> None:
    for words in _commands(block.text):
        command, rest = typer.main.get_command(APPS[words[0]]), words[1:]
        while hasattr(command, "commands"):
            command, rest = command.commands[rest[0]], rest[1:]
        try:
            command.make_context(words[0], list(rest))
        except Exception as error:
            pytest.fail(f"{block}: {shlex.join(words)}: {error}")


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.kind in ("py", "python")], ids=str)
def test_python_snippets_compile(block: Block) -> None:
    ast.parse(block.text)


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.kind == "toml"], ids=str)
def test_toml_snippets_are_toml(block: Block) -> None:
    assert tomllib.loads(block.text)


def _runs(page: str, *, with_vllm: bool) -> list[Block]:
    blocks = [block for block in BLOCKS if block.page == page and block.kind in ("bash", "python")]
    return blocks if any(block.title == "vllm" for block in blocks) is with_vllm else []


def _pages(*, with_vllm: bool) -> list[str]:
    return [page for page in dict.fromkeys(block.page for block in BLOCKS) if _runs(page, with_vllm=with_vllm)]


@pytest.mark.slow
@pytest.mark.parametrize("page", _pages(with_vllm=False))
def test_the_snippets_of_a_page_run(page: str, tmp_path: Path) -> None:
    for block in _runs(page, with_vllm=False):
        _run(block, tmp_path)


@pytest.mark.vllm
@pytest.mark.parametrize("page", _pages(with_vllm=True))
def test_the_snippets_of_a_page_run_with_the_bundled_generator(page: str, tmp_path: Path) -> None:
    for block in _runs(page, with_vllm=True):
        _run(block, tmp_path)


def _run(block: Block, folder: Path) -> None:
    paths = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(CHECKOUT)}
    start = ["bash", "-euo", "pipefail", "-c"] if block.kind == "bash" else [sys.executable, "-c"]
    done = subprocess.run([*start, block.text], cwd=folder, env=os.environ | paths, capture_output=True, text=True)
    assert done.returncode == 0, f"{block}: {done.stderr}"


def _commands(text: str) -> Iterator[list[str]]:
    """Return the words of each line that calls one of the programs; ``…`` stands for arguments and is left out."""
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        words = shlex.split(re.sub(r"(^|\s)#.*", "", line))
        if words and words[0] in APPS:
            yield [word for word in words if word != "…"]
