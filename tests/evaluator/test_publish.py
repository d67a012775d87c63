"""Publishing checkpoints and comparisons: what goes where, what is refused; the same call again does nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import evaluator
from evaluator.benchmark.own_target import new_target
from evaluator.benchmark.registry import find
from evaluator.benchmark.target_file import reading_hash
from evaluator.reporting.hub_results import hub_task
from evaluator.stats.results import read_results, write_results
from evaluator.store.manifest import read_node
from evaluator.sweep.kept_target import stage_target
from synthgen.errors import UserError
from tests.data import TINY_DATA_ROOT
from tests.evaluator.conftest import LABELS, TINY_RECIPE, sentence, write_pairs
from tests.evaluator.experiments import make_rows
from tests.synthgen.conftest import dataset_folder
from tests.synthgen.test_publish import WritableHub, writable_hub

pytest.importorskip("huggingface_hub")
import yaml
from huggingface_hub import parse_eval_result_entries


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
    with pytest.raises(UserError, match="ann/results exists and contains another comparison"):
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
    with pytest.raises(UserError, match="is neither a checkpoint of `evaluator train` .* nor the folder of a report"):
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


@pytest.fixture(scope="module")
def kept(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a comparison of one arm and seed that kept its target model."""
    folder = tmp_path_factory.mktemp("kept")
    (folder / "tiny.toml").write_text(TINY_RECIPE, encoding="utf-8")
    evaluator.compare(
        [f"real={write_pairs(folder / 'real', 24)}"], targets=["xnli"], languages=["es", "en"], seeds=1,
        model=str(tiny_model), recipe=str(folder / "tiny.toml"), data_root=TINY_DATA_ROOT, store=folder / "store",
        out=folder / "out" / "report.html", max_train_examples=8, max_eval_examples=6, keep_weights=True,
    )  # fmt: skip
    return folder / "store"


@pytest.fixture
def store(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "store"))


def target_of(store: Path) -> Path:
    [folder] = (store / "target").iterdir()
    return folder


def test_a_target_model_goes_to_the_hub_with_its_scores_in_the_hubs_own_format(hub: WritableHub, store: Path) -> None:
    published = evaluator.publish(target_of(store), to="ann/xnli")
    assert published.status == "published"
    sent = hub.repos["ann/xnli"]
    weights = {"config.json", "model.safetensors", "tokenizer.json"}
    assert {*weights, "README.md", ".eval_results/xnli.yaml", "synthgen.json", "scores.json"} <= sent.keys()
    results = {row.language: row for row in read_results(store / "results.jsonl").rows}
    entries = parse_eval_result_entries(yaml.safe_load(sent[".eval_results/xnli.yaml"]))
    for entry, language in zip(entries, ("en", "es"), strict=True):
        assert (entry.dataset_id, entry.task_id) == ("facebook/xnli", language)
        assert entry.value == round(results[language].value, 2)
        assert entry.notes == (
            f"language {language}, accuracy in %, split test, 6 items, drawn by --max-eval-examples, seed 0, "
            "zero-shot: trained on English (at most 8 examples)"
        )
    card = sent["README.md"].decode()
    assert "24 rows of mnli (real, en, CC0-1.0)" in card
    assert f"| es | test | accuracy | {results['es'].value:.2f} | 6 (drawn) |" in card
    assert 'pipeline_tag: "text-classification"' in card
    assert evaluator.publish(target_of(store), to="ann/xnli").status == "already published"


def test_a_published_target_model_can_be_loaded_from_its_folder_and_is_resumed_there(
    store: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForSequenceClassification

    to = tmp_path / "public"
    plan = evaluator.publish(target_of(store), to=str(to), dry_run=True)
    assert (plan.status, to.exists()) == ("dry run: nothing was sent", False)
    assert evaluator.publish(target_of(store), to=str(to)).files == plan.files
    assert (to / ".eval_results" / "xnli.yaml").is_file()
    assert not any(path.is_symlink() for path in to.rglob("*"))
    assert AutoModelForSequenceClassification.from_pretrained(to).config.num_labels == 3
    assert evaluator.publish(target_of(store), to=str(to)).status == "already published"
    (to / ".eval_results" / "xnli.yaml").write_text("[]\n")
    with pytest.raises(UserError, match=r"\.eval_results/xnli\.yaml is missing or another file there"):
        evaluator.publish(target_of(store), to=str(to))


def test_scores_of_a_target_model_are_read_only_from_nodes_that_are_as_they_were_finished(
    store: Path, tmp_path: Path
) -> None:
    to = str(tmp_path / "public")
    items = next((store / "scores").glob("*/items.json"))
    items.write_text(items.read_text().replace("1", "0"))
    with pytest.raises(UserError, match=r"not published: .*items\.json.*evaluator store repair"):
        evaluator.publish(target_of(store), to=to)
    shutil.rmtree(store / "scores")
    evaluator.publish(target_of(store), to=to)
    assert not (tmp_path / "public" / ".eval_results").exists()
    assert "The store has no scores of it." in (tmp_path / "public" / "README.md").read_text()


def test_a_target_model_without_weights_and_an_intermediate_one_are_refused_with_what_to_do(store: Path) -> None:
    [intermediate] = (store / "intermediate").iterdir()
    with pytest.raises(UserError, match="has no model card"):
        evaluator.publish(intermediate, to="ann/x")
    (target_of(store) / "config.json").unlink()
    with pytest.raises(UserError, match="has no weights: run `evaluator compare --keep-weights`"):
        evaluator.publish(target_of(store), to="ann/x")


def test_the_record_of_a_store_defines_a_target_of_ones_own_that_is_not_known_here(store: Path, tmp_path: Path) -> None:
    definition = Path(new_target("pair", tmp_path / "topics.toml")).read_text(encoding="utf-8")
    node = read_node(target_of(store))
    node["inputs"] |= {"target": "topics", "definition": reading_hash(definition)}
    shutil.rmtree(store / "scores")
    for definitions in (None, {"topics": 3}, {"topics": definition.replace('"topic"', '"theme"')}):
        write_record(store, definitions)
        with pytest.raises(UserError, match="the target topics is not known here; set SYNTHGEN_TARGETS"):
            stage_target(target_of(store), node, tmp_path / "staging")
    write_record(store, {"topics": definition})
    assert "README.md" in stage_target(target_of(store), node, tmp_path / "staging")


def write_record(store: Path, definitions: object) -> None:
    (store / "tables.json").unlink(missing_ok=True)
    (store / "experiment.json").write_text(json.dumps({"definitions": definitions}), encoding="utf-8")


@pytest.mark.parametrize(
    ("target", "language", "dataset", "task"),
    [
        ("udpos", "de", "google/xtreme", "udpos.German"),
        ("belebele", "sw", "facebook/belebele", "swh_Latn"),
        ("tydiqa", "sw", "google-research-datasets/tydiqa", "secondary_task"),
        ("bucc2018", "de", "google/xtreme", "bucc18.de"),
    ],
)
def test_a_result_names_the_dataset_and_configuration_that_hold_its_items(
    target: str, language: str, dataset: str, task: str
) -> None:
    assert hub_task(find(target), language, "test") == (dataset, task)
