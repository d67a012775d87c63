"""Model card of a checkpoint of `evaluator train`: its data, its recipe, its use and its limits."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluator.experiment.recipe import Recipe, Stage
from synthgen.dataset.licences import LicensedSource, derive, parts_of
from synthgen.dataset.manifest import Manifest
from synthgen.models.packs import ResolvedModel
from synthgen.runtime.provenance import public_name
from synthgen.text.escape import code, markdown, visible_json

CARD_NAME = "README.md"
_PIPELINE = {"pair": "text-classification", "choice": "multiple-choice", "span": "question-answering"}
_PIPELINE |= {"tags": "token-classification"}


def checkpoint_licence(dataset: Manifest, model: ResolvedModel) -> str:
    """Return the licence of a model trained on a dataset, derived from the encoder, the dataset and its sources."""
    encoder = LicensedSource("encoder", public_name(model.ref), model.licence)
    parts = [LicensedSource("dataset", dataset.task, dataset.licence), *parts_of(dataset.model, dataset.parents)]
    return derive([encoder, *parts])


def model_card(
    dataset: Manifest, model: ResolvedModel, *, recipe: Recipe, stage: Stage, seed: int, training: Mapping[str, Any]
) -> str:
    """Return the card as Markdown with the hub's front matter; `training` is the run's record in the manifest."""
    base, licence = public_name(model.ref), checkpoint_licence(dataset, model)
    is_id = licence == licence.casefold() and " " not in licence
    front = {
        "library_name": "transformers",
        "pipeline_tag": _PIPELINE[dataset.format],
        "language": [dataset.language],
        **({"license": licence} if is_id else {"license": "other", "license_name": licence}),
        **({"base_model": base} if "/" in base else {}),
        "tags": ["evaluator", "intermediate-task", dataset.task, dataset.origin],
    }
    facts = {
        "base model": f"{code(base)} at {code(model.revision)}, licence {markdown(model.licence)}",
        "about the base model": markdown(model.note or "nothing to add"),
        "training data": markdown(f"{dataset.kept} {dataset.origin} rows of {dataset.task} ({dataset.language})"),
        "hash of the data": code(dataset.content_hash),
        "licence of the data": markdown(dataset.licence),
        "recipe": markdown(f"{recipe.name}: {recipe.source}"),
        "seed": str(seed),
        **{name.replace("_", " "): markdown(value) for name, value in stage.values().items()},
        **{f"training: {name.replace('_', ' ')}": markdown(value) for name, value in training.items()},
    }
    return (
        Path(__file__)
        .with_name("model_card.md")
        .read_text(encoding="utf-8")
        .format(
            front="\n".join(f"{key}: {visible_json(value)}" for key, value in front.items()),
            title=markdown(f"{base}, trained on {dataset.task} ({dataset.origin})"),
            facts="\n".join(f"| {name} | {value or 'none'} |" for name, value in facts.items()),
        )
    )
