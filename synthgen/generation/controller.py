"""The controller of a run: which slot is worth opening next, and what each reply means, until exactly n are kept.

What a slot asks for is in `slots`. The controller is a fold over slots and replies: feeding it the ledger's replies
again gives the same state, which is how a run resumes and how verdicts are remade without a model.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from synthgen.dataset.ledger import Ledger, StoredReply, StoredVerdict, storable
from synthgen.engines import Reply, Request
from synthgen.filters.base import Filter
from synthgen.filters.pipeline import OnlinePipeline
from synthgen.formats.base import ParseError, Row
from synthgen.generation.prompt_chain import PromptChain, SharedContexts, Slot, SlotOutcome, slot_id
from synthgen.generation.quotas import QuotaCounter, RequestQueue
from synthgen.task.definition import Task

MAX_TRIES = 4
FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
"""Seconds before a failed request is sent again: about 0.5, 1, 2 ..., half as much to half as much again."""
MIN_FAILED = 20
MAX_FAILED_SHARE = 0.1
"""More failed slots than 20, and than a tenth of all that ended, stop the run."""
JUDGED_AT_ONCE = 512
"""How many slots are judged together when a run is resumed."""
KEPT = SlotOutcome("kept", "", "", "")
SURPLUS = SlotOutcome("rejected", "quota", "quota", "the label has its quota")


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
        script: PromptChain,
    ) -> None:
        """Start with nothing kept; `resume` brings the state of an earlier process."""
        self.task, self.ledger, self.seed = task, ledger, seed
        self.filters, self._screen = filters, OnlinePipeline(filters)
        self._at_once = max((filter_.rows_at_once for filter_ in filters), default=1)
        self._reconsidering = [filter_ for filter_ in filters if filter_.reconsiders]
        self._reconsidered: dict[int, SlotOutcome] = {}
        self.script, self._stems = script, SharedContexts(shared=script.shares_stems)
        self.tallies = {cell: QuotaCounter(quota) for cell, quota in quotas.items()}
        self.reasons: Counter[str] = Counter()
        self.attempts: Counter[str] = Counter()
        self.requests = 0
        self._slots: dict[int, Slot] = {}
        self._ready, self._written = RequestQueue(), list[Slot]()
        self._opened = 0
        self._before = (0, 0)

    @property
    def kept(self) -> int:
        """Rows kept so far."""
        return sum(tally.kept for tally in self.tallies.values())

    @property
    def is_full(self) -> bool:
        """Say whether every cell has its quota."""
        return all(tally.is_full for tally in self.tallies.values())

    @property
    def requests_failing(self) -> bool:
        """Say whether so many slots have failed since the run was started that going on would waste the budget."""
        failed, ended = (now - before for now, before in zip(self._endings(), self._before, strict=True))
        return failed > max(MIN_FAILED, MAX_FAILED_SHARE * ended)

    def _endings(self) -> tuple[int, int]:
        """Return how many slots have failed, and how many have ended in any way."""
        tallies = self.tallies.values()
        return sum(tally.failed for tally in tallies), sum(tally.ended for tally in tallies)

    def resume(self, *, key: Callable[[Request], str], versions: Mapping[str, str]) -> None:
        """Rebuild the state from the ledger, judging every stored reply anew; unanswered requests become ready.

        `versions` of the parser and the filters are recorded. `key` gives a request's content address. A stored reply
        whose request is no longer the one the task would make is not used: its slot is asked again.
        """
        self.ledger.clear_verdicts(versions)
        self._reconsidered = {slot: SlotOutcome("rejected", *said) for slot, said in self.ledger.revoked()}
        unopened = self.ledger.slots()
        for stored in self.ledger.replies():
            self._reopen(unopened, until=stored.slot)
            self._ready.clear()
            reply = Reply((stored.slot, stored.step), stored.outcome, stored.text, stored.error)  # type: ignore[arg-type]
            slot = self._slots.get(stored.slot)
            if slot is not None and slot.step == stored.step and key(self.script.request(slot)) == stored.request_key:
                self.requests += 1
                self._advance(slot, reply)
            else:
                self._count_unused(reply)
            if len(self._written) >= JUDGED_AT_ONCE:
                self.judge_written()
        self._reopen(unopened, until=None)
        self.judge_written()
        self._ready.clear()
        self._ready.extend(slot for slot in self._slots.values() if not self._stems.waits(slot))
        self._before = self._endings()
        if self.is_full:
            self.close_open_slots()

    def _reopen(self, unopened: Iterator[tuple[int, str]], *, until: int | None) -> None:
        """Open the ledger's slots up to a number, all when None, so that only those in use are held in memory."""
        while (until is None or self._opened <= until) and (stored := next(unopened, None)) is not None:
            slot = self._new_slot(*stored)
            if isinstance(fault := self._stems.join(slot), SlotOutcome):
                self._end(slot, fault, {})

    def next_request(self) -> Request | None:
        """Return the request that is worth most now: the next step of an open slot, else a slot of a short cell."""
        if len(self._written) >= self._at_once:
            self.judge_written()
        if (request := self._next_request()) is None and self._written:
            self.judge_written()
            request = self._next_request()
        return request

    def _next_request(self) -> Request | None:
        if self.is_full:
            return None
        while (slot := self._ready.next()) is not None:
            if slot.number not in self._slots:
                continue
            if self._is_surplus(slot):
                self._end(slot, SURPLUS, dict(slot.texts))
                continue
            return self._ask(slot)
        while (opened := self._open_slot()) is not None:
            if isinstance(state := self._stems.join(opened), SlotOutcome):
                self._end(opened, state, {})
            elif state:
                return self._ask(opened)
        return None

    def _ask(self, slot: Slot) -> Request:
        self.requests += 1
        request = self.script.request(slot)
        if slot.tries:
            delay = min(LONGEST_DELAY, FIRST_DELAY * 2 ** (slot.tries - 1))
            return replace(request, delay=delay * random.uniform(0.5, 1.5))
        return request

    def _is_surplus(self, slot: Slot) -> bool:
        """Say whether a slot's cell is full, so that its row would be dropped, and nobody waits for its stem."""
        return self.tallies[slot.cell].is_full and not self._stems.awaited(slot)

    def take(self, reply: Reply, request: Request, key: str) -> None:
        """Record the reply to a request, whose content address is `key`, and act on it.

        A slot that it completes is judged by `judge_written`, or before the next request, with all others until then.
        """
        reply = replace(reply, text=storable(reply.text), error=storable(reply.error))
        number, step = reply.tag
        slot = self._slots.get(number)
        prompt = "" if slot is not None and slot.tries else request.prompt
        tokens = (reply.prompt_tokens, reply.output_tokens)
        self.ledger.add_reply(StoredReply(number, step, key, reply.outcome, reply.text, reply.error, *tokens, prompt))
        if slot is None:
            self._count_unused(reply)
        elif self._advance(slot, reply):
            if self.is_full:
                self._end(slot, SURPLUS, dict(slot.texts))
            else:
                self._ready.append(slot)
        self.ledger.commit_when_due()

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
        if reply.outcome == "busy":
            self._count(reply, bad=False)
            self.requests -= 1
            return True
        if reply.outcome != "ok":
            self._count(reply, bad=False)
            slot.tries += 1
            if slot.tries < MAX_TRIES:
                return True
            self._spoil(slot, SlotOutcome("failed", reply.outcome, "request", reply.error))
            return False
        try:
            self.script.read(slot, reply.text)
        except ParseError as error:
            self._count(reply, bad=True)
            self._spoil(slot, SlotOutcome("rejected", str(error), "parse", reply.text))
            return False
        self._count(reply, bad=False)
        slot.tries = 0
        self._ready.extend(self._stems.written(slot))
        if not self.script.is_written(slot):
            return True
        self._written.append(slot)
        return False

    def _count(self, reply: Reply, *, bad: bool) -> None:
        """Count an attempt as what it came to: ok, bad, http (busy among them) or timeout."""
        self.attempts["bad" if bad else "http" if reply.outcome == "busy" else reply.outcome] += 1

    def _count_unused(self, reply: Reply) -> None:
        """Count an attempt whose reply has no use, because its slot is gone, as what it would have come to."""
        number, step = reply.tag
        self._count(
            reply,
            bad=reply.outcome == "ok" and not self.script.can_read(self.ledger.cell(number), step, reply.text),
        )

    def _spoil(self, slot: Slot, ending: SlotOutcome) -> None:
        """End a slot whose texts will not be complete, and with it those that wait for the stem it was writing."""
        released = self._stems.spoilt(slot, ending)
        self._end(slot, ending, dict(slot.texts))
        for waiter in released:
            self._end(waiter, ending, {})

    def judge_written(self) -> None:
        """Judge the slots whose texts are complete, in the order in which they became so."""
        if not self._written:
            return
        written, self._written = self._written, []
        rows: list[tuple[Slot, tuple[str, Row]]] = []
        for slot in written:
            try:
                rows.append((slot, (self.row_id(slot.number), self.script.row(slot))))
            except ParseError as error:
                self._end(slot, SlotOutcome("rejected", str(error), "parse", ""), dict(slot.texts))
        judged = self._screen.judged([row for _, row in rows])
        for (slot, (row_id, row)), objection in zip(rows, judged, strict=True):
            if objection is not None:
                stage, verdict = objection
                self._end(slot, SlotOutcome("rejected", verdict.reason, stage, verdict.evidence), row)
            elif self.tallies[slot.cell].is_full:
                self._end(slot, SURPLUS, row)
            else:
                self._screen.add_kept(row_id, row)
                self._end(slot, self._reconsidered.get(slot.number, KEPT), row)

    def settle(self) -> bool:
        """Say whether the set is done: every cell has its quota, and no filter takes a row back that it now sees so.

        Filters that see a set as a whole are asked when it is complete; a row that one of them drops is rejected, and
        its cell is short again.
        """
        if not self.is_full:
            return False
        for filter_ in self._reconsidering:
            kept = list(self.ledger.verdicts("kept"))
            gone = filter_.recheck_set([item.row for item in kept])
            for place, verdict in gone.items():
                self._take_back(
                    kept[place].slot, SlotOutcome("rejected", verdict.reason, filter_.name, verdict.evidence)
                )
            if gone:
                self.ledger.commit()
                return False
        return True

    def _take_back(self, number: int, ending: SlotOutcome) -> None:
        tally = self.tallies[self.ledger.cell(number)]
        tally.kept, tally.rejected = tally.kept - 1, tally.rejected + 1
        self.reasons[ending.reason] += 1
        self.ledger.take_back(number, ending.reason, ending.stage, ending.evidence)

    def row_id(self, number: int) -> str:
        """Return the id of a slot's row: task, seed and slot number."""
        return slot_id(self.task.name, self.seed, number)

    def _end(self, slot: Slot, ending: SlotOutcome, row: Row) -> None:
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
        may_reopen = bool(self._reconsidering)
        short = (cell for cell, tally in self.tallies.items() if may_reopen or not tally.is_full)
        return any(self.script.next_stem(cell) <= stem for cell in short)

    def close_open_slots(self) -> None:
        """End every slot that is still open once all quotas are full: surplus, rejected as such."""
        for slot in list(self._slots.values()):
            self._end(slot, SURPLUS, dict(slot.texts))
        self._ready.clear()
