"""HTTP client for OpenAI-compatible servers: addresses, requests as JSON bodies, replies out of them.

The key comes from `SYNTHGEN_API_KEY` or `OPENAI_API_KEY` and is never written anywhere.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from synthgen.engines.base import TRUNCATED, Reply, Request, Sampling
from synthgen.engines.http_body import LARGE_REPLIES, READ_BUFFER, BodyFault, read_body, without_key
from synthgen.errors import IncompleteError, UserError, first_line, listed, requires
from synthgen.models.packs import ResolvedModel
from synthgen.text.json_text import JsonFault, parse_json

if TYPE_CHECKING:
    import aiohttp

ADDRESSES = ("http://", "https://")
"""How a reference begins that is the address of an endpoint."""
KEYS = ("SYNTHGEN_API_KEY", "OPENAI_API_KEY")
LONGEST_PAUSE = 30.0
MOST_TOKENS = 2**31


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one server takes of the protocol: without a refusal, everything; `response_format` is empty for none."""

    without: frozenset[str] = frozenset()
    limit: str = "max_tokens"
    response_format: str = "json_schema"
    chat: bool = False
    """Whether plain completions go through the chat too."""

    def after(self, request: Request, status: int, text: str) -> tuple[Dialect, str] | None:
        """Return the dialect after a refusal and what changes, None when the refusal names nothing to change."""
        if status not in (400, 404, 405, 422):
            return None
        if not (request.sampling.schema or self.chat) and (status in (404, 405) or "chat" in text):
            return replace(self, chat=True), "chat instead of completions"
        if status in (404, 405):
            return None
        text = text[:1000]
        if "max_completion_tokens" in text and self.limit == "max_tokens":
            return replace(self, limit="max_completion_tokens"), "max_completion_tokens instead of max_tokens"
        for name in ("top_k", "temperature"):
            if re.search(rf"\b{name}\b", text) and name not in self.without:
                return replace(self, without=self.without | {name}), f"no {name}"
        if request.sampling.schema and self.response_format and _FORMAT.search(text):
            weaker = "json_object" if self.response_format == "json_schema" else ""
            return replace(self, response_format=weaker), f"{weaker or 'no response_format'} instead of a JSON schema"
        return None


_FORMAT = re.compile("response_format|json_schema|json_object|guided|structured output", re.IGNORECASE)


def body(model: str, request: Request, dialect: Dialect) -> tuple[str, str]:
    """Return the path and JSON body of a request: chat with `response_format` for a schema, else a plain completion."""
    schema, shared = request.sampling.schema, _shared(model, request.sampling, dialect)
    prompt = request.prompt
    if schema and dialect.response_format != "json_schema":
        prompt += f"\n\nAnswer with one JSON object of this schema, nothing else: {schema}"
    if schema or dialect.chat:
        message = f'{{"role": "user", "content": {json.dumps(prompt)}}}'
        return "/chat/completions", f'{shared}, "messages": [{message}]}}'
    return "/completions", f'{shared}, "prompt": {json.dumps(prompt)}}}'


@cache
def _shared(model: str, sampling: Sampling, dialect: Dialect) -> str:
    """Return the beginning of the bodies of all requests with one sampling."""
    numbers = {dialect.limit: sampling.max_tokens, "temperature": sampling.temperature, "top_k": sampling.top_k}
    shared: dict[str, Any] = {"model": model, **{k: v for k, v in numbers.items() if k not in dialect.without}}
    if sampling.stop:
        shared["stop"] = list(sampling.stop)
    if sampling.schema and dialect.response_format:
        shared["response_format"] = {"type": dialect.response_format}
        if dialect.response_format == "json_schema":
            schema = {"name": "reply", "strict": True, "schema": json.loads(sampling.schema)}
            shared["response_format"]["json_schema"] = schema
    return json.dumps(shared)[:-1]


def completion(request: Request, text: str) -> Reply:
    """Return the reply in a (chat) completion's JSON; a body of another shape is a server error."""
    try:
        body = parse_json(text)
        choice, usage = body["choices"][0], body.get("usage") or {}
        content = choice["message"]["content"] if "message" in choice else choice["text"]
        tokens = [_count(usage.get(name)) for name in ("prompt_tokens", "completion_tokens")]
        is_cut = choice.get("finish_reason") == "length"
    except JsonFault as fault:
        return Reply(request.tag, "http", error=f"the reply is no completion: {fault}: {text[:200]}")
    except (KeyError, TypeError, IndexError, AttributeError):
        return Reply(request.tag, "http", error=f"the reply is no completion: {text[:200]}")
    return Reply(request.tag, "ok", str(content or ""), TRUNCATED if is_cut else "", *tokens)


def _count(tokens: object) -> int:
    """Return a number of tokens as a server reports it, 0 for what is none."""
    return int(tokens) if isinstance(tokens, int | float) and 0 <= tokens < MOST_TOKENS else 0


def error_message(text: str) -> str:
    """Return what an error body says, at most 300 characters of one line."""
    try:
        body = parse_json(text)
        error = body.get("error", body) if isinstance(body, dict) else body
        text = str(error.get("message", error)) if isinstance(error, dict) else str(error)
    except JsonFault:
        pass
    return " ".join(text.split())[:300]


