"""The Croissant description of a dataset folder: `croissant.json`, version 1.1 with the responsible-AI vocabulary 1.0.

It is a view of the manifest, as the card is, so that it can be made again and compared. The JSON-LD is written here,
since the library that reads it (mlcroissant) is heavy; the tests validate it with that library.
Sources: mlcommons.org/croissant/1.1 and mlcommons.org/croissant/RAI/1.0.
"""

import json
from pathlib import Path
from typing import Any

from synthgen.cards.disclosures import disclose
from synthgen.dataset.licences import normalise
from synthgen.dataset.manifest import Manifest
from synthgen.dataset.shards import stored_features
from synthgen.formats.base import Features
from synthgen.text.toml_text import read_toml

CROISSANT_NAME = "croissant.json"
_SHARDS = "shards"
_PARQUET = "application/x-parquet"
_CONTEXT = json.loads(Path(__file__).with_name("croissant_context.json").read_text(encoding="utf-8"))
"""The JSON-LD context that the specification prescribes."""
_TYPES = {"string": "Text", "int64": "Integer", "int32": "Integer", "bool": "Boolean"}
_TYPES |= dict.fromkeys(("float32", "float64"), "Float")
_RAI: dict[str, list[str]] = read_toml(Path(__file__).with_name("croissant_rai.toml"))
"""Which disclosures say what each property of the responsible-AI vocabulary asks for."""
_ONE_TEXT = ("rai:dataCollection", "rai:dataManipulationProtocol")


def render_croissant(manifest: Manifest, title: str) -> str:
    """Return the text of `croissant.json`."""
    features = stored_features(manifest)
    files = [
        {"@type": "cr:FileObject", "@id": name, "contentUrl": name, "encodingFormat": _PARQUET, "sha256": digest}
        for name, digest in manifest.files.items()
        if name.startswith("data/")
    ]
    shards = {"@type": "cr:FileSet", "@id": _SHARDS, "encodingFormat": _PARQUET, "includes": "data/train-*.parquet"}
    record_set = {
        "@type": "cr:RecordSet",
        "@id": "train",
        "description": f"{manifest.kept} examples",
        "key": {"@id": "train/id"},
        "field": [_field(name, feature) for name, feature in features.items()],
    }
    values = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": f"{manifest.task}-{manifest.origin}-{manifest.language}-{manifest.n}",
        "description": title,
        "license": normalise(manifest.licence),
        "inLanguage": [manifest.language],
        "version": f"1.0.0+{manifest.content_hash[:12]}",
        "keywords": ["synthgen", manifest.origin, manifest.task],
        "distribution": [*files, shards],
        "recordSet": [record_set],
        **_responsible_ai(manifest),
    }
    return json.dumps(values, ensure_ascii=False, indent=2) + "\n"


def _field(name: str, feature: Any, inside: str = "") -> dict[str, Any]:  # noqa: ANN401 - a feature tree is nested dicts
    """Return the field of a column, or of a part of the column `inside`."""
    column = inside or name
    source: dict[str, Any] = {"fileSet": {"@id": _SHARDS}, "extract": {"column": column}}
    if inside:
        source["transform"] = {"jsonPath": name}
    field = {"@type": "cr:Field", "@id": f"train/{column}" + (f"/{name}" if inside else "")}
    kind = feature.get("_type")
    if kind is None:
        return {**field, "subField": [_field(part, inner, column) for part, inner in feature.items()]}
    if kind == "List":
        inner = feature["feature"]
        return {**field, "dataType": _data_type(inner), "isArray": True, "arrayShape": "-1", "source": source}
    return {**field, "dataType": _data_type(feature), "source": source}


def _data_type(feature: Features) -> str:
    return "sc:Integer" if feature.get("_type") == "ClassLabel" else f"sc:{_TYPES[str(feature['dtype'])]}"


def _responsible_ai(manifest: Manifest) -> dict[str, Any]:
    answers, is_elsewhere = disclose(manifest), bool(manifest.made_elsewhere)
    is_new = manifest.origin in ("synthetic", "translated") and not is_elsewhere
    tools = "not known" if is_elsewhere else "none"
    values: dict[str, Any] = {
        "rai:dataCollectionType": ["Others"] if is_new else ["Existing datasets"],
        "rai:machineAnnotationTools": [manifest.model["ref"]] if manifest.model else [tools],
        "rai:annotationsPerItem": "1",
    }
    for name, keys in _RAI.items():
        texts = [f"{answers[key].title}: {answers[key].summary}" for key in keys]
        values[name] = " ".join(texts) if name in _ONE_TEXT else texts
    return values
