"""Engines turn requests into replies: vLLM in process, or a scripted one for tests and benchmarks.

An engine asks its caller for the next request whenever it has room and yields replies as they finish, so that the
caller decides at the last moment what is worth asking for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Literal, Protocol

from synthgen.errors import unknown
from synthgen.packs import ResolvedModel, resolve

ENGINES = ("vllm",)
"""Engines that are started by name; a scripted one needs its answers and is handed over started."""

Outcome = Literal["ok", "http", "timeout"]


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
    """One prompt. `tag` is the caller's own; `nonce` makes equal prompts different requests."""

    tag: tuple[int, int]
    prompt: str
    sampling: Sampling
    nonce: int = 0

    def key(self, model: str, revision: str) -> str:
        """Return the content address of this request to this model; equal requests have equal replies stored once."""
        content = {"model": model, "revision": revision, "prompt": self.prompt, "nonce": self.nonce}
        text = json.dumps(content | asdict(self.sampling), sort_keys=True, ensure_ascii=False)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for a request: the text, or how it failed; token counts as the engine reports them."""

    tag: tuple[int, int]
    outcome: Outcome
    text: str = ""
    error: str = ""
    prompt_tokens: int = 0
    output_tokens: int = 0


NextRequest = Callable[[], Request | None]


class Engine(Protocol):
    """A server of requests for one model."""

    @property
    def name(self) -> str:
        """The engine's name: vllm or scripted."""

    @property
    def versions(self) -> dict[str, str]:
        """Package versions that determine the replies."""

    def run(self, next_request: NextRequest) -> Iterator[Reply]:
        """Yield replies as they finish, in any order.

        `next_request` is called whenever there is room; None means nothing now. The iterator ends when there is
        nothing now and nothing in flight.
        """

    def close(self) -> None:
        """Free the engine's processes and memory; calling it twice is fine."""


def check_engine(name: str) -> None:
    """Raise UserError with the nearest name when no engine of that name can be started."""
    if name not in ENGINES:
        raise unknown("engine", name, ENGINES)


def open_engine(name: str, model: ResolvedModel, *, seed: int, ray: str | None = None) -> Engine:
    """Return a started engine; UserError for an unknown name or a model it cannot serve.

    With `ray`, an address or `auto`, it stands for one engine per GPU of that cluster.
    """
    check_engine(name)
    if ray is not None:
        from synthgen.engines.ray import RayEngine

        return RayEngine(partial(_open_there, name, model.ref, seed), address=ray)
    from synthgen.engines.vllm import VllmEngine

    return VllmEngine(model, seed=seed)


def _open_there(name: str, ref: str, seed: int, number: int) -> Engine:
    """Start an engine on the machine that this runs on, which finds the model in its own cache or fetches it."""
    return open_engine(name, resolve(ref), seed=seed + SEED_STRIDE * number)


SEED_STRIDE = 1_000_003
"""Between the seeds of two engines of one run: equal seeds would give equal replies to equal prompts."""
