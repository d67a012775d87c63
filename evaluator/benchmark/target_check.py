"""All faults of a target file at once: the type of every entry, then what entries refer to."""

import string
from collections.abc import Collection, Mapping
from typing import Any

import langcodes

from evaluator.benchmark.averages import AVERAGES
from synthgen.errors import UserError, listed, unknown
from synthgen.text.languages import find_language_code, language_code
from synthgen.text.toml_text import (
    FLAG,
    FULL_TEXT,
    TABLE,
    TEXT,
    Finding,
    Place,
    key_faults,
    list_of,
    of_shape,
    one_of,
    shape_faults,
    table_of,
    whole,
)

METRICS = {
    "pair": ("accuracy", "macro_f1"),
    "choice": ("accuracy",),
    "span": ("f1", "em"),
    "tags": ("f1", "token_accuracy"),
}
"""The metrics of each format that a target of one's own may have."""
COLUMNS = {
    "pair": ("text_a", "text_b", "label", "id", "cluster"),
    "choice": ("context", "question", "options", "label", "id", "cluster"),
    "span": ("context", "question", "answers", "id", "cluster"),
    "tags": ("tokens", "tags", "id", "cluster"),
}
"""What a column can be in each format."""
_NEEDED = {
    "pair": ("text_a", "label"),
    "choice": ("options", "label"),
    "span": ("context", "question", "answers"),
    "tags": ("tokens", "tags"),
}
_NEEDED_KEYS = {"pair": ("labels", "columns"), "choice": ("labels", "columns"), "span": (), "tags": ("labels",)}
SPLITS = ("test", "dev")
_TEXTS = list_of(FULL_TEXT, least=1)
_FILES = list_of(TABLE, least=1)
_COLUMN_TABLE = table_of(one_of(FULL_TEXT, _TEXTS))
_REQUIRED = {
    **dict.fromkeys(("title", "format", "licence", "citation"), FULL_TEXT),
    "languages": one_of(FULL_TEXT, _TEXTS, table_of(FULL_TEXT, least=1)),
    "metrics": _TEXTS,
    "sources": table_of(_FILES),
    "train_sources": _FILES,
}
_OPTIONAL = {
    **dict.fromkeys(("labels", "train_labels"), _TEXTS),
    **dict.fromkeys(("columns", "train_columns"), _COLUMN_TABLE),
    **dict.fromkeys(("train_source", "hub", "origin", "average"), FULL_TEXT),
    **dict.fromkeys(("is_parallel", "is_translated"), FLAG),
    "hub_files": list_of(TABLE),
    "rows": table_of(whole(1)),
}
_SOURCE = {"paths": _TEXTS, "origin": FULL_TEXT, "not_for": list_of(TEXT)}
_HUB_FILE = {key: TEXT for key in ("path", "repository", "config", "split", "language")}


def faults(table: Mapping[str, Any], left_out: Collection[str] = ()) -> list[Finding]:
    """Return all faults of a target file's values; `left_out` are keys of which something is no TOML."""
    keys = _REQUIRED | _OPTIONAL
    entries = {key: value for key, value in of_shape(table, keys).items() if key not in left_out}
    missing = [((), f"missing key '{key}'") for key in _REQUIRED if key not in table and key not in left_out]
    return [
        *key_faults(table, keys),
        *missing,
        *shape_faults(table, keys),
        *_language_faults(entries.get("languages", {})),
        *_format_faults(entries, {*table, *left_out}),
        *_source_faults(entries),
        *_hub_faults(entries),
        *_average_faults(entries),
    ]


def language_codes(languages: str | list[str] | Mapping[str, str]) -> list[str]:
    """Return the codes of languages that are a text with spaces, a list, or a table of codes and their file names."""
    return languages.split() if isinstance(languages, str) else list(languages)


def _language_faults(languages: str | list[str] | Mapping[str, str]) -> list[Finding]:
    codes = language_codes(languages)
    result: list[Finding] = [
        (("languages",), f"languages name {code} twice") for code in dict.fromkeys(codes) if codes.count(code) > 1
    ]
    for code in codes:
        if not _is_code(code):
            try:
                result.append((("languages", code), f"language {code}: expected '{language_code(code)}'"))
            except UserError as error:
                result.append((("languages", code), str(error).removeprefix("--")))
    return result


def _is_code(code: str) -> bool:
    """Say whether a text is a BCP-47 code as this package writes it."""
    is_short = langcodes.tag_is_valid(code) and langcodes.standardize_tag(code) == code
    return is_short or find_language_code(code) == code


def _format_faults(entries: Mapping[str, Any], known: Collection[str]) -> list[Finding]:
    """Return the faults of the format, and of labels, metrics and columns, which depend on it.

    `known` are the keys that are there, whatever their values.
    """
    if (name := entries.get("format")) is None:
        return []
    if name not in COLUMNS:
        return [(("format",), str(unknown("format", name, COLUMNS)))]
    lacking = [key for key in _NEEDED_KEYS[name] if key not in known]
    result: list[Finding] = [((), f"missing key '{key}', which the format {name} has") for key in lacking]
    result += _label_faults(name, entries)
    result += [
        (("metrics",), str(unknown(f"metric of the format {name}", metric, METRICS[name])))
        for metric in entries.get("metrics", [])
        if metric not in METRICS[name]
    ]
    for key in ("columns", "train_columns"):
        if key in entries:
            result += _column_faults(name, entries[key], len(entries.get("labels", [])), (key,))
    return result


