"""A verifier's probabilities as columns of a set, and recipes that train on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import evaluator
import synthgen
from evaluator.experiment.arguments import Arguments
from evaluator.experiment.definition import define
from evaluator.experiment.graph import stage_inputs
from evaluator.experiment.recipe import SMALL, Stage, load_recipe
from synthgen.cards.card import check
from synthgen.errors import UserError
from synthgen.publishing.verify import verify
from tests.evaluator.conftest import LABELS, sentence
from tests.synthgen.conftest import dataset_folder

torch = pytest.importorskip("torch")

from evaluator.training.features import Feature, pack  # noqa: E402 - needs torch
from evaluator.training.heads.pair import PairHead  # noqa: E402
from evaluator.training.heads.registry import head_for  # noqa: E402
from evaluator.training.soft_targets import TrainingRecord, cross_entropy, soften, total_weight  # noqa: E402
from synthgen.formats.pair import Pair  # noqa: E402

ROWS = [
    {"id": f"row-{number}", "premise": sentence(number), "hypothesis": sentence(3 * number + 1), "label": number % 3}
    for number in range(48)
]
RECIPE = """base = "small"
[stages.intermediate]
epochs = 1
"""


@pytest.fixture(scope="module")
def hard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dataset_folder(tmp_path_factory.mktemp("hard") / "set", ROWS, label_counts=dict.fromkeys(LABELS, 16))


@pytest.fixture(scope="module")
def soft(hard: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same rows with the probabilities of a checkpoint that was trained on them."""
    folder = tmp_path_factory.mktemp("soft")
    evaluator.train(hard, out=folder / "verifier", model=str(tiny_model), recipe="small")
    (folder / "filters.toml").write_text("[verify]\nmin_confidence = 1.0\nprobabilities = true\n")
    out = folder / "set"
    synthgen.filter(hard, out=out, verifier=folder / "verifier", filters=folder / "filters.toml")
    return out


def rows_of(folder: Path) -> list[dict[str, object]]:
    return [row for path in sorted((folder / "data").glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def test_rows_that_stay_carry_the_probabilities_of_all_labels_and_of_their_own(soft: Path) -> None:
    rows = rows_of(soft)
    assert len(rows) == len(ROWS)
    for row in rows:
        assert sum(row["label_probs"]) == pytest.approx(1, abs=1e-5)
        assert row["weight"] == pytest.approx(row["label_probs"][row["label"]], abs=1e-6)
    assert len({row["weight"] for row in rows}) > 3
    assert check(soft) == []
    assert verify(soft).faults == ()


def test_later_filters_keep_the_columns(soft: Path, tmp_path: Path) -> None:
    (tmp_path / "filters.toml").write_text("[exact]\n")
    manifest = synthgen.filter(soft, out=tmp_path / "out", filters=tmp_path / "filters.toml")
    assert rows_of(tmp_path / "out")[0]["label_probs"] == rows_of(soft)[0]["label_probs"]
    assert manifest.checks["label_probabilities"]["name"] == "verifier"
    assert check(tmp_path / "out") == []


def test_a_recipe_trains_on_them_and_says_so(soft: Path, hard: Path, tiny_model: Path, tmp_path: Path) -> None:
    hashes = {}
    for targets in ("hard", "soft", "weighted"):
        recipe = tmp_path / f"{targets}.toml"
        recipe.write_text(f'{RECIPE}targets = "{targets}"\n')
        made = evaluator.train(soft, out=tmp_path / targets, model=str(tiny_model), recipe=str(recipe))
        assert made["inputs"]["stage"].get("targets", "hard") == targets
        hashes[targets] = made["files"]["model.safetensors"]
    assert len(set(hashes.values())) == 3
    with pytest.raises(UserError, match=r'recipe soft has targets = "soft", and no dataset has .* probabilities'):
        evaluator.train(hard, out=tmp_path / "no", model=str(tiny_model), recipe=str(tmp_path / "soft.toml"))


def test_arms_compare_labels_with_probabilities_under_one_recipe(
    soft: Path, hard: Path, tiny_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "soft.toml").write_text(f'{RECIPE}targets = "soft"\n')
    options = {"targets": ["tatoeba"], "languages": ["de"], "model": str(tiny_model), "data_root": "sample"}
    both = define(Arguments([f"hard={hard}", f"soft={soft}"], **options, recipe=str(tmp_path / "soft.toml")))
    assert [arm.name for arm in both.arms] == ["hard", "soft"]
    with pytest.raises(UserError, match="no dataset has label probabilities"):
        define(Arguments([f"hard={hard}"], **options, recipe=str(tmp_path / "soft.toml")))


def test_certain_targets_and_labels_have_one_loss() -> None:
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    features = pack(Feature(([0, 7, 2],), [label], place) for place, label in enumerate((0, 2, 1, 1)))
    records = [TrainingRecord(Pair("a", "b", label)) for label in (0, 2, 1, 1)]
    softened = soften(features, records, Stage(1.0, 1, targets="soft"), 3)
    targets = torch.from_numpy(softened.targets.reshape(4, -1).astype(np.int64))
    hard = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 2, 1, 1]), reduction="sum")
    assert float(cross_entropy(logits, targets)) == pytest.approx(float(hard), rel=1e-6)
    head = PairHead(("a", "b", "c"))
    assert head.count([softened.target(place) for place in range(4)]) == head.count(list(np.ones((4, 1)))) == 4


def test_smoothing_weights_and_probabilities_are_what_the_targets_hold() -> None:
    features = pack([Feature(([0, 7, 2],), [1], 0)])
    records = [TrainingRecord(Pair("a", "b", 1), [0.25, 0.75], 0.75)]

    def target(**settings: object) -> list[int]:
        return soften(features, records, Stage(1.0, 1, **settings), 2).target(0).tolist()  # type: ignore[arg-type]

    assert target(targets="soft") == [1, 1_000_000, 125_000, 875_000]
    assert target(targets="soft", own_label=0.0) == [1, 1_000_000, 250_000, 750_000]
    assert target(targets="weighted") == [1, 750_000, 0, 1_000_000]
    assert target(label_smoothing=0.1) == [1, 1_000_000, 50_000, 950_000]
    assert total_weight([np.array([1, 0, 0, 1])]) > 0


def test_recipes_without_soft_targets_keep_their_keys_and_wrong_ones_are_named(tmp_path: Path) -> None:
    inputs = stage_inputs(SMALL.stage("intermediate"), SMALL)
    assert not {"targets", "own_label", "label_smoothing"} & set(inputs)
    for line, message in [
        ('targets = "sort"', "unknown targets 'sort' in a stage; did you mean 'soft'?"),
        ("label_smoothing = 1.0", "label_smoothing = 1.0 in a stage; allowed: from 0 to less than 1"),
        ("own_label = 1.0", "own_label = 1.0 in a stage; allowed: from 0 to less than 1"),
        ("targets = 1", "targets = 1 in .*: expected text"),
    ]:
        (tmp_path / "wrong.toml").write_text(f"{RECIPE}{line}\n")
        with pytest.raises(UserError, match=message):
            load_recipe(str(tmp_path / "wrong.toml"), 384)


@pytest.mark.parametrize("name", ["span", "dual", "retrieval"])
def test_features_of_heads_without_labels_count_once_however_many_values_their_targets_have(name: str) -> None:
    head = head_for(name, (), load_recipe("small", width=384))
    assert head.count([np.array([3, 4, 0, 5, 1], dtype=np.int32), np.array([0, 0, 0, 9, 1], dtype=np.int32)]) == 2
