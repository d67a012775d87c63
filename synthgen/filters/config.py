"""The plan of a filter run: which filters and edits, with which settings. A TOML file says it, the manifest records it.

    edits = ["clean"]
    [exact]
    [near]
    jaccard = 0.8

A table names a filter to run, its keys are settings; filters without a table do not run. The order is always that of
`synthgen.filters.registry.ORDER`.
"""

from __future__ import annotations

import hashlib
import json
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from synthgen.analysis.similarity_to_real import check_like
from synthgen.dataset.manifest import is_finished, read_manifest
from synthgen.errors import UserError, unknown
from synthgen.filters.base import Edit, Filter, FilterContext, FilterSpec
from synthgen.filters.decontamination.evaluation_sets import check_place
from synthgen.filters.labels.checkpoint import check_verifier
from synthgen.filters.labels.llm_judge import check_judge
from synthgen.filters.registry import EDITS, ORDER
from synthgen.runtime.files import file_sha256, write_atomically
from synthgen.runtime.provenance import public_settings, version_hash

VERSION = 1
"""Raise it when the filters' verdicts on a row or a set are put together otherwise."""


@dataclass(frozen=True, slots=True)
class FilterConfig:
    """Filters in order, each with its settings, and the names of edits. `build` makes them for one set."""

    stages: tuple[tuple[FilterSpec, Any], ...]
    edits: tuple[str, ...] = ()

    def has(self, name: str) -> bool:
        """Say whether a filter runs."""
        return any(kind.name == name for kind, _ in self.stages)

    def build(self, subject: FilterContext) -> tuple[Filter, ...]:
        """Return fresh filters for a set, in order."""
        return tuple(kind.build(subject, settings) for kind, settings in self.stages)

    def build_edits(self, subject: FilterContext) -> tuple[Edit, ...]:
        """Return fresh edits for a set."""
        return tuple(EDITS[name](subject.format) for name in self.edits)

    def settings(self) -> dict[str, Any]:
        """Return what a manifest records: every filter with every setting, and the edits."""
        return {"edits": list(self.edits)} | {kind.name: asdict(settings) for kind, settings in self.stages}

    def hash(self) -> str:
        """Return the version of the plan: a hash of the settings and of the versions of filters and edits."""
        versions = {kind.name: kind.versions() for kind, _ in self.stages}
        edits = {name: EDITS[name].VERSION for name in self.edits}
        return version_hash({"plan": VERSION, "settings": self.settings(), "filters": versions, "edits": edits})

    def record(self, subject: FilterContext) -> dict[str, Any]:
        """Return the settings, and what the set was compared with, as JSON values without folders."""
        given: dict[str, Any] = {"against": [version_of(path) for path in subject.against]} if subject.against else {}
        given |= {"verifier": version_of(subject.verifier)} if subject.verifier else {}
        given |= {"like": version_of(subject.like)} if subject.like else {}
        record: dict[str, Any] = json.loads(json.dumps(self.settings() | given))
        if "judge" in record:
            record["judge"]["model"] = record["judge"]["model"] or subject.judging.model
        return {name: public_settings(each) if isinstance(each, dict) else each for name, each in record.items()}

    def checks(self, subject: FilterContext, filters: Sequence[Filter]) -> dict[str, Any]:
        """Return the filters' facts by their key in the manifest's `checks`, and the plan under `filters`."""
        checks: dict[str, Any] = {"filters": self.record(subject)}
        for (kind, _), filter_ in zip(self.stages, filters, strict=True):
            if facts := filter_.facts():
                checks.setdefault(kind.check or kind.name, {}).update(facts)
        return checks


def version_of(path: Path) -> str:
    """Return a file's or folder's own name and the beginning of a hash of what is in it, `NAME@0123456789abcdef`."""
    if is_finished(path):
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


def read_plan(path: Path | None = None, subject: FilterContext | None = None) -> FilterConfig:
    """Return the plan of a TOML file, or the default one; UserError names a wrong key or value and its place.

    What the subject is given (evaluation sets, a verifier, a judge) lets the filters run that need it, and is checked.
    """
    named: dict[str, Any] = {}
    edits: list[str] = []
    if path is not None:
        named = _read_toml(path)
        edits = named.pop("edits", [])
        _refuse_unknown(named, edits, where=str(path))
    given = {"": True, **dict.fromkeys(("against", "verifier", "judge", "like"), False)}
    if subject is not None:
        given |= {"against": bool(subject.against), "verifier": subject.verifier is not None}
        given |= {"judge": bool(subject.judging.model), "like": subject.like is not None}
    runs = given | {"always": True, "default": path is None, "named": False}
    stages = [
        (kind, _settings(kind, named.get(kind.name, {}), where=f"[{kind.name}] of {path}"))
        for kind in ORDER
        if runs[kind.runs] or kind.name in named
    ]
    for kind, settings in stages:
        if not given[kind.needs]:
            raise UserError(f"[{kind.name}] of {path} needs --{kind.needs}")
        if kind.name == "judge" and subject is not None:
            check_judge(subject.format, settings.model, subject.judging.model)
    if subject is not None:
        _check_inputs(subject)
    return FilterConfig(tuple(stages), tuple(edits))


def _check_inputs(subject: FilterContext) -> None:
    """Raise UserError for what filters cannot compare the set with, before one of them loads it."""
    for path in subject.against:
        check_place(path)
    if subject.verifier is not None:
        check_verifier(subject.verifier, subject.format)
    check_like(subject.like, subject.format)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not TOML: {error}") from None


def _refuse_unknown(named: Mapping[str, Any], edits: object, *, where: str) -> None:
    known = [kind.name for kind in ORDER]
    for name, table in named.items():
        if name not in known:
            raise unknown("filter", name, known, where=where)
        if not isinstance(table, dict):
            raise UserError(f"'{name}' in {where} is {table!r}; a filter is a table: [{name}]")
    if not isinstance(edits, list) or not all(isinstance(edit, str) for edit in edits):
        raise UserError(f"edits in {where} is {edits!r}; allowed is a list of names: {', '.join(EDITS)}")
    for edit in edits:
        if edit not in EDITS:
            raise unknown("edit", edit, EDITS, where=where)


def _settings(kind: FilterSpec, table: Mapping[str, Any], *, where: str) -> Any:  # noqa: ANN401 - each filter has its own
    """Return the settings object of a filter's table; each value must have the type of its default."""
    defaults = {item.name: getattr(kind.settings(), item.name) for item in fields(kind.settings)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in defaults:
            raise unknown("key", key, defaults, where=where) if defaults else _no_keys(key, where)
        wanted = type(defaults[key])
        if wanted is float and type(value) is int:
            value = float(value)
        if wanted is tuple and type(value) is list:
            value = tuple(value)
        if type(value) is not wanted:
            raise UserError(f"{key} = {table[key]!r} in {where} is not a {wanted.__name__}, e.g. {defaults[key]!r}")
        if type(value) is float and not math.isfinite(value):
            raise UserError(f"{key} = {value} in {where} is not a number")
        values[key] = value
    try:
        return kind.settings(**values)
    except ValueError as error:
        raise UserError(f"{error} in {where}") from None


def _no_keys(key: str, where: str) -> UserError:
    hint = "; edits stand before the first table" if key == "edits" else ""
    return UserError(f"'{key}' in {where}, which has no keys{hint}")
