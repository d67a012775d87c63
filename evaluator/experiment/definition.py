"""The experiment that the arguments of `compare` and `plan` describe, checked before anything runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from evaluator.benchmark.data_root import default_root
from evaluator.benchmark.registry import of_run
from evaluator.benchmark.splits import BY_IDS, LAST
from evaluator.benchmark.target import DataRoot, Target
from evaluator.experiment.arguments import Arguments, parse_seeds, parse_size, select_languages, select_targets
from evaluator.experiment.arms import FULL, Arm, parse_arms
from evaluator.experiment.encoders import arm_heads, check_heads, read_facts, recipe_for
from evaluator.experiment.hardware import Hardware, detect
from evaluator.experiment.recipe import Recipe, check_soft_labels
from evaluator.stats.estimand import estimand_of
from evaluator.stats.looks import Looks
from evaluator.stats.results import Cell, Group
from evaluator.store import Store
from synthgen.errors import refuse
from synthgen.models.packs import ResolvedModel, resolve


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """Everything that an experiment's results depend on: its arguments, and what they name.

    `more_seeds` are those of an arm at a size beside `seeds`, `looks` how often the results are to be looked at.
    """

    arguments: Arguments
    arms: tuple[Arm, ...]
    sizes: tuple[int, ...]
    seeds: tuple[int, ...]
    targets: tuple[Target, ...]
    languages: dict[str, tuple[str, ...]]
    model: ResolvedModel
    arm_models: dict[str, ResolvedModel] = field(default_factory=dict)
    recipe: Recipe
    data_root: DataRoot
    hardware: Hardware
    more_seeds: Mapping[Group, tuple[int, ...]] = field(default_factory=dict)
    looks: Looks | None = None


def define(arguments: Arguments) -> Experiment:
    """Return the experiment that the arguments describe; UserError for the first that is wrong.

    Models are resolved, and fetched where they are not here, only after everything else has been checked.
    """
    for _, check in arguments.checks():
        check()
    targets, arms = select_targets(arguments.targets), parse_arms(arguments.arms)
    languages = select_languages(targets, arguments.languages)
    sizes = tuple(dict.fromkeys(parse_size(size, arms) for size in arguments.sizes))
    for _, check in arguments.data_checks():
        check()
    _check_use(arguments, arms, sizes, targets)
    _check_sizes(arms, sizes, parse_seeds(arguments.seeds))
    hardware, encoder = detect(), resolve(arguments.model)
    arm_models = {arm.name: resolve(arm.model) for arm in arms if arm.model}
    facts = read_facts(encoder)
    recipe = recipe_for(arguments.recipe, facts)
    check_soft_labels(recipe, [part.manifest for arm in arms for part in arm.all_parts])
    for name, model in arm_models.items():
        read_facts(model, f"arm {name}: model")
    return Experiment(
        arguments=arguments,
        arms=arms,
        sizes=sizes,
        seeds=parse_seeds(arguments.seeds),
        targets=targets,
        languages=languages,
        model=encoder,
        arm_models=arm_models,
        recipe=recipe,
        data_root=default_root(arguments.data_root),
        hardware=hardware,
    )


def check_model(arguments: Arguments) -> None:
    """Raise UserError for a model that is no encoder; of one from the hub no weights are fetched."""
    read_facts(resolve(arguments.model, weights=False))


def check_encoders(experiment: Experiment) -> None:
    """Raise UserError for the first encoder whose tokenizer does not fit what it would be trained for or score."""
    encoders: dict[tuple[str, ResolvedModel], dict[str, list[str]]] = {}  # what needs each head of them
    for arm in experiment.arms:
        option = f"arm {arm.name}: model" if arm.model else "--model"
        heads = encoders.setdefault((option, experiment.arm_models.get(arm.name, experiment.model)), {})
        for head, names in arm_heads(arm.parts, has_corpora=bool(arm.corpora)).items():
            heads.setdefault(head, []).extend(names)
    for (option, model), heads in encoders.items():
        for target in experiment.targets:
            heads.setdefault(target.head, []).append(target.name)
        check_heads(model, read_facts(model, option), heads, option)


def estimand(experiment: Experiment) -> dict[str, Any]:
    """Return what the experiment will estimate, with its hash, known from targets, languages and metrics alone."""
    return estimand_of(
        Cell(target.name, language, metric)
        for target in experiment.targets
        for language in experiment.languages[target.name]
        for metric in target.metrics
    )


def open_store(experiment: Experiment) -> Store:
    """Return the store, made or checked."""
    models = [experiment.model, *experiment.arm_models.values()]
    return Store.open(experiment.arguments.store, {model.ref: model.revision for model in models})


def _check_use(arguments: Arguments, arms: Sequence[Arm], sizes: Sequence[int], targets: Sequence[Target]) -> None:
    """Refuse options that would change nothing."""
    if not any(arm.is_trained for arm in arms):
        refuse("no arm has intermediate data", sizes=sizes != (FULL,), match=arguments.match != "epochs")
    if not any(arm.parts for arm in arms):
        refuse("no arm trains on a dataset", keep_heads=arguments.keep_heads, draw=arguments.draw != BY_IDS)
    if not any(target.train for target in targets):
        names, is_selected = ", ".join(target.name for target in targets), arguments.select != LAST
        refuse(f"nothing is trained for {names}", select=is_selected, max_train_examples=arguments.max_train_examples)


def _check_sizes(arms: Sequence[Arm], sizes: Sequence[int], seeds: Sequence[int]) -> None:
    """Check that every dataset has enough rows; a target whose training set is smaller gives `own` all it has.

    UserError also for an arm that has no dataset for one of the seeds.
    """
    for arm in arms:
        arm.of_seed(max(seeds))
    for arm, size in ((arm, size) for arm in arms for size in sizes if arm.is_trained and size != FULL):
        arm.draws(size), arm.lines(size)


@cache
def training_size(target: str, definition: str, root: DataRoot) -> int:
    """Return how many English training items a target has; reading them takes seconds, so once per process."""
    read = of_run(target, definition).train
    return len(read(root)) if read else 0
