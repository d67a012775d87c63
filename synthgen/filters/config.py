"""The configuration of a filter run: which filters and edits, with which settings. The manifest records it.

    edits = ["clean"]
    [exact]
    [near]
    jaccard = 0.8

A table of the TOML file names a filter to run, its keys are settings; filters without a table do not run. The order is
always that of `synthgen.filters.registry.ORDER`.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from synthgen.analysis.similarity_to_real import check_like
from synthgen.dataset.manifest import is_finished, read_manifest
from synthgen.errors import UserError, unknown
from synthgen.filters.base import Filter, FilterContext, FilterSpec
from synthgen.filters.decontamination.evaluation_sets import check_place
from synthgen.filters.labels.checkpoint import check_verifier
from synthgen.filters.labels.llm_judge import check_judge
from synthgen.filters.registry import EDITS, ORDER
from synthgen.models.sentence_encoder import find_encoder
from synthgen.runtime.files import file_sha256, write_atomically
from synthgen.runtime.provenance import public_settings, version_hash
from synthgen.text.toml_text import read_toml

VERSION = 1
"""Raise it when what the filters say of a row or a set is put together otherwise."""


@dataclass(frozen=True, slots=True)
class FilterConfig:
    """Filters in order, each with its settings, and the names of edits. `build` makes them for one set."""

    stages: tuple[tuple[FilterSpec, Any], ...]
    edits: tuple[str, ...] = ()

    def has(self, name: str) -> bool:
        """Say whether a filter runs."""
        return any(spec.name == name for spec, _ in self.stages)

    def build(self, context: FilterContext) -> tuple[Filter, ...]:
        """Return fresh filters for a set, in order."""
        return tuple(spec.build(context, settings) for spec, settings in self.stages)

    def settings(self) -> dict[str, Any]:
        """Return what a manifest records: every filter with every setting, and the edits."""
        return {"edits": list(self.edits)} | {spec.name: asdict(settings) for spec, settings in self.stages}

    def hash(self) -> str:
        """Return the version of the configuration: a hash of the settings and of the versions of filters and edits."""
        versions = {spec.name: spec.versions() for spec, _ in self.stages}
        edits = {name: EDITS[name].VERSION for name in self.edits}
        return version_hash({"plan": VERSION, "settings": self.settings(), "filters": versions, "edits": edits})

    def record(self, context: FilterContext) -> dict[str, Any]:
        """Return the settings, and what the set was compared with, as JSON values without folders."""
        record = self.settings() | ({"against": [*map(version_of, context.against)]} if context.against else {})
        folders = {"verifier": context.verifier, "like": context.like}
        record |= {name: version_of(folder) for name, folder in folders.items() if folder}
        record = json.loads(json.dumps(record))
        if "judge" in record:
            record["judge"]["model"] = record["judge"]["model"] or context.judge.model
            record["judge"] |= context.judge.options.reply_settings()
        return {name: public_settings(each) if isinstance(each, dict) else each for name, each in record.items()}

    def checks(self, context: FilterContext, filters: Sequence[Filter]) -> dict[str, Any]:
        """Return the filters' metadata by their key in the manifest's `checks`, and the record under `filters`."""
        checks: dict[str, Any] = {"filters": self.record(context)}
        for (spec, _), filter_ in zip(self.stages, filters, strict=True):
            if metadata := filter_.metadata():
                checks.setdefault(spec.check or spec.name, {}).update(metadata)
        return checks


def version_of(path: Path) -> str:
    """Return a file's or folder's own name and the beginning of a hash of what is in it, `NAME@0123456789abcdef`."""
    if is_finished(path) and (path / "data").is_dir():  # a checkpoint has a manifest of its own kind
        return f"{path.name}@{read_manifest(path).content_hash[:16]}"
    places = sorted(path.rglob("*")) if path.is_dir() else [path]
    hashes = [[each.relative_to(path).as_posix(), file_sha256(each)] for each in places if each.is_file()]
    return f"{path.name}@{hashlib.sha256(json.dumps(hashes).encode()).hexdigest()[:16]}"


@contextmanager
def closing_all(filters: Sequence[Filter]) -> Iterator[None]:
    """Close the filters when the block ends, in whatever way."""
    with ExitStack() as stack:
        for filter_ in filters:
            stack.callback(filter_.close)
        yield


def write_reports(folder: Path, filters: Sequence[Filter]) -> dict[str, str]:
    """Write the filters' reports as JSON files and return {name: sha256}."""
    reports = {name: value for filter_ in filters for name, value in filter_.files().items()}
    for name, value in reports.items():
        write_atomically(folder / name, json.dumps(value, ensure_ascii=False, indent=2) + "\n")
    return {name: file_sha256(folder / name) for name in reports}


