"""`evaluator plan --assume h100`: hours and money from numbers of rows alone, without data, models or a GPU.

What is assumed of devices, rows and targets stands in `assumed.toml`, with its sources; every time is a range.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

from evaluator.benchmark.target import Target
from evaluator.experiment.arguments import Arguments, parse_seeds, select_languages, select_targets
from evaluator.experiment.arms import FULL, THEN, expanded, split_arm
from evaluator.experiment.encoders import read_facts, recipe_for
from evaluator.experiment.recipe import Recipe, Stage, load_recipe
from evaluator.experiment.throughput import FORWARD_SHARE, TOKENS_ON_GPU, EncoderSize
from evaluator.store import Json
from synthgen.dataset.manifest import dataset_format, is_finished, read_intact_manifest
from synthgen.errors import UserError, unknown
from synthgen.models.packs import resolve
from synthgen.text.toml_text import read_toml

_FACTOR = re.compile(r"(?:(\d{1,4})\*)?(.+)")
_PART = re.compile(r"(?:shuffled:|mlm:)?(?P<what>.+?)(?::(?P<rows>[1-9]\d*))?")


@cache
def assumptions() -> dict[str, Any]:
    """Return the tables of `assumed.toml`."""
    return read_toml(Path(__file__).with_name("assumed.toml"))


def check_device(name: str) -> None:
    """Raise UserError for a device of which nothing is known."""
    if name not in (known := assumptions()["devices"]):
        raise unknown("device", name, known, where="--assume")


@dataclass(frozen=True, slots=True)
class AssumedPart:
    """A dataset by its numbers: its rows, the mean pieces of one, and its format, "" where no folder says it."""

    rows: int
    pieces: float
    format: str = ""


@dataclass(frozen=True, slots=True)
class AssumedArm:
    """An arm by the numbers of its parts; `own` trains on each target's training set first."""

    name: str
    parts: tuple[AssumedPart, ...] = ()
    is_own: bool = False
    factor: int = 1

    @property
    def rows(self) -> int:
        """Rows at full size."""
        return sum(part.rows for part in self.parts)

    @property
    def pieces(self) -> float:
        """Mean pieces of a row."""
        return sum(part.rows * part.pieces for part in self.parts) / max(1, self.rows)

    @property
    def formats(self) -> frozenset[str]:
        """The formats of its parts that are known."""
        return frozenset(part.format for part in self.parts if part.format)

    def at(self, size: int) -> int:
        """Return the rows of a size; UserError when the arm has fewer."""
        rows = self.rows if size == FULL else size * self.factor
        if rows > self.rows and not self.is_own:
            raise UserError(f"arm '{self.name}' has {self.rows:,} rows; size {size:,} needs {rows:,}")
        return rows


@dataclass(frozen=True, slots=True)
class AssumedRuns:
    """Runs of one kind, with the work of one of them."""

    label: str
    runs: int
    steps: int
    training_tokens: int
    inference_tokens: int = 0


def plan_assumed(arguments: Arguments, device: str) -> Json:
    """Return the runs of an experiment and their hours on one such device, from the fastest likely to the slowest."""
    check_device(device)
    for _, check in arguments.checks():
        check()
    recipe, size = _encoder(arguments)
    runs = list(_runs(arguments, recipe))
    hours = [sum(each.runs * _seconds(each, device, size, recipe, k) for each in runs) / 3600 for k in (0, 1)]
    price = arguments.price_per_hour
    totals = ("steps", "training_tokens", "inference_tokens")
    return {
        "assumed_device": device,
        "model": arguments.model,
        "recipe": recipe.name,
        "runs": sum(each.runs for each in runs),
        **{name: sum(each.runs * getattr(each, name) for each in runs) for name in totals},
        "device_hours_between": [round(each, 2) for each in hours],
        **({} if price is None else {"money_between": [round(price * each, 2) for each in hours]}),
        "jobs": [
            {**asdict(each), "hours": [round(_seconds(each, device, size, recipe, k) / 3600, 3) for k in (0, 1)]}
            for each in runs
        ],
    }


def _encoder(arguments: Arguments) -> tuple[Recipe, EncoderSize]:
    """Return the recipe and the size of the encoder; only the config of one that is not known is fetched."""
    if known := assumptions()["encoders"].get(arguments.model):
        size = EncoderSize(**known["size"])
        return load_recipe(arguments.recipe, size.width, known["family"]), size
    facts = read_facts(resolve(arguments.model, weights=False))
    return recipe_for(arguments.recipe, facts), facts.size


def _arm(text: str) -> AssumedArm:
    name, value = split_arm(text)
    if value in ("none", "own") or value.startswith("model:"):
        return AssumedArm(name, is_own=value == "own")
    factor, whole = _FACTOR.fullmatch(expanded(value, f"arm '{name}'")[0]).groups()  # type: ignore[union-attr]
    parts = tuple(_part(name, each) for each in re.split(rf"\+|{THEN}", whole))
    return AssumedArm(name, parts, factor=int(factor or 1))


