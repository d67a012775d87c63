"""HTTP client for OpenAI-compatible servers: addresses, keys, connections, and the models that a server has.

The key comes from `SYNTHGEN_API_KEY` or `OPENAI_API_KEY` and is never written anywhere.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from synthgen import console
from synthgen.engines.failures import BUSY, error_message, is_out_of_credit, pause_seconds
from synthgen.engines.http_body import LARGE_REPLIES, READ_BUFFER, BodyFault, read_body, without_key
from synthgen.errors import IncompleteError, UserError, first_line, listed, requires
from synthgen.models.packs import ResolvedModel
from synthgen.text.json_text import JsonFault, parse_json

if TYPE_CHECKING:
    import aiohttp

ADDRESSES = ("http://", "https://")
"""How a reference begins that is the address of an endpoint."""
ADDRESS_SEPARATOR = ","
KEYS = ("SYNTHGEN_API_KEY", "OPENAI_API_KEY")
LARGEST_HEADER = 65_536
"""Bytes of a line of a reply's headers; gateways send policies of more than the usual 8 KB."""
_OF_THE_PROTOCOL = ("/chat/completions", "/completions", "/models", "/batches")


def open_session(url: str, key: str, *, timeout: float | None, json_bodies: bool = True) -> aiohttp.ClientSession:
    """Return a client for one server, through the proxy of the environment where one is set for it.

    `timeout` is for a whole reply, in seconds, None for no limit; `json_bodies` says that all bodies sent are JSON
    texts. aiohttp looks for a proxy at every request, which it is told to do only where there is one.
    """
    client, address = load_aiohttp(), urlsplit(url)
    headers = {"Content-Type": "application/json"} if json_bodies else {}
    headers |= {"Authorization": f"Bearer {key}"} if key else {}
    limits = client.ClientTimeout(total=timeout, sock_connect=10.0)
    has_proxy = address.scheme in getproxies() and not proxy_bypass(address.netloc)
    options = {"connector": client.TCPConnector(limit=0), "timeout": limits, "read_bufsize": READ_BUFFER}
    options |= {"max_line_size": LARGEST_HEADER, "max_field_size": LARGEST_HEADER}
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
    if not _is_address(url):
        raise UserError(f"--model '{ref}' is not an endpoint; give http://host:port/v1 or http://host:port/v1#NAME")
    if "@" in host or "?" in url:
        azure = "; at Azure give https://NAME.openai.azure.com/openai/v1#DEPLOYMENT" if "api-version" in url else ""
        raise UserError(f"the address of an endpoint must have no password or query; put the key into {KEYS[0]}{azure}")
    url = url.rstrip("/")
    for path in _OF_THE_PROTOCOL:
        if url.endswith(path):
            raise UserError(
                f"--model {ref} is the path of one API call; give the server's address, {url.removesuffix(path)}"
            )
    return url, name


def _is_address(url: str) -> bool:
    """Say whether a text has the form of a server's address: a host that has a name in DNS, a port that is a number."""
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").encode("idna"), parts.port
    except ValueError:
        return False
    return url.startswith(ADDRESSES) and bool(host) and url.isprintable() and " " not in url


def resolve_endpoint(ref: str, timeout: float) -> ResolvedModel:
    """Return the model that a server serves, or several, parted by commas: its name is recorded, the hosts nowhere.

    Raises UserError when the server has several models and none is named, has no such model, or its address or key is
    wrong, IncompleteError when it does not answer. Of several servers those that do not answer are said and left out.
    """
    models, silent = [], None
    addresses = [each.strip() for each in ref.split(ADDRESS_SEPARATOR)]
    name = ref.partition("#")[2].partition(ADDRESS_SEPARATOR)[0]
    for address in addresses:
        try:
            models.append(_resolve_one(f"{address}#{name}" if name and "#" not in address else address, timeout))
        except IncompleteError as error:
            silent = error
            if len(addresses) > 1:
                console.note(f"left out of the run: {error.fault}")
    if not models:
        raise silent or UserError(f"--model '{ref}' is not an endpoint")
    if len(names := {model.ref for model in models}) > 1:
        raise UserError(
            f"--model {ref}: the servers do not have the same models ({', '.join(sorted(names))}); name one, #NAME"
        )
    return replace(models[0], url=ADDRESS_SEPARATOR.join(model.url for model in models))


