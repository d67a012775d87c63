"""An intermediate task: one file in `prompts/`, a strict TOML header and one Jinja template per generation step.

The header describes the data (format, columns, labels, real size) and what varies from item to item (attributes,
example rows); each section is the prompt of a step. Templates run in Jinja's sandbox and refuse undefined variables.
"""

import hashlib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from synthgen.errors import UserError, unknown
from synthgen.formats import Format, format_from_manifest
from synthgen.formats.base import ParseError, Row
from synthgen.formats.choice import ChoiceFormat
from synthgen.formats.pair import PairFormat
from synthgen.task.validation import faults
from synthgen.text.words import bare_words, word_count

_HEADER = re.compile(r"\A\+\+\+\n(?P<header>.*?)\n\+\+\+\n(?P<body>.*)\Z", re.DOTALL)
_SECTION = re.compile(r"^## (\w+)\n", re.MULTILINE)
_jinja = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=False, autoescape=False)
_compiled = cache(_jinja.from_string)


@dataclass(frozen=True, slots=True)
class Step:
    """One request of an item's prompt chain: its template, the texts of its reply, its sampling parameters.

    `fields` maps each text to the marker its line begins with in a plain reply; a step of one text has none. With
    `labels` only slots of those labels take the step.
    """

    name: str
    template: str
    fields: dict[str, str]
    labels: tuple[str, ...] = ()
    max_tokens: int = 64
    temperature: float = 1.0
    top_k: int = 50
    stop: tuple[str, ...] = ("\n",)

    def render(self, variables: Mapping[str, Any]) -> str:
        """Return the prompt; a variable the template needs and `variables` lacks raises UndefinedError."""
        return _compiled(self.template).render(variables).strip()

    @property
    def sampling(self) -> dict[str, Any]:
        """The sampling parameters as a manifest records them."""
        parameters = {name: getattr(self, name) for name in ("max_tokens", "temperature", "top_k")}
        return {**parameters, "stop": list(self.stop)}


