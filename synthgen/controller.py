"""The controller of a run: which slot is worth opening next, and what each reply means, until exactly n are kept.

What a slot asks for is in `slots`. The controller is a fold over slots and replies: feeding it the ledger's replies
again gives the same state, which is how a run resumes and how verdicts are remade without a model.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from synthgen.engines import Reply, Request
from synthgen.filters.base import Filter
from synthgen.formats.base import ParseError, Row
from synthgen.ledger import Ledger, StoredReply, StoredVerdict
from synthgen.slots import Ending, Script, Slot, Stems
from synthgen.task import Task

MAX_TRIES = 4


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
        script: Script,
    ) -> None:
        """Start with nothing kept; `resume` brings the state of an earlier process."""
        self.task, self.filters, self.ledger, self.seed = task, filters, ledger, seed
        self.script, self._stems = script, Stems(shared=script.shares_stems)
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
            self._stems.join(self._new_slot(number, cell))
        for stored in list(self.ledger.replies()):
            slot = self._slots.get(stored.slot)
            if slot is None or slot.step != stored.step or key(self.script.request(slot)) != stored.request_key:
                continue
            self.requests += 1
            tokens = {"prompt_tokens": stored.prompt_tokens, "output_tokens": stored.output_tokens}
            self._advance(slot, Reply((stored.slot, stored.step), stored.outcome, stored.text, stored.error, **tokens))  # type: ignore[arg-type]
        self._ready = deque(slot for slot in self._slots.values() if not self._stems.waits(slot))
        if self.is_full:
            self._close_open_slots()

    def next_request(self) -> Request | None:
        """Return the request that is worth most now: the next step of an open slot, else a slot of a short cell."""
        if self.is_full:
            return None
        while self._ready:
            slot = self._ready.popleft()
            if slot.number not in self._slots:
                continue
            if self._is_surplus(slot):
                self._end(slot, Ending("rejected", "quota", "quota", f"{slot.cell} is full"), dict(slot.texts))
                continue
            return self._ask(slot)
        while (opened := self._open_slot()) is not None:
            if isinstance(state := self._stems.join(opened), Ending):
                self._end(opened, state, {})
            elif state:
                return self._ask(opened)
        return None

    def _ask(self, slot: Slot) -> Request:
        self.requests += 1
        return self.script.request(slot)

    def _is_surplus(self, slot: Slot) -> bool:
        """Say whether a slot's cell is full, so that its row would be dropped, and nobody waits for its stem."""
        tally = self.tallies[slot.cell]
        return tally.kept == tally.quota and not self._stems.awaited(slot)

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
        self.ledger.add_slot(self._opened, cell)
        return self._new_slot(self._opened, cell)

    def _new_slot(self, number: int, cell: str) -> Slot:
        slot = self._slots[number] = self.script.open(number, cell)
        self._opened = number + 1
        self.tallies[cell].open += 1
        return slot

    def _advance(self, slot: Slot, reply: Reply) -> bool:
        """Move a slot on by one reply; True when it has another request to make."""
        if reply.outcome != "ok":
            self.attempts[reply.outcome] += 1
            slot.tries += 1
            if slot.tries < MAX_TRIES:
                return True
            self._spoil(slot, Ending("failed", reply.outcome, "request", reply.error))
            return False
        try:
            self.script.read(slot, reply.text)
        except ParseError as error:
            self.attempts["bad"] += 1
            self._spoil(slot, Ending("rejected", str(error), "parse", reply.text))
            return False
        self.attempts["ok"] += 1
        slot.tries = 0
        self._ready.extend(self._stems.written(slot))
        if not self.script.is_written(slot):
            return True
        self._judge(slot)
        return False

    def _spoil(self, slot: Slot, ending: Ending) -> None:
        """End a slot whose texts will not be complete, and with it those that wait for the stem it was writing."""
        released = self._stems.spoilt(slot, ending)
        self._end(slot, ending, dict(slot.texts))
        for waiter in released:
            self._end(waiter, ending, {})

    def _judge(self, slot: Slot) -> None:
        try:
            row = self.script.row(slot)
        except ParseError as error:
            self._end(slot, Ending("rejected", str(error), "parse", ""), dict(slot.texts))
            return
        row_id = self.row_id(slot.number)
        for filter_ in self.filters:
            if (verdict := filter_.judge(row_id, row)) is not None:
                self._end(slot, Ending("rejected", verdict.reason, filter_.name, verdict.evidence), row)
                return
        tally = self.tallies[slot.cell]
        if tally.kept == tally.quota:
            self._end(slot, Ending("rejected", "quota", "quota", f"{slot.cell} is full"), row)
            return
        for filter_ in self.filters:
            filter_.remember(row_id, row)
        self._end(slot, Ending("kept", "", "", ""), row)

    def row_id(self, number: int) -> str:
        """Return the id of a slot's row: task, seed and slot number."""
        return f"{self.task.name}-s{self.seed}-{number:07d}"

    def _end(self, slot: Slot, ending: Ending, row: Row) -> None:
        tally = self.tallies[slot.cell]
        tally.open -= 1
        setattr(tally, ending.verdict, getattr(tally, ending.verdict) + 1)
        if ending.verdict == "rejected":
            self.reasons[ending.reason] += 1
        verdict = StoredVerdict(slot.number, ending.verdict, ending.reason, ending.stage, ending.evidence, row)
        self.ledger.add_verdict(verdict)
        del self._slots[slot.number]
        self._stems.leave(slot, still_opening=self._will_join(slot.stem))

    def _will_join(self, stem: int) -> bool:
        """Say whether a slot of a cell that is not full may still be opened for a stem."""
        short = (cell for cell, tally in self.tallies.items() if tally.kept < tally.quota)
        return any(self.script.next_stem(cell) <= stem for cell in short)

    def _close_open_slots(self) -> None:
        """End every slot that is still open once all quotas are full: surplus, rejected as such."""
        for slot in list(self._slots.values()):
            self._end(slot, Ending("rejected", "quota", "quota", "all cells are full"), dict(slot.texts))
        self._ready.clear()
