"""All faults of a task file at once, each with its line: the type of every entry, what entries refer to, the templates.

An entry of the wrong type is left out of what follows. `trial` tries the rest on rows.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from jinja2 import Environment, TemplateError, meta

from synthgen.errors import listed, unknown
from synthgen.formats import FORMATS
from synthgen.formats.choice import ChoiceFormat
from synthgen.formats.span import ANSWERABLE, COLUMNS, UNANSWERABLE
from synthgen.formats.tags import SENTENCE
from synthgen.task.definition import OF_LANGUAGE
from synthgen.text.languages import find_language_code, language_code
from synthgen.text.toml_text import (
    FULL_TEXT,
    NUMBER,
    TABLE,
    TEXT,
    Finding,
    Place,
    Shape,
    is_number,
    key_faults,
    list_of,
    of_shape,
    shape_faults,
    table_of,
    whole,
)


def _is_attribute(value: object) -> bool:
    if isinstance(value, dict):
        return bool(value) and all(map(is_number, value.values())) and sum(value.values()) > 0
    return list_of(TEXT, least=1).fits(value)


_REQUIRED = {
    **dict.fromkeys(("title", "format", "language"), FULL_TEXT),
    "columns": list_of(TEXT, least=2),
    "label_counts": Shape("table of int", lambda value: table_of(whole(0), least=1).fits(value)),
}
_OPTIONAL = {
    "real_size": whole(1),
    "definitions": table_of(TEXT),
    "attributes": TABLE,
    "shots": table_of(list_of(table_of(TEXT))),
    "steps": table_of(TABLE),
    **dict.fromkeys(("stem", "system", "licence", "source"), TEXT),
    "per_stem": table_of(whole(1)),
    "conditions": TABLE,
    "tags": list_of(FULL_TEXT, least=1),
}
_ATTRIBUTE = Shape("list of text, or table of weights", _is_attribute)
_STEP = {
    "max_tokens": whole(1),
    "temperature": NUMBER,
    "top_k": whole(-1),
    "fields": table_of(TEXT, least=1),
    **dict.fromkeys(("stop", "labels"), list_of(TEXT)),
}
_CONDITIONS = {
    "min_words": table_of(whole(0)),
    "max_words": table_of(whole(1)),
    "min_word_overlap": table_of(NUMBER),
    "max_option_ratio": NUMBER,
}
_OF_LABELS = {"label", "definition", "definitions", "shots", "real_stems", *OF_LANGUAGE}
"""The variables of every template."""
_CHOICE_TEXTS = ("ctx_a", "premise", "context", "ctx_b", "question", "question_concept")


def section_place(name: str) -> Place:
    """Return the place of a section."""
    return (f"## {name}",)


def faults(
    header: Mapping[str, Any], sections: Mapping[str, str], jinja: Environment, left_out: Collection[str] = ()
) -> list[Finding]:
    """Return all faults of a task file's header and of its sections, whose templates `jinja` parses.

    `left_out` are keys of which something is not TOML: nothing is said of what refers to them.
    """
    keys = _REQUIRED | _OPTIONAL
    entries = {key: value for key, value in of_shape(header, keys).items() if key not in left_out}
    conditions = entries.get("conditions", {})
    missing = [((), f"missing key '{key}'") for key in _REQUIRED if key not in header and key not in left_out]
    return [
        *key_faults(header, keys),
        *missing,
        *shape_faults(header, keys),
        *key_faults(conditions, _CONDITIONS, kind="condition", at=("conditions",)),
        *shape_faults(conditions, _CONDITIONS, "condition ", at=("conditions",)),
        *_attribute_faults(entries),
        *_language_faults(entries),
        *_label_faults(entries),
        *_column_faults(entries),
        *(() if {"steps", "attributes"} & set(left_out) else _step_faults(entries, sections, jinja)),
    ]


def sound(header: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a header that have the shape they should have, also those inside other tables."""
    entries = of_shape(header, _REQUIRED | _OPTIONAL)
    attributes = entries.get("attributes", {})
    return entries | {
        "attributes": of_shape(attributes, dict.fromkeys(attributes, _ATTRIBUTE)),
        "conditions": of_shape(entries.get("conditions", {}), _CONDITIONS),
        "shots": {k: v for k, v in entries.get("shots", {}).items() if k in (*entries.get("label_counts", ()), "any")},
        "steps": {name: of_shape(table, _STEP) for name, table in entries.get("steps", {}).items()},
    }


def _attribute_faults(header: Mapping[str, Any]) -> list[Finding]:
    attributes = header.get("attributes", {})
    return [
        *shape_faults(attributes, dict.fromkeys(attributes, _ATTRIBUTE), "attribute ", at=("attributes",)),
        *(
            (("attributes", name), f"attribute {name} has the name of a variable that every template has")
            for name in attributes
            if name in _OF_LABELS
        ),
    ]


def _language_faults(header: Mapping[str, Any]) -> list[Finding]:
    code = header.get("language", "en")
    if find_language_code(code) == code:
        return []
    try:
        return [(("language",), f"language is '{code}'; expected '{language_code(code)}'")]
    except ValueError as error:
        return [(("language",), str(error).removeprefix("--"))]


def _unknown_labels(names: Iterable[str], allowed: Collection[str], at: Place, what: str = "") -> list[Finding]:
    return [((*at, name), what + str(unknown("label", name, allowed))) for name in names if name not in allowed]


