"""experiment.json: what an experiment trained and scored, in full, so that it can be reviewed and run again."""

import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from evaluator.benchmark.registry import own_averages
from evaluator.benchmark.splits import BY_POSITIONS
from evaluator.experiment.arms import FULL
from evaluator.experiment.definition import Experiment, estimand
from synthgen import __version__
from synthgen.dataset.manifest import dataset_format
from synthgen.runtime.provenance import public_name

PACKAGES = ("torch", "transformers", "numpy", "scipy")


def experiment_record(experiment: Experiment) -> dict[str, Any]:
    """Return the arguments, every stage that ran, and the encoders; `environment` holds what no key depends on."""
    arguments, recipe = experiment.arguments, experiment.recipe
    encoders = {"": experiment.model, **experiment.arm_models}
    names = {target.name for target in experiment.targets if target.train}
    names |= {f"{target.name}-pretrain" for target in experiment.targets if target.pretrain}
    return {
        "data": arguments.data.document() if arguments.data else {},
        "arms": [{"name": arm.name, **arm.facts()} for arm in experiment.arms],
        "encoders": {name: {"ref": public_name(m.ref), "revision": m.revision} for name, m in encoders.items()},
        "estimand": estimand(experiment)["hash"],
        "targets": {name: list(languages) for name, languages in experiment.languages.items()},
        **_own(experiment),
        "sizes": ["full" if size == FULL else size for size in experiment.sizes],
        "seeds": list(experiment.seeds),
        "more_seeds": {f"{arm}@{size}": list(seeds) for (arm, size), seeds in sorted(experiment.more_seeds.items())},
        **{name: getattr(arguments, name, None) for name in ("margin", "primary")},
        "looks": asdict(experiment.looks) if experiment.looks else None,
        **{name: getattr(arguments, name) for name in ("split", "match", "select", "keep_heads", "preset")},
        **({} if arguments.draw == BY_POSITIONS else {"draw": arguments.draw}),  # positions was once the only way
        **{name: getattr(arguments, name) for name in ("max_train_examples", "max_eval_examples")},
        "recipe": {
            "name": recipe.name,
            "source": recipe.source,
            "tokens_per_batch": recipe.tokens_per_batch,
            "selection": dict(recipe.selection) if arguments.select != "last" else None,
            "stages": {name: stage.values() for name, stage in _stages(experiment, names).items()},
        },
        "environment": {
            "hardware": experiment.hardware.to_json(),
            "python": platform.python_version(),
            "versions": {"evaluator": __version__, **{name: _version(name) for name in PACKAGES}},
        },
    }


def _own(experiment: Experiment) -> dict[str, Any]:
    """Return the files of targets of one's own, whole, and the averages that they count for."""
    files = {target.name: target.definition for target in experiment.targets if target.definition}
    averages = {
        name: {target: list(experiment.languages[target]) for target in targets}
        for name, targets in own_averages(experiment.targets).items()
    }
    return ({"definitions": files} if files else {}) | ({"averages": averages} if averages else {})


def _stages(experiment: Experiment, targets: set[str]) -> dict[str, Any]:
    """Return the stages of the intermediate formats and of the targets that are trained, by name."""
    formats = sorted({dataset_format(part.manifest).name for arm in experiment.arms for part in arm.all_parts})
    stages = {f"intermediate ({name})": experiment.recipe.intermediate((name,)) for name in formats}
    if any(arm.corpora for arm in experiment.arms):
        stages["intermediate (masked language modelling)"] = experiment.recipe.intermediate()
    heads = {target.name: target.head for target in experiment.targets}
    return {**stages, **{name: experiment.recipe.of_target(name, heads.get(name, "")) for name in sorted(targets)}}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
