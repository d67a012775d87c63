"""An intermediate task: one file in `prompts/`, a strict TOML header and one Jinja template per generation step.

The header says what the data look like (format, columns, labels, real size) and what varies from item to item
(attributes, example sentences); the sections say how each text is asked for. Templates run in Jinja's sandbox and
refuse undefined variables. Neighbours: `generate` renders requests from a Task, `real` and `card` read its facts.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from jinja2 import StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from synthgen.errors import UserError, unknown
from synthgen.formats import Format, format_from_manifest
from synthgen.task.constraints import Conditions
from synthgen.task.validation import faults

_HEADER = re.compile(r"\A\+\+\+\n(?P<header>.*?)\n\+\+\+\n(?P<body>.*)\Z", re.DOTALL)
_SECTION = re.compile(r"^## (\w+)\n", re.MULTILINE)
_jinja = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=False, autoescape=False)


@cache
def _compiled(template: str) -> Template:
    return _jinja.from_string(template)


@dataclass(frozen=True, slots=True)
class Step:
    """One request of an item's chain: its template, the texts it asks for, how it is sampled.

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
        return {
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "top_k": self.top_k,
            "stop": list(self.stop),
        }


@dataclass(frozen=True, slots=True)
class Attribute:
    """A table of values of which each item draws one, evenly or by weight."""

    values: tuple[str, ...]
    weights: tuple[float, ...] | None = None

    def draw(self, random: Random) -> str:
        """Return one of the values."""
        if self.weights is None:
            return random.choice(self.values)
        return random.choices(self.values, self.weights)[0]


@dataclass(frozen=True, slots=True)
class Task:
    """A task as its prompt file defines it; `label_counts` are the real training set's.

    `stem` is the first text, where real text may stand instead (a premise, a passage), else empty; `per_stem` says how
    many slots of each label share one, empty when none do.
    """

    name: str
    title: str
    format: Format
    language: str
    real_size: int
    label_counts: dict[str, int]
    licence: str
    source: str
    definitions: dict[str, str]
    attributes: dict[str, Attribute]
    shots: dict[str, tuple[dict[str, str], ...]]
    steps: tuple[Step, ...]
    prompt_text: str
    stem: str = ""
    per_stem: dict[str, int] = field(default_factory=dict)
    conditions: Conditions = field(default_factory=Conditions)
    hub: dict[str, Any] = field(default_factory=dict)

    @property
    def prompt_hash(self) -> str:
        """SHA-256 of the prompt file."""
        return hashlib.sha256(self.prompt_text.encode()).hexdigest()

    def steps_of(self, label: str) -> tuple[Step, ...]:
        """Return the steps that an item of this label takes, in order."""
        return tuple(step for step in self.steps if not step.labels or label in step.labels)

    def facts(self) -> dict[str, Any]:
        """Return what `synthgen tasks --json` prints."""
        return {
            "name": self.name,
            "format": self.format.name,
            "columns": list(self.format.columns),
            "real_size": self.real_size,
            "label_counts": self.label_counts,
            "licence": self.licence,
            "source": self.source,
        }


def prompts_folder() -> Path:
    """Return the folder of prompt files: beside the package in a checkout, inside it in an installed wheel."""
    inside = Path(__file__).parents[1] / "prompts"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "prompts"


def task_names() -> list[str]:
    """Return the names of all tasks, largest real set first."""
    return [task.name for task in sorted(map(load_task, _file_names()), key=lambda task: -task.real_size)]


def tasks() -> list[dict[str, Any]]:
    """List the intermediate tasks: format, real size, labels, licence, source.

    Example: synthgen tasks --json

    Returns the facts of each, the task with the largest real set first.
    """
    return [load_task(name).facts() for name in task_names()]


def _file_names() -> list[str]:
    return [path.stem for path in sorted(prompts_folder().glob("*.md")) if path.stem != "README"]


def find_task(name: str) -> Task:
    """Return the task of that name; UserError with the nearest name."""
    if name not in _file_names():
        raise unknown("task", name, _file_names())
    return load_task(name)


def definitions(task: str) -> dict[str, str]:
    """Return what the labels of a task mean in words; nothing for a source that has no prompt file.

    >>> definitions("mnli")["neutral"]
    'possibly true, but not settled by the first sentence'
    """
    return load_task(task).definitions if task in _file_names() else {}


@cache
def load_task(name: str) -> Task:
    """Return the task of a prompt file; all faults of the file are named in one UserError."""
    path = prompts_folder() / f"{name}.md"
    return parse_task(name, path.read_text(encoding="utf-8"), where=f"prompts/{name}.md")


def parse_task(name: str, text: str, *, where: str) -> Task:
    """Return the task that a prompt file's text defines; UserError lists every fault with its line."""
    match = _HEADER.match(text)
    if match is None:
        raise UserError(f"{where}:1: no header; a prompt file starts with +++, TOML, +++")
    try:
        header = tomllib.loads(match["header"])
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{where}: the header is not TOML: {error}") from None
    sections = _sections(match["body"])
    if found := faults(header, sections, _jinja):
        located = [f"{where}:{_line_of(text, token)}: {message}" for token, message in found]
        raise UserError("; ".join(located))
    return _build(name, header, sections, text)


def _build(name: str, header: dict[str, Any], sections: dict[str, str], prompt_text: str) -> Task:
    labels = tuple(header["label_counts"])
    steps = tuple(
        _step(step_name, sections[step_name], options) for step_name, options in header.get("steps", {}).items()
    )
    return Task(
        name=name,
        title=header["title"],
        # A teacher brings its tag set; the quota cell of a tagging task is no tag.
        format=format_from_manifest(header["format"], header["columns"], () if header["format"] == "tags" else labels),
        language=header["language"],
        real_size=header["real_size"],
        label_counts=dict(header["label_counts"]),
        licence=header["licence"],
        source=header["source"],
        definitions=dict(header.get("definitions", {})),
        attributes={key: _attribute(values) for key, values in header.get("attributes", {}).items()},
        shots={label: tuple(items) for label, items in header.get("shots", {}).items()},
        steps=steps,
        prompt_text=prompt_text,
        stem=header.get("stem", ""),
        per_stem=dict(header.get("per_stem", {})),
        conditions=Conditions(**header.get("conditions", {})),
        hub=dict(header.get("hub", {})),
    )


def _step(name: str, template: str, options: dict[str, Any]) -> Step:
    fields = options.get("fields", {name: ""})
    stop = options.get("stop", ("\n",) if len(fields) == 1 else ("\n\n",))
    lists = {"labels": tuple(options.get("labels", ())), "stop": tuple(stop)}
    return Step(name, template, **{**options, **lists, "fields": fields})


def _attribute(table: list[str] | dict[str, float]) -> Attribute:
    if isinstance(table, dict):
        return Attribute(tuple(table), tuple(table.values()))
    return Attribute(tuple(table))


def _sections(body: str) -> dict[str, str]:
    parts = _SECTION.split(body)
    return {parts[i]: parts[i + 1].strip() for i in range(1, len(parts), 2)}


def _line_of(text: str, token: str) -> int:
    position = text.find(token)
    return text.count("\n", 0, max(position, 0)) + 1
