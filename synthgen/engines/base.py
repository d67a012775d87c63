"""Requests, replies, the work around them, the protocol of all engines, retries, an engine's entry in the registry."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Any, Generic, Literal, Protocol, TypeVar, runtime_checkable

from synthgen.engines.reply_text import split_reasoning
from synthgen.models.packs import ResolvedModel

TRIES = 4
MOST_TURNS = 50
"""As often a request is sent at most, answers that there is no room included."""
FIRST_DELAY = 0.5
"""Seconds before the first second try; each later one waits twice as long."""
Outcome = Literal["ok", "http", "timeout", "busy", "refused"]
"""`http`: the server failed; `busy`: it had no room (429, 503), no fault of the request; `refused`: a fault of it."""

TRUNCATED = "truncated"
"""The `error` of a reply that came but ended at its token limit."""
EMPTY = "empty reply"
"""What is wrong with a reply that says nothing, or only what the model thought."""
UNREADABLE = "unreadable JSON"
"""What is wrong with a reply in which no object stands that was asked for."""
THINKING_TOKENS = 4096
"""Room for what a model thinks before it replies."""
OBJECT_TOKENS = 16
"""Room in a JSON object beside its texts and an empty object of the same keys: escapes, spaces."""


def tries_spent(outcome: str) -> int:
    """Return how many of its tries a failure takes from a request: a refusal half of them, it is sent once more."""
    return TRIES // 2 if outcome == "refused" else 1


@dataclass(frozen=True, slots=True)
class Sampling:
    """How one reply is sampled. `schema` constrains it to JSON; a plain completion has none.

    `max_tokens` are those of its texts; `thinking` lets the model think aloud before it replies.
    """

    max_tokens: int
    temperature: float
    top_k: int
    stop: tuple[str, ...]
    schema: str | None = None
    thinking: bool = False

    @property
    def limit(self) -> int:
        """Most tokens of the whole reply: its texts, the JSON object around them, what is thought before."""
        return self.max_tokens + _object_tokens(self.schema) + (THINKING_TOKENS if self.thinking else 0)


@cache
def _object_tokens(schema: str | None) -> int:
    """Return the tokens that an object takes beside its texts: a character of an empty one is at most a token."""
    if schema is None:
        return 0
    return len(json.dumps(dict.fromkeys(json.loads(schema).get("required", ()), ""))) + OBJECT_TOKENS


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt. `tag` identifies it to the caller; `nonce` makes equal prompts different requests.

    `system` is the system prompt, empty for none; `delay` the seconds that an engine with a server waits before
    sending the request, after a failure.
    """

    tag: tuple[int, int]
    prompt: str
    sampling: Sampling
    nonce: int = 0
    delay: float = 0.0
    system: str = ""

    def key(self, model: str, revision: str) -> str:
        """Return the content address of this request to this model: model, revision, sampling, schema, prompts."""
        digest = _digest(model, revision, self.sampling).copy()
        system = f"{self.system}\n" if self.system else ""
        digest.update(f"{self.nonce}\n{system}{self.prompt}".encode("utf-8", "surrogatepass"))
        return str(digest.hexdigest())


def messages(request: Request, *, has_system: bool = True) -> list[dict[str, str]]:
    """Return a request as the messages of a chat; without a system role the system prompt stands before the prompt."""
    if request.system and has_system:
        return [{"role": "system", "content": request.system}, {"role": "user", "content": request.prompt}]
    return [{"role": "user", "content": completion_prompt(request)}]


def completion_prompt(request: Request) -> str:
    """Return a request as the one text of a plain completion."""
    return f"{request.system}\n\n{request.prompt}" if request.system else request.prompt


@cache
def _digest(model: str, revision: str, sampling: Sampling) -> Any:  # noqa: ANN401 - hashlib has no public type for it
    """Return the hash of what requests with the same sampling share."""
    shared = {"model": model, "revision": revision, **asdict(sampling)}
    if not sampling.thinking:  # as the keys were before there was a choice
        del shared["thinking"]
    return hashlib.blake2b((json.dumps(shared, sort_keys=True) + "\n").encode(), digest_size=16)


@dataclass(frozen=True, slots=True)
class Reply:
    """The text of a reply, or its failure; token counts as the engine reports them.

    A reply that came has an `error` too where no text of it is to be used: it was cut off, or is a refusal.
    `reasoning` is what the model thought before, `reasoning_tokens` the output tokens of it.
    """

    tag: tuple[int, int]
    outcome: Outcome
    text: str = ""
    error: str = ""
    prompt_tokens: int = 0
    output_tokens: int = 0
    reasoning: str = ""
    reasoning_tokens: int = 0


def text_reply(
    tag: tuple[int, int],
    text: str,
    *,
    tokens: tuple[int, int],
    error: str = "",
    reasoning: str = "",
    reasoning_tokens: int | None = None,
) -> Reply:
    """Return the reply with a text, what was thought aloud in it apart; `tokens` are those of prompt and output.

    Without a count of its own, the thought has the share of the output tokens that it has of the characters.
    """
    inline_reasoning, text = split_reasoning(text)
    reasoning = "\n".join(filter(None, (reasoning, inline_reasoning)))
    if reasoning_tokens is None:
        reasoning_tokens = round(tokens[1] * len(reasoning) / max(1, len(reasoning) + len(text)))
    error = error or ("" if text.strip() else EMPTY)
    return Reply(tag, "ok", text, error, *tokens, reasoning, reasoning_tokens)


NextRequest = Callable[[], Request | None]


