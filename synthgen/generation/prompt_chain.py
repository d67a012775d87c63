"""The requests that make one example, step by step, and the row that their replies add up to.

A slot is one example in progress. Its context is what slots have in common: attributes drawn from the seed and, for
tasks with `per_stem`, a first text that is written once and serves slots of every label (`slots`). All follows
from the task, the seed and the order in which the `controller` opens slots.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import Any

from synthgen.engines import Request, Sampling
from synthgen.engines.base import TRUNCATED, UNREADABLE
from synthgen.engines.reply_text import json_object
from synthgen.formats.base import Format, ParseError, Row, clean_text
from synthgen.formats.reply_schema import text_object
from synthgen.generation.grounding import Grounding
from synthgen.generation.slots import Slot, slot_id
from synthgen.generation.teacher import Teacher
from synthgen.runtime.provenance import version_hash
from synthgen.task.definition import Step, Task
from synthgen.text.sentences import whole_sentences

VERSION = 5
"""Raise it when the same replies come to other texts or rows: here, in a task's conditions, in a teacher."""
_UNREADABLE = re.compile("[\ud800-\udfff\ufffd]")
"""Half a character, which no file can hold, or the sign that stands where one was."""
CONTEXTS_CACHED = 4096
"""Contexts whose attributes are cached: each is drawn for several steps and slots, which come close together."""
PASSAGE = "context"
"""The text that may be longer than a reply: what `max_tokens` cuts off in the middle of a sentence is left out."""


