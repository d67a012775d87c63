"""The import arrow: evaluator reads formats, datasets and packs of synthgen; synthgen never imports evaluator."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
SHARED = ("synthgen.errors", "synthgen.console", "synthgen.formats", "synthgen.dataset", "synthgen.packs")
SHARED += ("synthgen.licences", "synthgen.provenance")  # what a card may say of parts and of the machine
SHARED += ("synthgen.hub",)  # where Parquet files lie in a repository
SHARED += ("synthgen.cluster",)  # both commands join a Ray cluster in the same way
HEAVY = ("ray", "torch", "transformers", "vllm", "scipy", "datasets")


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def modules(package: str) -> list[Path]:
    return sorted((CHECKOUT / package).rglob("*.py"))


# The demo is a script over the commands of both packages.
@pytest.mark.parametrize("path", [p for p in modules("evaluator") if p.name != "demo.py"], ids=lambda p: p.stem)
def test_evaluator_imports_only_what_is_shared(path: Path) -> None:
    ours = [name for name in imported(path) if name.startswith("synthgen.")]
    foreign = [name for name in ours if not name.startswith(SHARED)]
    assert foreign == []


@pytest.mark.parametrize("path", modules("synthgen"), ids=lambda p: p.stem)
def test_synthgen_never_imports_evaluator(path: Path) -> None:
    assert [name for name in imported(path) if name.split(".")[0] == "evaluator"] == []


@pytest.mark.parametrize(
    "module", [*SHARED, "evaluator.cli", "evaluator.experiment", "evaluator.targets", "evaluator.graph"]
)
def test_light_modules_import_nothing_heavy(module: str) -> None:
    code = f"import {module}, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CHECKOUT)
    assert done.stdout.strip() == "[]"
