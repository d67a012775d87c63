"""Our metrics give the reference implementations' numbers to the last digit; golden/make_reference.py ran those."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluator.benchmark.metrics.answers import score_mlqa
from evaluator.benchmark.metrics.retrieval import score_ranking
from evaluator.benchmark.registry import find
from evaluator.benchmark.target import DataRoot, Split
from synthgen.corpora.readers.text import read_json
from tests.evaluator.noise import noisy

GOLDEN = json.loads((Path(__file__).parent / "golden" / "reference.json").read_text(encoding="utf-8"))
NAMES = {"exact_match": "em", "map@20": "map20"}


def matches(ours: dict[str, float], theirs: dict[str, float]) -> None:
    shared = {NAMES.get(name, name): value for name, value in theirs.items() if name not in ("precision", "recall")}
    assert {name: ours[name] for name in shared} == pytest.approx(shared, abs=1e-9)


def cells(*, joined: bool) -> list[str]:
    plain = [key for key in GOLDEN if "-" not in key.split("/")[0]]
    return [key for key in plain if (key.split("/")[0] == "lareqa") == joined]


@pytest.mark.realdata
@pytest.mark.parametrize("key", cells(joined=False))
def test_a_target_scores_as_the_reference_does(data_root: Path, key: str) -> None:
    name, split_name, code = key.split("/")
    target = find(name)
    split = target.load(DataRoot(data_root), code, split_name)
    matches(target.score(split, noisy(target, split)).metrics, GOLDEN[key])


@pytest.mark.realdata
def test_lareqa_scores_as_the_reference_does_over_the_pool_of_all_languages(data_root: Path) -> None:
    target = find("lareqa")
    codes = [key.split("/")[2] for key in cells(joined=True)]
    assert target.join is not None
    for split in target.join([target.load(DataRoot(data_root), code, "test") for code in codes]):
        matches(target.score(split, noisy(target, split)).metrics, GOLDEN[f"lareqa/test/{split.language}"])


@pytest.mark.realdata
@pytest.mark.parametrize("key", [key for key in GOLDEN if key.startswith("official-")])
def test_answers_score_as_the_official_scripts_of_squad_and_mlqa_do(data_root: Path, key: str) -> None:
    name, split_name, code = key.removeprefix("official-").split("/")
    target = find(name)
    split = target.load(DataRoot(data_root), code, split_name)
    matches(target.score(split, noisy(target, split)).metrics, GOLDEN[key])


@pytest.mark.realdata
@pytest.mark.parametrize("code", ["ar", "hi", "vi", "zh"])
def test_mlqa_normalises_every_language_as_the_reference_does(data_root: Path, code: str) -> None:
    xquad = find("xquad")
    split = xquad.load(DataRoot(data_root), code, "test")
    matches(score_mlqa(split, noisy(xquad, split)).metrics, GOLDEN[f"mlqa-normaliser/test/{code}"])


@pytest.mark.realdata
@pytest.mark.parametrize("key", [key for key in GOLDEN if key.startswith("mewslix-mock")])
def test_mewslix_scores_its_mock_files_as_the_reference_does(data_root: Path, key: str) -> None:
    name = f"test-{key.split('/')[2]}.json"
    gold = read_json(data_root / "xtreme_mock" / "labels" / "mewslix" / name)
    ranked = read_json(data_root / "xtreme_mock" / "predictions" / "mewslix" / name)
    split = Split("de", tuple(gold), tuple(gold), tuple(tuple(ids) for ids in gold.values()), (Path(name),))
    matches(score_ranking(split, [ranked.get(item) for item in gold]).metrics, GOLDEN[key])
