"""BUCC's sentences that occur twice, as XTREME treats them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evaluator.benchmark.metrics.retrieval import Vectors, score_pairs
from evaluator.benchmark.target import Split
from evaluator.benchmark.targets.bucc2018 import TARGET
from evaluator.experiment.arguments import Arguments
from evaluator.experiment.definition import define
from evaluator.experiment.graph import build

# XTREME at 838c13b, third_party/utils_retrieve.py, on the texts, ids and vectors of `comparable_corpora` as files:
# `mine_bitext(x, y, sources, pool, out)`, then `bucc_eval(out, gold, sources, pool, ids, pool_ids, predictions)`,
# with an exact `faiss.IndexFlatIP` in numpy: F1 and the predictions, by seed.
REFERENCE = {
    18: (
        24.999999999999993,
        "f0-e0 f10-e22 f11-e11 f12-e24 f13-e13 f15-e37 f16-e14 f17-e5 f18-e8 f19-e19 f20-e18 f21-e21 f25-e25 f26-e26 "
        "f27-e27 f28-e36 f34-e34 f35-e29 f38-e38 f39-e39 f6-e16 f7-e7 f9-e35",
    ),
    20: (
        33.33333333333333,
        "f0-e0 f12-e6 f15-e15 f16-e16 f18-e21 f22-e22 f23-e36 f26-e23 f32-e32 f34-e34 f37-e37 f38-e26 f4-e4 f6-e5 "
        "f7-e7 f8-e8 f9-e10",
    ),
    21: (40.0, "f0-e0 f1-e1 f14-e14 f16-e16 f18-e29 f23-e23 f34-e34 f35-e35 f4-e4 f5-e5"),
}


def comparable_corpora(seed: int) -> tuple[Split, Vectors, Vectors]:
    """Return 40 sentences a side, of which 25 are translations and some occur up to four times."""
    rng = np.random.default_rng(seed)
    foreign = rng.standard_normal((40, 6)).astype(np.float32)
    english = (foreign + 0.9 * rng.standard_normal((40, 6))).astype(np.float32)
    again = [2, 3, 3, 30, 30, 30, 31]
    order = [*range(5, 40), *again, *range(5)]
    sources = [(f"f{i}", f"Satz {text}", (f"e{i}",) if i < 25 else ()) for i, text in enumerate([*range(40), *again])]
    names = [f"again{place}" if 35 <= place < 42 else f"e{text}" for place, text in enumerate(order)]
    pool = [(name, f"sentence {text}") for name, text in zip(names, order, strict=True)]
    vectors = foreign[[*range(40), *again]], english[order]
    x, y = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in vectors)
    return Split.of("de", sources, pool=pool), x, y


@pytest.mark.parametrize("seed", REFERENCE)
def test_a_sentence_that_occurs_twice_is_one_neighbour_and_never_mined(seed: int) -> None:
    split, sources, pool = comparable_corpora(seed)
    f1, predictions = REFERENCE[seed]
    assert TARGET.rank
    mined = TARGET.rank(split, sources, pool)
    pairs = [f"{source}-{target}" for source, targets in zip(split.ids, mined, strict=True) for target in targets]
    assert sorted(pairs) == predictions.split()
    assert score_pairs(split, mined).metrics["f1"] == pytest.approx(f1)


def test_predictions_that_were_mined_otherwise_are_not_those_of_now(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bucc2018"
    folder.mkdir()
    for end, text in {"de": "de-1\ta\n", "en": "en-1\ta\n", "gold": "de-1\ten-1\n"}.items():
        (folder / f"de-en.dev.{end}").write_text(text, encoding="utf-8")
    common = {"model": str(tiny_model), "recipe": "small", "data_root": tmp_path, "store": tmp_path / "store"}
    experiment = define(Arguments(["none=none"], targets=["bucc2018"], languages=["de"], seeds=1, **common))
    [cell] = build(experiment).cells
    assert cell.predictions.inputs["version"] == 2
