"""The run graph of an experiment: which models must exist for its cells, each exactly once.

    intermediate(model, rows, stage, seed) -> target(encoder, training rows, stage, seed) -> predictions(language)
                                                                                          -> scores(language)

Nodes are identified by content, so what two arms, sizes or experiments share is one node: the `none` arm is trained
once for all sizes, a retrieval target is encoded once per encoder, an intermediate model serves all targets. Nothing
here imports torch: `training.jobs` carries the jobs out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from evaluator.benchmark.splits import BY_IDS, BY_RECIPE, EN_DEV, LAST, has_dev_file
from evaluator.benchmark.target import DataRoot, Target, revision
from evaluator.benchmark.target_file import reading_hash
from evaluator.experiment.arms import FULL, Arm
from evaluator.experiment.definition import Experiment, training_size
from evaluator.experiment.jobs import OWN_SEED, DataDraw, Encoder, Graph, IntermediateJob, Job, PlannedScore, TargetJob
from evaluator.experiment.recipe import Recipe, Stage
from evaluator.store import Node
from synthgen.dataset.manifest import dataset_format

CODE_VERSION = 7
"""Goes up when the same inputs would train or predict something else."""

DUAL_VERSION = 2
"""The same for dual encoders alone: 1 began with random layers in place of the checkpoint's."""


@dataclass(frozen=True, slots=True)
class _Draws:
    """What an arm trains on at a size: rows of datasets, one tuple for each stage, and lines of corpora."""

    stages: tuple[tuple[DataDraw, ...], ...] = ()
    corpora: tuple[DataDraw, ...] = ()

    @property
    def dataset_rows(self) -> int:
        """Rows of the datasets of all stages."""
        return sum(draw.rows for stage in self.stages for draw in stage)

    @property
    def corpus_lines(self) -> int:
        """Lines of the corpora."""
        return sum(draw.rows for draw in self.corpora)


def data_revision(target: Target, root: DataRoot, language: str, split: str) -> str:
    """Return which test data a language is scored on."""
    code = target.file_code(language)
    return revision([root.find(source, code) for source in target.split_sources(split)])


def build(experiment: Experiment) -> Graph:
    """Return the graph; every dataset must be large enough for every size."""
    jobs: dict[str, Job] = {}
    cells: dict[tuple[Any, ...], PlannedScore] = {}
    for arm, size, named_size, seed in _runs(experiment):
        for target in experiment.targets:
            stages = _intermediate(experiment, arm, size, seed, target)
            jobs |= {stage.node.key: stage for stage in stages if stage.node.key not in jobs}
            job = _target_job(experiment, _encoder(experiment, arm, stages[-1] if stages else None), target, seed)
            rows = sum(stage.rows for stage in stages)
            name = f"{arm.name} {rows:,}" if rows else arm.name
            jobs.setdefault(job.node.key, replace(job, arm=name))
            for language, node in job.predictions.items():
                metrics = {"metrics": list(target.metrics)} if target.definition else {}
                clusters = {"clusters": target.clusters} if target.clusters else {}
                scores = Node("scores", {"predictions": node.key, "code": CODE_VERSION, **metrics, **clusters})
                key = arm.name, named_size, seed, target.name, language  # the full size may be named as a number too
                cells.setdefault(key, PlannedScore(arm, named_size, rows, seed, target, language, node, scores))
    return Graph(tuple(jobs.values()), tuple(cells.values()))


def _runs(experiment: Experiment) -> Iterator[tuple[Arm, int, int, int]]:
    """Yield arm, size, the size that results name, and seed of every run."""
    for arm in experiment.arms:
        for size in experiment.sizes if arm.is_trained else (FULL,):
            named_size = _size(experiment, arm, size)
            for seed in (*experiment.seeds, *experiment.more_seeds.get((arm.name, named_size), ())):
                yield arm.of_seed(seed), size, named_size, seed


def _size(experiment: Experiment, arm: Arm, size: int) -> int:
    """Return the size that a run of an arm stands for in results, the same for every target.

    At full size the arm `own` stands for the largest training set, though most targets have a smaller one or none.
    """
    if size != FULL or not arm.is_trained:
        return size
    draws = [_draws(experiment, arm, FULL, target) for target in _differing(experiment, arm)]
    return max(each.dataset_rows or each.corpus_lines for each in draws)


def _differing(experiment: Experiment, arm: Arm) -> tuple[Target, ...]:
    """Return the targets for which an arm draws other rows: all of them for `own`, else one that stands for all."""
    return experiment.targets if arm.uses_target_data else experiment.targets[:1]


def _encoder(experiment: Experiment, arm: Arm, intermediate: IntermediateJob | None) -> Encoder:
    """Return what a target starts from: the intermediate model, or the arm's model as it is."""
    if intermediate is None:
        return Encoder.of(experiment.arm_models.get(arm.name, experiment.model))
    return intermediate.encoder(_first_head(arm, intermediate) if experiment.arguments.keep_heads else None)


