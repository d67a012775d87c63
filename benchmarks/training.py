"""Training speed beside Hugging Face's Trainer, and what vocabulary compaction saves; `python benchmarks/training.py`.

Both trainers run the same pairs or questions with the same examples per step, interleaved; medians of `--repeats` runs
of `--steps` steps. Trainer's default is 8 examples a step, the reference scripts' 32. Models are the encoder pack
(`pack`) and an XLM-R-base-sized one of random weights (`base`).
Ratios count, not absolute numbers: other work on the machine moves both. The loss is that of the trained model on
`HELD_OUT` examples of its own; repeats differ in the seed, so their spread is the noise.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
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
HELD_OUT = 48


@dataclass(frozen=True)
class Run:
    """One timed training run; peak memory is that of its own process."""

    tokens_per_second: float
    padding: float
    loss: float
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
    from evaluator.benchmark.registry import find
    from evaluator.benchmark.target import DataRoot

    read = find("xnli" if kind == "pair" else "tydiqa").train
    assert read is not None
    return read(DataRoot(data_root)).records[:count]


def prepared(
    model: Path, kind: str, records: Records, step: int, seed: int, *, defaults: bool = False
) -> tuple[Any, Any, Any, Any, Any]:
    """Return (stage, head, training features, held-out features, network), the same for both trainers.

    With `defaults`, torch is left as it comes but for the number of threads.
    """
    import torch

    from evaluator.experiment.hardware import detect
    from evaluator.experiment.recipe import SMALL, Stage
    from evaluator.training.heads.registry import head_for
    from evaluator.training.jobs import configure_torch
    from evaluator.training.tokenisation import load_tokenizer

    hardware = detect()
    torch.set_num_threads(hardware.threads)
    device = torch.device(hardware.device) if defaults else configure_torch(hardware)
    stage = Stage(5e-5, 1, examples_per_step=step, max_length=384 if kind == "span" else 128)
    head = head_for(kind, ("entailment", "neutral", "contradiction"), SMALL)
    tokenizer = load_tokenizer(model)
    training, held_out = (head.encode(part, tokenizer, stage) for part in (records[HELD_OUT:], records[:HELD_OUT]))
    return stage, head, training, held_out, head.build(model, seed).to(device)


def held_out_loss(network: Any, head: Any, features: Any) -> float:  # noqa: ANN401 - a transformers model
    """Return the mean loss of a trained model on examples that it has not seen."""
    import torch

    from evaluator.training.batching import inference_batches
    from evaluator.training.heads.base import collate

    network.eval()
    total = 0.0
    with torch.inference_mode():
        for chosen in inference_batches(features.lengths, 4096):
            total += float(head.loss(network, collate(features, chosen, 1, network.device)))
    return total / float(head.count([features.target(i) for i in range(len(features))]))


def ours(model: Path, kind: str, records: Records, step: int, steps: int, seed: int, *, compact: bool = True) -> Run:
    """Train with our loop."""
    from evaluator.experiment.hardware import detect
    from evaluator.training.loop import TrainingConfig, TrainingTask, fit

    stage, head, features, held_out, network = prepared(model, kind, records, step, seed)
    log = fit(
        [TrainingTask(network, head, features)],
        TrainingConfig(stage, seed, steps=steps, compact=compact, bfloat16=detect().bfloat16),
    )
    memory = peak()
    return Run(log.tokens / log.seconds, log.padding, held_out_loss(network, head, held_out), memory)


def trainer(model: Path, kind: str, records: Records, step: int, steps: int, seed: int) -> Run:
    """Train with transformers' Trainer and its defaults: dynamic padding, random batches, as many examples a step."""
    import torch
    from transformers import Trainer, TrainingArguments

    from evaluator.training.heads.base import collate

    stage, head, features, held_out, network = prepared(model, kind, records, step, seed, defaults=True)
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
            scratch, per_device_train_batch_size=stage.examples_per_step, max_steps=steps, learning_rate=5e-5,
            report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True, remove_unused_columns=False,
            seed=seed,
        )  # fmt: skip
        dataset = [{"index": index} for index in range(len(features))]
        engine = Trainer(model=network, args=arguments, train_dataset=dataset, data_collator=collator)
        started = time.monotonic()
        engine.train()
        seconds = time.monotonic() - started
    memory = peak()
    loss = held_out_loss(network, head, held_out)
    return Run(seen["tokens"] / seconds, 1 - seen["tokens"] / seen["positions"], loss, memory)


def peak() -> int:
    """Return the largest memory this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def apart(function: Callable[..., Run], *arguments: object, **options: object) -> Run:
    """Run in a process of its own, so that memory peaks are its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments, options)


def compare(name: str, model: Path, kind: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return medians of interleaved runs of both trainers, and of ours without compaction."""
    step, steps = arguments.examples_per_step, arguments.steps
    records = examples(kind, arguments.data_root, step * steps + HELD_OUT)
    runs: dict[str, list[Run]] = {who: [] for who in ("ours", "trainer", *(() if arguments.no_plain else ("plain",)))}
    for seed in range(arguments.repeats):
        for who, found in runs.items():
            function = trainer if who == "trainer" else ours
            options = {"compact": False} if who == "plain" else {}
            found.append(apart(function, model, kind, records, step, steps, seed, **options))
    speed = {who: [run.tokens_per_second for run in found] for who, found in runs.items()}
    ratios = {who: [a / b for a, b in zip(speed["ours"], of, strict=True)] for who, of in speed.items()}
    memory = {who: max(run.peak_bytes for run in found) for who, found in runs.items()}
    losses = {who: [run.loss for run in found] for who, found in runs.items()}
    return {
        "model": name,
        "data": kind,
        "examples_per_step": step,
        "steps": steps,
        "tokens_per_second": {who: round(statistics.median(values), 1) for who, values in speed.items()},
        "ratio": {who: round(statistics.median(values), 2) for who, values in ratios.items() if who != "ours"},
        "ratios": {who: [round(value, 2) for value in values] for who, values in ratios.items() if who != "ours"},
        "bar": RATIO_BARS[name],
        "padding": {who: round(statistics.median(run.padding for run in found), 3) for who, found in runs.items()},
        "held_out_loss": {who: [round(value, 4) for value in values] for who, values in losses.items()},
        "loss_difference": [round(a - b, 4) for a, b in zip(losses["ours"], losses["trainer"], strict=True)],
        "peak_memory_gb": {who: round(value / 1e9, 2) for who, value in memory.items()},
        "memory_ratio": {who: round(memory["ours"] / value, 2) for who, value in memory.items() if who != "ours"},
    }


def main() -> None:
    """Print one JSON line per model and kind of data."""
    from synthgen.models.packs import resolve

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="pack,base")
    parser.add_argument("--data", default="pair,span")
    parser.add_argument("--data-root", type=Path, default=Path(os.environ.get("SYNTHGEN_DATA", "data")))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--examples-per-step", type=int, default=8, help="of both; 8 is Trainer's default")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--no-plain", action="store_true", help="leave out our loop without compaction")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        encoder = resolve("pack:multilingual-e5-small").path
        for name in arguments.models.split(","):
            model = encoder if name == "pack" else base_sized(Path(scratch) / "base", encoder)
            for kind in arguments.data.split(","):
                print(json.dumps(compare(name, model, kind, arguments)), flush=True)


if __name__ == "__main__":
    main()
