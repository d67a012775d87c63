"""The front matter of a card: what the Hugging Face hub reads of a dataset, as YAML whose values are JSON."""

from typing import Any

from synthgen.dataset.licences import normalise
from synthgen.dataset.manifest import Manifest
from synthgen.dataset.shards import stored_features
from synthgen.errors import UserError
from synthgen.formats.base import Features
from synthgen.text.escape import visible_json
from synthgen.text.json_text import JsonFault, parse_json
from synthgen.text.languages import SEVERAL_LANGUAGES

REQUIRED = [
    "pretty_name", "language", "license", "annotations_creators", "language_creators", "multilinguality",
    "size_categories", "source_datasets", "task_categories", "tags", "configs", "dataset_info",
]  # fmt: skip
_SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M", 10_000_000: "1M<n<10M"}
_CATEGORIES = {
    "pair": ("text-classification", "natural-language-inference"),
    "choice": ("multiple-choice", "multiple-choice-qa"),
    "span": ("question-answering", "extractive-qa"),
    "tags": ("token-classification", "part-of-speech"),
}
"""Format → the hub's category of the task, and its id where labels do not say otherwise."""
_CREATORS = {"real": "other", "sample": "expert-generated"}


def title(manifest: Manifest) -> str:
    """Return the set's name for people."""
    return f"{manifest.task}, {manifest.origin}, {manifest.n:,} examples ({manifest.language})"


def _multilinguality(manifest: Manifest) -> str:
    if manifest.origin == "translated":
        return "translation"
    return "multilingual" if manifest.language == SEVERAL_LANGUAGES else "monolingual"


def front_matter(manifest: Manifest) -> str:
    """Return the lines between the dashes; JSON values are YAML, which keeps quoting out of our hands."""
    creators = [_CREATORS.get(manifest.origin, "machine-generated")]
    annotators = ["other"] if manifest.made_elsewhere else creators
    features = stored_features(manifest)
    sources = (parent.get("hub") or parent.get("corpus") or parent.get("task") for parent in manifest.parents)
    values: dict[str, Any] = {
        "pretty_name": title(manifest),
        "language": [manifest.language.partition("-")[0]],
        "language_bcp47": [manifest.language] if "-" in manifest.language else [],
        **_licence_fields(normalise(manifest.licence)),
        "annotations_creators": annotators,
        "language_creators": creators,
        "multilinguality": [_multilinguality(manifest)],
        "size_categories": [next((name for size, name in _SIZES.items() if manifest.n < size), "n>10M")],
        "source_datasets": [f"extended|{name}" for name in dict.fromkeys(sources) if name] or ["original"],
        "task_categories": [_CATEGORIES[manifest.format][0]],
        "task_ids": _task_ids(manifest),
        "tags": ["synthgen", manifest.origin, manifest.task],
        # The description keeps sets apart in the cache of `datasets`, whose key is the folder's name and these lines.
        "configs": [
            {
                "config_name": "default",
                "description": f"content {manifest.content_hash}",
                "data_files": [{"split": "train", "path": "data/train-*.parquet"}],
            }
        ],
        # No "splits": datasets reads none without its size in memory, which is not a number of the files.
        "dataset_info": {"features": yaml_features(features)},
    }
    return "\n".join(f"{key}: {visible_json(value)}" for key, value in values.items() if value)


def read_front_matter(text: str, *, where: str) -> dict[str, Any]:
    """Return the front matter of one of our cards; UserError names the line that is no `key: JSON`."""
    _, dashes, rest = text.partition("---\n")
    block, end, _ = rest.partition("\n---\n")
    if not dashes or not end:
        raise UserError(f"{where} has no front matter between two lines of dashes")
    values = {}
    for number, line in enumerate(block.split("\n"), start=2):
        key, _, value = line.partition(": ")
        try:
            values[key] = parse_json(value)
        except JsonFault:
            raise UserError(f"{where}:{number}: '{line[:60]}' is not a key with a JSON value") from None
    return values


def yaml_features(features: Features) -> list[dict[str, Any]]:
    """Return features in the hub's YAML vocabulary (`datasets.Features._to_yaml_list`)."""
    return [{"name": name, **_yaml_feature(feature)} for name, feature in features.items()]


def _yaml_feature(feature: Any) -> dict[str, Any]:  # noqa: ANN401 - a feature tree is nested dicts
    kind = feature.get("_type")
    if kind == "Value":
        return {"dtype": feature["dtype"]}
    if kind == "ClassLabel":
        return {"dtype": {"class_label": {"names": {str(i): name for i, name in enumerate(feature["names"])}}}}
    if kind == "List":
        inner = _yaml_feature(feature["feature"])
        return {"list": inner["dtype"] if inner.keys() == {"dtype"} and isinstance(inner["dtype"], str) else inner}
    return {"struct": yaml_features(feature)}


def _licence_fields(licence: str) -> dict[str, str]:
    """Return the front matter of a licence: its SPDX-like id, or `other` with its terms as the name."""
    is_id = licence == licence.casefold() and " " not in licence
    return {"license": licence} if is_id else {"license": "other", "license_name": licence}


def _task_ids(manifest: Manifest) -> list[str]:
    """Return the hub's ids for the task, as far as the format and its labels say it."""
    if manifest.format == "pair" and "entailment" not in manifest.labels:
        return ["semantic-similarity-classification"]
    is_unnamed = manifest.format == "tags" and "NOUN" not in manifest.labels
    return [] if is_unnamed else [_CATEGORIES[manifest.format][1]]