class HasTag(Protocol):
    """A request, its reply or its result: each has the tag of the request."""

    @property
    def tag(self) -> tuple[int, int]:
        """The tag of the request."""


Order = TypeVar("Order", bound=HasTag)
Result = TypeVar("Result", bound=HasTag)


class Work(ABC, Generic[Order, Result]):
    """What is done for each reply beside replying, in the process of its engine: a cluster's engine sends it there."""

    @abstractmethod
    def request(self, order: Order) -> Request:
        """Return the request of an order, which has the same tag."""

    @abstractmethod
    def result(self, order: Order, request: Request, reply: Reply) -> Result:
        """Return what a reply comes to, with the same tag."""


class NoWork(Work[Request, Reply]):
    """Requests and replies as they are."""

    def request(self, order: Request) -> Request:
        """Return the request."""
        return order

    def result(self, order: Request, request: Request, reply: Reply) -> Reply:
        """Return the reply."""
        return reply


@runtime_checkable
class Engine(Protocol):
    """A server of one model; subclasses inherit a `check` that accepts all requests and a `close` without effect."""

    @property
    def name(self) -> str:
        """The engine's name in the registry."""

    @property
    def versions(self) -> dict[str, str]:
        """Package versions that determine the replies."""

    def check(self, request: Request) -> None:
        """Raise UserError when no request of this kind can be served: its schema, its length, its chat template."""
        return

    def run(self, next_request: NextRequest) -> Iterator[Reply]:
        """Yield replies as they finish, in any order, until `next_request` gives None with none in flight.

        `next_request` is called whenever there is room; None means no request now.
        """

    def results(self, work: Work[Order, Result], next_order: Callable[[], Order | None]) -> Iterator[Result]:
        """Yield the results of orders as their replies come, as `run` does with requests."""
        in_flight: dict[tuple[int, int], tuple[Order, Request]] = {}

        def next_request() -> Request | None:
            """Return the request of the next order."""
            if (order := next_order()) is None:
                return None
            request = work.request(order)
            in_flight[request.tag] = order, request
            return request

        for reply in self.run(next_request):
            yield work.result(*in_flight.pop(reply.tag), reply)

    def close(self) -> None:
        """Free the engine's processes and memory; calling it twice is fine."""
        return


class SpendingLimit(Protocol):
    """A limit on the money spent on replies."""

    def is_spent(self, in_flight: int = 0) -> bool:
        """Say whether one more reply, beside those in flight, would cost more than there is."""

    def note(self, request: Request) -> None:
        """Note a request that is sent."""

    def add(self, reply: Reply) -> None:
        """Take note of what a reply cost."""


def run_with_retries(
    engine: Engine,
    requests: Sequence[Request],
    first_delay: float = FIRST_DELAY,
    spending_limit: SpendingLimit | None = None,
) -> Iterator[Reply]:
    """Yield a reply for every request, in any order; a failed one only after the last of `TRIES`. Tags must differ.

    A busy server is no failure: an engine ends the work itself when the server stays busy. When `spending_limit` is
    reached, the remaining requests are not sent.
    """
    open_requests = {request.tag: request for request in requests}
    failures: Counter[tuple[int, int]] = Counter()
    for turn in range(MOST_TURNS):
        delay = first_delay * 2 ** min(turn, TRIES) if turn else 0.0
        waiting = deque(replace(request, delay=delay) for request in open_requests.values())
        for reply in _replies(engine, waiting, spending_limit):
            waits = reply.outcome == "busy" and turn < MOST_TURNS - 1
            failures[reply.tag] += 0 if reply.outcome == "ok" or waits else tries_spent(reply.outcome)
            if reply.outcome == "ok" or (not waits and failures[reply.tag] >= TRIES) or turn == MOST_TURNS - 1:
                del open_requests[reply.tag]
                yield reply
        if not open_requests or waiting:
            return


def _replies(engine: Engine, waiting: deque[Request], spending_limit: SpendingLimit | None) -> Iterator[Reply]:
    """Yield the replies to the waiting requests, which are taken away as they are sent, while there is money."""
    in_flight = 0

    def next_request() -> Request | None:
        """Return the next request that there is money for."""
        nonlocal in_flight
        if not waiting or (spending_limit and spending_limit.is_spent(in_flight)):
            return None
        in_flight += 1
        if spending_limit:
            spending_limit.note(waiting[0])
        return waiting.popleft()

    while waiting and not (spending_limit and spending_limit.is_spent()):
        for reply in engine.run(next_request):
            in_flight -= 1
            if spending_limit:
                spending_limit.add(reply)
            yield reply


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How an engine is started: seed, seconds that a server may take for a reply, arguments of the engine's own.

    `rows` is how many it will generate, None where that is not known.
    """

    seed: int = 0
    timeout: float = 300.0
    arguments: Mapping[str, Any] = field(default_factory=dict)
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """An engine as its module declares it: `ENGINE = EngineSpec(name, open, resolve)`.

    `open` starts it, `resolve(ref, timeout)` finds the model of a reference. `serves` is the kind of reference: a model
    folder or id, a server's address, or a file of replies; `on_ray` allows `--ray`. An engine with arguments of its own
    has `check_arguments`, which raises UserError for a wrong one.
    """

    name: str
    open: Callable[[ResolvedModel, EngineOptions], Engine]
    resolve: Callable[[str, float], ResolvedModel]
    serves: Literal["model", "address", "replies"] = "model"
    on_ray: bool = False
    check_arguments: Callable[[Mapping[str, Any]], None] | None = None
