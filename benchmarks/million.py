"""A million intermediate rows: how long until the first step, and in how much memory? `python -m benchmarks.million`.

Tokenised data of 10^5 and of 10^6 rows are written as the cache writes them, then read in a process of their own by the
training loop with a tiny model: seconds from loading to the end of the first step, and memory that is not file cache.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tests.evaluator.conftest import write_tiny_model

if TYPE_CHECKING:
    from evaluator.training.features import Features

PART = 50_000


def write(folder: Path, rows: int, vocabulary: int) -> Path:
    """Write features of pairs with lengths like MNLI's, part by part."""
    from evaluator.training.features import write_features

    write_features(folder, ((part, len(part)) for part in parts(rows, vocabulary)))
    return folder


def parts(rows: int, vocabulary: int) -> Iterator[Features]:
    """Yield features of pairs with random tokens."""
    from evaluator.training.features import Features

    draw = np.random.default_rng(0)
    for first in range(0, rows, PART):
        count = min(PART, rows - first)
        lengths = np.clip(draw.lognormal(3.6, 0.45, count).astype(int), 8, 128)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        yield Features(
            ids=draw.integers(4, vocabulary, size=starts[-1]).astype(np.int32),
            starts=starts,
            targets=draw.integers(0, 3, size=count).astype(np.int32),
            target_starts=np.arange(count + 1),
            owners=np.arange(count),
        )


def anonymous_bytes() -> int:
    """Return the memory of this process that is not a mapped file."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def start_up(folder: Path, model: Path) -> dict[str, float]:
    """Return seconds until the end of the first step and memory before and after."""
    from evaluator.experiment.recipe import Stage
    from evaluator.training.features import Features
    from evaluator.training.heads.pair import PairHead
    from evaluator.training.loop import TrainingConfig, TrainingTask, fit

    head = PairHead(("a", "b", "c"))
    network, before = head.build(model, 0), anonymous_bytes()

    class FirstStepError(Exception):
        """The first step has been done."""

    def stop(step: int, steps: int, loss: float) -> None:
        raise FirstStepError

    started = time.monotonic()
    with contextlib.suppress(FirstStepError):
        fit([TrainingTask(network, head, Features.load(folder))], TrainingConfig(Stage(1e-4, 1), 0), stop)
    seconds = time.monotonic() - started
    return {"seconds": round(seconds, 1), "megabytes_more": round((anonymous_bytes() - before) / 1e6, 1)}


def main() -> None:
    """Print one JSON line per size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="100000,1000000")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        model = write_tiny_model(Path(scratch) / "model")
        for rows in map(int, given.rows.split(",")):
            folder = write(Path(scratch) / str(rows), rows, vocabulary=90)
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(json.dumps({"rows": rows, **pool.apply(start_up, (folder, model))}), flush=True)


if __name__ == "__main__":
    main()
