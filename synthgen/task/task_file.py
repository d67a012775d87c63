"""A task file read: its text to the task that it defines, or to all that is wrong with it."""

import re
from collections.abc import Collection
from dataclasses import replace
from functools import cache
from typing import Any

from synthgen.errors import UserError
from synthgen.formats import format_from_manifest
from synthgen.task.by_language import split_languages
from synthgen.task.definition import JINJA, Attribute, Conditions, Step, Task
from synthgen.task.trial import trial_faults
from synthgen.task.validation import faults, section_place, sound
from synthgen.text.languages import ENGLISH
from synthgen.text.toml_text import Fault, Finding, read_toml_text

_HEADER = re.compile(r"\A\+\+\+[ \t]*\n(?P<header>.*?\n)\+\+\+[ \t]*(?:\n(?P<body>.*))?\Z", re.DOTALL)
_SECTION = re.compile(r"^##[ \t]+(.+?)[ \t]*$\n?", re.MULTILINE)


@cache
def parse_task(name: str, text: str, *, where: str) -> Task:
    """Return the task that a task file's text defines; UserError lists every fault with its line."""
    task, wrong = check_task_text(name, text)
    if task is None or wrong:
        raise UserError("; ".join(f"{where}:{fault.line}: {fault.message}" for fault in wrong))
    return task


def check_task_text(name: str, text: str) -> tuple[Task | None, tuple[Fault, ...]]:
    """Return the task of a file's text, without its faulty entries, or None; and all faults by their lines."""
    match = _HEADER.match(text)
    if match is None:
        return None, (Fault(1, "no header; a task file starts with a line +++, TOML, and a line +++"),)
    header = read_toml_text(match["header"], first=2)
    body, first = match["body"] or "", text.count("\n", 0, match.start("body")) + 1 if match["body"] else 1
    sections, lines, wrong = _read_sections(body, first)
    own, own_sections, others = split_languages(header.values, sections)
    is_toml = not header.faults
    task, findings = _checked_task(name, own, own_sections, text, header.left_out, is_toml)
    known = tuple(findings)
    for other in others:
        of_other, more = _checked_task(name, other.header, other.sections, text, header.left_out, is_toml)
        findings += other.located(more, known)
        if task and of_other:
            shots = tuple(row for rows in of_other.shots.values() for row in rows) if "shots" in other.own else ()
            task.by_language[other.code] = replace(of_other, own_examples=shots)
    located = {Fault(lines.get(place[:1]) or header.line(place), message): None for place, message in findings}
    return task, tuple(sorted([*header.faults, *wrong, *located], key=lambda fault: fault.line))


def _checked_task(
    name: str, header: dict[str, Any], sections: dict[str, str], text: str, left_out: Collection[str], is_toml: bool
) -> tuple[Task | None, list[Finding]]:
    """Return the task of a header and sections, or None where it cannot be tried; and what is wrong with them."""
    findings = faults(header, sections, JINJA, left_out)
    keys = {place[0] for place, _ in findings if place}
    can_be_tried = is_toml and not keys & _BASIS and header.keys() >= _BASIS
    task = _build(name, sound(header), sections, text) if can_be_tried else None
    return task, findings + (trial_faults(task, keys) if task else [])


_BASIS = {"format", "columns", "label_counts"}
"""What a task cannot be tried without."""


def _read_sections(body: str, first: int) -> tuple[dict[str, str], dict[tuple[str, ...], int], list[Fault]]:
    """Return the templates by step, the lines of their headings, and what is no template; `first` is the first line."""
    start, *parts = _SECTION.split(body)
    headings = [first + body.count("\n", 0, match.start()) for match in _SECTION.finditer(body)]
    outside = Fault(first, "text before the first section; a section starts with ## and the step's name")
    wrong = [outside] if start.strip() else []
    sections: dict[str, str] = {}
    lines: dict[tuple[str, ...], int] = {}
    for title, template, line in zip(parts[::2], parts[1::2], headings, strict=True):
        if title in sections:
            wrong.append(Fault(line, f"section '{title}' stands on line {lines[section_place(title)]} already"))
        else:
            sections[title], lines[section_place(title)] = template.strip(), line
    return sections, lines, wrong


def _build(name: str, header: dict[str, Any], sections: dict[str, str], prompt_text: str) -> Task:
    # A teacher brings its tag set; the quota cell of a tagging task is no tag.
    labels = tuple(header.get("tags", ())) if header["format"] == "tags" else tuple(header["label_counts"])
    same = ("title", "language", "label_counts", "licence", "source", "system", "stem", "per_stem", "definitions")
    return Task(
        **{"title": name, "language": ENGLISH} | {key: header[key] for key in same if key in header},
        name=name,
        format=format_from_manifest(header["format"], header["columns"], labels),
        real_size=sum(header["label_counts"].values()),
        attributes={
            key: Attribute(tuple(values), tuple(values.values()) if isinstance(values, dict) else None)
            for key, values in header.get("attributes", {}).items()
        },
        shots={label: tuple(items) for label, items in header.get("shots", {}).items()},
        steps=tuple(_step(key, sections.get(key, ""), options) for key, options in header.get("steps", {}).items()),
        conditions=Conditions(**header.get("conditions", {})),
        prompt_text=prompt_text,
    )


def _step(name: str, template: str, options: dict[str, Any]) -> Step:
    fields = options.get("fields", {name: ""})
    stop = options.get("stop", ("\n",) if len(fields) == 1 else ("\n\n",))
    lists = {"labels": tuple(options.get("labels", ())), "stop": tuple(stop)}
    return Step(name, template, **{**options, **lists, "fields": fields})
