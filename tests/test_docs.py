"""The documentation says what the code does: the commands, the paths."""

from __future__ import annotations

import re
from pathlib import Path

import typer

import evaluator.cli
import synthgen.cli

CHECKOUT = Path(__file__).resolve().parents[1]

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


def test_every_command_is_in_the_readme() -> None:
    for package, app in (("synthgen", synthgen.cli.app), ("evaluator", evaluator.cli.app)):
        names = list(typer.main.get_command(app).commands)
        assert names
        for name in names:
            assert re.search(rf"{package} {name}\b", README), f"{package} {name}"


def test_every_file_of_a_tracked_text_kind_names_no_path_of_a_machine() -> None:
    forbidden = re.compile(r"/work/|/root/|/home/\w+/|\.library\b")
    for path in _tracked_text():
        assert not forbidden.search(path.read_text(encoding="utf-8")), path


def test_pictures_the_readme_shows_exist() -> None:
    for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README):
        assert (CHECKOUT / target).is_file(), target


def _tracked_text() -> list[Path]:
    kinds = {".py", ".md", ".toml", ".json", ".cff", ".html", ".js", ".css"}
    folders = ("synthgen", "evaluator", "prompts", "benchmarks", "data_cards")
    files = [path for folder in folders for path in (CHECKOUT / folder).rglob("*") if path.suffix in kinds]
    return [*files, *(CHECKOUT / name for name in ("README.md", "docs/log.md", "CHANGELOG.md", "CONTRIBUTING.md"))]