@dataclass(frozen=True, slots=True)
class Attribute:
    """Values of which each item draws one, evenly or by weight."""

    values: tuple[str, ...]
    weights: tuple[float, ...] | None = None

    def draw(self, random: Random) -> str:
        """Return one of the values."""
        return random.choices(self.values, self.weights)[0] if self.weights else random.choice(self.values)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a task demands of its rows beyond their format, the `[conditions]` of its prompt file.

    Word limits by generated text; least overlap by label; longest to shortest option, in characters. They are about the
    craft of one task (negatives that share words, options of one length); a filter is about any text.
    """

    min_words: dict[str, int] = field(default_factory=dict)
    max_words: dict[str, int] = field(default_factory=dict)
    min_word_overlap: dict[str, float] = field(default_factory=dict)
    max_option_ratio: float = 0.0

    def check_texts(self, texts: Mapping[str, str]) -> None:
        """Raise ParseError when a text of a reply has too few or too many words."""
        for name, text in texts.items():
            count = word_count(text)
            if count < self.min_words.get(name, 0):
                raise ParseError(f"{name} too short")
            if name in self.max_words and count > self.max_words[name]:
                raise ParseError(f"{name} too long")

    def check_row(self, format_: Format, row: Row) -> None:
        """Raise ParseError when texts share too few words, or options differ too much in length."""
        if isinstance(format_, PairFormat):
            least = self.min_word_overlap.get(format_.cell(row), 0.0)
            if least and overlap(*(row[name] for name in format_.fields)) < least:
                raise ParseError("too few shared words")
        if isinstance(format_, ChoiceFormat) and self.max_option_ratio:
            lengths = [len(option) for option in format_.options(row)]
            if max(lengths) > self.max_option_ratio * min(lengths):
                raise ParseError("options differ in length")


def overlap(first: str, second: str) -> float:
    """Return the share of the second text's words that occur in the first.

    >>> overlap("Is tea hot?", "Is iced tea hot too?")
    0.6
    """
    types = bare_words(second)
    return len(types & bare_words(first)) / len(types) if types else 0.0


@dataclass(frozen=True, slots=True)
class Task:
    """A task as its prompt file defines it; `label_counts` are the real training set's.

    `system` is the system prompt of every request, empty for none. `stem` is the first text, where real text may stand
    instead (a premise, a passage), else empty; `per_stem` says how many slots of each label share one, empty when none
    do.
    """

    name: str
    title: str
    format: Format
    language: str
    real_size: int
    label_counts: dict[str, int]
    licence: str
    source: str
    attributes: dict[str, Attribute]
    shots: dict[str, tuple[dict[str, str], ...]]
    steps: tuple[Step, ...]
    prompt_text: str
    definitions: dict[str, str] = field(default_factory=dict)
    system: str = ""
    stem: str = ""
    per_stem: dict[str, int] = field(default_factory=dict)
    conditions: Conditions = field(default_factory=Conditions)

    @property
    def prompt_hash(self) -> str:
        """SHA-256 of the prompt file."""
        return hashlib.sha256(self.prompt_text.encode()).hexdigest()

    def steps_of(self, label: str) -> tuple[Step, ...]:
        """Return the steps that an item of this label takes, in order."""
        return tuple(step for step in self.steps if not step.labels or label in step.labels)


def prompts_folder() -> Path:
    """Return the folder of prompt files: beside the package in a checkout, inside it in an installed wheel."""
    inside = Path(__file__).parents[1] / "prompts"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "prompts"


def prompt_files() -> dict[str, Path]:
    """Return the prompt files by task: those of the package, then those of the folders in `$SYNTHGEN_TASKS`."""
    folders = [prompts_folder(), *map(Path, filter(None, os.environ.get("SYNTHGEN_TASKS", "").split(os.pathsep)))]
    files: dict[str, Path] = {}
    for path in (path for folder in folders for path in sorted(folder.glob("*.md")) if path.stem != "README"):
        if files.setdefault(path.stem, path) != path:
            raise UserError(f"{path}: {files[path.stem]} defines the task '{path.stem}' already; rename one of the two")
    return files


def task_names() -> list[str]:
    """Return the names of all tasks, largest real set first."""
    return [task.name for task in sorted(map(load_task, prompt_files()), key=lambda task: -task.real_size)]


def tasks() -> list[dict[str, Any]]:
    """List the intermediate tasks: format, real size, labels, licence, source.

    Example: synthgen tasks --json

    Returns the facts of each, the task with the largest real set first.
    """
    same = ("real_size", "label_counts", "licence", "source")
    return [
        {"name": task.name, "format": task.format.name, "columns": list(task.format.columns)}
        | {name: getattr(task, name) for name in same}
        for task in map(load_task, task_names())
    ]


def definitions(task: str) -> dict[str, str]:
    """Return what the labels of a task mean in words; nothing for a source that has no prompt file.

    >>> definitions("mnli")["neutral"]
    'possibly true, but not settled by the first sentence'
    """
    return load_task(task).definitions if task in prompt_files() else {}


def load_task(name: str) -> Task:
    """Return the task of that name; UserError with the nearest name, or with all faults of its prompt file."""
    if name not in (files := prompt_files()):
        raise unknown("task", name, files)
    return _read_task(files[name])


@cache
def _read_task(path: Path) -> Task:
    where = f"prompts/{path.name}" if path.parent == prompts_folder() else str(path)
    return parse_task(path.stem, path.read_text(encoding="utf-8-sig"), where=where)


def parse_task(name: str, text: str, *, where: str) -> Task:
    """Return the task that a prompt file's text defines; UserError lists every fault with its line."""
    match = _HEADER.match(text)
    if match is None:
        raise UserError(f"{where}:1: no header; a prompt file starts with +++, TOML, +++")
    try:
        header = tomllib.loads(match["header"])
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{where}: the header is not TOML: {error}") from None
    _, *parts = _SECTION.split(match["body"])
    sections = {title: template.strip() for title, template in zip(parts[::2], parts[1::2], strict=True)}
    if messages := faults(header, sections, _jinja):
        lines = (text.count("\n", 0, max(text.find(token), 0)) + 1 for token, _ in messages)
        raise UserError("; ".join(f"{where}:{at}: {message}" for at, (_, message) in zip(lines, messages, strict=True)))
    return _build(name, header, sections, text)


def _build(name: str, header: dict[str, Any], sections: dict[str, str], prompt_text: str) -> Task:
    # A teacher brings its tag set; the quota cell of a tagging task is no tag.
    labels = () if header["format"] == "tags" else tuple(header["label_counts"])
    same = ("title", "language", "real_size", "label_counts", "licence", "source", "system", "stem", "per_stem")
    return Task(
        **{key: header[key] for key in (*same, "definitions") if key in header},
        name=name,
        format=format_from_manifest(header["format"], header["columns"], labels),
        attributes={
            key: Attribute(tuple(values), tuple(values.values()) if isinstance(values, dict) else None)
            for key, values in header.get("attributes", {}).items()
        },
        shots={label: tuple(items) for label, items in header.get("shots", {}).items()},
        steps=tuple(_step(key, sections[key], options) for key, options in header.get("steps", {}).items()),
        conditions=Conditions(**header.get("conditions", {})),
        prompt_text=prompt_text,
    )


def _step(name: str, template: str, options: dict[str, Any]) -> Step:
    fields = options.get("fields", {name: ""})
    stop = options.get("stop", ("\n",) if len(fields) == 1 else ("\n\n",))
    lists = {"labels": tuple(options.get("labels", ())), "stop": tuple(stop)}
    return Step(name, template, **{**options, **lists, "fields": fields})
