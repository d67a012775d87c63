"""Many requests to one model at a time, for work that needs all replies: what judges and translators have in common.

A reply that can be used is kept in a ledger under the content address of its request, as it comes: it is paid for once,
also when the process is killed. Replies of which none can be used end the work, and so does a budget that is spent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from synthgen.dataset.ledger import Ledger
from synthgen.engines.base import FIRST_DELAY, Engine, Reply, Request, run_with_retries
from synthgen.engines.batch import BatchEngine
from synthgen.engines.budget import Budget
from synthgen.engines.reply_faults import ReplyFaults
from synthgen.errors import IncompleteError
from synthgen.models.packs import ResolvedModel

Fault = Callable[[Reply, Request], str]
"""What is wrong with a reply to a request; empty for one that can be used."""
UNUSED = ""
"""The key that has the tokens of all replies that could not be used."""
KEPT = "all replies are kept; run the same command again to continue"


class Asker:
    """Asks a model, remembers its replies, and ends what is a waste or costs too much."""

    def __init__(
        self,
        model: ResolvedModel,
        start: Callable[[], Engine],
        ledger: Ledger,
        *,
        budget: Budget | None = None,
        first_delay: float = FIRST_DELAY,
    ) -> None:
        """Ask `model` through the engine that `start` gives at the first question, which `close` stops.

        What the engine fails at is asked again after `first_delay` seconds or more.
        """
        self.model, self.ledger, self.budget = model, ledger, budget or Budget()
        self._start, self._first_delay = start, first_delay
        self._engine: Engine | None = None
        self._faults = ReplyFaults()
        self._spent, self._has_new = (0, 0), False
        self._unusable: dict[str, Reply] = {}
        """Replies that are not kept, so that a later process asks again."""
        self._count_earlier()

    def use(self, ledger: Ledger) -> None:
        """Keep replies, and the jobs of batches, in another ledger; what is in there has been paid for."""
        if isinstance(self._engine, BatchEngine):
            self.close()
        self.ledger = ledger
        self._count_earlier()

    def engine(self, example: Request) -> Engine:
        """Return the engine, started and able to serve such requests."""
        if self._engine is None:
            self._engine = self._start()
            self._engine.check(example)
        return self._engine

    def ask(self, requests: Sequence[Request], fault: Fault, complaint: str) -> list[Reply]:
        """Return the reply to each request, in order, with what is wrong with it as its `error`.

        Equal requests are one; a failed one has been sent several times. Raises IncompleteError when no reply can be
        used, with a `complaint` about the model, or when there is no money for the rest.
        """
        keys = [request.key(self.model.ref, self.model.revision) for request in requests]
        unique = dict(zip(keys, requests, strict=True))
        replies = {key: known for key, request in unique.items() if (known := self._known(key, request, fault))}
        missing = {request.tag: (key, request) for key, request in unique.items() if key not in replies}
        try:
            for reply in self._replies([request for _, request in missing.values()]):
                key, request = missing[reply.tag]
                reply = self._kept(key, reply, fault(reply, request) if reply.outcome == "ok" else reply.outcome)
                replies[key] = reply
                if reply.error and reply.outcome == "ok":
                    self._unusable[key] = reply
                if waste := self._faults.waste:
                    raise IncompleteError(f"{complaint}: {waste}", KEPT)
        finally:
            self.ledger.commit()
        if len(replies) < len(unique):
            raise IncompleteError(f"{self.budget.fault}; give a larger --max-cost", KEPT)
        self._has_new = True
        for reply in replies.values():
            self._spent = self._spent[0] + reply.prompt_tokens, self._spent[1] + reply.output_tokens
        return [replace(replies[key], tag=request.tag) for key, request in zip(keys, requests, strict=True)]

    def spent(self) -> tuple[int, int]:
        """Return the prompt and output tokens of the replies returned since the last call."""
        spent, self._spent = self._spent, (0, 0)
        return spent

    def forget(self) -> None:
        """Forget all replies: what is made of them goes into the ledger in the same transaction."""
        if self._has_new:
            self._unusable.clear()
            self.ledger.clear_judge_replies()
            self._has_new = False

    def close(self) -> None:
        """Stop the engine, if it was started."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _count_earlier(self) -> None:
        self.budget.add_tokens(*self.ledger.judge_totals())

    def _known(self, key: str, request: Request, fault: Fault) -> Reply | None:
        """Return what was replied before; None when nothing, or nothing of use by an earlier process."""
        if unusable := self._unusable.get(key):
            return unusable
        stored = self.ledger.judge_reply(key)
        if stored is None:
            return None
        text, prompt_tokens, output_tokens = stored
        reply = Reply(request.tag, "ok", text, "", prompt_tokens, output_tokens)
        return None if fault(reply, request) else reply

    def _replies(self, requests: Sequence[Request]) -> Iterator[Reply]:
        if requests:
            engine = self.engine(requests[0])
            yield from run_with_retries(engine, requests, self._first_delay, self.budget)

    def _kept(self, key: str, reply: Reply, fault: str) -> Reply:
        """Keep a reply that can be used; of others what they cost, all together."""
        self._faults.add(fault, reply.error if reply.outcome != "ok" else reply.text or reply.reasoning)
        text, prompt, output = reply.text, reply.prompt_tokens, reply.output_tokens
        if fault:
            _, prompt_before, output_before = self.ledger.judge_reply(UNUSED) or ("", 0, 0)
            key, text, prompt, output = UNUSED, "", prompt_before + prompt, output_before + output
        self.ledger.add_judge_reply(key, text, prompt, output)
        self.ledger.commit_when_due()
        return replace(reply, error=reply.error or fault)
