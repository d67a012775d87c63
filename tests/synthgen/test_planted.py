"""Planted faults in real rows: a smaller run of benchmarks/filters_planted.py."""

from __future__ import annotations

import random
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from synthgen.filters.rows.language import Language
from synthgen.filters.rows.personal import PersonalData
from synthgen.filters.rows.residue import Residue

pytestmark = pytest.mark.realdata
ROWS, PLANTED = 3_000, 60


@pytest.fixture(scope="module")
def planted() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "filters_planted.py"
    spec = spec_from_file_location("filters_planted", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_planted_faults_are_found_and_real_rows_stay(planted: ModuleType, data_root: Path) -> None:
    rows = planted.english_rows(data_root, ROWS)
    faults = planted.faults([row["hypothesis"] for row in rows[:PLANTED]], random.Random(1))
    for make in (PersonalData, Residue, lambda format_: Language(format_, "en")):
        assert len(planted.dropped(make(planted.FORMAT), rows)) <= 0.002 * ROWS
    for kind, texts in faults.items():
        judge = PersonalData(planted.FORMAT) if kind == "personal" else Residue(planted.FORMAT)
        assert len(planted.dropped(judge, planted.plant(rows, texts))) >= 0.98 * PLANTED, kind


def test_sentences_of_other_languages_are_found_among_english_ones(planted: ModuleType, data_root: Path) -> None:
    rows = planted.english_rows(data_root, PLANTED)
    judge = Language(planted.FORMAT, "en")
    found = {
        code: len(planted.dropped(judge, planted.plant(rows, texts[:PLANTED]))) / PLANTED
        for code, texts in planted.sentences(data_root).items()
    }
    assert len(found) == 29
    assert {code: share for code, share in found.items() if share < 0.95} == {}
    assert sum(found.values()) / len(found) >= 0.98
