"""What a slot asks for: the chain of requests that makes one example, and the row its replies add up to.

A slot is one example in the making: a quota cell (its label, decided before any text), a stem, and the texts written
so far. A stem is what slots have in common: attributes drawn from the seed and, for tasks that say so, a first text (a
premise, a passage) that is written once and serves one slot of each label, so that it carries no label signal.
Everything here follows from the task, the seed and the order in which slots are opened; the `controller` decides when
to open one, the `engines` answer.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from synthgen.engines import Request, Sampling
from synthgen.formats.base import Format, ParseError, Row, clean_text
from synthgen.formats.reply_schema import text_object
from synthgen.formats.tags import SENTENCE
from synthgen.generation.grounding import Grounding
from synthgen.generation.teacher import Teacher
from synthgen.runtime.provenance import version_hash
from synthgen.task.definition import Step, Task
from synthgen.text.sentences import whole_sentences

VERSION = 1
"""Raise it when the same replies come to other texts or rows: here, in a task's conditions, in a teacher."""
_UNREADABLE = re.compile("[\ud800-\udfff\ufffd]")
"""Half a character, which no file can hold, or the sign that stands where one was."""
STEMS_HELD = 4096
"""How many stems' attributes are kept: each is drawn for several steps and slots, which come close together."""
PASSAGE = "context"
"""The text that may be longer than a reply: what `max_tokens` cuts off in the middle of a sentence is left out."""


@dataclass(slots=True)
class Slot:
    """An example in the making; `step` counts the requests of its chain that are answered."""

    number: int
    cell: str
    stem: int
    texts: dict[str, str] = field(default_factory=dict)
    step: int = 0
    tries: int = 0


def slot_id(task: str, seed: int, number: int) -> str:
    """Return the id of a slot's row.

    >>> slot_id("mnli", 0, 42)
    'mnli-s0-0000042'
    """
    return f"{task}-s{seed}-{number:07d}"


@dataclass(frozen=True, slots=True)
class SlotOutcome:
    """How a slot ends: `kept`, `rejected` or `failed`, the reason, the stage, what shows it."""

    verdict: str
    reason: str
    stage: str
    evidence: str


class PromptChain:
    """The requests of a task's slots, and what the replies to them mean."""

    def __init__(
        self,
        task: Task,
        *,
        seed: int,
        structured: bool,
        grounding: Grounding | None = None,
        teacher: Teacher | None = None,
    ) -> None:
        """Ask for flat JSON objects if `structured`, else for plain completions; `teacher` tags what is written."""
        self.task, self.seed, self.structured = task, seed, structured
        self.grounding, self._teacher = grounding or Grounding(), teacher
        self._opened: Counter[str] = Counter()
        self._attributes = lru_cache(STEMS_HELD)(self._draw_attributes)

    def open(self, number: int, cell: str) -> Slot:
        """Return a new slot: with shared stems the cell's next place in a stem, else a stem of its own."""
        stem = self.next_stem(cell) if self.task.per_stem else number
        self._opened[cell] += 1
        slot = Slot(number, cell, stem)
        if self.grounding.passages:
            _begin(slot, {self.task.stem: self.grounding.passage(stem)})
        return slot

    def imagined(self, cell: str, step: int, texts: dict[str, str]) -> Slot:
        """Return a slot that is no example: where an example of the cell would be with these texts."""
        return Slot(0, cell, 0, dict(texts), step)

    @property
    def shares_stems(self) -> bool:
        """Whether slots wait for a first text that another writes; a passage is there from the start."""
        return bool(self.task.per_stem) and not self.grounding.passages

    def next_stem(self, cell: str) -> int:
        """Return the shared stem that the cell's next slot will join."""
        return self._opened[cell] // self.task.per_stem.get(cell, 1)

    def steps(self, slot: Slot) -> tuple[Step, ...]:
        """Return the steps of the slot's cell, in order."""
        return self.task.steps_of(slot.cell)

    def is_written(self, slot: Slot) -> bool:
        """Say whether every text of the slot is there."""
        return slot.step == len(self.steps(slot))

    def request(self, slot: Slot) -> Request:
        """Return the request for the slot's next step."""
        step = self.steps(slot)[slot.step]
        schema = json.dumps(text_object(*step.fields)) if self.structured else None
        sampling = Sampling(step.max_tokens, step.temperature, step.top_k, () if schema else step.stop, schema)
        prompt = step.render(self.variables(slot))
        if self.structured:
            prompt += "\n\nAnswer with JSON: " + json.dumps(dict.fromkeys(step.fields, "…"), ensure_ascii=False)
        return Request((slot.number, slot.step), prompt, sampling, nonce=slot.number)

    def read(self, slot: Slot, reply: str) -> None:
        """Add the texts of a reply to the slot and move it on; ParseError with the reason when they are not there."""
        step = self.steps(slot)[slot.step]
        texts = _json_texts(reply, step) if self.structured else _plain_texts(reply, step)
        cleaned = {name: clean_text(text) for name, text in texts.items()}
        if any(_UNREADABLE.search(text) for text in cleaned.values()):
            raise ParseError("unreadable characters")
        if PASSAGE in cleaned:
            cleaned[PASSAGE] = whole_sentences(cleaned[PASSAGE])
        self.task.conditions.check_texts(cleaned)
        slot.texts |= cleaned
        slot.step += 1

    def can_read(self, cell: str, step: int, reply: str) -> bool:
        """Say whether a reply to this step of a slot of the cell holds the texts that it should."""
        try:
            self.read(self.imagined(cell, step, {}), reply)
        except ParseError:
            return False
        return True

    def row(self, slot: Slot) -> Row:
        """Return the row of a written slot; ParseError with the reason when its texts make none."""
        texts = self._teacher.texts(slot.texts[SENTENCE]) if self._teacher is not None else slot.texts
        row = self.task.format.assemble({**self._attributes(slot.stem), **texts}, slot.cell)
        self.task.conditions.check_row(self.task.format, row)
        return row

    def variables(self, slot: Slot) -> dict[str, object]:
        """Return what a template may use: the stem's attributes, the label, its definition and examples, the texts."""
        shots = {**self.task.shots, **self.grounding.shots}
        label = {
            "label": slot.cell,
            "definition": self.task.definitions.get(slot.cell, slot.cell),
            "definitions": self.task.definitions,
            "shots": shots.get(slot.cell) or shots.get("any", ()),
            "real_stems": [row for rows in self.grounding.shots.values() for row in rows],
            "language": self.task.language,
        }
        return {**self._attributes(slot.stem), **label, **slot.texts}

    def _draw_attributes(self, stem: int) -> dict[str, str]:
        draw = random.Random(f"{self.task.name}/{self.seed}/{stem}")
        return {name: attribute.draw(draw) for name, attribute in self.task.attributes.items()}


