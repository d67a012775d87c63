"""Training and prediction jobs of a run graph: the only place where models are loaded, trained and saved.

`experiment.graph` defines the jobs, `sweep.runner` runs them in this process or through Ray.
"""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import transformers
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from evaluator.benchmark.registry import of_run
from evaluator.benchmark.splits import EN_DEV, evaluation_splits
from evaluator.benchmark.target import DataRoot, Split
from evaluator.experiment.hardware import Hardware
from evaluator.experiment.jobs import Encoder, IntermediateJob, Job, TargetJob
from evaluator.experiment.recipe import Stage
from evaluator.store import Json, Node, Store
from evaluator.tracking.tracker import step_text
from evaluator.training import inference, tokenisation
from evaluator.training.checkpoint_selection import dev_items
from evaluator.training.features import Features
from evaluator.training.freed_memory import keep_freed_memory, return_freed_memory
from evaluator.training.heads.base import Head, Remap, keep_head, share_encoder
from evaluator.training.loop import DevEvaluator, OnStep, TrainingConfig, TrainingLog, TrainingTask, fit
from evaluator.training.tokenisation import load_tokenizer, target_head
from synthgen.errors import UserError
from synthgen.runtime.files import new_file, rust_writer

OnProgress = Callable[[str], None]
"""Callback with a line of progress."""

THREADS_BESIDE_A_GPU = 8
"""Of a run: on a machine of many cores and GPUs, each run would start one for every core."""


def configure_torch(hardware: Hardware) -> torch.device:
    """Set torch's threads and determinism, silence transformers and return the device.

    Raises UserError for a GPU that torch cannot use, or one without units for the bfloat16 asked for.
    """
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    most = THREADS_BESIDE_A_GPU if hardware.device == "cuda" else hardware.threads
    torch.set_num_threads(min(hardware.threads, most))
    if hardware.device == "cuda" and not torch.cuda.is_available():
        raise UserError("torch cannot use this machine's GPU; install its CUDA build, or set SYNTHGEN_DEVICE=cpu")
    if hardware.device == "cuda" and hardware.bfloat16 and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise UserError(f"{torch.cuda.get_device_name()} has no units for bfloat16; set SYNTHGEN_BFLOAT16=0")
    _compute_deterministically(hardware.device)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # finds bugs, costs time
    keep_freed_memory()
    return torch.device(hardware.device)


def _compute_deterministically(device: str) -> None:
    """Take torch's deterministic algorithms: on a GPU strictly, where with warnings alone attention is none of them.

    cuBLAS needs a workspace of its own for that, which it reads from the environment before its first call.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=device != "cuda")


def run_job(job: Job, store: Store, on_progress: OnProgress, *, keep_weights: bool = False) -> None:
    """Turn a job into finished nodes of the store; finished ones are left alone."""
    try:
        if isinstance(job, IntermediateJob):
            train_intermediate(job, store, on_progress)
        else:
            run_target(job, store, on_progress, keep_weights=keep_weights)
    finally:
        return_freed_memory()


def train_intermediate(job: IntermediateJob, store: Store, on_progress: OnProgress) -> None:
    """Train one head per label set on a shared encoder and store a plain checkpoint folder with the first head."""
    if store.is_finished(job.node):
        return
    started = time.monotonic()
    device, base = configure_torch(job.hardware), checkpoint(job.base, store)
    tokenizer = load_tokenizer(job.base.tokenizer_folder)
    tasks: list[TrainingTask] = []
    inputs: dict[str, Json] = {}
    for head, features in tokenisation.intermediate_features(job, store):
        stage = job.stage if job.target_data else job.recipe.intermediate((head.name,))
        inputs[head.name] = input_counts(head, features, stage)
        model = build(head, base, tokenizer, job.seed + len(tasks)).to(device)
        if tasks:
            share_encoder(tasks[0].model, model)
            model.tie_weights()
        tasks.append(TrainingTask(model, head, features))
    with store.writing(job.node) as (draft, results):
        tokens, bfloat16 = job.recipe.tokens_per_batch, job.hardware.bfloat16
        config = TrainingConfig(job.stage, job.seed, tokens, job.steps, not job.corpora, bfloat16)
        log = fit(tasks, config, _step_reporter(on_progress))
        save(tasks[0].model, tokenizer, draft)
        apart = time.monotonic() - started - log.seconds
        results |= {"training": summary(log), "licence": job.licence, "seconds_apart": apart, **_gpu(device)}
        results["inputs"] = inputs


def input_counts(head: Head, features: Features, stage: Stage) -> Json:
    """Return how many features there are, how many fill the stage's length and may be cut, or hold no answer."""
    counts = {"features": len(features)}
    if head.name != "span":
        return {**counts, "full": int((features.lengths >= stage.max_length).sum())}
    first = features.target_starts[:-1]
    without = (features.targets[first] == 0) & (features.targets[first + 1] == 0)
    return {**counts, "without_answer": int(without.sum())}


