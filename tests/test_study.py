"""The committed study: its report and every number of its page follow from its results."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType

import pytest

import evaluator

STUDY = Path(__file__).resolve().parents[1] / "studies/nli-generators"
PIECES = (STUDY, STUDY / "second", STUDY / "sizes", STUDY / "mixtures")

pytestmark = pytest.mark.skipif(not (STUDY / "results.jsonl").exists(), reason="the study has no results yet")


@pytest.fixture(scope="module")
def page() -> ModuleType:
    spec = importlib.util.spec_from_file_location("study_page", STUDY / "page.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("piece", PIECES)
def test_the_report_of_the_committed_results_is_the_committed_report(piece: Path, tmp_path: Path) -> None:
    shutil.copytree(piece, tmp_path / "study")
    for name in ("report.html", "comparison.json"):
        (tmp_path / "study" / name).unlink()
    evaluator.report(tmp_path / "study/results.jsonl", out=tmp_path / "study/report.html")
    for name in ("comparison.json", "report.html"):
        assert (tmp_path / "study" / name).read_bytes() == (piece / name).read_bytes(), name


@pytest.mark.parametrize("name", ["PAGE", "README"])
def test_the_tables_of_the_study_are_those_of_its_comparison(page: ModuleType, name: str) -> None:
    text = getattr(page, name).read_text(encoding="utf-8")
    assert page.filled(text) == text


@pytest.mark.parametrize("piece", PIECES)
def test_the_plan_of_the_study_fixed_the_estimand_that_was_reported(piece: Path) -> None:
    plan = json.loads((piece / "plan.json").read_text(encoding="utf-8"))
    comparison = json.loads((piece / "comparison.json").read_text(encoding="utf-8"))
    assert plan["estimand_hash"] == comparison["estimand"]["hash"]
