"""What is wrong with a prompt file: every fault of its header, steps and templates at once, each where it stands.

First the shape of every entry, then what entries say of one another; an entry of the wrong shape is left out of that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, TemplateError, meta

from synthgen.errors import unknown
from synthgen.formats import FORMATS

Fault = tuple[str, str]
"""A token to find the line by, and what is wrong there."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """What an entry must be, in words and as a test."""

    words: str
    fits: Callable[[Any], bool]


def _whole(least: int) -> _Shape:
    return _Shape(f"int from {least}", lambda value: type(value) is int and value >= least)


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value < float("inf")  # type: ignore[operator]


def _list(of: _Shape, least: int = 0) -> _Shape:
    return _Shape(
        f"list of {of.words}",
        lambda value: isinstance(value, list) and len(value) >= least and all(map(of.fits, value)),
    )


def _table(of: _Shape) -> _Shape:
    return _Shape(f"table of {of.words}", lambda value: isinstance(value, dict) and all(map(of.fits, value.values())))


def _is_attribute(value: object) -> bool:
    if isinstance(value, dict):
        return bool(value) and all(map(_is_number, value.values())) and sum(value.values()) > 0
    return isinstance(value, list) and bool(value) and all(map(_TEXT.fits, value))


_TEXT = _Shape("text", lambda value: isinstance(value, str))
_NUMBER = _Shape("float", _is_number)
_ANY_TABLE = _Shape("table", lambda value: isinstance(value, dict))
_REQUIRED = {
    "title": _TEXT,
    "format": _TEXT,
    "columns": _list(_TEXT, least=2),
    "language": _TEXT,
    "real_size": _whole(1),
    "label_counts": _Shape("table of int", lambda value: _table(_whole(0)).fits(value) and bool(value)),
    "licence": _TEXT,
    "source": _TEXT,
}
_OPTIONAL = {
    "definitions": _table(_TEXT),
    "attributes": _table(_Shape("text lists or weights", _is_attribute)),
    "shots": _table(_list(_table(_TEXT))),
    "steps": _table(_ANY_TABLE),
    "stem": _TEXT,
    "per_stem": _table(_whole(1)),
    "conditions": _ANY_TABLE,
    "hub": _ANY_TABLE,
}
_STEP = {
    "max_tokens": _whole(1),
    "temperature": _NUMBER,
    "top_k": _whole(-1),
    "stop": _list(_TEXT),
    "fields": _table(_TEXT),
    "labels": _list(_TEXT),
}
_CONDITIONS = {
    "min_words": _table(_whole(0)),
    "max_words": _table(_whole(1)),
    "min_word_overlap": _table(_NUMBER),
    "max_option_ratio": _NUMBER,
}
_VARIABLES = {"label", "definition", "definitions", "shots", "real_stems", "language"}


def faults(header: Mapping[str, Any], sections: Mapping[str, str], jinja: Environment) -> list[Fault]:
    """Return all faults of a prompt file's header and of its sections, whose templates `jinja` parses."""
    known = _REQUIRED | _OPTIONAL
    found: list[Fault] = [(key, str(unknown("key", key, sorted(known)))) for key in header if key not in known]
    found += [("+++", f"missing key '{key}'") for key in _REQUIRED if key not in header]
    found += _shape_faults(header, known, "")
    header = _of_shape(header, known)
    conditions = header.get("conditions", {})
    found += [
        (key, f"unknown condition '{key}'; known: {', '.join(_CONDITIONS)}")
        for key in conditions
        if key not in _CONDITIONS
    ]
    found += _shape_faults(conditions, _CONDITIONS, "condition ")
    return [*found, *_label_faults(header), *_step_faults(header, sections, jinja)]


def _shape_faults(table: Mapping[str, Any], shapes: Mapping[str, _Shape], what: str, anchor: str = "") -> list[Fault]:
    return [
        (anchor or key, f"{what}{key} is {_short(table[key])}; expected {shape.words}")
        for key, shape in shapes.items()
        if key in table and not shape.fits(table[key])
    ]


def _of_shape(table: Mapping[str, Any], shapes: Mapping[str, _Shape]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key in shapes and shapes[key].fits(value)}


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _label_faults(header: Mapping[str, Any]) -> list[Fault]:
    """Return what is wrong with the format, the label counts, and the labels that other tables name."""
    found: list[Fault] = []
    if header.get("format", "pair") not in FORMATS:
        found.append(("format", str(unknown("format", header["format"], FORMATS))))
    labels = header.get("label_counts", {})
    if labels and "real_size" in header and sum(labels.values()) != header["real_size"]:
        found.append(
            ("label_counts", f"label counts sum to {sum(labels.values())}, real_size is {header['real_size']}")
        )
    extra = {"shots": {"any"}, "definitions": {"right", "wrong"} if header.get("format") == "choice" else set()}
    for table in ("definitions", "shots", "per_stem"):
        allowed = [*labels, *extra.get(table, ())]
        found += [
            (label, str(unknown("label", label, allowed)))
            for label in header.get(table, {})
            if labels and label not in allowed
        ]
    steps = header.get("steps", {})
    if (stem := header.get("stem")) and stem != next(iter(steps), ""):
        found.append(("stem", f"stem '{stem}' is not the first step: {', '.join(steps) or 'none'}"))
    return found


def _step_faults(header: Mapping[str, Any], sections: Mapping[str, str], jinja: Environment) -> list[Fault]:
    """Return the faults of the generation steps: options, sections, templates and their variables."""
    steps, labels = header.get("steps", {}), header.get("label_counts", {})
    found: list[Fault] = [
        (f"## {name}", f"section '{name}' has no [steps.{name}]") for name in sections if name not in steps
    ]
    available = _VARIABLES | set(header.get("attributes", {}))
    for name, options in steps.items():
        anchor, what = f"[steps.{name}]", f"step '{name}': "
        found += [(anchor, str(unknown("key", key, _STEP))) for key in options if key not in _STEP]
        found += _shape_faults(options, _STEP, what, anchor)
        options = _of_shape(options, _STEP)
        found += [
            (anchor, what + str(unknown("label", label, labels)))
            for label in options.get("labels", ())
            if labels and label not in labels
        ]
        if name not in sections:
            found.append((anchor, f"step '{name}' has no section '## {name}'"))
        else:
            found += _template_faults(name, sections[name], available, jinja)
        available |= set(options.get("fields", {name}))
    return found


def _template_faults(name: str, template: str, available: set[str], jinja: Environment) -> list[Fault]:
    try:
        used = meta.find_undeclared_variables(jinja.parse(template))
    except TemplateError as error:
        return [(f"## {name}", f"template of '{name}': {error.message}")]
    missing = sorted(used - available)
    return [(f"## {name}", f"step '{name}': " + str(unknown("variable", each, sorted(available)))) for each in missing]
