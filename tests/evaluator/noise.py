"""Predictions of our own making: the correct ones, perturbed by a seed, so that every metric has something to count."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from evaluator.benchmark.target import Split, Target

SEED = 7


def noisy(target: Target, split: Split) -> list[Any]:
    """One wrong prediction in four or so, wrong in the ways the metrics distinguish."""
    draw = random.Random(f"{SEED} {target.name} {split.language}")
    return [_KINDS[_kind(target)](draw, gold, target, split) for gold in split.gold]


def _kind(target: Target) -> str:
    if target.head in ("tags", "span"):
        return target.head
    if target.metrics == ("map20",):
        return "ranking"
    if target.metrics == ("f1",):
        return "pairs"
    return "index" if target.head in ("choice", "retrieval") else "label"


def _label(draw: random.Random, gold: str, target: Target, split: Split) -> str:
    return draw.choice(target.labels) if draw.random() < 0.25 else gold


def _index(draw: random.Random, gold: int, target: Target, split: Split) -> int:
    return draw.randrange(len(target.labels) or len(split)) if draw.random() < 0.25 else gold


def _tags(draw: random.Random, gold: Sequence[str], target: Target, split: Split) -> list[str]:
    return [draw.choice(target.labels) if draw.random() < 0.15 else tag for tag in gold]


def _answer(draw: random.Random, gold: Sequence[str], target: Target, split: Split) -> str | None:
    answer = draw.choice(gold)
    changes: list[Callable[[str], str | None]] = [
        lambda text: text,
        lambda text: f"The {text}!",
        lambda text: text[: max(1, len(text) // 2)],
        lambda text: f"{text} la 在 an ال des của",
        lambda text: "",
        lambda text: None,
        lambda text: "、。".join(text),
        lambda text: text.upper(),
    ]
    return draw.choice(changes)(answer)


def _ranking(draw: random.Random, gold: Sequence[str], target: Target, split: Split) -> list[str]:
    ranked = [draw.choice(split.pool_ids) for _ in range(24)]
    for name in gold:
        if draw.random() < 0.8:
            ranked.insert(draw.randrange(22), name)
    return ranked


def _pairs(draw: random.Random, gold: Sequence[str], target: Target, split: Split) -> list[str]:
    kept = [name for name in gold if draw.random() < 0.8]
    return kept + ([draw.choice(split.pool_ids)] if draw.random() < 0.01 else [])


_KINDS = {"label": _label, "index": _index, "tags": _tags, "span": _answer, "ranking": _ranking, "pairs": _pairs}
