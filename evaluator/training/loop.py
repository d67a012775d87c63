"""The training loop of both stages: length-bucketed steps of the recipe's size, fused AdamW, linear warm-up and decay.

Steps are cut into batches within a token budget; bfloat16 autocast where the hardware has it; compacted vocabulary.
"""

import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from transformers import PreTrainedModel

from evaluator.experiment.recipe import Stage
from evaluator.training.batching import count_steps, split_step, training_steps
from evaluator.training.cpu_speed import cheap_dropout
from evaluator.training.features import Features, IntArray
from evaluator.training.freed_memory import return_freed_memory
from evaluator.training.heads.base import Head, Remap, collate
from evaluator.training.vocabulary import can_compact, compact, restore
from synthgen.console import note
from synthgen.errors import IncompleteError, first_line
from synthgen.models.encoder import padding_id

_NOT_DECAYED = re.compile(r"bias$|LayerNorm|layernorm|(?:^|[._])norm\.weight$(?<!lm_head\.layer_norm\.weight)")
"""Biases and norms of all families; the reference's scripts decay the norm of XLM-R's `lm_head`."""

OnStep = Callable[[int, int, float], None]
"""Callback after each step: its number from 1, the number of steps, the loss of one of the last sixteen."""
STEPS_A_READING = 16
STEPS_A_TRIM = 20
"""Steps on a CPU after which freed memory goes back to the system: after 140 steps 2.5 GB instead of 3.8."""


@dataclass(frozen=True, slots=True)
class TrainingLog:
    """Counts of a training run; `padding` is the share of computed positions without a token, losses are step means."""

    steps: int
    examples: int
    tokens: int
    padding: float
    seconds: float
    losses: tuple[float, ...]


class BatchSize(NamedTuple):
    """The examples and tokens of a batch, and the positions computed for it: tokens and padding."""

    examples: int
    tokens: int
    positions: int


@dataclass(frozen=True, slots=True)
class TrainingTask:
    """A head, its model and its data; the models of several tasks share the encoder module."""

    model: PreTrainedModel
    head: Head
    features: Features


