"""Intermediate training in every format, of several datasets at once, and heads that are dropped or kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import evaluator
import synthgen
from evaluator.experiment.arguments import Arguments
from evaluator.experiment.definition import define
from evaluator.experiment.graph import build
from evaluator.experiment.jobs import IntermediateJob, TargetJob
from tests.evaluator.conftest import LABELS

torch = pytest.importorskip("torch")

from evaluator.experiment.recipe import Stage  # noqa: E402
from evaluator.training.heads.base import keep_head, share_encoder  # noqa: E402 - needs torch
from evaluator.training.heads.choice import ChoiceHead  # noqa: E402
from evaluator.training.heads.pair import PairHead  # noqa: E402
from evaluator.training.loop import TrainingConfig, TrainingTask, fit  # noqa: E402
from evaluator.training.tokenisation import load_tokenizer  # noqa: E402
from synthgen.formats.choice import Choice  # noqa: E402
from synthgen.formats.pair import Pair  # noqa: E402

SOURCES = {
    "mnli": "mnli/train_9k.json",
    "snli": "snli/train_9k.json",
    "qqp": "qqp/train_9k.json",
    "commonsenseqa": "commonsenseqa/train_rand_split.jsonl",
    "hellaswag": "hellaswag/val_1-3000.txt",
    "squad_v1": "squad/squad_sample.json",
    "udpos": "udpos/train-en.tsv",
}


@pytest.fixture(scope="module")
def real_sets(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Forty real rows of each corpus, as dataset folders."""
    folder = tmp_path_factory.mktemp("sets")
    for task, path in SOURCES.items():
        synthgen.import_task(task, source=str(data_root / path), out=folder / task, n=40)
    return {task: folder / task for task in SOURCES}


@pytest.mark.realdata
def test_every_format_and_several_sets_at_once_train_on_real_rows(
    real_sets: dict[str, Path], data_root: Path, tiny_model: Path, tmp_path: Path
) -> None:
    """The pool of MNLI and SNLI has one head; in the last arm four formats and five label sets share an encoder."""
    alone = [f"{task}={real_sets[task]}" for task in ("mnli", "commonsenseqa", "squad_v1", "udpos")]
    pooled = [f"nli={real_sets['mnli']}+{real_sets['snli']}", "all=" + "+".join(map(str, real_sets.values()))]
    evaluator.compare(
        [*alone, *pooled],
        targets=["tatoeba"],
        languages=["de"],
        seeds=1,
        model=str(tiny_model),
        recipe="small",
        data_root=data_root,
        store=tmp_path / "store",
        out=tmp_path / "report.html",
        max_eval_examples=20,
    )
    rows = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {row["arm"]: row["arm_n"] for row in rows} == {
        **dict.fromkeys(("mnli", "commonsenseqa", "squad_v1", "udpos"), 40), "nli": 80, "all": 280
    }  # fmt: skip
    manifests = [json.loads(p.read_text()) for p in (tmp_path / "store" / "intermediate").glob("*/synthgen.json")]
    trained = sorted(found["results"]["training"]["examples"] for found in manifests)
    assert trained[-1] >= 280 * 2  # the sample's contexts of two windows count twice
    losses = [found["results"]["training"]["final_loss"] for found in manifests]
    assert max(losses) < 10, losses


def jobs(datasets: dict[str, Path], model: Path, samples: Path, **options: Any) -> dict[str, TargetJob]:
    arguments = Arguments(
        [f"real={datasets['real']}"], targets=["xnli", "udpos"], languages=["en"], seeds=1, model=str(model),
        recipe="small", data_root=samples, **options,
    )  # fmt: skip
    experiment = define(arguments)
    return {job.target: job for job in build(experiment).jobs if not isinstance(job, IntermediateJob)}


def test_only_the_same_task_keeps_its_head_and_only_when_asked(
    datasets: dict[str, Path], tiny_model: Path, samples: Path
) -> None:
    dropped, kept = (jobs(datasets, tiny_model, samples, keep_heads=keep) for keep in (False, True))
    assert (kept["xnli"].keep_head, kept["udpos"].keep_head) == (True, False)
    assert not any(job.keep_head for job in dropped.values())
    assert kept["xnli"].node.key != dropped["xnli"].node.key
    assert kept["udpos"].node.key == dropped["udpos"].node.key


def test_a_kept_head_is_the_checkpoints_own(tiny_model: Path, tmp_path: Path) -> None:
    head = PairHead(LABELS)
    trained = head.build(tiny_model, 1)
    trained.save_pretrained(tmp_path)
    fresh = head.build(tmp_path, 2)
    assert not torch.equal(fresh.classifier.dense.weight, trained.classifier.dense.weight)
    for name, weight in keep_head(fresh, tmp_path).state_dict().items():
        assert torch.equal(weight, trained.state_dict()[name]), name


def test_a_sweep_with_kept_heads_runs_to_its_report(
    datasets: dict[str, Path], tiny_model: Path, samples: Path, tmp_path: Path
) -> None:
    evaluator.compare(
        [f"real={datasets['real']}"], targets=["xnli"], languages=["en", "de"], seeds=1, model=str(tiny_model),
        recipe="small", data_root=samples, store=tmp_path / "store", out=tmp_path / "report.html",
        max_train_examples=8, max_eval_examples=8, keep_heads=True,
    )  # fmt: skip
    assert (tmp_path / "report.html").is_file()


def test_pairs_and_choices_train_one_encoder_though_only_choices_have_a_pooler(tiny_model: Path) -> None:
    tokenizer, stage = load_tokenizer(tiny_model), Stage(1e-2, 1, examples_per_step=4)
    records = {
        PairHead(LABELS): [Pair("the cat", "a dog", i % 3) for i in range(8)],
        ChoiceHead(("0", "1")): [Choice("the cat", "sat ?", ("on mat", "in tree"), i % 2) for i in range(8)],
    }
    tasks = [TrainingTask(h.build(tiny_model, 1), h, h.encode(own, tokenizer, stage)) for h, own in records.items()]
    share_encoder(tasks[0].model, tasks[1].model)
    before = tasks[1].model.base_model.pooler.dense.weight.detach().clone()
    log = fit(tasks, TrainingConfig(stage, seed=0))
    assert (log.steps, log.examples) == (4, 16)
    assert not torch.equal(tasks[1].model.base_model.pooler.dense.weight, before)
    weights = [task.model.base_model.get_input_embeddings().weight for task in tasks]
    assert weights[0] is weights[1]
