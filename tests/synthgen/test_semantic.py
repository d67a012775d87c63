"""Semantic duplicates, with the sentence encoder that comes from a package: the same in other words goes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from synthgen.dataset import read_rejected
from synthgen.errors import UserError
from synthgen.filters.command import filter as run_filters
from synthgen.filters.config import read_config
from synthgen.filters.dedup.semantic import SemanticDuplicates, SemanticSettings
from synthgen.models.sentence_encoder import alike_before
from tests.synthgen.conftest import NLI, parquet_folder

PREMISE = "The ferry to the northern islands was cancelled because of the storm."
ROWS = [
    {"premise": PREMISE, "hypothesis": "The boat did not sail that day.", "label": 0},
    {"premise": PREMISE, "hypothesis": "That day the ship didn't sail.", "label": 0},
    {"premise": PREMISE, "hypothesis": "That day the ship did not sail!", "label": 1},
    {"premise": PREMISE, "hypothesis": "Tourists love the beaches of the islands.", "label": 1},
]


def test_a_pair_is_as_similar_as_its_least_similar_texts() -> None:
    one = np.array([[1, 0], [1, 0], [1, 0]], dtype=np.float32)
    two = np.array([[1, 0], [0.8, 0.6], [0, 1]], dtype=np.float32)
    found = [(first, second, round(score, 3)) for first, second, score in alike_before([one, two], 0.6)]
    assert found == [(0, 1, 0.8), (1, 2, 0.6)]


def test_a_cosine_out_of_range_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="similarity = 1.5"):
        SemanticSettings(similarity=1.5)


@pytest.mark.model
def test_a_row_that_says_the_same_in_other_words_goes_and_another_label_stays(tmp_path: Path) -> None:
    (tmp_path / "f.toml").write_text("[semantic]\nsimilarity = 0.93\n")
    for name, rows in (("a", ROWS), ("b", ROWS[::-1])):
        manifest = run_filters(
            parquet_folder(tmp_path / name, rows),
            out=tmp_path / f"{name}-out",
            origin="real",
            filters=tmp_path / "f.toml",
        )
        assert manifest.rejected == {"semantic duplicate": 1}
        (gone,) = read_rejected(tmp_path / f"{name}-out")
        assert gone.row["label"] == 0
        evidence = json.loads(gone.evidence)
        assert evidence["measure"] == "cosine"
        assert 0.93 <= evidence["score"] < 1
    assert manifest.checks["deduplication"]["semantic"]["encoder"] == "pack:multilingual-e5-small"
    online = SemanticDuplicates(NLI, SemanticSettings(similarity=0.93))
    online.add_kept("r0", ROWS[0])
    assert [online.check(f"r{i}", row) is not None for i, row in enumerate(ROWS) if i] == [True, False, False]


def test_an_encoder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    judge = SemanticDuplicates(NLI, SemanticSettings(encoder="pack:e6"))
    with pytest.raises(UserError, match="unknown pack 'e6'"):
        judge.check("a", ROWS[0])
    (tmp_path / "f.toml").write_text("[semantic]\nsimilarity = 2\n")
    with pytest.raises(UserError, match=r"similarity = 2.0 .* in \[semantic\]"):
        read_config(tmp_path / "f.toml")
