"""Engines turn requests into replies: vLLM in process, any OpenAI-compatible endpoint, or scripted replies for tests.

An engine pulls the next request from its caller whenever it has room and yields replies as they finish, so that the
caller decides at the last moment what is worth requesting. Every module of this package with an `ENGINE` is one.
"""

import pkgutil
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from types import MappingProxyType
from typing import Any

from synthgen.engines.arguments import gpus
from synthgen.engines.base import Engine, EngineOptions, EngineSpec, NextRequest, Outcome, Reply, Request, Sampling
from synthgen.engines.openai_api import ADDRESSES
from synthgen.engines.scripted import ScriptedEngine, read_replies, resolve_replies
from synthgen.errors import UserError, unknown
from synthgen.models.packs import ResolvedModel, resolve

DEFAULT_ENGINES = {"model": "vllm", "address": "endpoint", "replies": "scripted"}
"""The engine of each kind of reference."""
ENGINES = tuple(DEFAULT_ENGINES.values())
DEFAULT_TIMEOUT = EngineOptions().timeout
"""Seconds an endpoint may take for one reply. Long, because a busy local server may need minutes for its queue."""
NONE: Mapping[str, Any] = MappingProxyType({})
"""No arguments of an engine's own."""
SEED_STRIDE = 1_000_003
"""Between the seeds of two engines of one run: equal seeds would give equal replies to equal prompts."""

__all__ = [
    "ADDRESSES", "Engine", "NextRequest", "Outcome", "Reply", "Request", "Sampling", "ScriptedEngine", "read_replies",
    "resolve_replies",
]  # fmt: skip


def engine_specs() -> dict[str, EngineSpec]:
    """Return all engines by name, the default ones first."""
    modules = [import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    specs = {module.ENGINE.name: module.ENGINE for module in modules if hasattr(module, "ENGINE")}
    return {name: specs[name] for name in (*DEFAULT_ENGINES.values(), *specs)}


def check_engine(
    name: str, *, timeout: float = DEFAULT_TIMEOUT, ray: str | None = None, arguments: Mapping[str, Any] = NONE
) -> EngineSpec:
    """Return the engine of that name; UserError for an unknown one, a timeout of 0, a cluster or arguments it has not.

    What the arguments are is checked later, by `resolve_model` and `open_engine`.
    """
    if name not in (specs := engine_specs()):
        raise unknown("engine", name, specs)
    if timeout <= 0:
        raise UserError(f"--timeout {timeout:g} is not a waiting time; give seconds above 0")
    if ray is not None and not specs[name].on_ray:
        raise UserError(
            f"--ray starts vLLM engines on a cluster; --engine {name} runs in this process: leave one of the two out"
        )
    if arguments and specs[name].check_arguments is None:
        raise UserError(f"--engine-args are arguments of vLLM; --engine {name} takes none")
    return specs[name]


def takes_arguments(name: str) -> bool:
    """Say whether an engine has arguments of its own."""
    return engine_specs()[name].check_arguments is not None


def engine_of(ref: str) -> str:
    """Return the engine for a reference alone: endpoint for an address, scripted for `.jsonl`, else vllm."""
    if ref.startswith(ADDRESSES):
        return DEFAULT_ENGINES["address"]
    return DEFAULT_ENGINES["replies" if ref.endswith(".jsonl") else "model"]


def resolve_model(
    engine: str, ref: str, *, timeout: float, ray: str | None = None, arguments: Mapping[str, Any] = NONE
) -> ResolvedModel:
    """Return the model that a reference means to an engine: a folder, a server's model, or a file of replies.

    UserError, before anything is fetched, for an engine that is not installed, unless it runs on a cluster (`ray`), and
    for wrong arguments.
    """
    spec = check_engine(engine, timeout=timeout, arguments=arguments)
    if ref.startswith(ADDRESSES) and spec.serves != "address":
        raise UserError(f"--model {ref} is an endpoint; add --engine endpoint")
    if arguments and spec.check_arguments:
        spec.check_arguments(arguments)
    return resolve(ref) if ray is not None else spec.resolve(ref, timeout)


def open_engine(
    name: str,
    model: ResolvedModel,
    *,
    seed: int,
    timeout: float = DEFAULT_TIMEOUT,
    ray: str | None = None,
    arguments: Mapping[str, Any] = NONE,
    rows: int | None = None,
) -> Engine:
    """Return a started engine; UserError for an unknown name, a model it cannot serve, or arguments it does not have.

    `timeout` is how long an endpoint may take for a reply, in seconds; `rows` are to be generated. With `ray`, an
    address or `auto`, it stands for the engines of that cluster, one per GPU, or per as many as its arguments say.
    """
    spec = check_engine(name, ray=ray, arguments=arguments)
    if ray is not None:
        from synthgen.engines.ray_engine import RayEngine

        start = partial(_open_there, name, model.pinned_ref, seed, arguments=dict(arguments))
        return RayEngine(start, address=ray, gpus=gpus(arguments))
    return spec.open(model, EngineOptions(seed, timeout, arguments, rows))


def _open_there(name: str, ref: str, seed: int, number: int, *, arguments: Mapping[str, Any]) -> Engine:
    """Start an engine on the machine that this runs on, which finds the model in its own cache or fetches it."""
    return open_engine(name, resolve(ref), seed=seed + SEED_STRIDE * number, arguments=arguments)