def _resolve_one(ref: str, timeout: float) -> ResolvedModel:
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
                    wait = pause_seconds(response.headers, text)
                    place = response.headers.get("Location", "")
                if status not in BUSY or time.monotonic() + wait > give_up_at:
                    break
                await asyncio.sleep(wait)
    except aiohttp.ClientSSLError as error:
        raise UserError(tls_fault(url, error)) from None
    except BodyFault as fault:
        raise UserError(f"{url}/models: {fault}; name the model: {url}#NAME") from None
    except (aiohttp.ClientError, TimeoutError) as error:
        raise IncompleteError(
            f"the endpoint {url} cannot be reached ({_reason(error)})",
            "no request was sent. Start the server, then run the same command again",
        ) from None
    place = without_key(place, key)
    if status in BUSY:
        reason = f"HTTP {status}: {error_message(text)}"
        raise IncompleteError(f"{url} is not ready after {timeout:g} s ({reason}); run the same command later")
    refuse_address(url, status, text, place)
    return _model_names(url, name, status, text)


def _reason(error: Exception) -> str:
    """Return why a server cannot be reached, in words where there are some."""
    return "no host has that name: check it" if "DNS" in type(error).__name__ else type(error).__name__


def _model_names(url: str, name: str, status: int, text: str) -> list[str]:
    """Return the ids in the reply of `/models`, `name` alone when there is none; UserError without a name too."""
    try:
        body = parse_json(text)
        items = body if isinstance(body, list) else _listed(body)
        names = [each for each in map(_id, items) if each]
    except (JsonFault, KeyError, TypeError, AttributeError):
        names, items = None, []
    if status == 200 and names:
        # What Azure lists are the models that one may deploy; what it serves goes by the name of the deployment.
        partial = isinstance(body, dict) and body.get("has_more")
        return [name] if name and (partial or any("lifecycle_status" in item for item in items)) else names
    if name:
        return [name]
    if status == 200 and names is not None:
        raise UserError(f"{url} has no model loaded; load one on the server, or name it: {url}#NAME")
    error = f"HTTP {status}: {error_message(text)[:100]}"
    raise UserError(f"{url}/models lists no models ({error}); {path_hint(url)}name the model: {url}#NAME")


def _listed(body: Mapping[str, Any]) -> list[Any]:
    """Return the items of a list of models; KeyError for something else. Ollama's own list has another name."""
    name = "models" if "data" not in body and "models" in body else "data"
    return body[name] or []


def _id(item: Any) -> str:  # noqa: ANN401 - what a server sends
    """Return the id of a model in a list, its name where it has no id, or is one."""
    return item if isinstance(item, str) else str(item.get("id") or item.get("name") or item.get("model") or "")


def refuse_address(url: str, status: int, text: str, location: str = "") -> None:
    """Raise UserError for a status after which no request to the address can succeed: a redirect, a refused key.

    IncompleteError where the account has no credit.
    """
    if status >= 300:
        refuse_account(url, status, text)
    message = f"HTTP {status}: {error_message(text)}"
    if 300 <= status < 400:
        raise UserError(f"{url} redirects (HTTP {status}) to {location or 'nowhere'}; give the address it redirects to")
    if status in (401, 403):
        raise UserError(f"{url} refuses the key, set {KEYS[0]}: {message}")


def refuse_account(url: str, status: int, text: str) -> None:
    """Raise IncompleteError for an error that says that the account has no credit."""
    if is_out_of_credit(status, text):
        message = f"HTTP {status}: {error_message(text)}"
        raise IncompleteError(f"{url} refuses further requests, the account has no credit: {message}")


def path_hint(url: str) -> str:
    """Return the advice for an address without the `/v1` that nearly all servers have, or with two."""
    if url.endswith("/v1/v1"):
        return f"the address has /v1 twice: give {url.removesuffix('/v1')}, or "
    return "" if "/v1" in url else f"add /v1 to the address ({url}/v1), or "


def tls_fault(url: str, error: Exception) -> str:
    """Return what is wrong with the TLS of a server, and what to do."""
    cause = getattr(error, "certificate_error", None)
    if cause is None:
        return f"{url} does not speak TLS ({first_line(error)}); give http:// where the server has no certificate"
    reason = getattr(cause, "verify_message", "") or first_line(cause)
    return f"the certificate of {url} is refused ({reason}); set SSL_CERT_FILE to the certificate of its authority"
