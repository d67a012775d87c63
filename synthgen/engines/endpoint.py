"""Any OpenAI-compatible server (`vllm serve`, a cluster's gateway, a provider), with many requests in flight.

A server that cannot be reached, or is only ever busy, for as long as the timeout ends the run with what it has; no
reply is lost. Redirects are not followed, so that the key goes nowhere else.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from synthgen import console
from synthgen.engines.base import THINKING_TOKENS, Engine, EngineSpec, NextRequest, Reply, Request
from synthgen.engines.dialect import BUSY, Dialect, body, completion, error_message
from synthgen.engines.http_body import LARGE_REPLIES, BodyFault, read_body, without_key
from synthgen.engines.openai_api import (
    LONGEST_PAUSE,
    api_key,
    load_aiohttp,
    open_session,
    path_hint,
    pause_seconds,
    refuse_address,
    resolve_endpoint,
    tls_fault,
)
from synthgen.errors import IncompleteError, UserError
from synthgen.models.packs import ResolvedModel
from synthgen.runtime.limits import connections_at_once

if TYPE_CHECKING:
    import aiohttp

FIRST_LIMIT = 32
MAX_LIMIT = 256
TIMEOUTS_IN_A_ROW = 8
"""Fewer say nothing of the server: the last requests of a run may all be slow ones."""


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
    _size: float = FIRST_LIMIT
    _steady: bool = False
    _cut_at: float = 0.0

    @property
    def now(self) -> int:
        """Requests that may be in flight."""
        return min(self.most, int(self._size))

    def good(self) -> None:
        """Grow after a reply."""
        self._size = min(self.most, self._size + (1 / self._size if self._steady else 1))

    def busy(self, *, sent: float, now: float) -> None:
        """Halve, once for all requests that were sent before the last cut."""
        if sent >= self._cut_at:
            self._size, self._steady, self._cut_at = max(1.0, self._size / 2), True, now

    def late(self) -> None:
        """Shrink by a tenth after a timeout: one costs little, many in a row mean an overloaded server."""
        self._size = max(1.0, self._size * 0.9)


class EndpointEngine(Engine):
    """One model of one server. Runs its event loop whenever the caller waits for the next reply."""

    name = "endpoint"

    def __init__(self, model: ResolvedModel, *, timeout: float) -> None:
        """Connect to `model.url` at the first request; a reply that takes more than `timeout` seconds is a timeout."""
        self._aiohttp = load_aiohttp()
        self._url, self._model, self._timeout = model.url, model.ref, timeout
        self._key = api_key()
        self._loop = asyncio.new_event_loop()
        self._session: aiohttp.ClientSession | None = None
        self._room = asyncio.Semaphore(LARGE_REPLIES)
        self._done: deque[Reply] = deque()
        self.limit = Limit(connections_at_once(MAX_LIMIT))
        self._resume_at = self._answered_at = self._ran = self._resumed_at = 0.0
        self._sent: dict[asyncio.Task[None], float] = {}
        self._timeouts = 0
        self._wake = asyncio.Event()
        self._fault: BaseException | None = None
        self._dialect = Dialect()
        self._negotiation, self._negotiated = asyncio.Lock(), set[bool]()
        """Held by the first request with a schema, or without one; for which of the two it is over."""

    @property
    def versions(self) -> dict[str, str]:
        """Version of the HTTP client; what the server runs is not known here."""
        return {"aiohttp": version("aiohttp")}

    def run(self, next_request: NextRequest) -> Iterator[Reply]:
        """Yield replies as they come; IncompleteError when the server is gone or busy for the whole timeout."""
        tasks: set[asyncio.Task[None]] = set()
        self._answered_at = self._now()
        self._reap()
        try:
            while True:
                while len(tasks) < self.limit.now and (request := next_request()) is not None:
                    task = self._loop.create_task(self._send(request))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                    task.add_done_callback(self._on_done)
                if not tasks and not self._done:
                    return
                self._run(self._some_reply(tasks))
                while self._done:
                    yield self._done.popleft()
        finally:
            self._reaper.cancel()
            for task in (unfinished := list(tasks)):  # a copy: tasks leave `tasks` when they end
                task.cancel()
            if unfinished:
                self._run(asyncio.wait(unfinished))

    def close(self) -> None:
        """Close the connections and the loop."""
        if self._loop.is_closed():
            return
        if self._session is not None:
            self._loop.run_until_complete(self._session.close())
        self._loop.close()

    def _run(self, waiting: Coroutine[Any, Any, object]) -> None:
        """Run the loop, and with it the clock that timeouts are measured by."""
        self._resumed_at = time.monotonic()
        try:
            self._loop.run_until_complete(waiting)
        finally:
            self._ran, self._resumed_at = self._now(), 0.0

    def _now(self) -> float:
        """Return the seconds the loop has run: while a filter thinks, replies wait unread and no request is late."""
        return self._ran + (time.monotonic() - self._resumed_at if self._resumed_at else 0.0)

    def _reap(self) -> None:
        """Cancel the requests that are late, and look again soon."""
        now = self._now()
        for task, sent in self._sent.items():
            if now - sent > self._timeout:
                task.cancel()
        self._reaper = self._loop.call_later(min(1.0, self._timeout / 10), self._reap)

    async def _some_reply(self, tasks: set[asyncio.Task[None]]) -> None:
        """Return when there is a reply or no request is open any more; raise what ended a request without one.

        Both are looked for first: a request may have ended in the last turn of the loop, before it stopped.
        """
        while not self._done:
            if self._fault is not None:
                fault, self._fault = self._fault, None
                raise fault
            if not tasks:
                return
            self._wake.clear()
            await self._wake.wait()

    def _on_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._fault = fault
        self._wake.set()

    async def _send(self, request: Request) -> None:
        """Send a request until there is a reply of some kind, again while the server cannot be reached.

        The first of each kind goes alone: what the server refuses of it is negotiated once, not by all in flight.
        """
        if request.delay:
            await asyncio.sleep(request.delay)
        if (kind := request.sampling.schema is None) not in self._negotiated:
            async with self._negotiation:
                if kind not in self._negotiated:
                    await self._send_now(request)
                    self._negotiated.add(kind)
                    return
        await self._send_now(request)

    async def _send_now(self, request: Request) -> None:
        pause = 0.25
        while True:
            if (wait := self._resume_at - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            sent = self._now()
            try:
                reply = await self._post_in_time(request, sent)
                break
            except (self._aiohttp.ClientConnectorError, self._aiohttp.ServerDisconnectedError):
                self._give_up_if_silent("cannot be reached")
                await asyncio.sleep(min(pause, self._timeout / 4))
                pause = min(2 * pause, LONGEST_PAUSE)
        self._adapt(reply, sent)
        self._done.append(reply)
        self._wake.set()

    async def _post_in_time(self, request: Request, sent: float) -> Reply:
        """Return the reply, a timeout when the reaper came first."""
        task: asyncio.Task[None] = asyncio.current_task()  # type: ignore[assignment]
        self._sent[task] = sent
        try:
            return await self._post(request)
        except asyncio.CancelledError:
            if self._now() - sent <= self._timeout:
                raise
            task.uncancel()
            return Reply(request.tag, "timeout", error=f"no reply in {self._timeout:g} s")
        finally:
            del self._sent[task]

    def _adapt(self, reply: Reply, sent: float) -> None:
        """Adapt the concurrency limit to a reply; IncompleteError when the server only ever fails."""
        now = self._now()
        self._timeouts = self._timeouts + 1 if reply.outcome == "timeout" else 0
        if reply.outcome == "busy":
            self.limit.busy(sent=sent, now=now)
            self._give_up_if_silent(f"only says that it is busy ({reply.error})")
        elif reply.outcome == "timeout":
            self.limit.late()
            if self._timeouts >= TIMEOUTS_IN_A_ROW:
                self._give_up_if_silent("answers nothing")
        else:
            self._answered_at = now
            if reply.outcome == "ok":
                self.limit.good()

    def _give_up_if_silent(self, what: str) -> None:
        if self._now() - self._answered_at >= self._timeout:
            raise IncompleteError(f"{self._url} {what} and has not answered for {self._timeout:g} s")

    async def _post(self, request: Request) -> Reply:
        """Return the reply to a request, sent again without what the server's refusal names."""
        while True:
            dialect = self._dialect
            try:
                status, headers, text = await self._exchange(*body(self._model, request, dialect))
            except (self._aiohttp.ClientConnectorError, self._aiohttp.ServerDisconnectedError):
                raise
            except BodyFault as fault:
                return Reply(request.tag, "http", error=str(fault))
            except (self._aiohttp.ClientError, OSError) as error:
                return Reply(request.tag, "http", error=without_key(f"{type(error).__name__}: {error}", self._key))
            if status != 200 and self._negotiate(dialect, request, status, text):
                continue
            reply = self._read(request, status, text, headers)
            if (change := dialect.after_reply(request, reply)) is None:
                return reply
            if dialect == self._dialect:
                self._change(change, f"{THINKING_TOKENS} more tokens a reply", "the model thinks before it replies")

    async def _exchange(self, path: str, data: str) -> tuple[int, Mapping[str, str], str]:
        """Return status, headers and text of the response to a body; UserError for a fault of TLS."""
        self._session = self._session or open_session(self._url, self._key, timeout=None)
        try:
            async with self._session.post(self._url + path, data=data, allow_redirects=False) as response:
                return response.status, response.headers, await read_body(response, self._key, self._room)
        except self._aiohttp.ClientSSLError as error:
            raise UserError(tls_fault(self._url, error)) from None

    def _negotiate(self, dialect: Dialect, request: Request, status: int, text: str) -> bool:
        """Say whether a refused request may be sent again: the dialect has changed, now or since it was sent."""
        if (change := dialect.after(request, status, text)) is None:
            return False
        if dialect == self._dialect:
            self._change(*change, f"HTTP {status}: {error_message(text)}")
        return True

    def _change(self, dialect: Dialect, what: str, why: str) -> None:
        self._dialect = dialect
        console.note(f"{self._url} takes {what} ({why})")

    def _read(self, request: Request, status: int, text: str, headers: Mapping[str, str]) -> Reply:
        """Return the reply that an HTTP response is; UserError when no request can ever succeed."""
        if status == 200:
            return completion(request, text)
        message = f"HTTP {status}: {error_message(text)}"
        refuse_address(self._url, status, text, without_key(headers.get("Location", ""), self._key))
        if status == 404:
            hint = path_hint(self._url)
            raise UserError(
                f"{self._url} does not serve {self._model}: {message}" + (f"; {hint}check the name" if hint else "")
            )
        if status in BUSY:
            pause = min(pause_seconds(headers), self._timeout)
            self._resume_at = max(self._resume_at, time.monotonic() + pause)
            return Reply(request.tag, "busy", error=message)
        return Reply(request.tag, "http", error=message)


ENGINE = EngineSpec(
    "endpoint", lambda model, _, timeout: EndpointEngine(model, timeout=timeout), resolve_endpoint, serves="address"
)
