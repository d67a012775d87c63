"""The controller of a run: which slot is worth opening next, and what each reply means, until exactly n are kept.

A slot is one example being made: it has a quota cell (its label), attributes drawn from the seed, and a chain of
requests, one per step of the task. The controller is a fold over slots and replies: feeding it the ledger's replies
again gives the same state, which is how a run resumes and how verdicts are remade without a model.
"""

from __future__ import annotations

import json
import random
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from synthgen.engines import Reply, Request, Sampling
from synthgen.filters.base import Filter, Verdict
from synthgen.formats.base import ParseError, Row, clean_text
from synthgen.formats.reply import text_object
from synthgen.ledger import Ledger, StoredReply, StoredVerdict
from synthgen.task import Task

MAX_TRIES = 4


@dataclass(slots=True)
class Slot:
    """An example in the making."""

    number: int
    cell: str
    texts: dict[str, str] = field(default_factory=dict)
    step: int = 0
    tries: int = 0


@dataclass(slots=True)
class Tally:
    """Counts of one quota cell: how many are wanted, in flight, and how their slots ended."""

    quota: int
    open: int = 0
    kept: int = 0
    rejected: int = 0
    failed: int = 0

    @property
    def acceptance(self) -> float:
        """Share of finished slots that were kept, starting from one half on two imagined slots."""
        return (self.kept + 1) / (self.kept + self.rejected + self.failed + 2)

    @property
    def shortage(self) -> float:
        """Rows still missing once the open slots end as slots of this cell have ended so far."""
        return self.quota - self.kept - self.open * self.acceptance


