"""The exact counts of a job, by tokenising its data, and the speed of this machine, by training a few steps."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evaluator.benchmark.registry import find
from evaluator.benchmark.splits import evaluation_splits
from evaluator.benchmark.target import DataRoot
from evaluator.experiment.graph import IntermediateJob, Job, TargetJob
from evaluator.experiment.hardware import Hardware
from evaluator.experiment.recipe import Stage
from evaluator.experiment.throughput import Throughput
from evaluator.store import Store
from evaluator.training.batching import count_steps
from evaluator.training.features import Feature, Features, pack
from evaluator.training.heads.pair import PairHead
from evaluator.training.heads.registry import head_for
from evaluator.training.jobs import load_tokenizer, prepare
from evaluator.training.loop import TrainingConfig, TrainingTask, fit, schedule
from evaluator.training.tokenisation import evaluation_features, intermediate_features, training_features

CALIBRATION_STEPS, CALIBRATION_LENGTHS = 6, (10, 70)
"""Enough for a factor of 1.5; the first step, which warms caches up, is not counted. Lengths differ as those of
sentences do: a step is then cut into batches."""


def count_job(job: Job, store: Store) -> tuple[int, int, int]:
    """Return (steps, training tokens, inference tokens) of a job."""
    if isinstance(job, IntermediateJob):
        sets = [f for _, f in intermediate_features(job, load_tokenizer(job.base.tokenizer_folder), store)]
        training = TrainingConfig(job.stage, job.seed, job.recipe.tokens_per_batch, job.steps)
        return *_count_training(sets, training), 0
    return _count_target(job, store)


def _count_training(sets: Sequence[Features], training: TrainingConfig) -> tuple[int, int]:
    """Return (steps, tokens) of a run. Whole epochs need no schedule; the part of one depends on its order."""
    if training.steps is None:
        epochs, size = training.stage.epochs, training.stage.examples_per_step
        return sum(count_steps(len(f), size, epochs) for f in sets), sum(f.tokens for f in sets) * epochs
    steps = schedule(sets, training)
    tokens = [np.diff(features.starts).reshape(-1, features.group).sum(axis=1) for features in sets]
    return len(steps), sum(int(tokens[which][chosen].sum()) for which, chosen in steps)


def _count_target(job: TargetJob, store: Store) -> tuple[int, int, int]:
    target, tokenizer = find(job.target), load_tokenizer(job.encoder.tokenizer_folder)
    stages = training_features(job, tokenizer, store)
    pairs = [_count_training([features], TrainingConfig(stage, job.seed)) for _, stage, _, features in stages]
    languages = [lang for lang, node in job.predictions.items() if target.join or not store.is_finished(node)]
    splits = evaluation_splits(target, DataRoot(job.data_root), languages, job.split, job.max_eval_examples)
    texts = [split.records for split in splits]
    if target.rank:
        texts += [split.pool for split in (splits[:1] if target.join else splits)]
    head = head_for(target.head, target.labels, job.recipe)
    tokens = sum(evaluation_features(job, records, head, tokenizer, store).tokens for records in texts)
    return sum(steps for steps, _ in pairs), sum(tokens for _, tokens in pairs), tokens


def calibrate(model: Path, hardware: Hardware) -> Throughput:
    """Return how fast a few training steps on random tokens were here, and what a run takes apart from its steps."""
    device, head = prepare(hardware), PairHead(("0", "1"))
    generator = np.random.default_rng(0)
    stage = Stage(1e-6, 1, examples_per_step=16)
    started = time.monotonic()
    encoder = head.build(model, 0).to(device)
    known = min(1000, encoder.config.vocab_size)
    lengths = generator.integers(*CALIBRATION_LENGTHS, size=stage.examples_per_step * CALIBRATION_STEPS)
    features = pack(Feature((generator.integers(4, known, size=size),), (0,), i) for i, size in enumerate(lengths))
    training, ends = TrainingConfig(stage, 0, steps=CALIBRATION_STEPS, bfloat16=hardware.bfloat16), list[float]()
    fit([TrainingTask(encoder, head, features)], training, lambda step, steps, loss: ends.append(time.monotonic()))
    tokens = [int(features.lengths[chosen].sum()) for _, chosen in schedule([features], training)]
    # A median of steps, since another process may take one of them; the first warms caches up.
    speed = statistics.median(
        count / seconds for count, seconds in zip(tokens[1:], np.diff(ends).tolist(), strict=True)
    )
    return Throughput(speed, max(0.0, time.monotonic() - started - features.tokens / speed), "calibration")