def _part(arm: str, text: str) -> AssumedPart:
    """Return a part by a finished folder, or by the name of a task and its rows."""
    match = _PART.fullmatch(text)
    what, rows = (match["what"], int(match["rows"] or 0)) if match else ("", 0)
    pieces: Mapping[str, int] = assumptions()["rows"]
    if what and is_finished(Path(what)):
        manifest = read_intact_manifest(Path(what))
        format_ = dataset_format(manifest).name
        rows = min(rows or manifest.kept, manifest.kept)
        return AssumedPart(rows, pieces.get(manifest.task, pieces[format_]), format_)
    if not rows:
        example = f"{arm}=mnli:100000"
        raise UserError(
            f"arm '{arm}': '{text}' is neither a finished dataset folder nor a task with a number of rows, such as "
            f"{example}"
        )
    return AssumedPart(rows, _known(pieces, what, f"arm '{arm}'"))


def _known(pieces: Mapping[str, int], task: str, where: str) -> int:
    if task not in pieces:
        raise unknown("task or format", task, pieces, where=where)
    return pieces[task]


def _runs(arguments: Arguments, recipe: Recipe) -> Iterator[AssumedRuns]:
    targets, seeds = select_targets(arguments.targets), len(parse_seeds(arguments.seeds))
    languages = {name: len(codes) for name, codes in select_languages(targets, arguments.languages).items()}
    arms = [_arm(text) for text in arguments.arms]
    matched = _matched_steps(arguments, recipe, arms)
    for arm in arms:
        sizes = dict.fromkeys(_size(text, arms) for text in arguments.sizes) if arm.parts or arm.is_own else (FULL,)
        for size in sizes:
            rows = arm.at(size) if arm.parts else size
            label = f"{arm.name} {rows:,}" if rows else arm.name
            if arm.parts:
                stage = recipe.intermediate(arm.formats)
                run = _training(f"{label} intermediate", seeds, stage, rows, arm.pieces)
                times = matched / run.steps if matched else 1
                yield replace(run, steps=matched or run.steps, training_tokens=round(run.training_tokens * times))
            for target in targets:
                yield from _target_runs(arguments, recipe, target, languages[target.name], label, seeds, arm, size)


def _target_runs(
    arguments: Arguments,
    recipe: Recipe,
    target: Target,
    languages: int,
    label: str,
    seeds: int,
    arm: AssumedArm,
    size: int,
) -> Iterator[AssumedRuns]:
    facts: dict[str, Json] = assumptions()["targets"]
    if target.name not in facts:
        raise UserError(
            f"--assume has no sizes of target {target.name}; leave it out of --targets; known: {', '.join(facts)}"
        )
    known, most = facts[target.name], arguments.max_eval_examples
    items = min(known["test"], most or known["test"])
    predicted = round(items * languages * known["test_pieces"])
    if not target.train:  # the encoder as it is: without intermediate training the same for all seeds
        yield AssumedRuns(f"{label} {target.name}", seeds if arm.parts else 1, 0, 0, predicted)
        return
    stage = recipe.of_target(target.name, target.head)
    if arm.is_own:
        rows = known["train"] if size == FULL else min(size, known["train"])
        yield _training(f"{label} {target.name} intermediate", seeds, stage, rows, known["train_pieces"])
    rows = min(known["train"], arguments.max_train_examples or known["train"])
    yield _training(f"{label} {target.name}", seeds, stage, rows, known["train_pieces"], predicted)


def _training(label: str, runs: int, stage: Stage, rows: int, pieces: float, predicted: int = 0) -> AssumedRuns:
    steps = ceil(rows / stage.examples_per_step) * stage.epochs
    return AssumedRuns(label, runs, steps, round(rows * pieces * stage.epochs), predicted)


def _matched_steps(arguments: Arguments, recipe: Recipe, arms: Sequence[AssumedArm]) -> int:
    """Return the updates of every intermediate training with `--match updates`, else 0."""
    if arguments.match != "updates":
        return 0
    rows = max((arm.at(_size(text, arms)) for arm in arms if arm.parts for text in arguments.sizes), default=0)
    stage = recipe.intermediate()
    return ceil(rows / stage.examples_per_step) * stage.epochs


def _size(text: str | int, arms: Sequence[AssumedArm]) -> int:
    """Return a size of the command line, a part of an arm's rows among them."""
    arm, slash, number = str(text).rpartition("/")
    if not slash:
        return FULL if text == "full" else int(text)
    return max(1, next(each.rows for each in arms if each.name == arm) // int(number))


def _seconds(each: AssumedRuns, device: str, size: EncoderSize, recipe: Recipe, which: int) -> float:
    """Return the seconds of one run: each batch takes what its products take, but at least what launching it takes."""
    known = assumptions()
    limits = {name: values[which] for name, values in known["range"].items()}
    products = size.flops_per_token / (known["devices"][device] * 1e12 * limits["share"])
    launch = size.layers * limits["launch_ms"] / 1000
    batches = each.steps * ceil(each.training_tokens / each.steps / recipe.tokens_per_batch) if each.steps else 0
    training = max(each.training_tokens * products, batches * launch)
    inference = max(each.inference_tokens * products, ceil(each.inference_tokens / TOKENS_ON_GPU) * launch)
    return float(training + inference * FORWARD_SHARE + limits["seconds_per_run"])
