"""`evaluator compare`: build the graph, check that everything is there, run what is missing, score, report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluator.arms import FULL, Arm, parse_arms
from evaluator.comparison import Comparison
from evaluator.data import default_root, missing_files
from evaluator.graph import Cell, Experiment, Graph, build
from evaluator.hardware import detect
from evaluator.recipe import load_recipe
from evaluator.results import Cell as ResultCell
from evaluator.results import ResultRow, Run, write_item_ids, write_item_scores, write_results
from evaluator.runner import run_jobs
from evaluator.scoring import evaluation_splits, read_items, score_cell, shown_revision
from evaluator.store import Store
from evaluator.targets import find
from evaluator.targets import select as targets_by_name
from evaluator.targets.base import Target
from synthgen.dataset import write_atomically
from synthgen.errors import UserError, unknown
from synthgen.packs import resolve

DEFAULT_MODEL = "FacebookAI/xlm-roberta-base"
MATCHES = ("epochs", "updates")
SELECTIONS = ("last",)
SPLITS = ("test", "dev")


def compare(
    arms: Sequence[str],
    *,
    targets: Sequence[str],
    languages: Sequence[str] = (),
    split: str = "test",
    sizes: Sequence[str | int] = ("full",),
    seeds: int = 5,
    match: str = "epochs",
    model: str = DEFAULT_MODEL,
    recipe: str = "xtreme",
    select: str = "last",
    data_root: Path | str | None = None,
    store: Path | str = "runs/store",
    out: Path | str = "runs/compare/report.html",
    max_train_examples: int | None = None,
    max_eval_examples: int | None = None,
    margin: float = 0.5,
    keep_weights: bool = False,
) -> Comparison:
    """Run every missing part of an experiment and return the comparison; the report and its files stand at `out`.

    `arms` are `name=PART[+PART...]`, `name=none` or `name=model:REF`; the README explains the other arguments, which
    are those of the command line. The same call again does nothing twice.
    """
    experiment = define(
        arms,
        targets=targets,
        languages=languages,
        split=split,
        sizes=sizes,
        seeds=seeds,
        match=match,
        model=model,
        recipe=recipe,
        select=select,
        data_root=data_root,
        max_train_examples=max_train_examples,
        max_eval_examples=max_eval_examples,
    )
    graph, opened, page = build(experiment), open_store(experiment, Path(store)), Path(out)
    run_jobs(graph.jobs, opened, keep_weights=keep_weights)
    score_all(experiment, graph, opened)
    write_tables(experiment, graph, opened, page.parent)
    return write_report(opened, page, margin)


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
    parsed, chosen, root = parse_arms(arms), select_targets(targets), default_root(data_root)
    by_target = {target.name: target_languages(target, languages) for target in chosen}
    _check_languages(languages, by_target)
    lacking = [line for t in chosen for line in missing_files(t, root, by_target[t.name], split)]
    if lacking:
        raise UserError(f"the data root {root.path} is not complete: {'; '.join(lacking)}; or restrict --languages")
    return Experiment(
        arms=parsed,
        sizes=tuple(parse_size(size) for size in sizes),
        seeds=tuple(range(seeds)),
        targets=chosen,
        languages=by_target,
        split=split,
        model=resolve(model),
        arm_models={arm.name: resolve(arm.model) for arm in parsed if arm.model},
        recipe=load_recipe(recipe),
        match=match,
        select=select,
        data_root=root,
        max_train_examples=max_train_examples,
        max_eval_examples=max_eval_examples,
        hardware=detect(),
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


def parse_size(text: str | int) -> int:
    """Return a size: a number of rows, or FULL for `full`."""
    if text == "full":
        return FULL
    if not str(text).isdecimal() or int(text) < 1:
        raise UserError(f"--sizes {text}: allowed are 'full' and whole numbers from 1")
    return int(text)


def open_store(experiment: Experiment, root: Path) -> Store:
    """Return the store, made or checked."""
    models = [experiment.model, *experiment.arm_models.values()]
    return Store.open(root, {model.ref: model.revision for model in models})


def score_all(experiment: Experiment, graph: Graph, store: Store) -> None:
    """Score every cell that lacks scores; the test items of a target are read once for all arms and seeds."""
    unscored = [cell for cell in graph.cells if not store.is_finished(cell.scores)]
    for target in experiment.targets:
        cells = [cell for cell in unscored if cell.target.name == target.name]
        if not cells:
            continue
        languages = experiment.languages[target.name]
        root, split = experiment.data_root, experiment.split
        splits = evaluation_splits(target, root, languages, split, experiment.max_eval_examples)
        by_language = {items.language: items for items in splits}
        for cell in cells:
            shown = shown_revision(target, root, cell.language, split)
            score_cell(cell, by_language[cell.language], shown, store)


def write_tables(experiment: Experiment, graph: Graph, store: Store, folder: Path) -> None:
    """Write results.jsonl and arms.json to `folder` and to the store, and the item scores to the store."""
    rows = [row for cell in graph.cells for row in result_rows(cell, experiment.split, store)]
    arms = json.dumps({arm.name: _arm_facts(experiment, arm) for arm in experiment.arms}, ensure_ascii=False, indent=2)
    folder.mkdir(parents=True, exist_ok=True)
    for place in (folder, store.root):
        write_results(place / "results.jsonl", rows)
        write_atomically(place / "arms.json", arms + "\n")
    _write_items(graph, store)


def result_rows(cell: Cell, split: str, store: Store) -> list[ResultRow]:
    """Return one row per metric of a scored cell."""
    found = store.results(cell.scores)
    return [
        ResultRow(
            arm=cell.arm.name,
            size=cell.size,
            arm_n=cell.arm_n,
            seed=cell.seed,
            target=cell.target.name,
            language=cell.language,
            split=split,
            metric=metric,
            value=value,
            n=found["n"],
            data_revision=found["data_revision"],
        )
        for metric, value in found["metrics"].items()
    ]


def _write_items(graph: Graph, store: Store) -> None:
    """Store the item scores per target, language and metric, all runs together."""
    scores: dict[ResultCell, dict[Run, Any]] = {}
    ids: dict[tuple[str, str], list[str]] = {}
    for cell in graph.cells:
        items = read_items(cell, store)
        ids[cell.target.name, cell.language] = items["ids"]
        for metric, values in items["scores"].items():
            key = ResultCell(cell.target.name, cell.language, metric)
            scores.setdefault(key, {})[Run(cell.arm.name, cell.size, cell.seed)] = values
    for (target, language), names in ids.items():
        write_item_ids(store.root, target, language, names)
    for key, by_run in scores.items():
        write_item_scores(store.root, key, by_run)


def _arm_facts(experiment: Experiment, arm: Arm) -> dict[str, Any]:
    encoder = experiment.arm_models.get(arm.name, experiment.model)
    return {**arm.facts(), "encoder": encoder.ref, "encoder_revision": encoder.revision, "encoder_note": encoder.note}


def write_report(store: Store, page: Path, margin: float) -> Comparison:
    """Write the report of the store's results to `page` and return the comparison."""
    from evaluator.report import report

    return report(store.root, out=page, margin=margin)
