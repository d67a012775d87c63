"""How long does the report of a full sweep take, and in how much memory?

    python benchmarks/report_scale.py                # 5 arms x 6 sizes x 10 seeds x 12 targets, 10^8 item scores

Writes a store with made-up scores (as many languages a target as XTREME-R has, parallel items, tag counts for two
targets), then runs `evaluator report` on it in a process of its own and prints wall time, peak memory and the
size of the files. The limit: less than 5 minutes and 4 GB on two cores.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from evaluator.stats.results import Cell, ResultRow, TrainedRun, write_item_ids, write_item_scores, write_results
from synthgen.text.languages import LANGUAGES

ARMS = ("none", "real", "synthetic", "translated", "tenfold")
SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000)
N_LANGUAGES = {
    "xnli": 15, "xcopa": 11, "udpos": 38, "panx": 48, "xquad": 12, "mlqa": 7, "tydiqa": 9, "tatoeba": 41, "mewslix": 11,
    "lareqa": 11, "pawsx": 7, "bucc2018": 4,
}  # fmt: skip
COUNTS = frozenset({"udpos", "panx"})  # corpus F1: three numbers per item
PARALLEL = frozenset({"xnli", "xcopa", "xquad", "mlqa", "pawsx", "lareqa"})


def runs(seeds: int) -> list[TrainedRun]:
    """Return every run; the arm without intermediate data has one size."""
    sized = [TrainedRun(arm, size, seed) for arm in ARMS[1:] for size in SIZES for seed in range(seeds)]
    return [TrainedRun("none", 0, seed) for seed in range(seeds)] + sized


def languages(target: str) -> list[str]:
    codes = [code for code in LANGUAGES if code != "en"]
    start = sum(map(ord, target)) % 7
    return [*([] if target in ("tatoeba", "xcopa") else ["en"]), *codes[start:], *codes[:start]][: N_LANGUAGES[target]]


def write_store(store: Path, item_scores: int, seeds: int) -> int:
    """Write a store of about `item_scores` numbers; returns how many."""
    every = runs(seeds)
    columns = sum(n * (3 if target in COUNTS else 1) for target, n in N_LANGUAGES.items())
    n_items = max(10, item_scores // (len(every) * columns))
    rng = np.random.default_rng(0)
    rows, written = [], 0
    gain = np.array([0.02 * np.log2(max(run.size, 500) / 500) + 0.004 * rng.standard_normal() for run in every])
    for target in N_LANGUAGES:
        metric = "f1" if target in COUNTS else "accuracy"
        for code in languages(target):
            cell = Cell(target, code, metric)
            ids = [f"{index}" if target in PARALLEL else f"{code}-{index}" for index in range(n_items)]
            ease = rng.random(n_items) * 0.5
            right = (rng.random((len(every), n_items)) < ease + 0.3 + gain[:, None]).astype(np.float32)
            scores = np.stack([right, np.ones_like(right), np.ones_like(right)], axis=2) if target in COUNTS else right
            write_item_ids(store, target, code, ids)
            write_item_scores(store, cell, dict(zip(every, scores, strict=True)))
            written += scores.size
            values = (100 * right.mean(axis=1, dtype=np.float64)).tolist()
            rows += [row(run, cell, value, n_items) for run, value in zip(every, values, strict=True)]
    write_results(store / "results.jsonl", rows)
    return written


def row(run: TrainedRun, cell: Cell, value: float, n: int) -> ResultRow:
    return ResultRow(
        arm=run.arm,
        size=run.size,
        arm_n=run.size,
        seed=run.seed,
        target=cell.target,
        language=cell.language,
        split="test",
        metric=cell.metric,
        value=value,
        n=n,
        data_revision="made-up",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Time and memory of a report over a large store.")
    parser.add_argument("--item-scores", type=int, default=10**8)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--keep", type=Path, help="folder for the store and the report; a temporary one otherwise")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        written = write_store(folder / "store", args.item_scores, args.seeds)
        out, started = folder / "report.html", time.monotonic()
        command = [sys.executable, "-m", "evaluator", "report", str(folder / "store"), "--out", str(out)]
        subprocess.run(command, check=True)
        seconds = time.monotonic() - started
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024**2
        sizes = ", ".join(f"{path.name} {path.stat().st_size / 1e6:.1f} MB" for path in sorted(folder.glob("*.*")))
        print(f"{written:,} item scores, {len(runs(args.seeds))} runs: {seconds:.0f} s, peak {peak:.2f} GB; {sizes}")


if __name__ == "__main__":
    main()