@dataclass(slots=True)
class _SharedContext:
    """A stem whose first text is shared: who writes it, what came of it, who waits for it, how many still use it."""

    writer: int
    texts: dict[str, str] | None = None
    fault: SlotOutcome | None = None
    waiting: list[Slot] = field(default_factory=list)
    users: int = 0


class SharedContexts:
    """The first texts that slots share. The first slot opened for a stem writes it, the others wait for it."""

    def __init__(self, *, shared: bool) -> None:
        """Let every slot write its own when they are not shared."""
        self._shared = shared
        self._stems: dict[int, _SharedContext] = {}

    def join(self, slot: Slot) -> bool | SlotOutcome:
        """Return whether the slot can go on now; it waits if not, and ends at once if its stem came to nothing."""
        if not self._shared:
            return True
        stem = self._stems.setdefault(slot.stem, _SharedContext(slot.number))
        stem.users += 1
        if stem.fault is not None:
            return stem.fault
        if stem.texts is not None:
            _begin(slot, stem.texts)
        elif stem.writer != slot.number:
            stem.waiting.append(slot)
            return False
        return True

    def waits(self, slot: Slot) -> bool:
        """Say whether the slot waits for another to write its stem."""
        stem = self._stems.get(slot.stem)
        return stem is not None and stem.texts is None and stem.writer != slot.number

    def written(self, slot: Slot) -> list[Slot]:
        """Note that a slot has been moved on; if it wrote its stem, return the slots that waited for it."""
        stem = self._written_by(slot)
        if stem is None or slot.step != 1:
            return []
        stem.texts, released, stem.waiting = dict(slot.texts), stem.waiting, []
        for waiter in released:
            _begin(waiter, stem.texts)
        return released

    def spoilt(self, slot: Slot, ending: SlotOutcome) -> list[Slot]:
        """Note that a slot ends before its texts are complete; if its stem ends with it, return who waited for it."""
        stem = self._written_by(slot)
        if stem is None or stem.texts is not None:
            return []
        stem.fault, released, stem.waiting = ending, stem.waiting, []
        return released

    def awaited(self, slot: Slot) -> bool:
        """Say whether others wait for what this slot is about to write."""
        stem = self._written_by(slot)
        return stem is not None and bool(stem.waiting)

    def leave(self, slot: Slot, *, still_opening: bool) -> None:
        """Note that a slot ended; a stem that no slot uses and none will join is forgotten."""
        if (stem := self._stems.get(slot.stem)) is not None:
            stem.users -= 1
            if stem.users <= 0 and not still_opening:
                del self._stems[slot.stem]

    def _written_by(self, slot: Slot) -> _SharedContext | None:
        stem = self._stems.get(slot.stem)
        return stem if stem is not None and stem.writer == slot.number else None


def _begin(slot: Slot, texts: dict[str, str]) -> None:
    slot.texts |= texts
    slot.step = 1


def parser_version(format_: Format) -> str:
    """Return the hash of the versions between a reply and a row: of the prompt chain and of the format."""
    return version_hash({"chain": VERSION, format_.name: format_.VERSION})


def _json_texts(reply: str, step: Step) -> dict[str, str]:
    """Return the texts of a reply that is one flat JSON object."""
    try:
        values: Any = json.loads(reply)
    except json.JSONDecodeError:
        raise ParseError("unreadable JSON") from None
    if not isinstance(values, dict) or not all(isinstance(values.get(name), str) for name in step.fields):
        raise ParseError("unreadable JSON")
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
        if number >= len(lines):
            raise ParseError(f"no {name}")
        start = f"{marker}:"
        if number and not lines[number].startswith(start):
            raise ParseError(f"no {name}")
        texts[name] = lines[number].removeprefix(start)
    return texts
