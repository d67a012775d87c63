"""One server of an endpoint: what it takes of the protocol, how much at a time, and whether it still answers."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from synthgen import console
from synthgen.engines.base import THINKING_TOKENS, Reply, Request
from synthgen.engines.dialect import Dialect, body, completion, error_part
from synthgen.engines.failures import error_message, failed_reply, pause_seconds
from synthgen.engines.http_body import BodyFault, read_body, without_key
from synthgen.engines.openai_api import (
    load_aiohttp,
    open_session,
    path_hint,
    refuse_account,
    refuse_address,
    tls_fault,
)
from synthgen.errors import IncompleteError, UserError
from synthgen.runtime.limits import connections_at_once

if TYPE_CHECKING:
    import aiohttp

FIRST_LIMIT = 32
MAX_LIMIT = 4096
"""A router before many GPUs (`vllm serve --data-parallel-size 8`) keeps as many busy."""
TIMEOUTS_IN_A_ROW = 8
"""Fewer say nothing of the server: the last requests of a run may all be slow ones."""
LONGEST_FAULT = 300
"""Characters of what the HTTP client says of a fault; it quotes what it could not read."""


@dataclass(slots=True)
class Limit:
    """How many requests may be in flight: doubles per round until the server is busy, then grows by one per round.

    Additive increase, multiplicative decrease, as in TCP.

    >>> limit = Limit()
    >>> limit.good(); limit.now
    33
    >>> limit.busy(sent=1.0, now=2.0); limit.busy(sent=1.5, now=2.1); limit.now
    16
    """

    most: int = MAX_LIMIT
    grows: bool = True
    """Whether more in flight would bring more replies."""
    _size: float = FIRST_LIMIT
    _steady: bool = False
    _cut_at: float = 0.0
    _quickest: float = math.inf

    @property
    def now(self) -> int:
        """Requests that may be in flight."""
        return min(self.most, int(self._size))

    def good(self, seconds: float = 0.0, enough: float = 1.0) -> None:
        """Grow after a reply that took so many seconds.

        Not where it took more than `enough` and more than twice the quickest reply: it waited for others.
        """
        self._quickest = min(self._quickest, seconds)
        if not self.grows or seconds > max(enough, 2 * self._quickest):
            return
        self._size = min(self.most, self._size + (1 / self._size if self._steady else 1))

    def busy(self, *, sent: float, now: float) -> None:
        """Halve, once for all requests that were sent before the last cut."""
        if sent >= self._cut_at:
            self._size, self._steady, self._cut_at = max(1.0, self._size / 2), True, now

    def late(self) -> None:
        """Shrink by a tenth after a timeout: one costs little, many in a row mean an overloaded server."""
        self._size = max(1.0, self._size * 0.9)


class Server:
    """One address that serves a model. `clock` gives the seconds that timeouts are measured by."""

    def __init__(
        self, url: str, model: str, key: str, *, timeout: float, room: asyncio.Semaphore, clock: Callable[[], float]
    ) -> None:
        """Connect at the first request; `room` is for large replies."""
        self.url, self._model, self._key, self._timeout = url, model, key, timeout
        self._aiohttp, self._room, self._now = load_aiohttp(), room, clock
        self._session: aiohttp.ClientSession | None = None
        self.limit = Limit(connections_at_once(MAX_LIMIT))
        self.dialect = Dialect()
        self.in_flight = 0
        self.sent: dict[asyncio.Task[None], float] = {}
        """When the open requests were sent."""
        self.resume_at = self.answered_at = 0.0
        self._timeouts, self._served = 0, False
        self._negotiation, self._negotiated = asyncio.Lock(), set[bool]()
        """Held by the first request with a schema, or without one; for which of the two it is over."""

    @property
    def free(self) -> int:
        """Requests that it takes now."""
        return self.limit.now - self.in_flight

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def reply(self, request: Request) -> Reply:
        """Return the reply to a request; aiohttp's errors of connections are for the caller.

        The first of each kind goes alone: what the server refuses of it is negotiated once, not by all in flight.
        """
        if (kind := request.sampling.schema is None) not in self._negotiated:
            async with self._negotiation:
                if kind not in self._negotiated:
                    reply = await self._in_turn(request)
                    self._negotiated.add(kind)
                    return reply
        return await self._in_turn(request)

    async def _in_turn(self, request: Request) -> Reply:
        """Return the reply to a request, sent when the server no longer asks to wait."""
        if (wait := self.resume_at - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        sent = self._now()
        reply = await self._in_time(request, sent)
        self._adapt(reply, sent)
        return reply

    async def _in_time(self, request: Request, sent: float) -> Reply:
        """Return the reply, a timeout when the reaper came first."""
        task: asyncio.Task[None] = asyncio.current_task()  # type: ignore[assignment]
        self.sent[task] = sent
        try:
            return await self._post(request)
        except asyncio.CancelledError:
            if self._now() - sent <= self._timeout:
                raise
            task.uncancel()
            return Reply(request.tag, "timeout", error=f"no reply within {self._timeout:g} s")
        finally:
            del self.sent[task]

    def _adapt(self, reply: Reply, sent: float) -> None:
        """Adapt the concurrency limit to a reply; IncompleteError when the server only ever fails."""
        now = self._now()
        self._timeouts = self._timeouts + 1 if reply.outcome == "timeout" else 0
        if reply.outcome == "busy":
            self.limit.busy(sent=sent, now=now)
            self.give_up_if_silent(f"answers only that it is busy ({reply.error})")
        elif reply.outcome == "timeout":
            self.limit.late()
            if self._timeouts >= TIMEOUTS_IN_A_ROW:
                self.give_up_if_silent("answers nothing")
        else:
            self.answered_at = now
            if reply.outcome == "ok":
                self.limit.good(now - sent, self._timeout / 10)

    def give_up_if_silent(self, what: str) -> None:
        """Raise IncompleteError when the server has not answered for the whole timeout."""
        if self._now() - self.answered_at >= self._timeout:
            raise IncompleteError(f"{self.url} {what} and has not answered for {self._timeout:g} s")

    async def _post(self, request: Request) -> Reply:
        """Return the reply to a request, sent again without what the server's refusal names."""
        while True:
            dialect = self.dialect
            try:
                status, headers, text = await self._exchange(*body(self._model, request, dialect))
            except (self._aiohttp.ClientConnectorError, self._aiohttp.ServerDisconnectedError):
                raise
            except BodyFault as fault:
                return Reply(request.tag, "http", error=str(fault))
            except (self._aiohttp.ClientError, OSError) as error:
                message = " ".join(f"{type(error).__name__}: {error}".split())
                return Reply(request.tag, "http", error=without_key(message, self._key)[:LONGEST_FAULT])
            if status >= 300 and self._negotiate(dialect, request, status, text):
                continue
            reply = self.read(request, status, text, headers)
            if (change := dialect.after_reply(request, reply)) is None:
                return reply
            if dialect == self.dialect:
                self._change(change, f"{THINKING_TOKENS} more tokens a reply", "the model thinks before it replies")

    async def _exchange(self, path: str, data: str) -> tuple[int, Mapping[str, str], str]:
        """Return status, headers and text of the response to a body; UserError for a fault of TLS."""
        self._session = self._session or open_session(self.url, self._key, timeout=None)
        try:
            async with self._session.post(self.url + path, data=data.encode(), allow_redirects=False) as response:
                return response.status, response.headers, await read_body(response, self._key, self._room)
        except self._aiohttp.ClientSSLError as error:
            raise UserError(tls_fault(self.url, error)) from None

    def _negotiate(self, dialect: Dialect, request: Request, status: int, text: str) -> bool:
        """Say whether a refused request may be sent again: the dialect has changed, now or since it was sent."""
        if (change := dialect.after(request, status, text)) is None:
            return False
        if dialect == self.dialect:
            self._change(*change, f"HTTP {status}: {error_message(text)}")
        return True

    def _change(self, dialect: Dialect, what: str, why: str) -> None:
        self.dialect = dialect
        console.note(f"{self.url} takes {what} ({why})")

    def read(self, request: Request, status: int, text: str, headers: Mapping[str, str]) -> Reply:
        """Return the reply that an HTTP response is; UserError when no request can ever succeed.

        IncompleteError where the account has no credit.
        """
        is_success = status in (200, 201)
        reply = self._success(request, status, text) if is_success else self._failure(request, status, text, headers)
        return self._pausing(reply, headers, text) if reply.outcome == "busy" else reply

    def _success(self, request: Request, status: int, text: str) -> Reply:
        """Return the reply in a body that came as a success."""
        reply = self._masked(completion(request, text))
        self._served = self._served or reply.outcome == "ok"
        if reply.outcome != "ok":
            refuse_account(self.url, status, error_part(text))
        if reply.outcome == "http" and not self._served and (hint := path_hint(self.url)):
            raise UserError(f"{self.url} does not answer with a reply: {reply.error}; {hint}check the address")
        return reply

    def _failure(self, request: Request, status: int, text: str, headers: Mapping[str, str]) -> Reply:
        """Return the reply that another status is; UserError where the address, the key or the model is wrong."""
        message = f"HTTP {status}: {error_message(text)}"
        reply = failed_reply(request.tag, status, text, message)
        if reply.outcome == "ok":
            return reply
        refuse_address(self.url, status, text, without_key(headers.get("Location", ""), self._key))
        if status == 404:
            hint = path_hint(self.url)
            advice = f"; {hint}check the name" if hint else ""
            raise UserError(f"{self.url} does not serve {self._model}: {message}{advice}")
        return reply

    def _masked(self, reply: Reply) -> Reply:
        """Return a reply without the key, which may stand in one only when the pieces of a stream are together."""
        if not self._key:
            return reply
        text, reasoning, error = (without_key(text, self._key) for text in (reply.text, reply.reasoning, reply.error))
        return replace(reply, text=text, reasoning=reasoning, error=error)

    def _pausing(self, reply: Reply, headers: Mapping[str, str], text: str) -> Reply:
        """Return the reply of a busy server, and wait as long as it asks for before anything else is sent."""
        pause = min(pause_seconds(headers, text), self._timeout / 2)
        self.resume_at = max(self.resume_at, time.monotonic() + pause)
        return reply
