"""An intermediate task: the content of one file, a strict TOML header and one Jinja template per generation step.

The header describes the data (format, columns, labels, real size) and what varies from item to item (attributes,
example rows); each section is the prompt of a step. Templates run in Jinja's sandbox and refuse undefined variables.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from random import Random
from typing import Any

from jinja2 import StrictUndefined, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from synthgen.formats import Format
from synthgen.formats.base import ParseError, Row
from synthgen.formats.choice import ChoiceFormat
from synthgen.formats.pair import PairFormat
from synthgen.text.languages import base_language, language_name
from synthgen.text.words import bare_words, word_count

OF_LANGUAGE = {"language", "language_name"}
"""The variables of every template that say what to write in: its code and its English name."""
JINJA = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=False, autoescape=False)
_compiled = cache(JINJA.from_string)


@dataclass(frozen=True, slots=True)
class Step:
    """One request of an item's prompt chain: its template, the texts of its reply, its sampling parameters.

    `fields` maps each text to the marker its line begins with in a plain reply; a step of one text has none. With
    `labels` only slots of those labels take the step. `asks_for` is the English name of a language that the template
    does not ask for, and the prompt must; empty where it need not.
    """

    name: str
    template: str
    fields: dict[str, str]
    labels: tuple[str, ...] = ()
    max_tokens: int = 64
    temperature: float = 1.0
    top_k: int = 50
    stop: tuple[str, ...] = ("\n",)
    asks_for: str = ""

    def render(self, variables: Mapping[str, Any]) -> str:
        """Return the prompt; a variable the template needs and `variables` lacks raises UndefinedError."""
        return _compiled(self.template).render(variables).strip()

    @property
    def names_language(self) -> bool:
        """Whether the template itself says which language to write in."""
        return bool(meta.find_undeclared_variables(JINJA.parse(self.template)) & OF_LANGUAGE)

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
    """A task as its file defines it; `label_counts` are the real training set's.

    `system` is the system prompt of every request, empty for none. `stem` is the first text, where real text may stand
    instead (a premise, a passage), else empty; `per_stem` says how many slots of each label share one, empty when none
    do. `by_language` is the task as the file has it for other languages; `asked_language` is one of them where the
    rows are to be written in it, and `own_examples` the examples that the file has in it.
    """

    name: str
    title: str
    format: Format
    language: str
    real_size: int
    label_counts: dict[str, int]
    attributes: dict[str, Attribute]
    shots: dict[str, tuple[dict[str, str], ...]]
    steps: tuple[Step, ...]
    prompt_text: str
    licence: str = ""
    source: str = ""
    definitions: dict[str, str] = field(default_factory=dict)
    system: str = ""
    stem: str = ""
    per_stem: dict[str, int] = field(default_factory=dict)
    conditions: Conditions = field(default_factory=Conditions)
    by_language: dict[str, "Task"] = field(default_factory=dict)
    asked_language: str = ""
    own_examples: tuple[dict[str, str], ...] = ()

    def in_language(self, code: str) -> "Task":
        """Return the task as its rows are written in a language: with what the file says for that, else in English.

        Steps without a section in the language, whose template does not name it, ask for it in a line of English.
        """
        if code == self.language:
            return self
        own = self.by_language.get(code) or self.by_language.get(base_language(code)) or self
        before = {step.name: step.template for step in self.steps}
        steps = tuple(
            step
            if step.template != before[step.name] or step.names_language
            else replace(step, asks_for=language_name(code))
            for step in own.steps
        )
        return replace(own, language=code, asked_language=code, steps=steps, by_language={})

    @property
    def prompt_language(self) -> dict[str, Any]:
        """What a card says of prompts for rows in another language than the file's."""
        return {
            "asked for in English": [step.name for step in self.steps if step.asks_for],
            "examples in the language": bool(self.own_examples),
        }

    @property
    def prompt_hash(self) -> str:
        """SHA-256 of the prompt file."""
        return hashlib.sha256(self.prompt_text.encode()).hexdigest()

    def steps_of(self, label: str) -> tuple[Step, ...]:
        """Return the steps that an item of this label takes, in order."""
        return tuple(step for step in self.steps if not step.labels or label in step.labels)

    def label_variables(self, label: str, shots: Mapping[str, Sequence[Any]] | None = None) -> dict[str, Any]:
        """Return the template variables that all slots of a label have in common, real examples before the task's."""
        examples = {**self.shots, **(shots or {})}
        return {
            "label": label,
            "definition": self.definitions.get(label, label),
            "definitions": self.definitions,
            "shots": examples.get(label) or examples.get("any", ()),
            "language": self.language,
            "language_name": language_name(self.language),
        }
