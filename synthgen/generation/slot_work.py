"""What can be done for a slot alone: its next request, the texts in the reply, the row of all, the filters of rows.

It needs no ledger, no quotas and no other row, so that the engines of a cluster do it in their own processes.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from synthgen.dataset.ledger import StoredReply, storable
from synthgen.dataset.prompt_packer import PromptPacker
from synthgen.engines import Reply, Request
from synthgen.engines.base import FIRST_DELAY, Work
from synthgen.filters.base import Drop, RowFilter
from synthgen.filters.pipeline import StageDrop, check_alone
from synthgen.formats.base import ParseError, Row
from synthgen.generation.prompt_chain import PromptChain
from synthgen.generation.slots import Slot
from synthgen.models.packs import ResolvedModel

LONGEST_DELAY = 30.0
"""Seconds before a failed request is sent again: about 0.5, 1, 2 ..., half as much to half as much again."""
PARSE = "parse"
"""The stage at which a reply without texts, or texts without a row, are rejected."""


class CheckedRow(NamedTuple):
    """The row of a written slot (its texts where they make none), why it must go, and what the filters counted."""

    row: Row
    drop: StageDrop | None
    counts: Mapping[str, Mapping[str, int]]


class ParsedReply(NamedTuple):
    """What a reply says: the texts of its step, or its fault; after the last step the row too."""

    texts: dict[str, str]
    fault: str
    checked: CheckedRow | None


class SlotReply(NamedTuple):
    """A reply for the ledger, with its packed prompt, and what it says; None when there was none."""

    tag: tuple[int, int]
    stored: StoredReply
    prompt: bytes
    reading: ParsedReply | None


class SlotWork(Work[Slot, SlotReply]):
    """The work around the replies of a run's model."""

    def __init__(
        self, chain: PromptChain, filters: Sequence[RowFilter], model: ResolvedModel, packer: PromptPacker
    ) -> None:
        """Read replies to the requests of `chain` and check rows with copies of `filters`.

        Where a teacher labels the texts, `check` is left to the caller, who has it.
        """
        self._chain, self._filters = chain, tuple(filter_.copied() for filter_ in filters)
        self._model, self._packer = (model.ref, model.revision), packer
        self._makes_rows = chain.teacher is None

    def request(self, order: Slot) -> Request:
        """Return the request for a slot's next step, after a failure to be sent with a delay."""
        request = self._chain.request(order)
        if not order.tries:
            return request
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2 ** (order.tries - 1))
        return replace(request, delay=delay * random.uniform(0.5, 1.5))

    def key(self, request: Request) -> str:
        """Return the content address of a request."""
        return request.key(*self._model)

    def row_id(self, slot: Slot) -> str:
        """Return the id of a slot's row."""
        return self._chain.row_id(slot.number)

    def result(self, order: Slot, request: Request, reply: Reply) -> SlotReply:
        """Return a reply as it is stored, the prompt with the first of a request, and what it says."""
        text, error, reasoning = map(storable, (reply.text, reply.error, reply.reasoning))
        stored = StoredReply(
            *reply.tag,
            self.key(request),
            reply.outcome,
            text,
            error,
            prompt_tokens=reply.prompt_tokens,
            output_tokens=reply.output_tokens,
            reasoning=reasoning,
            reasoning_tokens=reply.reasoning_tokens,
        )
        prompt = b"" if order.tries else self._packer.pack(request.prompt)
        return SlotReply(reply.tag, stored, prompt, self.read(order, stored))

    def read(self, slot: Slot, reply: StoredReply) -> ParsedReply | None:
        """Return what a reply to a slot's next step says."""
        if reply.outcome != "ok":
            return None
        try:
            texts = self._chain.read(slot.cell, slot.step, reply.text, reply.error)
        except ParseError as error:
            return ParsedReply({}, str(error), None)
        is_last = self._makes_rows and self._chain.steps(slot.cell) == slot.step + 1
        return ParsedReply(texts, "", self.check(slot, slot.texts | texts) if is_last else None)

    def check(self, slot: Slot, texts: dict[str, str]) -> CheckedRow:
        """Return the row of a slot's texts with what the filters of single rows say of it."""
        try:
            row = self._chain.row(slot, texts)
        except ParseError as error:
            return no_row(texts, error)
        return CheckedRow(row, *check_alone(self._filters, self.row_id(slot), row))


def no_row(texts: dict[str, str], why: ParseError) -> CheckedRow:
    """Return what stands for the row that texts do not make."""
    return CheckedRow(texts, (PARSE, Drop(str(why), "")), {})
