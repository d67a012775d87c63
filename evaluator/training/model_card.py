"""Model card of a checkpoint of `evaluator train`, or of a target model of a comparison: data, recipe, use, limits."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluator.benchmark.target import Target
from evaluator.experiment.recipe import Recipe, Stage
from evaluator.store.kept_scores import KeptScore
from synthgen.dataset.licences import UNKNOWN, LicensedSource, derive, parts_of
from synthgen.dataset.manifest import Manifest
from synthgen.models.packs import ResolvedModel
from synthgen.runtime.provenance import public_name
from synthgen.text.escape import code, markdown, visible_json

CARD_NAME = "README.md"
_PIPELINE = {"pair": "text-classification", "choice": "multiple-choice", "span": "question-answering"}
_PIPELINE |= {"tags": "token-classification", "dual": "sentence-similarity"}

_INTERMEDIATE = (
    "An intermediate checkpoint: an encoder with the head of its intermediate task, for further training on a target "
    "task, or as a label verifier, teacher or reader of `synthgen`.",
    "It was not evaluated by itself. The effect of its data on zero-shot transfer is measured by a comparison, whose "
    "results card has intervals.",
)
_TARGET = (
    "A target model of a comparison: one run of one arm, trained on the English items of its task and scored in other "
    "languages.",
    "It is one seed. The effect of its data is measured by the comparison, whose results card has intervals over seeds "
    "and test items.",
)


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
    tags = ["evaluator", "intermediate-task", dataset.task, dataset.origin]
    front = _front(dataset.format, [dataset.language], licence, base, tags)
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
    return _card(front, f"{base}, trained on {dataset.task} ({dataset.origin})", _INTERMEDIATE, facts)


def target_card(target: Target, node: Mapping[str, Any], scores: Sequence[KeptScore]) -> str:
    """Return the card of a target model from the manifest of its node in a store, and its scores there.

    UserError where what it was trained on forbids derived works.
    """
    inputs, results = node["inputs"], dict(node["results"])
    encoder = results.pop("encoder", {})
    base, trained_on = str(encoder.get("name", inputs["encoder"])), encoder.get("trained_on", [])
    parts = [LicensedSource("encoder", base, str(encoder.get("licence", UNKNOWN)))]
    parts += [LicensedSource("dataset", each.get("task", "?"), each.get("licence", UNKNOWN)) for each in trained_on]
    licence = derive([*parts, LicensedSource("target", target.title, target.licence)])
    tags = ["evaluator", "zero-shot-cross-lingual-transfer", target.name]
    front = _front(target.head, [score.language for score in scores] or ["en"], licence, base, tags)
    data = [f"{each['rows']} rows of {each.get('task', 'text')} ({_kind(each)}), {each['hash']}" for each in trained_on]
    facts = {
        "base model": f"{code(base)} at {code(encoder.get('revision', UNKNOWN))}, licence {markdown(parts[0].licence)}",
        "intermediate data": "; ".join(map(markdown, data)) or ("none" if encoder else UNKNOWN),
        "target": markdown(f"{target.title}: {target.citation}"),
        "training data": markdown(f"{target.train_source} (files {inputs['data']})"),
        "most training examples": markdown(inputs["max_train_examples"] or "all"),
        "licence of the data": markdown(target.licence),
        "seed": str(inputs["seed"]),
        **{name.replace("_", " "): markdown(value) for name, value in inputs["stage"].items()},
        **{f"training: {name.replace('_', ' ')}": markdown(value) for name, value in results["training"].items()},
    }
    return _card(front, f"{base}, trained on {target.title}", _TARGET, facts, _scores(scores))


def _kind(data: Mapping[str, Any]) -> str:
    facts = [str(data[key]) for key in ("origin", "language", "licence") if data.get(key)] or [UNKNOWN]
    return ", ".join([*facts, *(["labels shuffled"] if data.get("shuffled") else [])])


def _scores(scores: Iterable[KeptScore]) -> str:
    """Return a table of scores; a line where there are none."""
    rows = [
        f"| {each.language} | {each.split} | {name} | {value:.2f} | {each.n}{' (drawn)' if each.cap else ''} |"
        for each in scores
        for name, value in each.metrics.items()
    ]
    head = "| language | split | metric | % | items |\n| --- | --- | --- | ---: | ---: |\n"
    return "\n" + (head + "\n".join(rows) if rows else "The store has no scores of it.") + "\n"


def _front(format_: str, languages: Sequence[str], licence: str, base: str, tags: Sequence[str]) -> dict[str, Any]:
    is_id = licence == licence.casefold() and " " not in licence and licence != UNKNOWN
    return {
        "library_name": "transformers",
        "pipeline_tag": _PIPELINE[format_],
        "language": list(languages),
        **({"license": licence} if is_id else {"license": "other", "license_name": licence}),
        **({"base_model": base} if "/" in base else {}),
        "tags": list(tags),
    }


def _card(
    front: Mapping[str, Any], title: str, texts: tuple[str, str], facts: Mapping[str, object], scores: str = ""
) -> str:
    about, limits = texts
    template = Path(__file__).with_name("model_card.md").read_text(encoding="utf-8")
    return template.format(
        front="\n".join(f"{key}: {visible_json(value)}" for key, value in front.items()),
        title=markdown(title),
        about=about,
        facts="\n".join(f"| {name} | {value or 'none'} |" for name, value in facts.items()),
        scores=scores,
        limits=limits,
    )
