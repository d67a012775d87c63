"""The page of guarantees names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
PAGE = (CHECKOUT / "docs/explanation/guarantees.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def test_every_promise_has_a_test_that_exists() -> None:
    no_rows = ("| **", "| guarantee")
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(no_rows)]
    assert len(rows) > 25
    for row in rows:
        named = NAMED.search(row)
        assert named, row
        tree = ast.parse((CHECKOUT / named[1]).read_text(encoding="utf-8"))
        tests = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        assert named[2] in tests, row