def _first_head(arm: Arm, intermediate: IntermediateJob) -> tuple[str, tuple[str, ...]] | None:
    """Return the format and labels of the head that an intermediate checkpoint has: that of its first dataset."""
    for part in arm.parts:
        if intermediate.parts and part.folder.resolve() == intermediate.parts[0].folder:
            format_ = dataset_format(part.manifest)
            return format_.name, tuple(format_.labels)
    return None


def _keeps_head(encoder: Encoder, target: Target) -> bool:
    """Say whether a target goes on with the intermediate head: the same format and, where classes have names, labels.

    Choices have one score whatever their number and spans have a start and an end, so their labels do not matter.
    """
    if encoder.head is None or target.train is None:
        return False
    name, labels = encoder.head
    return name == target.head and (name in ("choice", "span") or labels == target.labels)


def _intermediate(
    experiment: Experiment, arm: Arm, size: int, seed: int, target: Target
) -> tuple[IntermediateJob, ...]:
    """Return the jobs that train the arm's model for a target, one after the other.

    They are the same for all targets unless the arm is `own`.
    """
    draws, steps = _draws(experiment, arm, size, target), _matched_steps(experiment)
    model = experiment.arm_models.get(arm.name, experiment.model)
    jobs: list[IntermediateJob] = []
    for number, parts in enumerate(draws.stages):
        if not parts and not draws.corpora:
            continue
        base = jobs[-1].encoder() if jobs else Encoder.of(model)
        share = sum(part.rows for part in parts) / draws.dataset_rows if arm.stages > 1 else 1
        matched = steps and max(1, round(steps * share))
        jobs.append(_stage_job(experiment, arm.of_stage(number), target, seed, base, parts, draws.corpora, matched))
    return tuple(jobs)


def _stage_job(
    experiment: Experiment,
    arm: Arm,
    target: Target,
    seed: int,
    base: Encoder,
    parts: tuple[DataDraw, ...],
    corpora: tuple[DataDraw, ...],
    steps: int | None,
) -> IntermediateJob:
    recipe, hardware, formats = experiment.recipe, experiment.hardware, _formats(arm, target)
    stage = recipe.of_target(target.name, target.head) if arm.uses_target_data else recipe.intermediate(formats)
    model = experiment.arm_models.get(arm.name, experiment.model)
    seed += OWN_SEED if arm.uses_target_data else 0
    inputs: dict[str, Any] = {
        "code": CODE_VERSION,
        "model": base.identity,
        "parts": [part.to_json() for part in parts],
        "stage": stage_inputs(stage, recipe),
        "steps": steps,
        "seed": seed,
        **hardware.to_json(),
        **({"corpora": [part.to_json() for part in corpora]} if corpora else {}),
        **({"own": target.name, **_reading(target)} if arm.uses_target_data else {}),
        **({"lengths": _lengths(recipe, formats)} if len(formats) > 1 else {}),
    }
    return IntermediateJob(
        node=Node("intermediate", inputs),
        base=base,
        parts=parts,
        stage=stage,
        recipe=recipe,
        seed=seed,
        steps=steps,
        licence=model.licence,
        hardware=hardware,
        corpora=corpora,
        target_data=target.name if arm.uses_target_data else None,
        arm=arm.name,
        definition=target.definition if arm.uses_target_data else "",
    )


def _formats(arm: Arm, target: Target) -> tuple[str, ...]:
    """Return the formats of the rows that an arm trains on."""
    if arm.uses_target_data:
        return (target.head,)
    return tuple(sorted({dataset_format(part.manifest).name for part in arm.parts}))


def _lengths(recipe: Recipe, formats: tuple[str, ...]) -> dict[str, list[int]]:
    """Return how each of several formats is cut into features; they share the rest of a stage."""
    stages = {name: recipe.intermediate((name,)) for name in formats}
    return {name: [stage.max_length, stage.query_length, stage.stride] for name, stage in stages.items()}


def _draws(experiment: Experiment, arm: Arm, size: int, target: Target) -> _Draws:
    """Return what an arm trains on at a size; for an arm `own`, the training set of the target, if it has one."""
    if arm.uses_target_data:
        return _Draws(((_target_draw(experiment, target, size),),)) if target.train else _Draws()
    by_ids = experiment.arguments.draw == BY_IDS
    stages: list[list[DataDraw]] = [[] for _ in range(arm.stages)]
    for part, rows in zip(arm.parts, arm.draws(size), strict=True):
        if rows:
            manifest = part.manifest
            about = {key: str(getattr(manifest, key)) for key in ("task", "origin", "language", "licence")}
            folder = part.folder.resolve()
            draw = DataDraw(folder, manifest.content_hash, manifest.kept, rows, part.shuffled, by_ids, about)
            stages[part.stage].append(draw)
    corpora = tuple(
        DataDraw(corpus.path.resolve(), corpus.content_hash, corpus.total, lines, about={"task": "mlm"})
        for corpus, lines in zip(arm.corpora, arm.lines(size), strict=True)
        if lines
    )
    return _Draws(tuple(map(tuple, stages)), corpora)


