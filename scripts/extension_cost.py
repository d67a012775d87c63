"""What an extension costs: `python scripts/extension_cost.py` adds one of each kind and runs the contract tests on it.

For a task, a filter, a target, an engine and a translation backend: copy the tracked files of the checkout to a
temporary folder, write one new file there, run the contract tests that name it, and count the files that had to change.
A filter's golden results are written by a command, which is counted apart.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAME = "zebra"
MARKS = "not model and not vllm and not install"
COLUMNS = "{:<20} {:>9} {:>12} {:>20} {:>21} {:>6}"


@dataclass(frozen=True)
class Extension:
    """A new file, the file it is a copy of, what differs, and the module that writes its golden results."""

    path: str
    source: str
    differences: dict[str, str] = field(default_factory=dict)
    command: str = ""


EXTENSIONS = {
    "task": Extension(f"prompts/{NAME}.md", "prompts/mnli.md"),
    "filter": Extension(
        f"synthgen/filters/rows/{NAME}.py",
        "synthgen/filters/rows/residue.py",
        {'"residue"': f'"{NAME}"', "place=30": "place=31"},
        "tests.versions",
    ),
    "target": Extension(
        f"evaluator/benchmark/targets/{NAME}.py",
        "evaluator/benchmark/targets/tatoeba.py",
        {
            "_FACTS = facts(__file__)": (
                f'from evaluator.benchmark.targets import tatoeba\n\n_FACTS = {{**tatoeba._FACTS, "name": "{NAME}"}}'
            )
        },
    ),
    "engine": Extension(f"synthgen/engines/{NAME}.py", "synthgen/engines/scripted.py", {'"scripted"': f'"{NAME}"'}),
    "translation backend": Extension(
        f"synthgen/translation/backends/{NAME}.py", "tests/synthgen/translators.py", {'"backwards"': f'"{NAME}"'}
    ),
}


def copy_checkout(folder: Path) -> dict[str, bytes]:
    """Copy the tracked files of the checkout to a folder and return {name: content}."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    names = [name for name in listed.stdout.split("\0") if (ROOT / name).is_file()]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    return {name: (folder / name).read_bytes() for name in names}


def add(extension: Extension, folder: Path) -> None:
    """Write the new file to a copy of the checkout."""
    text = (folder / extension.source).read_text(encoding="utf-8")
    for before, after in extension.differences.items():
        text = text.replace(before, after)
    (folder / extension.path).write_text(text, encoding="utf-8")


def changed_files(contents: dict[str, bytes], folder: Path) -> list[str]:
    """Return the files whose content is another now."""
    return [name for name, content in contents.items() if (folder / name).read_bytes() != content]


def run_module(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module of Python in a copy of the checkout."""
    command, environment = [sys.executable, "-m", *arguments], {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def contract_tests(folder: Path) -> tuple[int, int, str]:
    """Run the contract tests that name the extension; return (passed, failed, output)."""
    done = run_module(
        folder, "pytest", "tests/contract", "-k", NAME, "-m", MARKS, "-q", "-n0", "-p", "no:cacheprovider"
    )
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error)", done.stdout)}
    failed = counts.get("failed", 0) + counts.get("error", 0) + (done.returncode not in (0, 1))
    return counts.get("passed", 0), failed, done.stdout + done.stderr


def main() -> int:
    """Print one row per kind; 1 where an existing file had to be edited, or no contract test passed, or one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", default=list(EXTENSIONS), metavar="KIND", help=", ".join(EXTENSIONS))
    kinds, status = parser.parse_args().kinds, 0
    print(
        COLUMNS.format("a new", "new files", "edited files", "rewritten by command", "contract tests passed", "failed")
    )
    for kind in kinds:
        extension = EXTENSIONS[kind]
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            contents = copy_checkout(folder)
            add(extension, folder)
            edited = changed_files(contents, folder)
            if extension.command:
                run_module(folder, extension.command).check_returncode()
            rewritten = set(changed_files(contents, folder)) - set(edited)
            passed, failed, output = contract_tests(folder)
        print(COLUMNS.format(kind, 1, len(edited), len(rewritten), passed, failed), flush=True)
        if edited or failed or not passed:
            status = 1
            print(output)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
