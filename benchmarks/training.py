"""Training speed beside Hugging Face's Trainer, and what vocabulary compaction saves; `python benchmarks/training.py`.

Both trainers run the same pairs or questions with the same examples per step, interleaved; medians of `--repeats` runs
of `--steps` steps. Models are the encoder pack (`pack`) and an XLM-R-base-sized one of random weights (`base`).
Ratios count, not absolute numbers: other work on the machine moves both.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Records = Sequence[object]

RATIO_BARS = {"pack": 3.0, "base": 1.5}
MEMORY_BAR = 0.6


@dataclass(frozen=True)
class Run:
    """One timed training run; peak memory is that of its own process."""

    tokens_per_second: float
    padding: float
    final_loss: float
    peak_bytes: int


def base_sized(folder: Path, tokenizer_from: Path) -> Path:
    """Write a model of XLM-R base's size with random weights."""
    from transformers import AutoTokenizer, XLMRobertaConfig, XLMRobertaModel

    config = XLMRobertaConfig(
        vocab_size=250_037, hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072,
        max_position_embeddings=514, type_vocab_size=1, pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )  # fmt: skip
    XLMRobertaModel(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tokenizer_from).save_pretrained(folder)
    return folder


def examples(kind: str, data_root: Path, count: int) -> Records:
    """Return records of a target's English training set: pairs (xnli) or questions (tydiqa)."""
    from evaluator.targets import find
    from evaluator.targets.base import DataRoot

    read = find("xnli" if kind == "pair" else "tydiqa").train
    assert read is not None
    return read(DataRoot(data_root)).records[:count]


def ours(model: Path, kind: str, records: Records, steps: int, *, compact: bool = True) -> Run:
    """Train with our loop."""
    from evaluator.hardware import detect
    from evaluator.heads.registry import head_for
    from evaluator.recipe import SMALL, Stage
    from evaluator.trainer import Task, Training, fit
    from evaluator.work import load_tokenizer, prepare

    device = prepare(detect())
    stage = Stage(5e-5, 1, examples_per_step=8 if kind == "span" else 32, max_length=384 if kind == "span" else 128)
    head = head_for(kind, ("entailment", "neutral", "contradiction"), SMALL)
    features = head.encode(records, load_tokenizer(model), stage)
    network = head.build(model, 0).to(device)
    log = fit([Task(network, head, features)], Training(stage, 0, steps=steps, compact=compact))
    return Run(log.tokens_per_second, log.padding, log.final_loss, peak())


def trainer(model: Path, kind: str, records: Records, steps: int) -> Run:
    """Train with transformers' Trainer and its defaults: dynamic padding, random batches, as many examples a step."""
    import torch
    from transformers import Trainer, TrainingArguments

    from evaluator.hardware import detect
    from evaluator.heads.base import collate
    from evaluator.heads.registry import head_for
    from evaluator.recipe import SMALL, Stage
    from evaluator.work import load_tokenizer, prepare

    prepare(detect())
    size = 8 if kind == "span" else 32
    stage = Stage(5e-5, 1, max_length=384 if kind == "span" else 128)
    head = head_for(kind, ("entailment", "neutral", "contradiction"), SMALL)
    features = head.encode(records, load_tokenizer(model), stage)
    network = head.build(model, 0)
    seen = {"tokens": 0, "positions": 0}

    def collator(indices: list[Any]) -> dict[str, torch.Tensor]:
        batch = collate(features, np.array([item["index"] for item in indices]), 1, torch.device("cpu"))
        seen["tokens"] += batch.real_tokens
        seen["positions"] += batch.ids.numel()
        gold = batch.targets
        labels = (
            {"labels": gold[:, 0]} if kind == "pair" else {"start_positions": gold[:, 0], "end_positions": gold[:, 1]}
        )
        return {"input_ids": batch.ids, "attention_mask": batch.mask, **labels}

    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            scratch, per_device_train_batch_size=size, max_steps=steps, learning_rate=5e-5, report_to=[],
            save_strategy="no", logging_strategy="no", disable_tqdm=True, remove_unused_columns=False, seed=0,
        )  # fmt: skip
        dataset = [{"index": index} for index in range(len(features))]
        engine = Trainer(model=network, args=arguments, train_dataset=dataset, data_collator=collator)
        started = time.monotonic()
        loss = engine.train().training_loss
        seconds = time.monotonic() - started
    return Run(seen["tokens"] / seconds, 1 - seen["tokens"] / seen["positions"], loss, peak())


def peak() -> int:
    """Return the largest memory this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def apart(function: Callable[..., Run], *arguments: object, **options: object) -> Run:
    """Run in a process of its own, so that memory peaks are its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments, options)


def compare(name: str, model: Path, kind: str, data_root: Path, repeats: int, steps: int) -> dict[str, Any]:
    """Return medians of interleaved runs of both trainers, and of ours without compaction."""
    records = examples(kind, data_root, 32 * steps if kind == "pair" else 8 * steps)
    runs: dict[str, list[Run]] = {"ours": [], "plain": [], "trainer": []}
    for _ in range(repeats):
        runs["ours"].append(apart(ours, model, kind, records, steps))
        runs["trainer"].append(apart(trainer, model, kind, records, steps))
        runs["plain"].append(apart(ours, model, kind, records, steps, compact=False))
    median = {who: statistics.median(run.tokens_per_second for run in found) for who, found in runs.items()}
    memory = {who: max(run.peak_bytes for run in found) for who, found in runs.items()}
    return {
        "model": name,
        "data": kind,
        "tokens_per_second": {who: round(value, 1) for who, value in median.items()},
        "ratio_to_trainer": round(median["ours"] / median["trainer"], 2),
        "bar": RATIO_BARS[name],
        "padding": {who: round(found[0].padding, 3) for who, found in runs.items()},
        "final_loss": {who: round(found[0].final_loss, 3) for who, found in runs.items()},
        "peak_memory_gb": {who: round(value / 1e9, 2) for who, value in memory.items()},
        "memory_ratio_to_plain": round(memory["ours"] / memory["plain"], 2),
    }


def main() -> None:
    """Print one JSON line per model and kind of data."""
    from synthgen.packs import resolve

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="pack,base")
    parser.add_argument("--data", default="pair,span")
    parser.add_argument("--data-root", type=Path, default=Path("../shared/data"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        encoder = resolve("pack:multilingual-e5-small").path
        for name in arguments.models.split(","):
            model = encoder if name == "pack" else base_sized(Path(scratch) / "base", encoder)
            for kind in arguments.data.split(","):
                found = compare(name, model, kind, arguments.data_root, arguments.repeats, arguments.steps)
                print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
