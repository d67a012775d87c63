"""The controller of a run: which slot to open next and what each reply comes to, until exactly n rows are kept.

The controller is a fold over slots and replies: replaying the ledger's replies gives the same state, which is how a run
resumes and how verdicts are recomputed without a model. What concerns one slot alone is `SlotWork`, done where the
engine runs.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from synthgen.dataset import manifest
from synthgen.dataset.ledger import Ledger, StoredReply, StoredVerdict
from synthgen.engines.base import TRIES, tries_spent
from synthgen.engines.reply_faults import LEAST_SHARE, MIN_ENDED, MIN_REPLIES
from synthgen.errors import excerpt, shorten
from synthgen.filters.base import Filter
from synthgen.filters.pipeline import OnlinePipeline
from synthgen.formats.base import Row
from synthgen.generation.prompt_chain import PromptChain
from synthgen.generation.row_checks import Outcome, RowChecks
from synthgen.generation.slot_work import PARSE, ParsedReply, SlotReply, SlotWork
from synthgen.generation.slots import QuotaCounter, RequestQueue, SharedContexts, Slot, SlotOutcome
from synthgen.models.packs import ResolvedModel

MIN_FAILED = 20
MAX_FAILED_SHARE = 0.1
"""More failed slots than 20, and than a tenth of all that ended, stop the run."""
REPLAY_BATCH = 512
"""Slots that the filters check together when a run is resumed."""
KEPT = SlotOutcome("kept", "", "", "")
SURPLUS = SlotOutcome("rejected", manifest.SURPLUS, "", "its label has enough rows")


class Controller:
    """Opens slots only for cells with a shortage, checks complete rows, and records everything in the ledger."""

    def __init__(
        self,
        chain: PromptChain,
        quotas: dict[str, int],
        *,
        filters: Sequence[Filter],
        ledger: Ledger,
        model: ResolvedModel,
    ) -> None:
        """Start with nothing kept; `resume` restores the state of an earlier process."""
        self.chain, self.ledger = chain, ledger
        self.filters, self._pipeline = filters, OnlinePipeline(filters)
        self.work = SlotWork(chain, self._pipeline.row_filters, model, ledger.packer)
        self._checks = RowChecks(self._pipeline, self.work, chain.teacher)
        self._set_filters = [filter_ for filter_ in filters if filter_.rechecks_set]
        self._revoked: dict[int, SlotOutcome] = {}
        self._contexts = SharedContexts(shared=chain.shares_contexts)
        self.counters = {cell: QuotaCounter(quota) for cell, quota in quotas.items()}
        self.reasons: Counter[str] = Counter()
        self.attempts: Counter[str] = Counter()
        self.requests = 0
        self._slots: dict[int, Slot] = {}
        self._queue = RequestQueue()
        self._next_number = 0
        self._totals_before = (0, 0)
        self._attempts_before: Counter[str] = Counter()
        self._cells_before: dict[str, tuple[int, int]] = {}
        self._rejection = SURPLUS
        self._request_error = ""

    @property
    def kept(self) -> int:
        """Rows kept so far."""
        return sum(counter.kept for counter in self.counters.values())

    @property
    def is_full(self) -> bool:
        """Whether every cell has its quota."""
        return all(counter.is_full for counter in self.counters.values())

    @property
    def requests_failing(self) -> bool:
        """Whether so many slots have failed since the start of this process that going on would waste the budget."""
        failed, ended = (now - before for now, before in zip(self._totals(), self._totals_before, strict=True))
        return failed > max(MIN_FAILED, MAX_FAILED_SHARE * ended)

    @property
    def waste(self) -> str:
        """Why going on would waste the budget, by what this process has seen, with an example; empty for no reason."""
        bad, ok = (self.attempts[name] - self._attempts_before[name] for name in ("bad", "ok"))
        if bad >= MIN_REPLIES and not ok:
            return f"none of {bad} replies can be used{self._commonest_fault()}"
        for cell, counter in self.counters.items():
            kept_before, ended_before = self._cells_before.get(cell, (0, 0))
            kept, ended = counter.kept - kept_before, counter.ended - ended_before
            if ended >= MIN_ENDED and kept < LEAST_SHARE * ended and counter.shortage > 0:
                return f"only {kept} of {ended} rows for '{cell}' are kept{self._commonest_fault()}"
        return ""

    @property
    def failed_requests(self) -> str:
        """How many requests got no reply, and why the last did not; empty where none failed."""
        failed = self.attempts["http"] + self.attempts["timeout"]
        return f"{failed} requests failed, the last with: {shorten(self._request_error, 200)}" if failed else ""

    def _commonest_fault(self) -> str:
        (reason, count), *_ = self.reasons.most_common(1)
        example = excerpt(self._rejection.evidence)
        return f"; most frequent rejection: {reason} ({count} rows), the last: {self._rejection.reason}, '{example}'"

    def _totals(self) -> tuple[int, int]:
        """Return how many slots have failed, and how many have ended in any way."""
        counters = self.counters.values()
        return sum(counter.failed for counter in counters), sum(counter.ended for counter in counters)

    def resume(self, *, versions: Mapping[str, str]) -> None:
        """Restore the state from the ledger by checking every stored reply again; open requests are queued.

        `versions` of the parser and the filters are recorded. A stored reply whose request is no longer the one that
        the task would make of the model is not used: its slot makes the request again.
        """
        self.ledger.clear_verdicts(versions)
        self._revoked = {slot: SlotOutcome("rejected", *reason) for slot, reason in self.ledger.revoked()}
        stored_slots = self.ledger.slots()
        for stored in self.ledger.replies():
            self._reopen(stored_slots, until=stored.slot)
            self._queue.clear()
            slot = self._slots.get(stored.slot)
            if slot and slot.step == stored.step and self.work.key(self.chain.request(slot)) == stored.request_key:
                self.requests += 1
                self._advance(slot, stored, self.work.read(slot, stored))
            else:
                self._count_unused(stored)
            if len(self._checks) >= REPLAY_BATCH:
                self.check_complete()
        self._reopen(stored_slots, until=None)
        self.check_complete()
        self._queue.clear()
        self._queue.add(*(slot for slot in self._slots.values() if not self._contexts.waits(slot)))
        self._totals_before, self._attempts_before = self._totals(), self.attempts.copy()
        self._cells_before = {cell: (counter.kept, counter.ended) for cell, counter in self.counters.items()}
        if self.is_full:
            self.close_open_slots()

    def _reopen(self, stored_slots: Iterator[tuple[int, str]], *, until: int | None) -> None:
        """Open the ledger's slots up to a number, all when None, so that only those in use are held in memory."""
        while (until is None or self._next_number <= until) and (stored := next(stored_slots, None)) is not None:
            self._open(*stored)

    def next_slot(self) -> Slot | None:
        """Return the slot with the most useful request now: the next step of one, else the first of a new one."""
        self._decide(self._checks.due())
        if (slot := self._next_slot()) is None and self._checks.has_any:
            self.check_complete()
            slot = self._next_slot()
        if slot is not None:
            self.requests += 1
        return slot

    def _next_slot(self) -> Slot | None:
        if self.is_full:
            return None
        while (slot := self._queue.next()) is not None:
            if slot.number not in self._slots:
                continue
            if self.counters[slot.cell].is_full and not self._contexts.has_waiters(slot):
                self._end(slot, SURPLUS, dict(slot.texts))
                continue
            return slot
        while True:
            cell, counter = max(self.counters.items(), key=lambda item: item[1].shortage)
            if counter.shortage <= 0:
                return None
            self.ledger.add_slot(self._next_number, cell)
            if (slot := self._open(self._next_number, cell)) is not None:
                return slot

    def take(self, reply: SlotReply) -> None:
        """Record a reply and advance its slot.

        A slot that it completes waits for `check_complete`, which the next request calls at the latest.
        """
        self.ledger.add_reply(reply.stored, reply.prompt)
        slot = self._slots.get(reply.stored.slot)
        if slot is None:
            self._count(reply.stored, bad=bool(reply.reading and reply.reading.fault))
        elif self._advance(slot, reply.stored, reply.reading):
            if self.is_full:
                self._end(slot, SURPLUS, dict(slot.texts))
            else:
                self._queue.add(slot)
        self.ledger.commit_when_due()

    def _open(self, number: int, cell: str) -> Slot | None:
        """Open a slot; None when it waits for its context, or has ended because that failed."""
        slot = self._slots[number] = self.chain.open(number, cell)
        self._next_number = number + 1
        self.counters[cell].open += 1
        if (failure := self._contexts.join(slot)) is not None:
            self._end(slot, failure, {})
            return None
        return None if self._contexts.waits(slot) else slot

    def _advance(self, slot: Slot, reply: StoredReply, reading: ParsedReply | None) -> bool:
        """Advance a slot by one reply; True when it has another request to make."""
        if reading is None:
            self._count(reply)
            if reply.outcome == "busy":
                self.requests -= 1
                return True
            slot.tries += tries_spent(reply.outcome)
            if slot.tries < TRIES:
                return True
            self._abandon(slot, SlotOutcome("failed", reply.outcome, "request", reply.error))
            return False
        self._count(reply, bad=bool(reading.fault))
        if reading.fault:
            self._abandon(slot, SlotOutcome("rejected", reading.fault, PARSE, reply.text or reply.reasoning))
            return False
        slot.texts |= reading.texts
        slot.step, slot.tries = slot.step + 1, 0
        self._queue.add(*self._contexts.publish(slot))
        if not self.chain.is_complete(slot):
            return True
        self._checks.add(slot, reading.checked)
        return False

    def _count(self, reply: StoredReply, *, bad: bool = False) -> None:
        """Count an attempt by its outcome: ok, bad, http (busy and refused among them) or timeout."""
        outcome = "http" if reply.outcome in ("busy", "refused") else reply.outcome
        self.attempts["bad" if bad else outcome] += 1
        if reply.outcome != "ok":
            self._request_error = reply.error

    def _count_unused(self, reply: StoredReply) -> None:
        """Count the attempt of a slot that has ended already."""
        cell = self.ledger.cell(reply.slot)
        readable = reply.outcome != "ok" or self.chain.can_read(cell, reply.step, reply.text, reply.error)
        self._count(reply, bad=not readable)

    def _abandon(self, slot: Slot, outcome: SlotOutcome) -> None:
        """End a slot whose texts will stay incomplete, and the slots that wait for the context it was writing."""
        waiting = self._contexts.fail(slot, outcome)
        self._end(slot, outcome, dict(slot.texts))
        for waiter in waiting:
            self._end(waiter, outcome, {})

    def check_complete(self) -> None:
        """Filter the rows of all slots whose texts are complete, in the order in which they became so."""
        self._decide(self._checks.rest())

    def _decide(self, outcomes: Iterable[Outcome]) -> None:
        for slot, row, stage_drop in outcomes:
            if stage_drop is not None:
                stage, drop = stage_drop
                self._end(slot, SlotOutcome("rejected", drop.reason, stage, drop.evidence), row)
            elif self.counters[slot.cell].is_full:
                self._end(slot, SURPLUS, row)
            else:
                self._pipeline.add_kept(self.row_id(slot.number), row)
                self._end(slot, self._revoked.get(slot.number, KEPT), row)

    def close(self) -> None:
        """End what checks rows."""
        self._checks.close()

    def settle(self) -> bool:
        """Say whether the set is done: every cell has its quota, and no filter drops a row of the complete set.

        Filters that see a set as a whole check it when it is complete; a row that one of them drops is rejected, and
        its cell is short again.
        """
        if not self.is_full:
            return False
        for filter_ in self._set_filters:
            kept = list(self.ledger.verdicts("kept"))
            drops = filter_.recheck_set([item.row for item in kept])
            for place, drop in drops.items():
                self.counters[self.ledger.cell(kept[place].slot)].revoke()
                self.reasons[drop.reason] += 1
                self.ledger.revoke(kept[place].slot, drop.reason, filter_.name, drop.evidence)
            if drops:
                self.ledger.commit()
                return False
        return True

    def row_id(self, number: int) -> str:
        """Return the id of a slot's row."""
        return self.chain.row_id(number)

    def _end(self, slot: Slot, outcome: SlotOutcome, row: Row) -> None:
        self.counters[slot.cell].end(outcome.verdict)
        if outcome.verdict == "rejected":
            self.reasons[outcome.reason] += 1
            self._rejection = outcome
        self.ledger.add_verdict(StoredVerdict(slot.number, *outcome, row))
        del self._slots[slot.number]
        short = (cell for cell, counter in self.counters.items() if self._set_filters or not counter.is_full)
        still_opening = any(self.chain.next_context(cell) <= slot.context for cell in short)
        self._contexts.leave(slot, still_opening=still_opening)

    def close_open_slots(self) -> None:
        """End every slot that is still open once all quotas are full: surplus, rejected as such."""
        for slot in list(self._slots.values()):
            self._end(slot, SURPLUS, dict(slot.texts))
        self._queue.clear()
