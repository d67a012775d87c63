"""Carrying out the jobs of a run graph: the only place where models are loaded, trained and saved.

Each function turns one job into finished nodes and can run in any process. Neighbours: `graph` makes the jobs,
`experiment` runs them here or through Ray.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import transformers
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from evaluator import inference
from evaluator.arms import draw
from evaluator.features import Features
from evaluator.graph import Encoder, IntermediateJob, Job, Rows, TargetJob
from evaluator.hardware import Hardware
from evaluator.heads.base import Head
from evaluator.heads.registry import head_for
from evaluator.recipe import Recipe, Stage
from evaluator.scoring import capped, evaluation_splits
from evaluator.store import Json, Store
from evaluator.targets import find
from evaluator.targets.base import DataRoot, Split, Target
from evaluator.trainer import OnStep, Task, Training, TrainingLog, fit
from synthgen.dataset import dataset_format, read_manifest, read_rows
from synthgen.errors import UserError

OnProgress = Callable[[str], None]


def prepare(hardware: Hardware) -> torch.device:
    """Make torch compute as the node's key says, quietly and repeatably; UserError when it cannot."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    torch.set_num_threads(hardware.threads)
    if hardware.device == "cuda" and not torch.cuda.is_available():
        raise UserError("torch cannot use this machine's GPU; install its CUDA build, or set SYNTHGEN_DEVICE=cpu")
    torch.use_deterministic_algorithms(True, warn_only=True)
    return torch.device(hardware.device)


def carry_out(job: Job, store: Store, on_progress: OnProgress | None = None, *, keep_weights: bool = False) -> None:
    """Turn a job into finished nodes; what is finished already is left alone."""
    if isinstance(job, IntermediateJob):
        train_intermediate(job, store, on_progress)
    else:
        run_target(job, store, on_progress, keep_weights=keep_weights)


def train_intermediate(job: IntermediateJob, store: Store, on_progress: OnProgress | None = None) -> None:
    """Train an intermediate model on its drawn rows and keep it as a plain checkpoint folder."""
    if store.is_finished(job.node):
        return
    with store.writing(job.node) as (draft, results):
        log = train_on_datasets(job, checkpoint(job.base, store), draft, on_progress)
        results |= {"training": summary(log), "licence": job.licence}


def train_on_datasets(job: IntermediateJob, base: Path, out: Path, on_progress: OnProgress | None) -> TrainingLog:
    """Train the encoder at `base` on the job's parts, one head per label set, and save the first head's model."""
    device = prepare(job.hardware)
    tokenizer = load_tokenizer(base)
    tasks = _tasks(job, base, tokenizer, device)
    training = Training(job.stage, job.seed, job.recipe.tokens_per_batch, job.steps)
    log = fit(tasks, training, _reporter(on_progress))
    save(tasks[0].model, tokenizer, out)
    return log


def _tasks(job: IntermediateJob, base: Path, tokenizer: PreTrainedTokenizerBase, device: torch.device) -> list[Task]:
    """Return one task per label set; its parts' rows are pooled, as the base paper's authors advise for ANLI+."""
    pooled: dict[tuple[str, tuple[str, ...]], list[Any]] = {}
    for part in job.parts:
        format_ = dataset_format(read_manifest(part.folder))
        pooled.setdefault((format_.name, format_.labels), []).extend(_records(part, job.seed))
    tasks: list[Task] = []
    for (name, labels), records in pooled.items():
        head = head_for(name, labels, job.recipe)
        model = head.build(base, job.seed + len(tasks)).to(device)
        if tasks:
            setattr(model, model.base_model_prefix, tasks[0].model.base_model)
        tasks.append(Task(model, head, head.encode(records, tokenizer, job.stage)))
    return tasks


def _records(part: Rows, seed: int) -> list[Any]:
    format_: Any = dataset_format(read_manifest(part.folder))
    chosen = set(draw(part.total, part.rows, seed).tolist())
    return [format_.from_row(row) for i, row in enumerate(read_rows(part.folder)) if i in chosen]


