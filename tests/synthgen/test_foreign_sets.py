"""Sets in other scripts go through the commands whole, and planted faults are found: a small foreign_sets.py."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

pytestmark = pytest.mark.realdata
ROWS, PLANTED = 120, 30


@pytest.mark.parametrize("name", ["zh-mnli", "th-copa", "ja-pawsx", "ar-squad_v1", "hi-mnli", "tr-mnli"])
def test_a_foreign_set_is_kept_and_faults_in_it_are_found(name: str, data_root: Path, tmp_path: Path) -> None:
    result = import_module("benchmarks.foreign_sets").outcome(data_root, name, PLANTED, tmp_path, ROWS)
    assert result.lost <= 0.02, result.dropped
    assert result.card == []
    assert len(result.planted) == (3 if name.endswith("copa") else 4)
    assert {kind: share for kind, share in result.recall.items() if share < 0.95} == {}, result.missed
