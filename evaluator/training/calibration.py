"""Exact counts of a job, by tokenising its data, and the speed of this machine, by training a few steps."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from evaluator.benchmark.registry import of_run
from evaluator.experiment.hardware import Hardware
from evaluator.experiment.jobs import IntermediateJob, Job
from evaluator.experiment.recipe import Stage
from evaluator.experiment.throughput import Throughput, core_seconds
from evaluator.store import Store
from evaluator.training.batching import count_steps
from evaluator.training.features import Feature, Features, pack
from evaluator.training.heads.pair import PairHead
from evaluator.training.jobs import configure_torch, job_splits
from evaluator.training.loop import TrainingConfig, TrainingTask, fit, schedule
from evaluator.training.tokenisation import intermediate_features, prediction_features, training_features

CALIBRATION_STEPS, CALIBRATION_LENGTHS = 6, (10, 70)
"""Enough for a factor of 1.5. Lengths differ as those of sentences do: a step is then cut into batches."""


def count_job(job: Job, store: Store) -> tuple[int, int, int]:
    """Return (steps, training tokens, inference tokens) of a job."""
    if isinstance(job, IntermediateJob):
        sets = [features for _, features in intermediate_features(job, store)]
        return *_count_training(sets, TrainingConfig(job.stage, job.seed, steps=job.steps)), 0
    stages = training_features(job, store)
    counts = [_count_training([each.features], TrainingConfig(each.stage, job.seed)) for each in stages]
    join = of_run(job.target, job.definition).join
    splits = job_splits(job, [name for name, node in job.predictions.items() if join or not store.is_finished(node)])
    predicted = sum(features.tokens for _, features in prediction_features(job, splits, store))
    return sum(steps for steps, _ in counts), sum(tokens for _, tokens in counts), predicted


def _count_training(sets: Sequence[Features], config: TrainingConfig) -> tuple[int, int]:
    """Return (steps, tokens) of a run. Whole epochs need no schedule; the part of one depends on its order."""
    if config.steps is None:
        epochs, size = config.stage.epochs, config.stage.examples_per_step
        return sum(count_steps(len(f), size, epochs) for f in sets), sum(f.tokens for f in sets) * epochs
    steps = schedule(sets, config)
    tokens = [np.diff(features.starts).reshape(-1, features.group).sum(axis=1) for features in sets]
    return len(steps), sum(int(tokens[number][indices].sum()) for number, indices in steps)


def calibrate(model: Path, hardware: Hardware) -> Throughput:
    """Return the speed of a few training steps on random tokens, and the seconds of a run apart from its steps."""
    device, head = configure_torch(hardware), PairHead(("0", "1"))
    generator, stage, started = np.random.default_rng(0), Stage(1e-6, 1, examples_per_step=16), time.monotonic()
    encoder = head.build(model, 0).to(device)
    known = min(1000, encoder.config.vocab_size)
    lengths = generator.integers(*CALIBRATION_LENGTHS, size=stage.examples_per_step * CALIBRATION_STEPS)
    features = pack(Feature((generator.integers(4, known, size=size),), (0,), i) for i, size in enumerate(lengths))
    config, ends = TrainingConfig(stage, 0, steps=CALIBRATION_STEPS, bfloat16=hardware.bfloat16), list[float]()

    def note(_step: int, _steps: int, _loss: float) -> None:
        """Note when a step has ended, on a GPU too."""
        if device.type == "cuda":
            torch.cuda.synchronize()
        ends.append(time.monotonic())

    before = core_seconds()
    fit([TrainingTask(encoder, head, features)], config, note)
    run, waited = np.subtract(core_seconds(), before)
    tokens = [int(features.lengths[indices].sum()) for _, indices in schedule([features], config)]
    # A median of steps, since another process may take one of them; the first warms caches up.
    speed = float(np.median(np.array(tokens[1:]) / np.diff(ends)))
    apart, waiting = max(0.0, time.monotonic() - started - features.tokens / speed), float(waited / (run + waited or 1))
    return Throughput(speed, apart, "calibration", round(waiting, 3))
