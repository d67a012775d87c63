"""Publishing checkpoints and comparisons: what goes where, what is refused; the same call again does nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import evaluator
from evaluator.stats.results import write_results
from synthgen.errors import UserError
from tests.evaluator.conftest import LABELS, sentence
from tests.evaluator.experiments import make_rows
from tests.synthgen.conftest import dataset_folder
from tests.synthgen.test_publish import WritableHub, writable_hub

pytest.importorskip("huggingface_hub")


@pytest.fixture(scope="module")
def trained(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    rows = [{"id": str(i), "premise": sentence(i), "hypothesis": sentence(i + 1), "label": i % 3} for i in range(12)]
    data = dataset_folder(folder / "set", rows, label_counts=dict.fromkeys(LABELS, 4))
    evaluator.train(data, out=folder / "model", model=str(tiny_model), recipe="small")
    return folder / "model"


@pytest.fixture
def checkpoint(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "model"))


@pytest.fixture
def comparison(tmp_path: Path) -> Path:
    folder = tmp_path / "comparison"
    folder.mkdir()
    write_results(folder / "results.jsonl", make_rows(sizes=[1000], seeds=2, targets=["xnli"], languages=["de"]))
    evaluator.report(folder, out=folder / "report.html")
    return folder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WritableHub]:
    with writable_hub(tmp_path, monkeypatch) as server:
        yield server


def test_a_comparison_goes_to_the_hub_with_its_card_as_the_readme(hub: WritableHub, comparison: Path) -> None:
    published = evaluator.publish(comparison, to="ann/results", private=True)
    assert published.status == "published"
    assert list(published.files)[-1] == "results.jsonl"
    assert {"README.md", "report.html", "comparison.json", "results.md"} < set(published.files)
    assert hub.repos["ann/results"]["README.md"] == (comparison / "results_card.md").read_bytes()
    assert evaluator.publish(comparison, to="ann/results", private=True).status == "already published"
    assert len(hub.commits) == 1
    write_results(comparison / "results.jsonl", make_rows(sizes=[1000], seeds=3, targets=["xnli"], languages=["de"]))
    with pytest.raises(UserError, match="ann/results exists and holds another comparison"):
        evaluator.publish(comparison, to="ann/results")


def test_what_a_report_is_computed_from_goes_with_it(comparison: Path, tmp_path: Path) -> None:
    (comparison / "overlap.json").write_text('{"overlaps": []}\n')
    evaluator.publish(comparison, to=str(tmp_path / "public"))
    assert (tmp_path / "public" / "overlap.json").read_bytes() == (comparison / "overlap.json").read_bytes()


def test_a_checkpoint_goes_to_a_folder_whole_and_can_be_used_there(checkpoint: Path, tmp_path: Path) -> None:
    plan = evaluator.publish(checkpoint, to=str(tmp_path / "public"), dry_run=True)
    assert plan.status == "dry run: nothing was sent"
    assert not (tmp_path / "public").exists()
    published = evaluator.publish(checkpoint, to=str(tmp_path / "public"))
    assert published.files == plan.files
    assert {"README.md", "config.json", "model.safetensors", "synthgen.json"} < set(published.files)
    assert (tmp_path / "public" / "model.safetensors").read_bytes() == (checkpoint / "model.safetensors").read_bytes()
    assert evaluator.publish(checkpoint, to=str(tmp_path / "public")).status == "already published"


def test_a_dry_run_says_that_a_checkpoint_becomes_a_model_repository(checkpoint: Path) -> None:
    plan = evaluator.publish(checkpoint, to="ann/model", dry_run=True)
    assert plan.steps[0].startswith("create the public model repository ann/model")
    assert any(line.endswith("ann/model: dry run: nothing was sent") for line in plan.lines())


def test_what_is_damaged_private_or_neither_is_refused_in_one_line(
    checkpoint: Path, comparison: Path, tmp_path: Path
) -> None:
    to = str(tmp_path / "public")
    with pytest.raises(UserError, match="is no checkpoint of evaluator train .* and no folder of a report"):
        evaluator.publish(tmp_path, to="ann/x")
    (comparison / "arms.json").write_text(json.dumps({"real": {"note": "/home/ann/data"}}))
    with pytest.raises(UserError, match=r"not published: arms\.json holds an absolute path"):
        evaluator.publish(comparison, to=to)
    (comparison / "results_card.md").unlink()
    with pytest.raises(UserError, match="has no report: evaluator report"):
        evaluator.publish(comparison, to=to)
    (checkpoint / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"config\.json"):
        evaluator.publish(checkpoint, to=to)
    with pytest.raises(UserError, match="is inside the run itself"):
        evaluator.publish(checkpoint, to=str(checkpoint / "public"))
    with pytest.raises(UserError, match="neither owner/name"):
        evaluator.publish(checkpoint, to="nobody")
    assert not Path(to).exists()
