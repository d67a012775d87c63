"""The documentation says what the code does: the commands, the paths."""

from __future__ import annotations

import re
from pathlib import Path

import evaluator
import synthgen
from scripts import reference_pages

CHECKOUT = Path(__file__).resolve().parents[1]

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (CHECKOUT / "docs/explanation/architecture.md").read_text(encoding="utf-8")


def test_the_page_of_commands_is_what_the_script_writes() -> None:
    written = reference_pages.page()
    assert reference_pages.PAGE.read_text(encoding="utf-8") == written, "run python scripts/reference_pages.py"


def test_every_line_of_an_example_on_the_page_of_commands_is_a_command() -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```$", reference_pages.page(), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    assert len(lines) > 40
    assert [line for line in lines if not re.fullmatch(r"(synthgen|evaluator) [^`]+", line)] == []


def test_every_public_function_stands_on_the_page_of_python() -> None:
    page = (CHECKOUT / "docs/reference/python.md").read_text(encoding="utf-8")
    functions = (*synthgen.FUNCTIONS.items(), *evaluator._COMMANDS.items())
    assert sorted(re.findall(r"^::: (\S+)$", page, re.MULTILINE)) == sorted(
        f"{module}.{name}" for name, module in functions
    )


def test_the_readme_is_short_and_its_links_lead_somewhere() -> None:
    assert README.count("\n") < 200
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(links) > 20
    assert [link for link in links if not link.startswith("http") and not (CHECKOUT / link).exists()] == []


def test_every_page_stands_in_the_navigation() -> None:
    navigation = (CHECKOUT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [path.relative_to(CHECKOUT / "docs").as_posix() for path in (CHECKOUT / "docs").rglob("*.md")]
    assert [page for page in pages if f"- {page}\n" not in navigation] == []


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