class Controller:
    """Opens slots for short cells only, judges finished ones, and writes everything to the ledger."""

    def __init__(
        self,
        task: Task,
        quotas: dict[str, int],
        *,
        seed: int,
        filters: Sequence[Filter],
        ledger: Ledger,
        structured: bool,
    ) -> None:
        """Start with nothing kept; `resume` brings the state of an earlier process."""
        self.task, self.filters, self.ledger, self.seed = task, filters, ledger, seed
        self.structured = structured
        self.tallies = {cell: Tally(quota) for cell, quota in quotas.items()}
        self.reasons: Counter[str] = Counter()
        self.attempts: Counter[str] = Counter()
        self.requests = 0
        self._slots: dict[int, Slot] = {}
        self._ready: deque[Slot] = deque()
        self._opened = 0

    @property
    def kept(self) -> int:
        """Rows kept so far."""
        return sum(tally.kept for tally in self.tallies.values())

    @property
    def is_full(self) -> bool:
        """Say whether every cell has its quota."""
        return all(tally.kept == tally.quota for tally in self.tallies.values())

    def resume(self, *, key: Callable[[Request], str]) -> None:
        """Rebuild the state from the ledger, judging every stored reply anew; unanswered requests become ready.

        `key` gives a request's content address. A stored reply whose request is no longer the one the task would
        make is not used: its slot is asked again.
        """
        self.ledger.forget_verdicts()
        for number, cell in self.ledger.slots().items():
            self._slots[number] = Slot(number, cell)
            self.tallies[cell].open += 1
            self._opened = number + 1
        for stored in list(self.ledger.replies()):
            slot = self._slots.get(stored.slot)
            if slot is None or slot.step != stored.step or key(self._request(slot)) != stored.request_key:
                continue
            self.requests += 1
            tokens = {"prompt_tokens": stored.prompt_tokens, "output_tokens": stored.output_tokens}
            self._advance(slot, Reply((stored.slot, stored.step), stored.outcome, stored.text, stored.error, **tokens))  # type: ignore[arg-type]
        self._ready = deque(self._slots.values())
        if self.is_full:
            self._close_open_slots()

    def next_request(self) -> Request | None:
        """Return the request that is worth most now: the next step of an open slot, else a slot of a short cell."""
        if self.is_full:
            return None
        if not self._ready and (slot := self._open_slot()) is not None:
            self._ready.append(slot)
        if not self._ready:
            return None
        self.requests += 1
        return self._request(self._ready.popleft())

    def take(self, reply: Reply, request_key: str) -> None:
        """Record a reply and act on it."""
        number, step = reply.tag
        tokens = (reply.prompt_tokens, reply.output_tokens)
        self.ledger.add_reply(StoredReply(number, step, request_key, reply.outcome, reply.text, reply.error, *tokens))
        slot = self._slots.get(number)
        if slot is None:
            return
        if self._advance(slot, reply):
            self._ready.append(slot)
        if self.is_full:
            self._close_open_slots()

    def _open_slot(self) -> Slot | None:
        cell, tally = max(self.tallies.items(), key=lambda item: item[1].shortage)
        if tally.shortage <= 0:
            return None
        slot = Slot(self._opened, cell)
        self._opened += 1
        self._slots[slot.number] = slot
        tally.open += 1
        self.ledger.add_slot(slot.number, cell)
        return slot

    def _request(self, slot: Slot) -> Request:
        step = self.task.steps[slot.step]
        schema = json.dumps(text_object(step.field)) if self.structured else None
        sampling = Sampling(step.max_tokens, step.temperature, step.top_k, () if schema else step.stop, schema)
        return Request((slot.number, slot.step), step.render(self.variables(slot)), sampling, nonce=slot.number)

    def variables(self, slot: Slot) -> dict[str, object]:
        """Return what a template may use for this slot: drawn attributes, label, its definition and examples, texts."""
        draw = random.Random(f"{self.task.name}/{self.seed}/{slot.number}")
        attributes = {name: draw.choice(values) for name, values in self.task.attributes.items()}
        label = {
            "label": slot.cell,
            "definition": self.task.definitions.get(slot.cell, slot.cell),
            "shots": self.task.shots.get(slot.cell, ()),
            "language": self.task.language,
        }
        return {**attributes, **label, **slot.texts}

    def _advance(self, slot: Slot, reply: Reply) -> bool:
        """Move a slot on by one reply; True when it has another request to make."""
        if reply.outcome != "ok":
            self.attempts[reply.outcome] += 1
            slot.tries += 1
            if slot.tries < MAX_TRIES:
                return True
            self._end(slot, "failed", Verdict(reply.outcome, reply.error), stage="request", row={})
            return False
        step = self.task.steps[slot.step]
        try:
            slot.texts[step.field] = clean_text(self._text(reply.text, step.field))
        except ParseError as error:
            self.attempts["bad"] += 1
            self._end(slot, "rejected", Verdict(str(error), reply.text), stage="parse", row=dict(slot.texts))
            return False
        self.attempts["ok"] += 1
        slot.step += 1
        slot.tries = 0
        if slot.step < len(self.task.steps):
            return True
        self._judge(slot)
        return False

    def _text(self, reply: str, field_name: str) -> str:
        if not self.structured:
            return reply
        try:
            return str(json.loads(reply)[field_name])
        except (json.JSONDecodeError, KeyError, TypeError):
            raise ParseError("unreadable JSON") from None

    def _judge(self, slot: Slot) -> None:
        row = self.task.format.assemble(slot.texts, slot.cell)
        row_id = self.row_id(slot.number)
        for filter_ in self.filters:
            if (verdict := filter_.judge(row_id, row)) is not None:
                self._end(slot, "rejected", verdict, stage=filter_.name, row=row)
                return
        tally = self.tallies[slot.cell]
        if tally.kept == tally.quota:
            self._end(slot, "rejected", Verdict("quota", f"{slot.cell} is full"), stage="quota", row=row)
            return
        for filter_ in self.filters:
            filter_.remember(row_id, row)
        self._end(slot, "kept", Verdict("", ""), stage="", row=row)

    def row_id(self, number: int) -> str:
        """Return the id of a slot's row: task, seed and slot number."""
        return f"{self.task.name}-s{self.seed}-{number:07d}"

    def _end(self, slot: Slot, verdict: str, why: Verdict, *, stage: str, row: Row) -> None:
        tally = self.tallies[slot.cell]
        tally.open -= 1
        setattr(tally, verdict, getattr(tally, verdict) + 1)
        if verdict == "rejected":
            self.reasons[why.reason] += 1
        self.ledger.add_verdict(StoredVerdict(slot.number, verdict, why.reason, stage, why.evidence, row))
        del self._slots[slot.number]

    def _close_open_slots(self) -> None:
        """End every slot that is still open once all quotas are full: surplus, rejected as such."""
        for slot in list(self._slots.values()):
            self._end(slot, "rejected", Verdict("quota", "all cells are full"), stage="quota", row=dict(slot.texts))
        self._ready.clear()
