"""What an experiment is, from the arguments of `compare` and `plan`: every argument checked before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluator.arms import FULL, parse_arms
from evaluator.data import default_root, missing_files, trained_on
from evaluator.graph import Experiment
from evaluator.hardware import detect
from evaluator.presets import expand
from evaluator.recipe import encoder_width, load_recipe
from evaluator.results import Cell
from evaluator.scopes import estimand_of
from evaluator.selection import EN_DEV
from evaluator.store import Store
from evaluator.table import some_of
from evaluator.targets import find
from evaluator.targets import select as targets_by_name
from evaluator.targets.base import DataRoot, Target
from synthgen.errors import UserError, unknown
from synthgen.packs import resolve

DEFAULT_MODEL = "FacebookAI/xlm-roberta-base"
MATCHES = ("epochs", "updates")
SELECTIONS = ("last", EN_DEV)
SPLITS = ("test", "dev")


def define(
    arms: Sequence[str],
    *,
    targets: Sequence[str],
    languages: Sequence[str],
    split: str,
    sizes: Sequence[str | int],
    seeds: int,
    match: str,
    model: str,
    recipe: str,
    select: str,
    data_root: Path | str | None,
    max_train_examples: int | None,
    max_eval_examples: int | None,
    preset: str | None = None,
    keep_heads: bool = False,
) -> Experiment:
    """Return the experiment that the arguments describe; UserError for the first that is wrong."""
    choices = {"match": (match, MATCHES), "select": (select, SELECTIONS), "split": (split, SPLITS)}
    for name, (value, allowed) in choices.items():
        if value not in allowed:
            raise unknown(f"--{name}", value, allowed)
    numbers = {"seeds": seeds, "max-train-examples": max_train_examples, "max-eval-examples": max_eval_examples}
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise UserError(f"--{name} {number}: allowed are whole numbers from 1")
    parsed, counts = parse_arms(arms), tuple(parse_size(size) for size in sizes)
    if preset:
        parsed, counts = expand(preset, parsed, counts)
    chosen, root = select_targets(targets), default_root(data_root)
    ranked = [target.name for target in chosen if target.train and target.rank]
    if select == EN_DEV and ranked:
        raise UserError(f"--select en-dev: {', '.join(ranked)} rank a pool and have no English items to choose by")
    by_target = {target.name: target_languages(target, languages) for target in chosen}
    _check_languages(languages, by_target)
    _check_files(chosen, root, by_target, split)
    encoder = resolve(model)
    return Experiment(
        arms=parsed,
        sizes=counts,
        seeds=tuple(range(seeds)),
        targets=chosen,
        languages=by_target,
        split=split,
        model=encoder,
        arm_models={arm.name: resolve(arm.model) for arm in parsed if arm.model},
        recipe=load_recipe(recipe, encoder_width(encoder.path)),
        match=match,
        select=select,
        keep_heads=keep_heads,
        data_root=root,
        max_train_examples=max_train_examples,
        max_eval_examples=max_eval_examples,
        hardware=detect(),
    )


def estimand(experiment: Experiment) -> dict[str, Any]:
    """Return what the experiment will estimate, with its hash, known from targets, languages and metrics alone."""
    return estimand_of(
        Cell(target.name, language, metric)
        for target in experiment.targets
        for language in experiment.languages[target.name]
        for metric in target.metrics
    )


def select_targets(names: Sequence[str]) -> tuple[Target, ...]:
    """Return the targets by name; UserError for none."""
    if not names:
        raise UserError("no target; give --targets T,… or --targets all")
    return targets_by_name(names)


def target_languages(target: Target, asked: Sequence[str]) -> tuple[str, ...]:
    """Return the languages to score: those asked for that the target has, in its own order; all when none is asked."""
    return tuple(language for language in target.languages if not asked or language in asked)


def _check_languages(asked: Sequence[str], by_target: dict[str, tuple[str, ...]]) -> None:
    covered = {language for languages in by_target.values() for language in languages}
    known = sorted({language for target in by_target for language in find(target).languages})
    for language in asked:
        if language not in covered:
            raise unknown("language", language, known, where=f"targets {', '.join(by_target)}")
    for name, languages in by_target.items():
        if not languages:
            raise UserError(f"target {name} has none of the languages {', '.join(asked)}; known: {', '.join(known)}")


def _check_files(targets: Sequence[Target], root: DataRoot, by_target: dict[str, tuple[str, ...]], split: str) -> None:
    lacking = [line for t in targets for line in missing_files(t, root, by_target[t.name], split)]
    if lacking:
        raise UserError(f"the data root {root.path} is not complete: {'; '.join(lacking)}; or restrict --languages")
    leaks = [line for t in targets for line in trained_on(t, root, by_target[t.name], split)]
    if leaks:
        raise UserError(f"{some_of(leaks)}; give another --split, or restrict --targets or --languages")


def parse_size(text: str | int) -> int:
    """Return a size: a number of rows, or FULL for `full`."""
    if text == "full":
        return FULL
    if not str(text).isdecimal() or int(text) < 1:
        raise UserError(f"--sizes {text}: allowed are 'full' and whole numbers from 1")
    return int(text)


def open_store(experiment: Experiment, place: Path | str) -> Store:
    """Return the store, made or checked."""
    models = [experiment.model, *experiment.arm_models.values()]
    return Store.open(place, {model.ref: model.revision for model in models})
