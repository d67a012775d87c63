"""JSON Schemas of the files and `--json` outputs that other programs read: manifests, results, comparisons."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from synthgen.errors import unknown

_FOLDER = Path(__file__).parent


def schema_names() -> list[str]:
    """Return the names of the published schemas."""
    return sorted(path.name.removesuffix(".schema.json") for path in _FOLDER.glob("*.schema.json"))


@cache
def load_schema(name: str) -> dict[str, Any]:
    """Return a published schema by name: `manifest`, `results`, `comparison`, `tasks`, `targets`, ..."""
    if name not in schema_names():
        raise unknown("schema", name, schema_names())
    schema: dict[str, Any] = json.loads((_FOLDER / f"{name}.schema.json").read_text(encoding="utf-8"))
    return schema


def faults(value: object, name: str) -> list[str]:
    """Return what is wrong with a value by that schema, one line each with its place; empty when it is valid."""
    from jsonschema import Draft202012Validator

    errors = Draft202012Validator(load_schema(name)).iter_errors(value)
    return [f"{'/'.join(map(str, error.absolute_path)) or '(top)'}: {error.message}" for error in errors]