@dataclass(eq=False)
class PromptChain:
    """The requests of a task's slots, and the parser of their replies.

    Requests are for flat JSON objects if `structured`, else plain completions; with `thinking` the model thinks aloud
    before it replies. `teacher` tags the sentences written.
    """

    task: Task
    seed: int
    structured: bool
    grounding: Grounding = field(default_factory=Grounding)
    teacher: Teacher | None = None
    thinking: bool = False
    _slot_counts: Counter[str] = field(default_factory=Counter, init=False)

    def __post_init__(self) -> None:
        self._attributes = lru_cache(CONTEXTS_CACHED)(self._draw_attributes)
        self._steps_of, self._variables_of = cache(self.task.steps_of), cache(self._label_variables)
        self._prompt_parts = {step.name: self._parts(step) for step in self.task.steps}

    def __reduce__(self) -> tuple[type["PromptChain"], tuple[Any, ...]]:
        """Let other processes have what requests and rows of single slots need: neither passages nor the teacher."""
        grounding = replace(self.grounding, passages=())
        return PromptChain, (self.task, self.seed, self.structured, grounding, None, self.thinking)

    def open(self, number: int, cell: str) -> Slot:
        """Return a new slot, in the cell's next shared context or else in a context of its own."""
        context = self.next_context(cell) if self.task.per_stem else number
        self._slot_counts[cell] += 1
        slot = Slot(number, cell, context)
        if passages := self.grounding.passages:
            slot.begin({self.task.stem: passages[context % len(passages)]})
        return slot

    @property
    def decoding(self) -> str:
        """How replies are written, as settings and manifest name it."""
        return "json" + ", thinking" * self.thinking if self.structured else "plain"

    @property
    def shares_contexts(self) -> bool:
        """Whether slots wait for a first text that another writes; a passage is there from the start."""
        return bool(self.task.per_stem) and not self.grounding.passages

    def next_context(self, cell: str) -> int:
        """Return the number of the shared context that the cell's next slot will join."""
        return self._slot_counts[cell] // self.task.per_stem.get(cell, 1)

    def steps(self, cell: str) -> int:
        """Return how many steps the slots of a cell take."""
        return len(self._steps_of(cell))

    def is_complete(self, slot: Slot) -> bool:
        """Say whether every text of the slot is there."""
        return slot.step == self.steps(slot.cell)

    def request(self, slot: Slot) -> Request:
        """Return the request for the slot's next step."""
        step = self._steps_of(slot.cell)[slot.step]
        sampling, beginning, ending = self._prompt_parts[step.name]
        prompt = beginning + step.render(self.variables(slot)) + ending
        return Request((slot.number, slot.step), prompt, sampling, nonce=slot.number, system=self.task.system)

    def _parts(self, step: Step) -> tuple[Sampling, str, str]:
        """Return the sampling of a step's requests, and how their prompts begin and end."""
        schema = json.dumps(text_object(*step.fields)) if self.structured else None
        stop = () if schema else step.stop
        sampling = Sampling(step.max_tokens, step.temperature, step.top_k, stop, schema, self.thinking)
        example = json.dumps(dict.fromkeys(step.fields, "…"), ensure_ascii=False)
        asks = f"Write in {step.asks_for}, whatever language the examples are in." if step.asks_for else ""
        if schema:  # what is read last counts most; a plain completion goes on where the prompt ends
            return sampling, "", "\n\n".join(["", *filter(None, [asks]), f"Answer with JSON: {example}"])
        return sampling, asks and f"{asks}\n\n", ""

    def trial_requests(self, cell: str, text: Callable[[Step], str]) -> Iterator[tuple[Step, Request]]:
        """Yield each step of a cell with a request for it, in which `text(step)` stands for every earlier text."""
        slot = Slot(0, cell, 0)
        for step in self.task.steps_of(cell):
            yield step, self.request(slot)
            slot.texts |= dict.fromkeys(step.fields, text(step))
            slot.step += 1

    def read(self, cell: str, step: int, reply: str, fault: str = "") -> dict[str, str]:
        """Return the texts in a reply to a step of a cell's slot; ParseError with the reason when they are not there.

        `fault` is what the engine says of the reply: one that was cut off is no text, but may be a passage.
        """
        definition = self._steps_of(cell)[step]
        if fault and (self.structured or fault != TRUNCATED or PASSAGE not in definition.fields):
            raise ParseError(fault)
        texts = _json_texts(reply, definition) if self.structured else _plain_texts(reply, definition)
        cleaned = {name: clean_text(text) for name, text in texts.items()}
        if any(_UNREADABLE.search(text) for text in cleaned.values()):
            raise ParseError("unreadable characters")
        if PASSAGE in cleaned:
            cleaned[PASSAGE] = whole_sentences(cleaned[PASSAGE])
        self.task.conditions.check_texts(cleaned)
        return cleaned

    def can_read(self, cell: str, step: int, reply: str, fault: str = "") -> bool:
        """Say whether a reply to this step of the cell can be parsed."""
        try:
            self.read(cell, step, reply, fault)
        except ParseError:
            return False
        return True

    def row(self, slot: Slot, texts: Mapping[str, str]) -> Row:
        """Return the row of a slot with these texts; ParseError with the reason when they make none."""
        row = self.task.format.assemble({**self._attributes(slot.context), **texts}, slot.cell)
        self.task.conditions.check_row(self.task.format, row)
        return row

    def row_id(self, number: int) -> str:
        """Return the id of a slot's row: task, seed and slot number."""
        return slot_id(self.task.name, self.seed, number, self.task.asked_language)

    def variables(self, slot: Slot) -> dict[str, object]:
        """Return the template's variables: attributes, the label, its definition and examples, the texts so far."""
        return {**self._attributes(slot.context), **self._variables_of(slot.cell), **slot.texts}

    def _label_variables(self, cell: str) -> dict[str, object]:
        """Return the variables that all slots of a label have in common."""
        real_stems = [row for rows in self.grounding.shots.values() for row in rows] or list(self.task.own_examples)
        return {**self.task.label_variables(cell, self.grounding.shots), "real_stems": real_stems}

    def _draw_attributes(self, context: int) -> dict[str, str]:
        draw = random.Random(f"{self.task.name}/{self.seed}/{context}")
        return {name: attribute.draw(draw) for name, attribute in self.task.attributes.items()}


def parser_version(format_: Format) -> str:
    """Return the hash of the versions between a reply and a row: of the prompt chain and of the format."""
    return version_hash({"chain": VERSION, format_.name: format_.VERSION})


def _json_texts(reply: str, step: Step) -> dict[str, str]:
    values = json_object(reply) or {}
    if not all(isinstance(values.get(name), str) for name in step.fields):
        raise ParseError(UNREADABLE)
    return {name: values[name] for name in step.fields}


def _plain_texts(reply: str, step: Step) -> dict[str, str]:
    """Return the texts of a plain completion: one, or one a line with its marker (the prompt ends with the first).

    A line that does not begin with the marker of the next text is a ParseError; lines after the last are ignored.
    """
    if len(step.fields) == 1:
        return dict.fromkeys(step.fields, reply)
    lines = [line.strip() for line in reply.strip().split("\n") if line.strip()]
    texts: dict[str, str] = {}
    for number, (name, marker) in enumerate(step.fields.items()):
        start = f"{marker}:"
        if number >= len(lines) or (number and not lines[number].startswith(start)):
            raise ParseError(f"no {name}")
        texts[name] = lines[number].removeprefix(start)
    return texts
