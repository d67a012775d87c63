"""Requests, replies, the protocol that all engines follow, retries, and an engine's entry in the registry."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any, Literal, Protocol

from synthgen.models.packs import ResolvedModel

TRIES = 4
FIRST_DELAY = 0.5
"""Seconds before the first second try; each later one waits twice as long."""
Outcome = Literal["ok", "http", "timeout", "busy"]
"""`http`: the server failed or refused; `busy`: it had no room (429, 503), which is no fault of the request."""

TRUNCATED = "truncated"
"""The `error` of a reply that came but ended at its token limit."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How one reply is sampled. `schema` constrains it to JSON; a plain completion has none."""

    max_tokens: int
    temperature: float
    top_k: int
    stop: tuple[str, ...]
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt. `tag` identifies it to the caller; `nonce` makes equal prompts different requests.

    `delay` is the seconds that an engine with a server waits before sending it, after a failure.
    """

    tag: tuple[int, int]
    prompt: str
    sampling: Sampling
    nonce: int = 0
    delay: float = 0.0

    def key(self, model: str, revision: str) -> str:
        """Return the content address of this request to this model: model, revision, sampling, schema, prompt."""
        digest = _digest(model, revision, self.sampling).copy()
        digest.update(f"{self.nonce}\n{self.prompt}".encode("utf-8", "surrogatepass"))
        return str(digest.hexdigest())


@cache
def _digest(model: str, revision: str, sampling: Sampling) -> Any:  # noqa: ANN401 - hashlib has no public type for it
    """Return the hash of what requests with the same sampling share."""
    shared = {"model": model, "revision": revision, **asdict(sampling)}
    return hashlib.blake2b((json.dumps(shared, sort_keys=True) + "\n").encode(), digest_size=16)


@dataclass(frozen=True, slots=True)
class Reply:
    """The text of a reply, or its failure; token counts as the engine reports them."""

    tag: tuple[int, int]
    outcome: Outcome
    text: str = ""
    error: str = ""
    prompt_tokens: int = 0
    output_tokens: int = 0


NextRequest = Callable[[], Request | None]


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

    def close(self) -> None:
        """Free the engine's processes and memory; calling it twice is fine."""
        return


def run_with_retries(engine: Engine, requests: Sequence[Request], first_delay: float = FIRST_DELAY) -> Iterator[Reply]:
    """Yield a reply for every request, in any order; a failed one only after the last of `TRIES`. Tags must differ."""
    open_requests = {request.tag: request for request in requests}
    for tries in range(TRIES):
        delay = first_delay * 2**tries if tries else 0.0
        source = iter([replace(request, delay=delay) for request in open_requests.values()])
        for reply in engine.run(lambda source=source: next(source, None)):  # type: ignore[misc]
            if reply.outcome == "ok" or tries == TRIES - 1:
                del open_requests[reply.tag]
                yield reply
        if not open_requests:
            return


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """An engine as its module declares it: `ENGINE = EngineSpec(name, open, resolve)`.

    `open(model, seed, timeout)` starts it, `resolve(ref, timeout)` finds the model of a reference. `serves` is the kind
    of reference: a model folder or id, a server's address, or a file of replies; `on_ray` allows `--ray`.
    """

    name: str
    open: Callable[[ResolvedModel, int, float], Engine]
    resolve: Callable[[str, float], ResolvedModel]
    serves: Literal["model", "address", "replies"] = "model"
    on_ray: bool = False