def run_target(job: TargetJob, store: Store, on_progress: OnProgress, *, keep_weights: bool = False) -> None:
    """Train a target model if it has a stage, and predict every language that lacks predictions in one pass."""
    missing = {language: node for language, node in job.predictions.items() if not store.is_finished(node)}
    if not missing and (job.stage is None or store.is_finished(job.node)):
        return
    started = time.monotonic()
    device, base = configure_torch(job.hardware), checkpoint(job.encoder, store)
    tokenizer = load_tokenizer(job.encoder.tokenizer_folder)
    model = build(target_head(job), base, tokenizer, job.seed)
    model = (keep_head(model, base) if job.keep_head else model).to(device)
    if job.stage:
        with store.writing(job.node) as (draft, results):
            tokens, bfloat16 = job.recipe.tokens_per_batch, job.hardware.bfloat16
            for each in tokenisation.training_features(job, store):
                config = TrainingConfig(each.stage, job.seed, tokens, bfloat16=bfloat16)
                dev_evaluator = english_dev(job, store) if each.name == "training" else None
                tasks = [TrainingTask(model, each.head, each.features)]
                on_step = _step_reporter(on_progress, "" if each.name == "training" else each.name)
                results[each.name] = summary(fit(tasks, config, on_step, dev_evaluator))
            if keep_weights:
                save(model, tokenizer, draft)
            trained = sum(log["seconds"] for log in results.values())
            results |= {"seconds_apart": time.monotonic() - started - trained, **_gpu(device)}
            results["encoder"] = dict(job.encoder.history)
    if missing:
        on_progress("predicting")
        _write_predictions(job, model, missing, store)


def _write_predictions(job: TargetJob, model: PreTrainedModel, missing: Mapping[str, Node], store: Store) -> None:
    """Predict in one pass, and write the nodes of the languages that lack predictions."""
    started, join = time.monotonic(), of_run(job.target, job.definition).join
    splits = job_splits(job, tuple(job.predictions if join else missing))
    predictions, tokens = predict(job, model, splits, store)
    seconds = (time.monotonic() - started) / len(splits)
    for number, (split, predicted) in enumerate(zip(splits, predictions, strict=True)):
        if split.language not in missing:
            continue
        with store.writing(missing[split.language]) as (draft, results):
            texts = [json.dumps(prediction, ensure_ascii=False) for prediction in predicted]
            columns = {"item_id": pa.array(split.ids, pa.string()), "prediction": pa.array(texts, pa.string())}
            with new_file(draft / "predictions.parquet") as file:
                pq.write_table(pa.table(columns), file)
            share = tokens * (number + 1) // len(splits) - tokens * number // len(splits)  # sums to tokens
            results |= {"n": len(split), "tokens": share, "seconds": seconds}


