"""The one training loop, for both stages.

Length-bucketed steps of the recipe's size, cut into batches within a token budget; bfloat16 autocast where the hardware
has it; fused AdamW; linear warm-up and decay; compacted vocabulary. The last checkpoint is the result.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from transformers import PreTrainedModel

from evaluator.experiment.recipe import Stage
from evaluator.training.batching import count_steps, split_step, training_steps
from evaluator.training.cpu_speed import cheap_dropout
from evaluator.training.features import Features, IntArray
from evaluator.training.heads.base import Head, Remap, collate
from evaluator.training.vocabulary import compact, restore
from synthgen.errors import IncompleteError

OnStep = Callable[[int, int, float], None]
"""Told after each step: its number from 1, the number of steps, its loss."""


@dataclass(frozen=True, slots=True)
class TrainingLog:
    """What a run did. `padding` is the share of computed positions that held no token; losses are means over a step."""

    steps: int
    examples: int
    tokens: int
    padding: float
    seconds: float
    losses: tuple[float, ...]

    @property
    def tokens_per_second(self) -> float:
        """Real tokens, padding not counted."""
        return self.tokens / self.seconds if self.seconds else 0.0

    @property
    def final_loss(self) -> float:
        """Mean loss of the last tenth of the steps."""
        tail = self.losses[-max(1, len(self.losses) // 10) :]
        return sum(tail) / len(tail) if tail else 0.0


@dataclass(frozen=True, slots=True)
class TrainingTask:
    """One head on the encoder and its data. Models of several tasks share the encoder module."""

    model: PreTrainedModel
    head: Head
    features: Features


class DevEvaluator(Protocol):
    """Scores the model every so many steps, so that the best one is kept; training ends after `patience` worse ones."""

    @property
    def features(self) -> Features:
        """What it reads: its tokens must stay in the vocabulary."""

    @property
    def every(self) -> int:
        """Steps between two scores."""

    @property
    def patience(self) -> int:
        """Scores without a better one before training ends."""

    def score(self, model: PreTrainedModel, remap: Remap | None) -> float:
        """Return how good the model is; more is better."""


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How to train, apart from data and head: the stage, the seed, the number of steps if not the stage's epochs.

    With `bfloat16`, matrix products run in it under autocast; weights, gradients and the optimizer stay in float32.
    """

    stage: Stage
    seed: int
    tokens_per_batch: int = 4096
    steps: int | None = None
    compact: bool = True
    bfloat16: bool = False

    def steps_for(self, examples: int) -> int:
        """Return the number of optimizer steps on this many examples."""
        return self.steps or count_steps(examples, self.stage.examples_per_step, self.stage.epochs)


def fit(
    tasks: Sequence[TrainingTask],
    training: TrainingConfig,
    on_step: OnStep | None = None,
    judge: DevEvaluator | None = None,
) -> TrainingLog:
    """Train the models in place and return what was done; the last checkpoint stays, or the one a judge likes best.

    Several tasks take turns, each as often as its share of all examples (proportional sampling); a step has one task.
    Raises IncompleteError when the loss stops being a number: a diverged run is reported, never re-run silently.
    """
    started = time.monotonic()
    stage, encoder = training.stage, tasks[0].model
    read = [task.features.ids for task in tasks] + ([judge.features.ids] if judge else [])
    vocabulary = compact(encoder, read) if training.compact else None
    remap = vocabulary.remap if vocabulary else None
    steps = schedule([task.features for task in tasks], training)
    loop, keeper = _Loop(tasks, training, remap), _BestCheckpoint(encoder, judge, remap) if judge else None
    torch.manual_seed(training.seed)
    for task in tasks:
        task.model.train()
    losses, decay = [], 1.0
    with cheap_dropout([task.model for task in tasks]):
        for number, (which, indices) in enumerate(steps):
            rate = learning_rate(stage, number, len(steps))
            losses.append(loop.step(tasks[which], indices, rate, place=f"step {number + 1} of {len(steps)}"))
            decay *= 1.0 - rate * stage.weight_decay
            if on_step:
                on_step(number + 1, len(steps), losses[-1])
            if keeper and keeper.is_over(number + 1, len(steps), decay):
                break
    loop.close()
    decay = keeper.recall() if keeper else decay
    if vocabulary:
        restore(encoder, vocabulary, decay)
    for task in tasks:
        task.model.eval()
    return loop.log(losses, time.monotonic() - started)


class _BestCheckpoint:
    """The best model so far by a judge's score, kept on the CPU."""

    def __init__(self, model: PreTrainedModel, judge: DevEvaluator, remap: Remap | None) -> None:
        self.model, self.judge, self.remap = model, judge, remap
        self.best, self.worse, self.decay = -math.inf, 0, 1.0
        self.weights: dict[str, torch.Tensor] = {}

    def is_over(self, step: int, steps: int, decay: float) -> bool:
        """Score the model if it is time, and say whether it has not become better for too long."""
        if step % self.judge.every and step != steps:
            return False
        score = self.judge.score(self.model, self.remap)
        self.model.train()
        if score > self.best:
            self.best, self.worse, self.decay = score, 0, decay
            self.weights = {name: value.detach().cpu().clone() for name, value in self.model.state_dict().items()}
            return False
        self.worse += 1
        return self.worse >= self.judge.patience

    def recall(self) -> float:
        """Put the best weights back and return the decay that unused rows had at that time."""
        self.model.load_state_dict(self.weights)
        return self.decay