def _label_faults(header: Mapping[str, Any]) -> list[Finding]:
    """Return the faults of the label counts, the labels in other tables, and the stem."""
    result: list[Finding] = []
    format_, labels, steps = header.get("format"), header.get("label_counts", {}), header.get("steps", {})
    total = sum(labels.values())
    if labels and header.get("real_size", total) != total:
        result.append((("label_counts",), f"label counts sum to {total}, real_size is {header['real_size']}"))
    elif labels and not total:
        result.append((("label_counts",), "every label count is 0; expected one at least that is more"))
    if labels:
        others = {"shots": ["any"], "definitions": ["right", "wrong"] if format_ == "choice" else []}
        for table in ("definitions", "shots", "per_stem"):
            result += _unknown_labels(header.get(table, {}), [*labels, *others.get(table, [])], (table,))
    if (stem := header.get("stem")) and stem != next(iter(steps), ""):
        result.append((("stem",), f"stem '{stem}' is not the first step: {', '.join(steps) or 'none'}"))
    if (shared := header.get("per_stem")) and not stem:
        result.append((("per_stem",), "per_stem without stem; stem names the first step, whose text labels share"))
    if shared and (lacking := [label for label in labels if label not in shared]):
        result.append((("per_stem",), f"per_stem lacks {listed(lacking)}; every label of label_counts has a number"))
    return result


def _column_faults(header: Mapping[str, Any]) -> list[Finding]:
    """Return where columns and labels are not those of the format."""
    name, columns, labels = header.get("format"), header.get("columns", []), list(header.get("label_counts", {}))
    if name is None:
        return []
    if name not in FORMATS:
        return [(("format",), str(unknown("format", name, FORMATS)))]
    result: list[Finding] = []
    if twice := [column for column in dict.fromkeys(columns) if columns.count(column) > 1]:
        result.append((("columns",), f"columns name {listed(twice)} twice"))
    if "tags" in header and name != "tags":
        result.append((("tags",), f"tags is of the format tags; this is {name}"))
    if columns and (wrong := _wrong_columns(name, columns, len(labels))):
        result.append((("columns",), f"columns are {listed(columns)}; {wrong}"))
    if labels:
        result += [(("label_counts", *label), message) for label, message in _wrong_labels(name, columns, labels)]
    return result


def _wrong_columns(name: str, columns: list[str], labels: int) -> str:
    """Return what the columns of a format should be; empty where they are that."""
    if name == "pair" and (len(columns) != 3 or columns[-1] != "label"):
        return "expected two texts and 'label'"
    if name == "tags" and len(columns) != 2:
        return "expected two, the tokens and the tags"
    if name == "span" and tuple(columns) != COLUMNS:
        return f"expected {', '.join(COLUMNS)}"
    if name != "choice":
        return ""
    options = ChoiceFormat(tuple(columns), ()).option_columns
    packed = [column for column in columns if column in ("endings", "choices")]
    if bool(options) == bool(packed) or len(packed) > 1:
        return "expected 'endings', or 'choices', or a column for each option: answer0, answer1, …"
    if options and labels and len(options) != labels:
        return f"there are {len(options)} options and {labels} labels; expected as many"
    known = (*_CHOICE_TEXTS, "ctx", "endings", "choices", *options)
    if wrong := [column for column in columns[:-1] if column not in known]:
        return str(unknown("column", wrong[0], known[: -len(options)] if options else known))
    return "" if columns[-1] not in known else "expected the answer's column last"


def _wrong_labels(name: str, columns: list[str], labels: list[str]) -> list[tuple[Place, str]]:
    """Return what is wrong with the labels of a format, each with the label."""
    fixed = {"span": [ANSWERABLE, UNANSWERABLE], "tags": [SENTENCE]}.get(name)
    if fixed:
        return [((label,), str(unknown("label", label, fixed))) for label in labels if label not in fixed]
    if len(labels) < 2:
        return [((), f"a {name} task has two labels at least; there is {listed(labels)}")]
    return []


def _step_faults(header: Mapping[str, Any], sections: Mapping[str, str], jinja: Environment) -> list[Finding]:
    """Return the faults of the generation steps: options, sections, templates and their variables."""
    steps, labels, attributes = header.get("steps", {}), header.get("label_counts", {}), header.get("attributes", {})
    result: list[Finding] = [
        (section_place(name), f"section '{name}' has no [steps.{name}]; steps: {', '.join(steps) or 'none'}")
        for name in sections
        if name not in steps
    ]
    variables = _OF_LABELS | set(attributes)
    for name, table in steps.items():
        at, what = ("steps", name), f"step '{name}': "
        result += key_faults(table, _STEP, what=what, at=at)
        result += shape_faults(table, _STEP, what, at=at)
        options = of_shape(table, _STEP)
        result += _unknown_labels(options.get("labels", ()) if labels else (), labels, (*at, "labels"), what)
        if not sections.get(name, "-"):
            result.append((section_place(name), f"section '{name}' is empty; it is the prompt of a step"))
        elif name in sections:
            result += _template_faults(name, sections[name], variables, jinja)
        else:
            result.append((at, f"step '{name}' has no section '## {name}'; sections: {', '.join(sections) or 'none'}"))
        variables |= set(options.get("fields", {name}))
    return result


def _template_faults(name: str, template: str, variables: set[str], jinja: Environment) -> list[Finding]:
    place = section_place(name)
    try:
        used = meta.find_undeclared_variables(jinja.parse(template))
    except TemplateError as error:
        return [(place, f"template of '{name}': {error.message}")]
    missing = sorted(used - variables)
    return [(place, f"step '{name}': " + str(unknown("variable", each, sorted(variables)))) for each in missing]