def _gpu(device: torch.device) -> Json:
    """Return the model of the GPU that a run was on, whose sums another model's differ from; nothing on a CPU."""
    return {"gpu": torch.cuda.get_device_name(device)} if device.type == "cuda" else {}


def predict(
    job: TargetJob, model: PreTrainedModel, splits: Sequence[Split], store: Store
) -> tuple[list[list[Any]], int]:
    """Return the predictions of each split and the tokens computed, in one length-sorted pass over all languages."""
    target, sets = of_run(job.target, job.definition), tokenisation.prediction_features(job, splits, store)
    tokens_per_batch, bfloat16 = job.recipe.tokens_per_batch, job.hardware.bfloat16
    predictions = inference.predict(model, target_head(job), sets, tokens_per_batch, bfloat16=bfloat16)
    tokens = sum(features.tokens for _, features in sets)
    if not target.rank:
        return predictions, tokens
    vectors = [np.stack(rows) for rows in predictions]
    queries, pools = vectors[: len(splits)], vectors[len(splits) :] * (len(splits) if target.join else 1)
    return [target.rank(split, q, p) for split, q, p in zip(splits, queries, pools, strict=True)], tokens


def english_dev(job: TargetJob, store: Store) -> DevEvaluator | None:
    """Return the evaluation by which a target's checkpoint is selected; None for the last checkpoint."""
    if job.select != EN_DEV:
        return None
    target, head, selection = of_run(job.target, job.definition), target_head(job), job.recipe.selection_of(job.target)
    items = dev_items(target, DataRoot(job.data_root), selection["examples"])
    features = tokenisation.evaluation_features(job, items.records, store)
    tokens_per_batch, bfloat16 = job.recipe.tokens_per_batch, job.hardware.bfloat16

    def score(model: PreTrainedModel, remap: Remap | None) -> float:
        outputs = inference.run(model, head, features, tokens_per_batch, remap, bfloat16=bfloat16)
        return target.score(items, head.decode(items.records, features, outputs)).metrics[target.metrics[0]]

    return DevEvaluator(features, selection["every_steps"], selection["patience"], score)


def job_splits(job: TargetJob, languages: Sequence[str]) -> list[Split]:
    """Return the items of a job that are predicted in these languages."""
    root = DataRoot(job.data_root)
    return evaluation_splits(of_run(job.target, job.definition), root, languages, job.split, job.max_eval_examples)


def checkpoint(encoder: Encoder, store: Store) -> Path:
    """Return the folder of an encoder's weights."""
    folder = store.folder(encoder.node) if encoder.node else encoder.path
    if folder is None:
        raise RuntimeError(f"encoder {encoder.identity} has neither a folder nor a node")
    return folder


def build(head: Head, folder: Path, tokenizer: PreTrainedTokenizerBase, seed: int) -> PreTrainedModel:
    """Return the head's model; UserError for a checkpoint with another vocabulary than its tokenizer's."""
    model = head.build(folder, seed)
    if len(tokenizer) > (rows := model.get_input_embeddings().num_embeddings):
        sizes = f"the tokenizer has {len(tokenizer)} tokens and the model {rows}"
        raise UserError(f"{folder}: {sizes}; they do not match")
    return model


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write a plain checkpoint folder: safetensors, config with label names, tokenizer."""
    model.config.name_or_path = ""
    with rust_writer(folder):
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def summary(log: TrainingLog) -> Json:
    """Return a manifest's entries about a run; the final loss is the mean of the last tenth of the steps."""
    values = asdict(log)
    losses = values.pop("losses")
    tail = losses[-max(1, len(losses) // 10) :]
    return {**values, "first_loss": (losses or (None,))[0], "final_loss": sum(tail) / len(tail) if tail else 0.0}


def _step_reporter(on_progress: OnProgress, stage: str = "") -> OnStep:
    return lambda step, steps, loss: on_progress(step_text(step, steps, loss, stage))