def run_target(
    job: TargetJob, store: Store, on_progress: OnProgress | None = None, *, keep_weights: bool = False
) -> None:
    """Train a target model if it has a stage, and predict every language that lacks predictions in one pass."""
    missing = {language: node for language, node in job.predictions.items() if not store.is_finished(node)}
    if not missing:
        return
    device, target, base = prepare(job.hardware), find(job.target), checkpoint(job.encoder, store)
    tokenizer = load_tokenizer(base)
    head = head_for(target.head, target.labels, job.recipe)
    model = head.build(base, job.seed).to(device)
    if job.stage:
        with store.writing(job.node) as (draft, results):
            results |= train_target(job, job.stage, model, tokenizer, _reporter(on_progress))
            if keep_weights:
                save(model, tokenizer, draft)
    if on_progress:
        on_progress("predicting")
    languages = tuple(job.predictions if target.join else missing)
    splits = evaluation_splits(target, DataRoot(job.data_root), languages, job.split, job.max_eval_examples)
    predictions = predict(target, head, model, tokenizer, splits, job.stage or Stage(1.0, 1), job.recipe)
    for split, predicted in zip(splits, predictions, strict=True):
        if split.language in missing:
            with store.writing(missing[split.language]) as (draft, results):
                write_predictions(draft / "predictions.parquet", split.ids, predicted)
                results |= {"n": len(split)}


def train_target(
    job: TargetJob, stage: Stage, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, on_step: OnStep | None
) -> Json:
    """Train a target model in place, through the stage before it if the target has one, and return what was done."""
    target, root, done = find(job.target), DataRoot(job.data_root), Json()
    stages = [("training", target.train, target.labels, stage)]
    if target.pretrain:
        before = job.recipe.stage(f"{target.name}-pretrain")
        stages.insert(0, ("pretraining", target.pretrain, target.pretrain_labels, before))
    for name, read, labels, own in stages:
        if read is None:
            raise RuntimeError(f"target {target.name} has no training")
        head = head_for(target.head, labels, job.recipe)
        records = capped(read(root), job.max_train_examples, job.seed).records
        task = Task(model, head, head.encode(records, tokenizer, own))
        done[name] = summary(fit([task], Training(own, job.seed, job.recipe.tokens_per_batch), on_step))
    return done


def predict(
    target: Target,
    head: Head,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    splits: Sequence[Split],
    stage: Stage,
    recipe: Recipe,
) -> list[list[Any]]:
    """Return one list of predictions per split, computed in one length-sorted pass over all languages."""

    def encoded(records: Sequence[Any]) -> tuple[Sequence[Any], Features]:
        return records, head.encode(records, tokenizer, stage)

    if target.rank is None:
        sets = [encoded(split.records) for split in splits]
        return inference.predict(model, head, sets, recipe.tokens_per_batch)
    sets = list(chain.from_iterable((encoded(split.records), encoded(split.pool)) for split in splits))
    vectors = [np.stack(found) for found in inference.predict(model, head, sets, recipe.tokens_per_batch)]
    pairs = zip(splits, vectors[::2], vectors[1::2], strict=True)
    return [target.rank(split, queries, pool) for split, queries, pool in pairs]


def checkpoint(encoder: Encoder, store: Store) -> Path:
    """Return the folder of an encoder's weights."""
    if encoder.node is not None:
        return store.folder(encoder.node)
    if encoder.path is None:
        raise RuntimeError(f"encoder {encoder.identity} has neither a folder nor a node")
    return encoder.path


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a checkpoint folder."""
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return tokenizer


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write a plain checkpoint folder: safetensors, config with label names, tokenizer."""
    model.config.name_or_path = ""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def summary(log: TrainingLog) -> Json:
    """Return what a manifest says about a training run."""
    values = asdict(log)
    losses = values.pop("losses")
    return {**values, "first_loss": losses[0] if losses else None, "final_loss": log.final_loss}


def write_predictions(path: Path, ids: Sequence[str], predictions: Sequence[Any]) -> None:
    """Write one prediction per item as JSON text."""
    texts = [json.dumps(prediction, ensure_ascii=False) for prediction in predictions]
    pq.write_table(pa.table({"item_id": pa.array(ids, pa.string()), "prediction": pa.array(texts, pa.string())}), path)


def _reporter(on_progress: OnProgress | None) -> OnStep | None:
    if on_progress is None:
        return None
    return lambda step, steps: on_progress(f"step {step}/{steps}")