def schedule(sets: Sequence[Features], training: TrainingConfig) -> list[tuple[int, IntArray]]:
    """Return all steps of a run in order: the number of the set of features, and which of them."""
    generator = np.random.default_rng(training.seed)
    examples = sum(len(features) for features in sets)
    steps = []
    for number, features in enumerate(sets):
        own = training.steps_for(len(features))
        if training.steps:
            own = max(1, round(training.steps * len(features) / examples))
        found = training_steps(features.lengths, training.stage.examples_per_step, own, generator)
        steps += [(number, step) for step in found]
    return steps if len(sets) == 1 else [steps[i] for i in generator.permutation(len(steps))]


def learning_rate(stage: Stage, step: int, steps: int) -> float:
    """Return the learning rate of a step: linear from 0 over the warm-up, then linear to 0 (HF's linear schedule).

    >>> [round(learning_rate(Stage(1.0, 1, warmup=0.5), step, 4), 2) for step in range(4)]
    [0.0, 0.5, 1.0, 0.5]
    """
    warmup = stage.warmup_steps or math.ceil(stage.warmup * steps)
    if step < warmup:
        return stage.learning_rate * step / warmup
    return stage.learning_rate * max(0.0, (steps - step) / max(1, steps - warmup))


def autocast(device: torch.device, *, bfloat16: bool) -> AbstractContextManager[object]:
    """Return autocast to bfloat16, or a context that does nothing."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if bfloat16 else nullcontext()


class _Loop:
    """The optimizer over all tasks and what it has seen, one step at a time."""

    def __init__(self, tasks: Sequence[TrainingTask], training: TrainingConfig, remap: Remap | None) -> None:
        self.training, self.remap = training, remap
        self.parameters = {id(p): p for task in tasks for p in task.model.parameters()}.values()
        self.optimizer = adamw([task.model for task in tasks], training.stage)
        self.budget = training.tokens_per_batch
        self.lengths = {id(task.features): task.features.lengths for task in tasks}
        self.examples = self.tokens = self.positions = 0

    def step(self, task: TrainingTask, indices: IntArray, rate: float, *, place: str) -> float:
        """Do one optimizer step and return its mean loss; on too little memory, again with half the batch."""
        lengths = self.lengths[id(task.features)]
        while True:
            try:
                loss = self._gradients(task, indices, lengths)
                break
            except torch.OutOfMemoryError:
                longest = int(lengths[indices].max()) * task.features.group
                if self.budget <= longest or not task.head.splits_steps:
                    least = "one example" if task.head.splits_steps else "one step, which this task cannot split,"
                    raise IncompleteError(
                        f"{least} of {longest} tokens does not fit in the memory of {task.model.device} at {place}; "
                        "finished runs are kept; take a smaller --model, or a recipe with a smaller max_length"
                    ) from None
                self.budget //= 2
                torch.cuda.empty_cache()
        if not math.isfinite(loss):
            raise IncompleteError(
                f"training diverged: the loss is {loss} at {place} (learning rate "
                f"{self.training.stage.learning_rate:g}, seed {self.training.seed}); finished runs are kept; lower the "
                "learning rate in a recipe file or leave this seed out"
            )
        torch.nn.utils.clip_grad_norm_(self.parameters, self.training.stage.max_gradient_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        return loss

    def _gradients(self, task: TrainingTask, indices: IntArray, lengths: IntArray) -> float:
        """Leave the gradient of the step's mean loss in the parameters and return that loss."""
        self.optimizer.zero_grad(set_to_none=True)
        device, padding_id = task.model.device, task.model.config.pad_token_id
        total = task.head.count([task.features.target(int(index)) for index in indices])
        batches = [indices]
        if task.head.splits_steps:
            batches = split_step(indices, lengths, self.budget, task.features.group, device=device.type)
        loss, seen = 0.0, []
        with autocast(device, bfloat16=self.training.bfloat16):  # around all batches: weights are cast once a step
            for chosen in batches:
                batch = collate(task.features, chosen, padding_id, device, self.remap)
                part = task.head.loss(task.model, batch) / total
                with torch.autocast(device.type, enabled=False):
                    part.backward()  # type: ignore[no-untyped-call]
                loss += float(part.detach())
                seen.append((len(chosen), batch.real_tokens, batch.ids.numel()))
        examples, tokens, positions = (sum(column) for column in zip(*seen, strict=True))
        self.examples, self.tokens, self.positions = (
            self.examples + examples,
            self.tokens + tokens,
            self.positions + positions,
        )
        return loss

    def close(self) -> None:
        """Free gradients and moments, two to three times the memory of what was trained."""
        self.optimizer.zero_grad(set_to_none=True)
        self.optimizer.state.clear()

    def log(self, losses: Sequence[float], seconds: float) -> TrainingLog:
        """Return the record of the run."""
        padding = 1 - self.tokens / self.positions if self.positions else 0.0
        return TrainingLog(len(losses), self.examples, self.tokens, padding, seconds, tuple(losses))


def adamw(models: Sequence[PreTrainedModel], stage: Stage) -> torch.optim.AdamW:
    """Return fused AdamW; biases and layer norms are not decayed, as in the reference scripts and HF's Trainer."""
    named = {id(p): (name, p) for model in models for name, p in model.named_parameters()}.values()
    plain = [p for name, p in named if name.endswith("bias") or "LayerNorm" in name]
    decayed = [p for name, p in named if not (name.endswith("bias") or "LayerNorm" in name)]
    groups = [{"params": decayed, "weight_decay": stage.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=stage.learning_rate, eps=stage.adam_epsilon, fused=True)