def _target_draw(experiment: Experiment, target: Target, size: int) -> DataDraw:
    """Return what an arm `own` draws of the training set of a target: the size, or all of a smaller set."""
    root, total = experiment.data_root, training_size(target.name, target.definition, experiment.data_root)
    rows = total if size == FULL else min(size, total)
    about = {"task": target.name, "origin": "own", "language": "en", "licence": target.licence}
    return DataDraw(root.path.resolve(), training_revision(target, root), total, rows, about=about)


def _reading(target: Target) -> dict[str, str]:
    """Return what keys hold of a target file: which items it takes from its files, whose bytes are in keys anyway."""
    return {"definition": reading_hash(target.definition)} if target.definition else {}


def training_revision(target: Target, root: DataRoot) -> str:
    """Return which training data a target has."""
    return revision([root.find(source) for source in target.train_sources])


def _matched_steps(experiment: Experiment) -> int | None:
    """Return the updates every intermediate model gets with `--match updates`: those of the largest at its epochs."""
    if experiment.arguments.match != "updates":
        return None
    stage = experiment.recipe.intermediate()
    draws = [
        _draws(experiment, arm, size, target)
        for arm in experiment.arms
        for size in experiment.sizes
        for target in _differing(experiment, arm)
    ]
    largest = max(each.dataset_rows + each.corpus_lines for each in draws)
    return -(-largest // stage.examples_per_step) * stage.epochs


def _target_job(experiment: Experiment, encoder: Encoder, target: Target, seed: int) -> TargetJob:
    arguments, root, recipe = experiment.arguments, experiment.data_root, experiment.recipe
    stage = recipe.of_target(target.name, target.head) if target.train else None
    keeps_head = _keeps_head(encoder, target)
    inputs: dict[str, Any] = {"code": CODE_VERSION, "encoder": encoder.identity, **experiment.hardware.to_json()}
    if stage is None:
        inputs |= {"depth": recipe.retrieval_depth, "length": recipe.retrieval_max_length}
    else:
        inputs |= {
            "target": target.name,
            **_reading(target),
            "data": training_revision(target, root),
            "max_train_examples": arguments.max_train_examples,
            "stage": stage_inputs(stage, recipe),
            "pretrain": stage_inputs(recipe.stage(f"{target.name}-pretrain"), recipe) if target.pretrain else None,
            "seed": seed,
            "select": _selection(experiment, target),
            **({"head": "kept"} if keeps_head else {}),
            **({"dual": DUAL_VERSION} if target.head == "dual" else {}),
        }
    node = Node("target" if stage else "encoder", inputs)
    languages = experiment.languages[target.name]
    predictions = {language: _predictions(experiment, node, target, language) for language in languages}
    return TargetJob(
        node=node,
        encoder=encoder,
        target=target.name,
        stage=stage,
        recipe=recipe,
        seed=seed,
        data_root=root.path,
        split=arguments.split,
        max_train_examples=arguments.max_train_examples,
        max_eval_examples=arguments.max_eval_examples,
        predictions=predictions,
        hardware=experiment.hardware,
        select=_select(experiment, target),
        keep_head=keeps_head,
        definition=target.definition,
    )


def _selection(experiment: Experiment, target: Target) -> Any:  # noqa: ANN401 - a JSON value
    """Return what chooses the checkpoint of a target: the last, or how often and on which items it is evaluated."""
    if _select(experiment, target) != EN_DEV:
        return _select(experiment, target)
    root = experiment.data_root
    dev = data_revision(target, root, "en", "dev") if has_dev_file(target, root) else "held out of training"
    return {**experiment.recipe.selection_of(target.name), "dev": dev}


def _select(experiment: Experiment, target: Target) -> str:
    """Return which checkpoint of a target is kept: as the option says, or as the recipe's reference does."""
    if experiment.arguments.select != BY_RECIPE:
        return experiment.arguments.select
    return EN_DEV if experiment.recipe.selects(target.name) and not target.rank else LAST


def _predictions(experiment: Experiment, model: Node, target: Target, language: str) -> Node:
    root, split = experiment.data_root, experiment.arguments.split
    inputs: dict[str, Any] = {
        "model": model.key,
        "target": target.name,
        **_reading(target),
        "language": language,
        "split": split,
        "data": data_revision(target, root, language, split),
        "max_eval_examples": experiment.arguments.max_eval_examples,
        **({"version": target.version} if target.version > 1 else {}),
    }
    if target.join:
        inputs["pool"] = [data_revision(target, root, other, split) for other in experiment.languages[target.name]]
    return Node("predictions", inputs)


def stage_inputs(stage: Stage, recipe: Recipe) -> dict[str, Any]:
    """Return the part of a recipe that one run depends on."""
    return {**stage.values(), "tokens_per_batch": recipe.tokens_per_batch}
