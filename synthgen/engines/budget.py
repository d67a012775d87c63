"""What a model may be asked for: requests, and money where its tokens have a price."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from synthgen.dataset.ledger import StoredReply
from synthgen.engines.base import Reply, Request
from synthgen.engines.prices import Prices
from synthgen.errors import UserError

CHARACTERS_A_TOKEN = 3
"""Of a prompt, before a server has counted any."""
REPLIES_FOR_A_MEAN = 20


@dataclass(slots=True)
class Budget:
    """The requests to a model, and what its replies cost, in all processes that worked on the same.

    What is in flight is expected to cost what replies have cost on average, the first ones what they may cost at most.
    `beside` is the budget of another model that the same run asks: what that costs counts too.
    """

    requests: int = sys.maxsize
    prices: Prices | None = None
    max_cost: float | None = None
    prompt_tokens: int = 0
    output_tokens: int = 0
    replies: int = 0
    beside: Budget | None = None
    _most: float = 0.0

    def add(self, reply: Reply | StoredReply) -> None:
        """Count the tokens of a reply; UserError where there is a limit of money and the server counts none."""
        counted = reply.prompt_tokens or reply.output_tokens or reply.outcome != "ok" or reply.error
        if self.max_cost is not None and not counted:
            raise UserError(
                "the server reports no token counts, so the cost of a reply is unknown; leave out --max-cost"
            )
        self.add_tokens(reply.prompt_tokens, reply.output_tokens, 1)

    def add_tokens(self, prompt: int, output: int, replies: int) -> None:
        """Count the tokens of so many replies."""
        self.prompt_tokens += prompt
        self.output_tokens += output
        self.replies += replies

    def join(self, other: Budget) -> None:
        """Let what the other model costs count here, and the reverse."""
        self.beside, other.beside = other, self

    @property
    def tokens(self) -> tuple[int, int]:
        """Tokens of prompts and of replies."""
        return self.prompt_tokens, self.output_tokens

    @property
    def own_cost(self) -> float:
        """What the replies of this model cost; 0 without prices."""
        return self.prices.cost(*self.tokens) if self.prices else 0.0

    @property
    def estimates(self) -> bool:
        """Whether it is still to be noted what requests may cost."""
        return self.prices is not None and self.replies < REPLIES_FOR_A_MEAN

    @property
    def cost(self) -> float:
        """What all replies of the run cost."""
        return self.own_cost + (self.beside.own_cost if self.beside else 0.0)

    @property
    def cost_note(self) -> str:
        """The cost for a line of progress; empty without prices."""
        return f"cost {self.cost:,.2f}" if self.prices or (self.beside and self.beside.prices) else ""

    def allows(self, requests: int, in_flight: int) -> bool:
        """Say whether one more request may be sent when so many were, and so many are in flight."""
        return requests < self.requests and not self.is_spent(in_flight)

    def is_spent(self, in_flight: int = 0) -> bool:
        """Say whether one more reply, beside those in flight, would cost more than the run may."""
        if self.max_cost is None or not (self.replies or in_flight):
            return False
        mean = self.own_cost / self.replies if self.replies >= REPLIES_FOR_A_MEAN else self._most
        return self.cost + (in_flight + 1) * mean > self.max_cost

    @property
    def fault(self) -> str:
        """What is said when the money is spent."""
        return f"the next reply could exceed --max-cost {self.max_cost:g}; {self.cost:,.4f} is spent"

    def note(self, request: Request) -> None:
        """Note what a request may cost at most."""
        if self.prices and self.estimates:
            prompt = (len(request.prompt) + len(request.system)) // CHARACTERS_A_TOKEN
            self._most = max(self._most, self.prices.cost(prompt, request.sampling.limit))

    def facts(self) -> dict[str, Any]:
        """Return the prices and the cost for a manifest, that of the model beside apart; nothing without prices."""
        facts = self.prices.facts(*self.tokens) if self.prices else {}
        if self.beside and self.beside.prices:
            facts |= {"judge": round(self.beside.own_cost, 6), "total": round(self.cost, 6)}
        return facts
