"""What a run may use: requests, and money where tokens have a price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from synthgen.engines import Reply, Request
from synthgen.engines.prices import Prices

CHARACTERS_A_TOKEN = 3
"""Of a prompt, before a server has counted any."""
REPLIES_FOR_A_MEAN = 20


@dataclass(slots=True)
class Budget:
    """The requests of a run, and what its replies cost, in all processes that worked on it.

    What is in flight is expected to cost what replies have cost on average, the first ones what they may cost at most.
    """

    requests: int
    prices: Prices | None = None
    max_cost: float | None = None
    prompt_tokens: int = 0
    output_tokens: int = 0
    replies: int = 0
    _most: float = 0.0

    def add(self, reply: Reply) -> None:
        """Count the tokens of a reply."""
        self.prompt_tokens += reply.prompt_tokens
        self.output_tokens += reply.output_tokens
        self.replies += 1

    @property
    def cost(self) -> float:
        """What the replies cost; 0 without prices."""
        return self.prices.cost(self.prompt_tokens, self.output_tokens) if self.prices else 0.0

    def allows(self, requests: int, in_flight: int) -> bool:
        """Say whether one more request may be sent when so many were, and so many are in flight."""
        return requests < self.requests and not self.is_spent(in_flight)

    def is_spent(self, in_flight: int = 0) -> bool:
        """Say whether one more reply, beside those in flight, would cost more than the run may."""
        if self.max_cost is None or not (self.replies or in_flight):
            return False
        mean = self.cost / self.replies if self.replies >= REPLIES_FOR_A_MEAN else self._most
        return self.cost + (in_flight + 1) * mean > self.max_cost

    def note(self, request: Request) -> None:
        """Note what a request may cost at most."""
        if self.prices and self.replies < REPLIES_FOR_A_MEAN:
            prompt = (len(request.prompt) + len(request.system)) // CHARACTERS_A_TOKEN
            self._most = max(self._most, self.prices.cost(prompt, request.sampling.limit))

    def facts(self) -> dict[str, Any]:
        """Return the prices and the cost for a manifest; nothing without prices."""
        if self.prices is None:
            return {}
        prices = {"per_million_prompt_tokens": self.prices.prompt, "per_million_output_tokens": self.prices.output}
        return {"total": round(self.cost, 6), **prices}
