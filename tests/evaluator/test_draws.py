"""Draws of a size: nested, the same for a set and its translation, and in the keys of what was trained on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.benchmark.splits import draw_by_id
from evaluator.experiment.arguments import Arguments
from evaluator.experiment.definition import define
from evaluator.experiment.graph import build
from evaluator.experiment.jobs import DataDraw, IntermediateJob
from evaluator.store import Store
from evaluator.training.tokenisation import intermediate_features
from synthgen.dataset.manifest import read_manifest
from synthgen.dataset.shards import read_rows

from .conftest import dataset_folder, write_pairs

IDS = st.lists(st.text(max_size=8), unique=True, max_size=60)


def drawn(ids: list[str], rows: int, seed: int) -> set[str]:
    return {ids[place] for place in draw_by_id(ids, rows, seed)}


@given(IDS, st.integers(0, 70), st.integers(0, 70), st.integers(0, 999))
def test_a_smaller_size_is_part_of_a_larger_one(ids: list[str], few: int, more: int, seed: int) -> None:
    few, more = sorted((few, more))
    assert drawn(ids, few, seed) <= drawn(ids, more, seed)
    assert len(drawn(ids, more, seed)) == min(more, len(ids))


@given(IDS, st.integers(0, 60), st.integers(0, 999), st.randoms())
def test_rows_that_are_lost_or_moved_change_nothing_of_the_others(
    ids: list[str], rows: int, seed: int, random: Any
) -> None:
    left = [each for each in ids if random.random() < 0.8]
    random.shuffle(left)
    assert drawn(ids, rows, seed) & set(left) <= drawn(left, rows, seed)


def test_every_row_is_drawn_equally_often() -> None:
    ids = [f"mnli-{number}" for number in range(50)]
    counts = np.bincount(np.concatenate([draw_by_id(ids, 20, seed) for seed in range(1_000)]), minlength=50)
    assert np.abs(counts - 400).max() < 75, "400 of 1,000, with a standard deviation of 15.5"


@pytest.fixture
def arguments(tiny_model: Path, tiny_recipe: str, samples: Path, tmp_path: Path) -> dict[str, Any]:
    common = {"targets": ["xnli"], "languages": ["en"], "model": str(tiny_model), "recipe": tiny_recipe}
    return {**common, "seeds": 3, "sizes": [12], "data_root": samples, "store": tmp_path / "store"}


def jobs(arms: list[str], arguments: dict[str, Any]) -> dict[tuple[str, int], IntermediateJob]:
    graph = build(define(Arguments(arms, **arguments)))
    return {(job.arm, job.seed): job for job in graph.jobs if isinstance(job, IntermediateJob)}


def common_rows(job: IntermediateJob, other: IntermediateJob, store: Store) -> int:
    """Return how many rows of tokens two jobs train on both."""
    (_, one), (_, two) = intermediate_features(job, store)[0], intermediate_features(other, store)[0]
    texts = [{tuple(f.ids[f.starts[i] : f.starts[i + 1]]) for i in range(len(f.lengths))} for f in (one, two)]
    return len(texts[0] & texts[1])


def test_a_translation_that_lost_rows_trains_on_those_of_its_source(arguments: dict[str, Any], tmp_path: Path) -> None:
    source = write_pairs(tmp_path / "source", 60)
    left = [row for place, row in enumerate(read_rows(source)) if place % 9]
    manifest = read_manifest(source)
    counts = {label: sum(row["label"] == i for row in left) for i, label in enumerate(manifest.label_counts)}
    dataset_folder(tmp_path / "translated", left, origin="translated", licence="CC0-1.0", label_counts=counts)
    arms, store = [f"source={source}", f"translated={tmp_path / 'translated'}"], Store(Path(arguments["store"]))
    for draw, least, most in (("ids", 9, 12), ("positions", 0, 7)):
        all_jobs = jobs(arms, {**arguments, "draw": draw})
        shared = [common_rows(all_jobs["source", s], all_jobs["translated", s], store) for s in range(3)]
        assert least <= np.mean(shared) <= most, (draw, shared)


def test_the_way_of_drawing_is_in_a_key_only_where_rows_are_drawn(datasets: dict[str, Path]) -> None:
    part = DataDraw(datasets["real"], "hash", 24, 12, by_ids=True)
    assert part.to_json() == ["hash", 24, 12, "ids"]
    assert replace(part, by_ids=False).to_json() == ["hash", 24, 12]
    assert replace(part, rows=24).to_json() == ["hash", 24, 24]
