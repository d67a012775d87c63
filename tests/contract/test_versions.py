"""Results change only with a VERSION: golden results of every filter and parser; other source text changes nothing."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import synthgen
from synthgen.filters.registry import EDITS, ORDER
from synthgen.formats import FORMATS
from synthgen.task.registry import prompts_folder
from tests import golden_inputs, versions
from tests.versions import GOLDEN, Results, changes, hashes, results

NAMES = [f"filter {spec.name}" for spec in ORDER] + [f"edit {name}" for name in EDITS]
NAMES += [f"{what} {name}" for name in FORMATS for what in ("format", "prompt chain,")] + ["vectors"]
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@pytest.fixture(scope="module")
def now() -> Results:
    """The results of today's code."""
    pytest.importorskip("torch")
    return results()


@pytest.fixture(scope="module")
def golden() -> Results:
    """The results written down, each with the versions it was written for."""
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_results_change_only_together_with_a_version(name: str, now: Results, golden: Results) -> None:
    lines = changes({name: now[name]}, {name: golden[name]} if name in golden else {})
    assert not lines, lines[0]


def test_every_filter_edit_format_and_prompt_chain_has_golden_results_and_no_other(golden: Results) -> None:
    assert sorted(golden) == sorted(NAMES)
    assert all(each["versions"] and each["results"] for each in golden.values())


def test_a_result_that_changed_asks_for_a_number_and_a_new_number_for_golden_results() -> None:
    before: Results = {"filter a": {"versions": {"a": 1, "words": 3}, "results": {"r0": ["short", "2 words"]}}}
    other, raised = {"results": {}}, {"versions": {"a": 2, "words": 3}}
    assert changes(before, before) == []
    (line,) = changes({"filter a": before["filter a"] | other}, before)
    assert "filter a comes to other results in the same version (a 1, words 3): raise a VERSION" in line
    assert "python -m tests.versions" in line
    for now in (before["filter a"] | raised, before["filter a"] | raised | other):
        assert changes({"filter a": now}, before)[0].startswith("filter a is new, gone or of another version")
    assert changes({}, before)[0].startswith("filter a is new, gone")
    assert changes(before, {})[0].startswith("filter a is new, gone")


@pytest.mark.slow  # all results once more, in a process of its own
def test_comments_and_names_of_local_variables_change_no_hash_and_no_result(tmp_path: Path, now: Results) -> None:
    package = Path(synthgen.__file__).parent
    renamed = 0
    for path in sorted(package.rglob("*")):
        copy = tmp_path / "synthgen" / path.relative_to(package)
        if path.suffix == ".py":
            copy.parent.mkdir(parents=True, exist_ok=True)
            text, count = with_other_locals(path.read_text(encoding="utf-8"))
            copy.write_text(text, encoding="utf-8")
            renamed += count
        elif path.is_file() and "__pycache__" not in path.parts:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    assert renamed > 1_000
    if not (package / "prompts").is_dir():
        shutil.copytree(prompts_folder(), tmp_path / "prompts")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "__init__.py").touch()
    for module in (versions, golden_inputs):
        shutil.copy(module.__file__, tmp_path / "tests")
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.versions", "--print"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2_000:]
    there = json.loads(done.stdout)
    assert there["package"] == str(tmp_path / "synthgen")
    assert there["hashes"] == hashes()
    assert there["results"] == now


def with_other_locals(source: str) -> tuple[str, int]:
    """Return Python source with a comment at its head, none of its own, and another name for every local variable.

    >>> print(with_other_locals("def f(n):\\n    m = n + 1  # more\\n    return m")[0])
    # Another comment.
    def f(n):
        m_ = n + 1
        return m_
    """
    tree = ast.parse(source)
    shared = {name for node in tree.body if not isinstance(node, (*_FUNCTIONS, ast.ClassDef)) for name in _stored(node)}
    count = 0
    for owner in ast.walk(tree):
        if isinstance(owner, ast.Module | ast.ClassDef):
            for function in (each for each in owner.body if isinstance(each, _FUNCTIONS)):
                names = _stored(function) - shared - _fixed(function)
                count += len(names)
                for node in ast.walk(function):
                    if isinstance(node, ast.Name) and node.id in names:
                        node.id += "_"
    return f"# Another comment.\n{ast.unparse(tree)}", count


def _stored(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _fixed(function: ast.AST) -> set[str]:
    """Return the names in a function that stand elsewhere too: parameters, imports, caught errors, outer variables."""
    names: set[str | None] = set()
    for node in ast.walk(function):
        match node:
            case ast.arg(arg=name) | ast.ExceptHandler(name=name) | ast.MatchAs(name=name) | ast.MatchStar(name=name):
                names.add(name)
            case ast.Global(names=several) | ast.Nonlocal(names=several):
                names |= set(several)
            case ast.alias(name=name, asname=asname):
                names.add(asname or name.split(".")[0])
            case ast.ClassDef():
                names |= _stored(node)
    return {name for name in names if name}
