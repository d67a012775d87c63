"""All faults of a prompt file at once, each with its line: first the type of every entry, then what entries refer to.

An entry of the wrong type is left out of the second.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, TemplateError, meta

from synthgen.errors import shorten, unknown
from synthgen.formats import FORMATS

Fault = tuple[str, str]
"""A token by which the line is found, and the message."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """The type of an entry, in words and as a test."""

    words: str
    fits: Callable[[Any], bool]


def _whole(least: int) -> _Shape:
    return _Shape(f"int from {least}", lambda value: type(value) is int and value >= least)


def _list(of: _Shape, least: int = 0) -> _Shape:
    return _Shape(f"list of {of.words}", lambda v: isinstance(v, list) and len(v) >= least and all(map(of.fits, v)))


def _table(of: _Shape) -> _Shape:
    return _Shape(f"table of {of.words}", lambda value: isinstance(value, dict) and all(map(of.fits, value.values())))


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value < float("inf")  # type: ignore[operator]


def _is_attribute(value: object) -> bool:
    if isinstance(value, dict):
        return bool(value) and all(map(_is_number, value.values())) and sum(value.values()) > 0
    return _list(_TEXT, least=1).fits(value)


_TEXT = _Shape("text", lambda value: isinstance(value, str))
_NUMBER = _Shape("float", _is_number)
_ANY_TABLE = _Shape("table", lambda value: isinstance(value, dict))
_REQUIRED = {
    **dict.fromkeys(("title", "format", "language", "licence", "source"), _TEXT),
    "columns": _list(_TEXT, least=2),
    "real_size": _whole(1),
    "label_counts": _Shape("table of int", lambda value: _table(_whole(0)).fits(value) and bool(value)),
}
_OPTIONAL = {
    "definitions": _table(_TEXT),
    "attributes": _table(_Shape("text lists or weights", _is_attribute)),
    "shots": _table(_list(_table(_TEXT))),
    "steps": _table(_ANY_TABLE),
    **dict.fromkeys(("stem", "system"), _TEXT),
    "per_stem": _table(_whole(1)),
    "conditions": _ANY_TABLE,
}
_STEP = {
    "max_tokens": _whole(1),
    "temperature": _NUMBER,
    "top_k": _whole(-1),
    "fields": _table(_TEXT),
    **dict.fromkeys(("stop", "labels"), _list(_TEXT)),
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
    keys = _REQUIRED | _OPTIONAL
    entries = _of_shape(header, keys)
    conditions, known = entries.get("conditions", {}), ", ".join(_CONDITIONS)
    return [
        *((key, str(unknown("key", key, sorted(keys)))) for key in header if key not in keys),
        *(("+++", f"missing key '{key}'") for key in _REQUIRED if key not in header),
        *_shape_faults(header, keys, ""),
        *((key, f"unknown condition '{key}'; known: {known}") for key in conditions if key not in _CONDITIONS),
        *_shape_faults(conditions, _CONDITIONS, "condition "),
        *_label_faults(entries),
        *_step_faults(entries, sections, jinja),
    ]


def _shape_faults(table: Mapping[str, Any], shapes: Mapping[str, _Shape], what: str, anchor: str = "") -> list[Fault]:
    return [
        (anchor or key, f"{what}{key} is {shorten(repr(table[key]), 60)}; expected {shape.words}")
        for key, shape in shapes.items()
        if key in table and not shape.fits(table[key])
    ]


def _of_shape(table: Mapping[str, Any], shapes: Mapping[str, _Shape]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key in shapes and shapes[key].fits(value)}


def _unknown_labels(names: Iterable[str], allowed: Collection[str], anchor: str = "", what: str = "") -> list[Fault]:
    return [(anchor or name, what + str(unknown("label", name, allowed))) for name in names if name not in allowed]


def _label_faults(header: Mapping[str, Any]) -> list[Fault]:
    """Return the faults of the format, the label counts, the labels in other tables, and the stem."""
    result: list[Fault] = []
    format_, labels, steps = header.get("format", "pair"), header.get("label_counts", {}), header.get("steps", {})
    if format_ not in FORMATS:
        result.append(("format", str(unknown("format", format_, FORMATS))))
    total = sum(labels.values())
    if labels and header.get("real_size", total) != total:
        result.append(("label_counts", f"label counts sum to {total}, real_size is {header['real_size']}"))
    others = {"shots": ["any"], "definitions": ["right", "wrong"] if format_ == "choice" else []}
    for table in ("definitions", "shots", "per_stem") if labels else ():
        result += _unknown_labels(header.get(table, {}), [*labels, *others.get(table, [])])
    if (stem := header.get("stem")) and stem != next(iter(steps), ""):
        result.append(("stem", f"stem '{stem}' is not the first step: {', '.join(steps) or 'none'}"))
    return result


def _step_faults(header: Mapping[str, Any], sections: Mapping[str, str], jinja: Environment) -> list[Fault]:
    """Return the faults of the generation steps: options, sections, templates and their variables."""
    steps, labels = header.get("steps", {}), header.get("label_counts", {})
    result = [(f"## {name}", f"section '{name}' has no [steps.{name}]") for name in sections if name not in steps]
    variables = _VARIABLES | set(header.get("attributes", {}))
    for name, table in steps.items():
        anchor, what = f"[steps.{name}]", f"step '{name}': "
        result += [(anchor, str(unknown("key", key, _STEP))) for key in table if key not in _STEP]
        result += _shape_faults(table, _STEP, what, anchor)
        options = _of_shape(table, _STEP)
        result += _unknown_labels(options.get("labels", ()) if labels else (), labels, anchor, what)
        if name in sections:
            result += _template_faults(name, sections[name], variables, jinja)
        else:
            result.append((anchor, f"step '{name}' has no section '## {name}'"))
        variables |= set(options.get("fields", {name}))
    return result


def _template_faults(name: str, template: str, variables: set[str], jinja: Environment) -> list[Fault]:
    try:
        used = meta.find_undeclared_variables(jinja.parse(template))
    except TemplateError as error:
        return [(f"## {name}", f"template of '{name}': {error.message}")]
    missing = sorted(used - variables)
    return [(f"## {name}", f"step '{name}': " + str(unknown("variable", each, sorted(variables)))) for each in missing]