def pause_seconds(retry_after: str) -> float:
    """Return the pause of a Retry-After header in seconds; half a second when it gives none (a date counts as none)."""
    try:
        return min(LONGEST_PAUSE, max(0.0, float(retry_after)))
    except ValueError:
        return 0.5


def open_session(url: str, key: str, *, timeout: float | None) -> aiohttp.ClientSession:
    """Return a client for one server, through the proxy of the environment where one is set for it.

    `timeout` is for a whole reply, in seconds, None for no limit. aiohttp looks for a proxy at every request, which it
    is told to do only where there is one.
    """
    client, address = load_aiohttp(), urlsplit(url)
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    limits = client.ClientTimeout(total=timeout, sock_connect=10.0)
    has_proxy = address.scheme in getproxies() and not proxy_bypass(address.netloc)
    options = {"connector": client.TCPConnector(limit=0), "timeout": limits, "read_bufsize": READ_BUFFER}
    options |= {"cookie_jar": client.DummyCookieJar(), "trust_env": has_proxy}
    return client.ClientSession(**options, headers=headers)  # type: ignore[no-any-return]


def api_key() -> str:
    """Return the key of the environment without blanks around it, empty when there is none.

    UserError for one that no header can hold, such as two lines of a file.
    """
    for name in KEYS:
        if key := os.environ.get(name, "").strip():
            if not (key.isascii() and key.isprintable()):
                raise UserError(f"the key in {name} holds a line break or another character no key has")
            return key
    return ""


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

    Raises UserError when the server has several models and none is named, has no such model, or its address or key is
    wrong, IncompleteError when it does not answer.
    """
    url, name = parse_address(ref)
    served = asyncio.run(_list_models(url, name, timeout))
    choices = {each for each in served if name in ("", each)}
    if len(choices) != 1:
        fault = f"no model '{name}'" if name else f"{len(choices)} models"
        raise UserError(f"{url} has {fault}; give one of: {listed((f'{url}#{each}' for each in served), most=12)}")
    return ResolvedModel(Path(), choices.pop(), "", "that of the model served", "served by an endpoint", url)


async def _list_models(url: str, name: str, timeout: float) -> list[str]:
    """Return the ids in `/models`, `name` alone for a server without such a list; wait while it says 503."""
    aiohttp = load_aiohttp()
    give_up_at, key, room = time.monotonic() + timeout, api_key(), asyncio.Semaphore(LARGE_REPLIES)
    try:
        async with open_session(url, key, timeout=min(timeout, 30.0)) as session:
            while True:
                async with session.get(f"{url}/models", allow_redirects=False) as response:
                    status, text = response.status, await read_body(response, key, room)
                    wait = pause_seconds(response.headers.get("Retry-After", ""))
                    place = response.headers.get("Location", "")
                if status != 503 or time.monotonic() + wait > give_up_at:
                    break
                await asyncio.sleep(wait)
    except aiohttp.ClientSSLError as error:
        raise UserError(certificate_fault(url, error)) from None
    except BodyFault as fault:
        raise UserError(f"{url}/models: {fault}; name the model: {url}#NAME") from None
    except (aiohttp.ClientError, TimeoutError) as error:
        raise IncompleteError(
            f"the endpoint {url} cannot be reached ({type(error).__name__}); nothing was asked. "
            "Start the server, then give the same command again"
        ) from None
    place = without_key(place, key)
    if status == 503:
        said = error_message(text)
        raise IncompleteError(f"{url} is not ready after {timeout:g} s (HTTP 503: {said}); give the same command later")
    refuse_address(url, status, text, place)
    return _model_names(url, name, status, text)


def _model_names(url: str, name: str, status: int, text: str) -> list[str]:
    """Return the ids in the reply of `/models`, `name` alone when there is none; UserError without a name too."""
    try:
        body = parse_json(text)
        names = [str(item["id"]) for item in (body if isinstance(body, list) else body["data"] or [])]
    except (JsonFault, KeyError, TypeError):
        names = None
    if status == 200 and names:
        return names
    if name:
        return [name]
    if status == 200 and names is not None:
        raise UserError(f"{url} has no model loaded; load one on the server, or name it: {url}#NAME")
    said = f"HTTP {status}: {error_message(text)[:100]}"
    raise UserError(f"{url}/models lists no models ({said}); {path_hint(url)}name the model: {url}#NAME")


def refuse_address(url: str, status: int, text: str, location: str = "") -> None:
    """Raise UserError for a status after which no request to the address can succeed: a redirect, a refused key."""
    message = f"HTTP {status}: {error_message(text)}"
    if 300 <= status < 400:
        raise UserError(f"{url} redirects (HTTP {status}) to {location or 'nowhere'}; give the address it redirects to")
    if status in (401, 403):
        raise UserError(f"{url} refuses the key, set {KEYS[0]}: {message}")


def path_hint(url: str) -> str:
    """Return the advice for an address without the `/v1` that nearly all servers have."""
    return "" if "/v1" in url else f"add /v1 to the address ({url}/v1), or "


def certificate_fault(url: str, error: Exception) -> str:
    """Return what is wrong with the TLS of a server, and what to do."""
    cause = getattr(error, "certificate_error", error)
    reason = getattr(cause, "verify_message", "") or first_line(cause)
    return f"the certificate of {url} is refused ({reason}); set SSL_CERT_FILE to that of its authority"
