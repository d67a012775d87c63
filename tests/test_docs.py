"""The documentation says what the code does: the commands, the paths."""

from __future__ import annotations

import re
from pathlib import Path

import typer

import evaluator.cli
import synthgen.cli

CHECKOUT = Path(__file__).resolve().parents[1]

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (CHECKOUT / "docs/explanation/architecture.md").read_text(encoding="utf-8")


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


def test_every_path_that_the_architecture_names_exists() -> None:
    named = re.findall(r"`((?:synthgen|evaluator|prompts|tests|scripts|docs)/[^`]*)`", ARCHITECTURE)
    assert len(named) > 60
    assert [path for path in named if not (CHECKOUT / path).exists()] == []


def test_every_package_stands_in_the_architecture() -> None:
    packages = {
        f"{path.parent.relative_to(CHECKOUT).as_posix()}/"
        for name in ("synthgen", "evaluator")
        for path in (CHECKOUT / name).glob("*/**/__init__.py")
    }
    assert len(packages) > 30
    assert sorted(name for name in packages if f"`{name}`" not in ARCHITECTURE) == []


def test_every_new_name_of_an_old_module_exists() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| (.+→.+) \|$", ARCHITECTURE, re.MULTILINE)
    new = [f"{package}{name}.py" for package, names in rows for name in re.findall(r"(?:→ |, )(\w+)(?=[,;]|$)", names)]
    assert len(new) > 80
    assert [path for path in new if not (CHECKOUT / path).is_file()] == []


def _tracked_text() -> list[Path]:
    kinds = {".py", ".md", ".toml", ".json", ".cff", ".html", ".js", ".css"}
    folders = ("synthgen", "evaluator", "prompts", "benchmarks", "data_cards", "scripts")
    files = [path for folder in folders for path in (CHECKOUT / folder).rglob("*") if path.suffix in kinds]
    return [*files, *(CHECKOUT / "docs").rglob("*.md"), *CHECKOUT.glob("*.md")]
