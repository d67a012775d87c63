"""The address of a server and the name of one of its models."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import NamedTuple

from synthgen.engines.openai_api import KEYS, api_key, load_aiohttp, open_session
from synthgen.errors import IncompleteError, UserError
from synthgen.models.packs import ResolvedModel

ADDRESSES = ("http://", "https://")
"""How a reference begins that is the address of an endpoint."""


class Address(NamedTuple):
    """The address of a server and the name of its model; without a name its only one."""

    url: str
    name: str


def parse_address(ref: str) -> Address:
    """Return the parts of `http://host:port/v1[#NAME]`; UserError for another shape, or one with a password in it.

    >>> parse_address("http://localhost:8000/v1/#tiny")
    Address(url='http://localhost:8000/v1', name='tiny')
    """
    url, _, name = ref.partition("#")
    host = url.partition("://")[2].partition("/")[0]
    if not url.startswith(ADDRESSES) or not host:
        raise UserError(f"--model '{ref}' is no endpoint; give http://host:port/v1 or http://host:port/v1#NAME")
    if "@" in host or "?" in url:
        raise UserError(f"the address of an endpoint holds no password or query; put the key into {KEYS[0]}")
    return Address(url.rstrip("/"), name)


def resolve_endpoint(ref: str, *, timeout: float) -> ResolvedModel:
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
