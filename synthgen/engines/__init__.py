"""Engines turn requests into replies: vLLM in process, any OpenAI-compatible endpoint, or a script for tests.

An engine asks its caller for the next request whenever it has room and yields replies as they finish, so that the
caller decides at the last moment what is worth asking for.
"""

from __future__ import annotations

from functools import partial

from synthgen.engines.base import Engine, NextRequest, Outcome, Reply, Request, Sampling
from synthgen.engines.scripted import ScriptedEngine, read_replies, resolve_replies
from synthgen.errors import UserError, unknown
from synthgen.models.packs import ResolvedModel, resolve

ENGINES = ("vllm", "endpoint", "scripted")
ADDRESSES = ("http://", "https://")
"""How a reference begins that is the address of an endpoint."""
DEFAULT_TIMEOUT = 300.0
"""Seconds an endpoint may take for one reply. Long, because a busy local server may need minutes for its queue."""

__all__ = ["Engine", "NextRequest", "Outcome", "Reply", "Request", "Sampling"]


def check_engine(name: str, *, timeout: float = DEFAULT_TIMEOUT, ray: str | None = None) -> None:
    """Raise UserError for an unknown engine, a timeout that is none, and for a cluster the engine has no use for."""
    if name not in ENGINES:
        raise unknown("engine", name, ENGINES)
    if timeout <= 0:
        raise UserError(f"--timeout {timeout:g} is no time to wait; give seconds above 0")
    if ray is not None and name != "vllm":
        raise UserError(f"--ray puts vLLM engines on a cluster; --engine {name} runs here, leave one of the two out")


def engine_of(ref: str) -> str:
    """Return the engine that a reference alone asks for: an endpoint's for an address, a script's for `.jsonl`."""
    if ref.startswith(ADDRESSES):
        return "endpoint"
    return "scripted" if ref.endswith(".jsonl") else "vllm"


def resolve_model(engine: str, ref: str, *, timeout: float) -> ResolvedModel:
    """Return the model that a reference means to an engine: a folder, what a server serves, or a file of replies."""
    check_engine(engine, timeout=timeout)
    if engine == "endpoint":
        from synthgen.engines.endpoint_address import resolve_endpoint

        return resolve_endpoint(ref, timeout=timeout)
    if ref.startswith(ADDRESSES):
        raise UserError(f"--model {ref} is an endpoint; add --engine endpoint")
    return resolve_replies(ref) if engine == "scripted" else resolve(ref)


def open_engine(
    name: str, model: ResolvedModel, *, seed: int, timeout: float = DEFAULT_TIMEOUT, ray: str | None = None
) -> Engine:
    """Return a started engine; UserError for an unknown name or a model it cannot serve.

    `timeout` is how long an endpoint may take for a reply, in seconds. With `ray`, an address or `auto`, it stands for
    one vLLM engine per GPU of that cluster.
    """
    check_engine(name, ray=ray)
    if name == "endpoint":
        from synthgen.engines.endpoint import EndpointEngine

        return EndpointEngine(model, timeout=timeout)
    if name == "scripted":
        return ScriptedEngine(read_replies(model.path))
    if ray is not None:
        from synthgen.engines.ray_engine import RayEngine

        return RayEngine(partial(_open_there, name, model.ref, seed), address=ray)
    from synthgen.engines.vllm import VllmEngine

    return VllmEngine(model, seed=seed)


def _open_there(name: str, ref: str, seed: int, number: int) -> Engine:
    """Start an engine on the machine that this runs on, which finds the model in its own cache or fetches it."""
    return open_engine(name, resolve(ref), seed=seed + SEED_STRIDE * number)


SEED_STRIDE = 1_000_003
"""Between the seeds of two engines of one run: equal seeds would give equal replies to equal prompts."""