@dataclass(frozen=True, slots=True)
class DevEvaluator:
    """Development evaluation for early stopping: a score every `every` steps, until `patience` bring no better one.

    Without patience training goes on to its end. `score` takes a model and the remap of its vocabulary, in which the
    tokens of `features` stay; higher is better.
    """

    features: Features
    every: int
    patience: int
    score: Callable[[PreTrainedModel, Remap | None], float]


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Hyper-parameters of a run; `steps` overrides the stage's epochs, `compact` trains only embedding rows in use.

    With `bfloat16`, matrix products run in it under autocast; weights, gradients and the optimizer stay in float32.
    """

    stage: Stage
    seed: int
    tokens_per_batch: int = 4096
    steps: int | None = None
    compact: bool = True
    bfloat16: bool = False


def fit(
    tasks: Sequence[TrainingTask],
    config: TrainingConfig,
    on_step: OnStep | None = None,
    dev_evaluator: DevEvaluator | None = None,
) -> TrainingLog:
    """Train the models in place; the last checkpoint stays, or the best one by `dev_evaluator`.

    Several tasks take turns, each as often as its share of all examples (proportional sampling); a step has one task.
    Raises IncompleteError when the loss stops being a number: a diverged run is reported, never re-run silently.
    """
    started = time.monotonic()
    stage, encoder = config.stage, tasks[0].model
    sets = [task.features for task in tasks]
    ids = [features.ids for features in (*sets, *([dev_evaluator.features] if dev_evaluator else []))]
    vocabulary = compact(encoder, ids) if config.compact and can_compact(encoder) else None
    remap = vocabulary.remap if vocabulary else None
    steps, loop = schedule(sets, config), _Loop(tasks, config, remap)
    best = _BestCheckpoint(encoder, dev_evaluator, remap) if dev_evaluator else None
    torch.manual_seed(config.seed)
    for task in tasks:
        task.model.train()
    losses, decay = _Losses(stage.learning_rate, config.seed, len(steps)), 1.0
    with cheap_dropout([task.model for task in tasks]):
        for number, (which, indices) in enumerate(steps):
            rate = learning_rate(stage, number, len(steps))
            losses.add(loop.step(tasks[which], indices, rate, place=f"step {number + 1} of {len(steps)}"))
            decay *= 1.0 - rate * stage.weight_decay
            if number % STEPS_A_TRIM == STEPS_A_TRIM - 1 and encoder.device.type == "cpu":
                return_freed_memory()
            if on_step:
                on_step(number + 1, len(steps), losses.last)
            if best and best.score_ends_training(number + 1, len(steps), decay):
                break
    losses.read()
    loop.close()
    decay = best.restore() if best else decay
    if vocabulary:
        restore(encoder, vocabulary, decay)
    for task in tasks:
        task.model.eval()
    return loop.log(losses.values, time.monotonic() - started)


class _Losses:
    """The losses of the steps, read from the device some steps at a time: a GPU waits whenever one is read."""

    def __init__(self, learning_rate: float, seed: int, steps: int) -> None:
        self.values: list[float] = []
        self._unread: list[torch.Tensor] = []
        self._setting, self._steps = f"learning rate {learning_rate:g}, seed {seed}", steps

    def add(self, loss: torch.Tensor) -> None:
        """Take the loss of a step, and read those that wait when there are enough; the first at once."""
        self._unread.append(loss)
        if len(self._unread) == STEPS_A_READING or not self.values:
            self.read()

    @property
    def last(self) -> float:
        """The last loss that was read."""
        return self.values[-1]

    def read(self) -> None:
        """Read what waits; IncompleteError where a loss is no number."""
        read = torch.stack(self._unread).tolist() if self._unread else []
        self._unread.clear()
        for loss in read:
            self.values.append(loss)
            if not math.isfinite(loss):
                raise IncompleteError(
                    f"training diverged: the loss is {loss} at step {len(self.values)} of {self._steps} "
                    f"({self._setting}); finished runs are kept; lower the learning rate in a recipe file or leave "
                    "this seed out"
                )


class _BestCheckpoint:
    """Weights with the best development score so far, on the CPU."""

    def __init__(self, model: PreTrainedModel, dev_evaluator: DevEvaluator, remap: Remap | None) -> None:
        self.model, self.dev_evaluator, self.remap = model, dev_evaluator, remap
        self.best, self.worse, self.decay = -math.inf, 0, 1.0
        self.weights: dict[str, torch.Tensor] = {}

    def score_ends_training(self, step: int, steps: int, decay: float) -> bool:
        """Score the model if the step is due and keep the best weights; True at `patience` scores without a better."""
        if step % self.dev_evaluator.every and step != steps:
            return False
        score = self.dev_evaluator.score(self.model, self.remap)
        self.model.train()
        if score > self.best:
            self.best, self.worse, self.decay = score, 0, decay
            self.weights = {name: value.detach().cpu().clone() for name, value in self.model.state_dict().items()}
            return False
        self.worse += 1
        return 0 < self.dev_evaluator.patience <= self.worse

    def restore(self) -> float:
        """Load the best weights and return the decay of unused embedding rows at that step."""
        self.model.load_state_dict(self.weights)
        return self.decay


def schedule(sets: Sequence[Features], config: TrainingConfig) -> list[tuple[int, IntArray]]:
    """Return all steps of a run in order: the index of the set of features, and the indices of features in it."""
    generator = np.random.default_rng(config.seed)
    size, examples = config.stage.examples_per_step, sum(len(features) for features in sets)
    steps = []
    for number, features in enumerate(sets):
        share = round(config.steps * len(features) / examples) if config.steps else 0
        count = max(1, share) if config.steps else count_steps(len(features), size, config.stage.epochs)
        steps += [(number, step) for step in training_steps(features.lengths, size, count, generator)]
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


class _Loop:
    """Optimizer over all tasks, its memory budget and the counts of the run."""

    def __init__(self, tasks: Sequence[TrainingTask], config: TrainingConfig, remap: Remap | None) -> None:
        self.config, self.remap = config, remap
        self.parameters = {id(p): p for task in tasks for p in task.model.parameters()}.values()
        self.optimizer = adamw([task.model for task in tasks], config.stage)
        self.budget = config.tokens_per_batch
        self.lengths = {id(task.features): task.features.lengths for task in tasks}
        self.sizes: list[BatchSize] = []

    def step(self, task: TrainingTask, indices: IntArray, rate: float, *, place: str) -> torch.Tensor:
        """Do one optimizer step and return its mean loss; on too little memory, again with half the batch."""
        lengths = self.lengths[id(task.features)]
        loss = None
        while loss is None:
            try:
                loss = self._gradients(task, indices, lengths)
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
            except RuntimeError as error:
                if (
                    "deterministic implementation" not in str(error)
                    or torch.is_deterministic_algorithms_warn_only_enabled()
                ):
                    raise
                note(f"two trainings of this model will differ in the last digits: {first_line(error)}")
                torch.use_deterministic_algorithms(True, warn_only=True)
        torch.nn.utils.clip_grad_norm_(self.parameters, self.config.stage.max_gradient_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        return loss

    def _gradients(self, task: TrainingTask, indices: IntArray, lengths: IntArray) -> torch.Tensor:
        """Compute the gradients of the step's mean loss, batch by batch, and return that loss."""
        self.optimizer.zero_grad(set_to_none=True)
        device = task.model.device
        total, group = task.head.count([task.features.target(int(i)) for i in indices]), task.features.group
        splits = task.head.splits_steps
        batches = split_step(indices, lengths, self.budget, group, device=device.type) if splits else [indices]
        loss, sizes = torch.zeros((), dtype=torch.float64, device=device), list[BatchSize]()
        # around all batches: weights are cast once a step
        with torch.autocast(device.type, torch.bfloat16, enabled=self.config.bfloat16):
            for members in batches:
                batch = collate(task.features, members, padding_id(task.model), device, self.remap)
                part = task.head.loss(task.model, batch) / total
                with torch.autocast(device.type, enabled=False):
                    part.backward()  # type: ignore[no-untyped-call]
                loss += part.detach()
                sizes.append(BatchSize(len(members), batch.real_tokens, batch.ids.numel()))
        self.sizes += sizes  # not before: a step that runs out of memory is done again
        return loss

    def close(self) -> None:
        """Free gradients and moments, two to three times the memory of what was trained."""
        self.optimizer.zero_grad(set_to_none=True)
        self.optimizer.state.clear()

    def log(self, losses: Sequence[float], seconds: float) -> TrainingLog:
        """Return the record of the run."""
        examples, tokens = sum(size.examples for size in self.sizes), sum(size.tokens for size in self.sizes)
        positions = sum(size.positions for size in self.sizes)
        padding = 1 - tokens / positions if positions else 0.0
        return TrainingLog(len(losses), examples, tokens, padding, seconds, tuple(losses))


def adamw(models: Sequence[PreTrainedModel], stage: Stage) -> torch.optim.AdamW:
    """Return fused AdamW; biases and norms are not decayed, as in the reference scripts and HF's Trainer."""
    named = {id(p): (name, p) for model in models for name, p in model.named_parameters()}.values()
    decayed = [p for name, p in named if not _NOT_DECAYED.search(name)]
    plain = [p for name, p in named if _NOT_DECAYED.search(name)]
    groups = [{"params": decayed, "weight_decay": stage.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=stage.learning_rate, eps=stage.adam_epsilon, fused=True)