def _label_faults(name: str, entries: Mapping[str, Any]) -> list[Finding]:
    labels = entries.get("labels", [])
    if name == "span" and labels:
        return [(("labels",), "labels are of the other formats; a span has none")]
    if twice := [label for label in dict.fromkeys(labels) if labels.count(label) > 1]:
        return [(("labels",), f"labels name {listed(twice)} twice")]
    if len(labels) == 1:
        return [(("labels",), f"there is one label, {labels[0]}; expected two at least")]
    names = entries.get("train_labels", labels)
    wrong = f"{len(names)} train_labels for {len(labels)} labels; expected as many"
    return [(("train_labels",), wrong)] if labels and len(names) != len(labels) else []


def _column_faults(name: str, columns: Mapping[str, Any], labels: int, at: Place) -> list[Finding]:
    result = key_faults(columns, COLUMNS[name], kind="column", at=at)
    result += [(at, f"{at[0]} lack '{role}'") for role in _NEEDED[name] if role not in columns]
    if name == "choice" and not {"context", "question"} & columns.keys():
        result.append((at, f"{at[0]} have neither 'context' nor 'question'"))
    for role, value in columns.items():
        if isinstance(value, list) and role in COLUMNS[name] and role not in ("options", "id"):
            result.append(((*at, role), f"{role} is {value}; expected the name of one column"))
    options = columns.get("options")
    if isinstance(options, list) and labels and len(options) != labels:
        result.append(((*at, "options"), f"{len(options)} options for {labels} labels; expected as many"))
    return result


def _source_faults(entries: Mapping[str, Any]) -> list[Finding]:
    sources = entries.get("sources", {})
    result = key_faults(sources, SPLITS, kind="split", at=("sources",))
    if "sources" in entries and "test" not in sources:
        result.append((("sources",), "sources lack 'test', the files of the test items"))
    several = len(language_codes(entries.get("languages", {}))) > 1
    places: dict[Place, tuple[Any, bool]] = {("sources", split): (files, several) for split, files in sources.items()}
    if "train_sources" in entries:
        places[("train_sources",)] = (entries["train_sources"], False)
    for at, (files, needs_language) in places.items():
        if len(files) > 1:
            result.append((at, f"{'.'.join(at)} has {len(files)} files; expected one (with alternatives as its paths)"))
        for file in files:
            result += key_faults(file, _SOURCE, what=f"{'.'.join(at)}: ", at=at)
            result += shape_faults(file, _SOURCE, f"{'.'.join(at)}: ", at=at)
            if "paths" not in file:
                result.append((at, f"{'.'.join(at)} has no paths"))
            for path in file.get("paths", ()) if _TEXTS.fits(file.get("paths")) else ():
                result += [(at, fault) for fault in _path_faults(path, at, needs_language)]
    return result


def _path_faults(path: str, at: Place, needs_language: bool) -> list[str]:
    try:
        names = [name for _, name, _, _ in string.Formatter().parse(path) if name is not None]
    except ValueError as error:
        return [f"path {path}: {error}"]
    if wrong := [name for name in names if name != "language"]:
        return [f"path {path}: unknown name '{{{wrong[0]}}}'; known: {{language}}"]
    if names and at[0] == "train_sources":
        return [f"path {path} has {{language}}; training items are English: give the path of their one file"]
    return [f"path {path} has no {{language}}, and there are several languages"] if needs_language and not names else []


def _hub_faults(entries: Mapping[str, Any]) -> list[Finding]:
    files = [*entries.get("sources", {}).values(), entries.get("train_sources", [])]
    paths = [p for each in files for file in each for p in file.get("paths", ()) if _TEXTS.fits(file.get("paths"))]
    result: list[Finding] = []
    for number, file in enumerate(entries.get("hub_files", [])):
        at = ("hub_files", str(number))
        result += key_faults(file, _HUB_FILE, what="hub_files: ", at=at)
        result += shape_faults(file, _HUB_FILE, "hub_files: ", at=at)
        result += [(at, f"hub_files: no '{key}'") for key in ("path", "split") if key not in file]
        if "repository" not in file and "hub" not in entries:
            result.append((at, "hub_files: no 'repository', and no 'hub' of the whole file"))
        if "path" in file and file["path"] not in paths:
            result.append((at, f"hub_files: {unknown('path', str(file['path']), paths)}"))
    return result


def _average_faults(entries: Mapping[str, Any]) -> list[Finding]:
    if (name := entries.get("average")) in AVERAGES:
        return [(("average",), f"average '{name}' is a published one, of fixed targets; give a name of your own")]
    return []
