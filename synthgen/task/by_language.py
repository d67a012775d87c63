"""What a task file says for the languages that rows may be written in beside its own.

`[definitions.sw]`, `[attributes.sw]` and `[shots.sw]` stand in place of entries of the file's language, a section
`## STEP.sw` in place of the section `## STEP`. With them the file is another one, which is checked as the first is.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from synthgen.task.validation import section_place
from synthgen.text.languages import find_language_code
from synthgen.text.toml_text import Finding, Place

SECTIONS = "sections"
_TABLES: dict[str, Callable[[dict[str, Any]], bool]] = {
    "definitions": lambda table: True,
    "attributes": lambda table: any(isinstance(value, list | dict) for value in table.values()),
    "shots": lambda table: True,
}
"""Tables that may hold one of a language, and how that is told from an attribute that has a language's code."""


@dataclass(frozen=True, slots=True)
class LanguageVariant:
    """A task file as it is for one language; `own` are the entries of the language by table, and its sections."""

    code: str
    header: dict[str, Any]
    sections: dict[str, str]
    own: Mapping[str, Mapping[str, Any]]

    def located(self, findings: Iterable[Finding], known: Iterable[Finding]) -> list[Finding]:
        """Return what is wrong for this language alone, with where it stands in the file."""
        before = set(known)
        return [
            (self._place(place), f"in {self.code}: {text}") for place, text in findings if (place, text) not in before
        ]

    def _place(self, place: Place) -> Place:
        """Return where an entry stands; of the code itself, where that stands first."""
        top, *rest = place or ("language",)
        if top == "language":
            name, entries = next(iter(self.own.items()))
            return section_place(f"{next(iter(entries))}.{self.code}") if name == SECTIONS else (name, self.code)
        if step := next((each for each in self.own.get(SECTIONS, ()) if (top,) == section_place(each)), None):
            return section_place(f"{step}.{self.code}")
        return (top, self.code, *rest) if top in self.own and (not rest or rest[0] in self.own[top]) else place


def split_languages(
    header: Mapping[str, Any], sections: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str], list[LanguageVariant]]:
    """Return the header and the sections of a file without what they hold for other languages, and the file in each."""
    base, own = dict(header), dict[str, dict[str, Any]]()
    for name, is_of_language in _TABLES.items():
        table = header.get(name)
        if not isinstance(table, dict):
            continue
        for key, value in table.items():
            if isinstance(value, dict) and find_language_code(key) and is_of_language(value):
                own.setdefault(key, {})[name] = value
                base[name] = {other: entry for other, entry in base[name].items() if other != key}
    steps, rest = header.get("steps", ()), dict(sections)
    for title, template in sections.items():
        step, _, code = title.rpartition(".")
        if title not in steps and step in steps and find_language_code(code):
            own.setdefault(code, {}).setdefault(SECTIONS, {})[step] = template
            del rest[title]
    return base, rest, [_language_variant(code, base, rest, entries) for code, entries in own.items()]


def _language_variant(
    code: str, header: dict[str, Any], sections: dict[str, str], own: dict[str, Any]
) -> LanguageVariant:
    tables = {name: table for name, table in own.items() if name != SECTIONS}
    # Examples of two languages are never mixed.
    merged = {name: table if name == "shots" else header[name] | table for name, table in tables.items()}
    return LanguageVariant(code, header | merged | {"language": code}, sections | own.get(SECTIONS, {}), own)
