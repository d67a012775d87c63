"""HTTP client for OpenAI-compatible servers: addresses, requests as JSON bodies, replies out of them.

The key comes from `SYNTHGEN_API_KEY` or `OPENAI_API_KEY` and is never written anywhere.
"""

from __future__ import annotations

import asyncio
import json
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthgen.engines.base import Reply, Request, Sampling
from synthgen.errors import IncompleteError, UserError, requires
from synthgen.models.packs import ResolvedModel

if TYPE_CHECKING:
    import aiohttp

ADDRESSES = ("http://", "https://")
"""How a reference begins that is the address of an endpoint."""
KEYS = ("SYNTHGEN_API_KEY", "OPENAI_API_KEY")
LONGEST_PAUSE = 30.0


def body(model: str, request: Request) -> tuple[str, str]:
    """Return the path and JSON body of a request: chat with `response_format` for a schema, else a plain completion."""
    prompt = json.dumps(request.prompt)
    if request.sampling.schema:
        message = f'{{"role": "user", "content": {prompt}}}'
        return "/chat/completions", f'{_shared(model, request.sampling)}, "messages": [{message}]}}'
    return "/completions", f'{_shared(model, request.sampling)}, "prompt": {prompt}}}'


@cache
def _shared(model: str, sampling: Sampling) -> str:
    """Return the beginning of the bodies of all requests with one sampling."""
    numbers = {name: getattr(sampling, name) for name in ("max_tokens", "temperature", "top_k")}
    shared: dict[str, Any] = {"model": model, **numbers}
    if sampling.stop:
        shared["stop"] = list(sampling.stop)
    if sampling.schema:
        schema = {"name": "reply", "strict": True, "schema": json.loads(sampling.schema)}
        shared["response_format"] = {"type": "json_schema", "json_schema": schema}
    return json.dumps(shared)[:-1]


def completion(request: Request, text: str) -> Reply:
    """Return the reply in a (chat) completion's JSON; a body of another shape is a server error."""
    try:
        body = json.loads(text)
        choice, usage = body["choices"][0], body.get("usage") or {}
        content = choice["message"]["content"] if "message" in choice else choice["text"]
        tokens = [int(usage.get(name) or 0) for name in ("prompt_tokens", "completion_tokens")]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return Reply(request.tag, "http", error=f"the reply is no completion: {text[:200]}")
    return Reply(request.tag, "ok", str(content or ""), "", *tokens)


def error_message(text: str) -> str:
    """Return what an error body says, at most 300 characters of one line."""
    try:
        body = json.loads(text)
        error = body.get("error", body) if isinstance(body, dict) else body
        text = str(error.get("message", error)) if isinstance(error, dict) else str(error)
    except ValueError:
        pass
    return " ".join(text.split())[:300]


def pause_seconds(retry_after: str) -> float:
    """Return the pause of a Retry-After header in seconds; half a second when it gives none (a date counts as none)."""
    try:
        return min(LONGEST_PAUSE, max(0.0, float(retry_after)))
    except ValueError:
        return 0.5


def open_session(timeout: float | None, key: str) -> aiohttp.ClientSession:
    """Return a client; `timeout` is for a whole reply, in seconds, None for no limit."""
    client = load_aiohttp()
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    limits = client.ClientTimeout(total=timeout, sock_connect=10.0)
    return client.ClientSession(connector=client.TCPConnector(limit=0), timeout=limits, headers=headers)  # type: ignore[no-any-return]


def api_key() -> str:
    """Return the key of the environment, empty when there is none."""
    return next((os.environ[name] for name in KEYS if os.environ.get(name)), "")


def load_aiohttp() -> Any:  # noqa: ANN401 - the module, imported when it is needed
    """Return the module aiohttp; UserError with its install line when it is missing."""
    with requires("aiohttp", "endpoint", "--engine endpoint"):
        import aiohttp
    return aiohttp


def parse_address(ref: str) -> tuple[str, str]:
    """Return address and model of `http://host:port/v1[#NAME]`; UserError for another shape, or a password in it.

    >>> parse_address("http://localhost:8000/v1/#tiny")
    ('http://localhost:8000/v1', 'tiny')
    """
    url, _, name = ref.partition("#")
    host = url.partition("://")[2].partition("/")[0]
    if not url.startswith(ADDRESSES) or not host:
        raise UserError(f"--model '{ref}' is no endpoint; give http://host:port/v1 or http://host:port/v1#NAME")
    if "@" in host or "?" in url:
        raise UserError(f"the address of an endpoint holds no password or query; put the key into {KEYS[0]}")
    return url.rstrip("/"), name


def resolve_endpoint(ref: str, timeout: float) -> ResolvedModel:
    """Return the model that a server serves: its name is recorded, the host nowhere.

    Raises UserError when the server has several models and none is named, or has no such model, IncompleteError when
    it does not answer.
    """
    url, name = parse_address(ref)
    listed = asyncio.run(_model_names(url, timeout))
    choices = {each for each in ([name] if listed is None else listed) if each and name in ("", each)}
    if len(choices) != 1:
        fault = f"no model '{name}'" if name else "more than one model, or does not list them"
        known = ", ".join(f"{url}#{each}" for each in listed or ["NAME"])
        raise UserError(f"{url} has {fault}; give one of: {known}")
    return ResolvedModel(Path(), choices.pop(), "", "that of the model served", "served by an endpoint", url)


async def _model_names(url: str, timeout: float) -> list[str] | None:
    """Return the ids in `/models`, None when the server has no such list; IncompleteError when it cannot be reached."""
    aiohttp = load_aiohttp()
    try:
        async with (
            open_session(min(timeout, 30.0), api_key()) as session,
            session.get(f"{url}/models", allow_redirects=False) as response,
        ):
            if response.status in (401, 403):
                raise UserError(f"{url} refuses the key (HTTP {response.status}); set {KEYS[0]}")
            return [str(item["id"]) for item in json.loads(await response.text())["data"]]
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, UserError):
            raise
        return None
    except (aiohttp.ClientError, TimeoutError) as error:
        raise IncompleteError(
            f"the endpoint {url} cannot be reached ({type(error).__name__}); nothing was asked. "
            "Start the server, then give the same command again"
        ) from None