def read_config(path: Path | None = None, context: FilterContext | None = None) -> FilterConfig:
    """Return the configuration of a TOML file, or the default one; UserError names a wrong key or value and its place.

    What the context holds (evaluation sets, a verifier, a judge) lets the filters run that need it, and is checked.
    """
    tables = {} if path is None else read_toml(path)
    edits = tables.pop("edits", [])
    _refuse_unknown(tables, edits, where=str(path))
    inputs = {name: bool(context and getattr(context, name)) for name in ("against", "verifier", "like")}
    inputs |= {"": True, "judge": bool(context and context.judge.model)}
    is_asked = path is None or bool(context and context.is_asked)
    runs = inputs | {"always": True, "default": path is None, "asked": is_asked, "named": False}
    stages = [
        (spec, _settings(spec, tables.get(spec.name, {}), where=f"[{spec.name}] of {path}"))
        for spec in ORDER
        if runs[spec.runs] or spec.name in tables
    ]
    for spec, settings in stages:
        if not inputs[spec.needs]:
            raise UserError(f"[{spec.name}] of {path} needs --{spec.needs}")
        if spec.name == "judge" and context is not None:
            check_judge(context.format, settings.model, context.judge.model)
        if context is not None and (encoder := getattr(settings, "encoder", "")):
            find_encoder(encoder)
    if context is not None:
        for place in context.against:
            check_place(place)
        if context.verifier is not None:
            check_verifier(context.verifier, context.format)
        check_like(context.like, context.format)
    return FilterConfig(tuple(stages), tuple(edits))


def check_file(path: Path) -> None:
    """Raise UserError for a file of filters with a key, a value or an edit that no filter has."""
    tables = read_toml(path)
    _refuse_unknown(tables, tables.pop("edits", []), where=str(path))
    for spec in ORDER:
        _settings(spec, tables.get(spec.name, {}), where=f"[{spec.name}] of {path}")


def _refuse_unknown(tables: Mapping[str, Any], edits: object, *, where: str) -> None:
    known = [spec.name for spec in ORDER]
    for name, table in tables.items():
        if name not in known:
            raise unknown("filter", name, known, where=where)
        if not isinstance(table, dict):
            raise UserError(f"'{name}' in {where} is {table!r}; a filter is a table: [{name}]")
    if not isinstance(edits, list) or not all(isinstance(edit, str) for edit in edits):
        raise UserError(f"edits in {where} is {edits!r}; allowed: a list of names: {', '.join(EDITS)}")
    for edit in edits:
        if edit not in EDITS:
            raise unknown("edit", edit, EDITS, where=where)


def _settings(spec: FilterSpec, table: Mapping[str, Any], *, where: str) -> Any:  # noqa: ANN401 - each filter has its own
    """Return the settings object of a filter's table; each value must have the type of its default."""
    defaults = {item.name: getattr(spec.settings(), item.name) for item in fields(spec.settings)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if not defaults:
            hint = "; edits must come before the first table" if key == "edits" else ""
            raise UserError(f"'{key}' in {where}: this filter has no settings{hint}")
        if key not in defaults:
            raise unknown("key", key, defaults, where=where)
        type_ = type(defaults[key])
        if type_ is float and type(value) is int:
            value = float(value)
        if type(value) is not type_:
            raise UserError(f"{key} = {table[key]!r} in {where} is not a {type_.__name__}, e.g. {defaults[key]!r}")
        if type(value) is float and not math.isfinite(value):
            raise UserError(f"{key} = {value} in {where} is not a number")
        values[key] = value
    try:
        return spec.settings(**values)
    except ValueError as error:
        raise UserError(f"{error} in {where}") from None
