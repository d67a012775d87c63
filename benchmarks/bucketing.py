"""Do steps of examples of equal length teach what random steps teach? `python benchmarks/bucketing.py`.

The same loop, model, examples and seeds with length-bucketed steps and with steps drawn at random, as Trainer draws
them; the held-out loss of both after as many steps. Interleaved; the differences of the seeds say what the noise is.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np

from benchmarks.training import HELD_OUT, examples, held_out_loss, prepared
from evaluator.experiment.hardware import detect
from evaluator.training import loop as trainer
from evaluator.training.batching import training_steps
from evaluator.training.features import IntArray
from synthgen.models.packs import resolve


def random_steps(lengths: IntArray, size: int, steps: int, generator: np.random.Generator) -> Iterator[IntArray]:
    """Yield steps of examples in random order, whatever their lengths."""
    while steps > 0:
        for step in np.split(generator.permutation(len(lengths)), range(size, len(lengths), size))[:steps]:
            steps -= 1
            yield step


def run(model: Path, kind: str, records: list[object], step: int, steps: int, seed: int, *, bucketed: bool) -> float:
    """Return the held-out loss after training."""
    stage, head, features, held_out, network = prepared(model, kind, records, step, seed)
    source = training_steps if bucketed else random_steps
    with mock.patch.object(trainer, "training_steps", source):
        trainer.fit(
            [trainer.TrainingTask(network, head, features)],
            trainer.TrainingConfig(stage, seed, steps=steps, bfloat16=detect().bfloat16),
        )
    return held_out_loss(network, head, held_out)


def main() -> None:
    """Print one JSON line per kind of data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="span")
    parser.add_argument("--data-root", type=Path, default=Path(os.environ.get("SYNTHGEN_DATA", "data")))
    parser.add_argument("--examples-per-step", type=int, default=8)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    step, steps = arguments.examples_per_step, arguments.steps
    model = resolve("pack:multilingual-e5-small").path
    for kind in arguments.data.split(","):
        records = list(examples(kind, arguments.data_root, step * steps + HELD_OUT))
        found: dict[str, list[float]] = {"bucketed": [], "random": []}
        for seed in range(arguments.seeds):
            for name, losses in found.items():
                losses.append(run(model, kind, records, step, steps, seed, bucketed=name == "bucketed"))
                print(json.dumps({"data": kind, "seed": seed, name: round(losses[-1], 4)}), flush=True)
        differences = [a - b for a, b in zip(found["bucketed"], found["random"], strict=True)]
        spread = statistics.stdev(differences) if len(differences) > 1 else 0.0
        mean = statistics.mean(differences)
        print(json.dumps({"data": kind, "mean_difference": round(mean, 4), "standard_deviation": round(spread, 4)}))


if __name__ == "__main__":
    main()
