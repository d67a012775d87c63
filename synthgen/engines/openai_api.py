"""HTTP client for OpenAI-compatible servers: requests as JSON bodies, replies out of them.

The key comes from `SYNTHGEN_API_KEY` or `OPENAI_API_KEY` and is never written anywhere.
"""

from __future__ import annotations

import json
import os
from functools import cache
from typing import TYPE_CHECKING, Any

from synthgen.engines.base import Reply, Request, Sampling
from synthgen.errors import requires

if TYPE_CHECKING:
    import aiohttp

KEYS = ("SYNTHGEN_API_KEY", "OPENAI_API_KEY")
LONGEST_PAUSE = 30.0


def body(model: str, request: Request) -> tuple[str, str]:
    """Return the path and JSON body of a request."""
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
