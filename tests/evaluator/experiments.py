"""Small experiments with made-up scores, and the fixtures that hand them to the tests of results and reports."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from evaluator.stats.results import ResultRow, write_results

LANGUAGES = ("en", "de", "sw", "zh")
GAIN = {"none": 0.0, "real": 1.0, "synthetic": 0.7, "translated": 0.8}


def make_rows(
    *,
    arms: Sequence[str] = ("none", "real", "synthetic"),
    sizes: Sequence[int] = (1_000, 4_000, 16_000),
    seeds: int = 5,
    targets: Sequence[str] = ("xnli", "udpos"),
    languages: Sequence[str] = LANGUAGES,
    revision: str = "rev1",
    items: int = 40,
    with_items: bool = True,
) -> list[ResultRow]:
    """Return the rows of an experiment; `udpos` is scored by tag F1 with counts per item, the rest by accuracy."""
    rows = []
    rng = np.random.default_rng(7)
    for target, language in itertools.product(targets, languages):
        ease = rng.normal(size=items)
        for arm in arms:
            for size, seed in itertools.product([0] if arm == "none" else sizes, range(seeds)):
                level = 0.6 + GAIN.get(arm, 0.5) * (np.log2(size / 250) if size else 0) * 0.2
                right = (rng.normal(size=items) + ease + level > 0).astype(int)
                counts = np.stack([right * 2, np.full(items, 2), np.full(items, 2)], axis=1)
                scores = tuple(map(tuple, counts.tolist())) if target == "udpos" else tuple(right.tolist())
                rows.append(
                    ResultRow(
                        arm=arm,
                        size=size,
                        arm_n=size,
                        seed=seed,
                        target=target,
                        language=language,
                        split="test",
                        metric="f1" if target == "udpos" else "accuracy",
                        value=100 * float(right.mean()),
                        n=items,
                        data_revision=revision,
                        item_ids=tuple(map(str, range(items))) if with_items else None,
                        item_scores=scores if with_items else None,
                    )
                )
    return rows


def multibootstrap(
    base: npt.NDArray[Any], other: npt.NDArray[Any], seeds: npt.NDArray[np.int64], other_seeds: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return the multi-bootstrap draws of two arms, (draws, 2): Sellam et al. 2022, algorithm 1, vectorised.

    `base` and `other` are (seeds, draws), the metric of each run on the items of each draw; `seeds` and `other_seeds`
    (draws, seeds) say which seeds each draw takes. Equal index arrays give the paired-seeds form.
    """
    draw = np.arange(base.shape[1])[:, None]
    return np.stack([base[seeds, draw].mean(axis=1), other[other_seeds, draw].mean(axis=1)], axis=1)


def write_side_files(results: Path, *, dataset_card: str) -> None:
    """Write arms.json and plan.json beside a results file: what became of the synthetic rows, planned and real cost."""
    rows = {"kept": 60, "rejected": {"near_duplicate": 30}, "failed": 10}
    arms = {"synthetic": {"origin": "synthetic", **rows, "dataset_card": dataset_card}, "stranger": {}}
    results.with_name("arms.json").write_text(json.dumps(arms), encoding="utf-8")
    results.with_name("plan.json").write_text(
        json.dumps({"planned": {"runs": 5}, "real": {"runs": 6}}), encoding="utf-8"
    )


@pytest.fixture(scope="session")
def experiment_rows() -> Callable[..., list[ResultRow]]:
    """Return the maker of rows."""
    return make_rows


@pytest.fixture
def results_file(tmp_path: Path) -> Callable[..., Path]:
    """Return a maker of results.jsonl files, from the keywords of `make_rows` or from given rows."""

    def write(rows: Sequence[ResultRow] | None = None, **settings: object) -> Path:
        path = tmp_path / "results.jsonl"
        write_results(path, make_rows(**settings) if rows is None else rows)  # type: ignore[arg-type]
        return path

    return write
