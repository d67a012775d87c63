"""Any OpenAI-compatible server (`vllm serve`, a cluster's gateway, a provider), with many requests in flight.

Several servers of one model share the requests. A server that cannot be reached, or is only ever busy, for as long as
the timeout is left out; the last one ends the run with what it has. No reply is lost. Redirects are not followed, so
that the key goes nowhere else.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections import deque
from collections.abc import Coroutine, Iterator
from importlib.metadata import version
from typing import Any

from synthgen import console
from synthgen.engines.base import Engine, EngineSpec, NextRequest, Reply, Request
from synthgen.engines.failures import LONGEST_PAUSE
from synthgen.engines.http_body import LARGE_REPLIES
from synthgen.engines.openai_api import ADDRESS_SEPARATOR, api_key, load_aiohttp, resolve_endpoint
from synthgen.engines.server import Server
from synthgen.errors import IncompleteError
from synthgen.models.packs import ResolvedModel

LEAST_WAITING = 0.1
"""Share of the time that this process waits for replies, below which more requests would only wait for each other."""


class WaitingSelector(selectors.DefaultSelector):
    """Notes how long it waited."""

    seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for connections."""
        start = time.monotonic()
        try:
            return super().select(timeout)
        finally:
            self.seconds += time.monotonic() - start


class EndpointEngine(Engine):
    """One model of one server or more. Runs its event loop whenever the caller waits for the next reply."""

    name = "endpoint"

    def __init__(self, model: ResolvedModel, *, timeout: float) -> None:
        """Connect to `model.url` at the first request; a reply that takes more than `timeout` seconds is a timeout."""
        self._aiohttp = load_aiohttp()
        self._timeout = timeout
        self._selector = WaitingSelector()
        self._loop = asyncio.SelectorEventLoop(self._selector)
        self._done: deque[Reply] = deque()
        self._ran = self._resumed_at = 0.0
        self._looked_at, self._waited_before = time.monotonic(), 0.0
        self._wake = asyncio.Event()
        self._fault: BaseException | None = None
        key, room = api_key(), asyncio.Semaphore(LARGE_REPLIES)
        self.servers = [
            Server(url, model.ref, key, timeout=timeout, room=room, clock=self._now)
            for url in model.url.split(ADDRESS_SEPARATOR)
        ]
        """Those that are not left out."""
        self._all = tuple(self.servers)

    @property
    def versions(self) -> dict[str, str]:
        """Version of the HTTP client; what the server runs is not known here."""
        return {"aiohttp": version("aiohttp")}

    def run(self, next_request: NextRequest) -> Iterator[Reply]:
        """Yield replies as they come; IncompleteError when every server is gone or busy for the whole timeout."""
        tasks: set[asyncio.Task[None]] = set()
        for server in self.servers:
            server.answered_at = self._now()
        self._reap()
        try:
            while True:
                while len(tasks) < self._room and (request := next_request()) is not None:
                    task = self._loop.create_task(self._send(request))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                    task.add_done_callback(self._on_done)
                if not tasks and not self._done:
                    return
                self._run(self._some_reply(tasks))
                while self._done:
                    yield self._done.popleft()
                self._let_grow()
        finally:
            self._reaper.cancel()
            for task in (unfinished := list(tasks)):  # a copy: tasks leave `tasks` when they end
                task.cancel()
            if unfinished:
                self._run(asyncio.wait(unfinished))

    def _let_grow(self) -> None:
        """Let the servers have more requests at a time where this process waited for replies since it last looked."""
        now, waited = time.monotonic(), self._selector.seconds
        share = (waited - self._waited_before) / max(1e-9, now - self._looked_at)
        self._looked_at, self._waited_before = now, waited
        for server in self.servers:
            server.limit.grows = share > LEAST_WAITING

    def close(self) -> None:
        """Close the connections and the loop."""
        if self._loop.is_closed():
            return
        for server in self._all:
            self._loop.run_until_complete(server.close())
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
        for server in self._all:
            for task, sent in server.sent.items():
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

    @property
    def _room(self) -> int:
        """Requests that may be in flight."""
        return sum(server.limit.now for server in self.servers)

    async def _send(self, request: Request) -> None:
        """Send a request to the server with most room until there is a reply of some kind, again while none answers."""
        if request.delay:
            await asyncio.sleep(request.delay)
        pause = 0.25
        while True:
            server = max(self.servers, key=lambda server: server.free)
            server.in_flight += 1
            try:
                reply = await server.reply(request)
                break
            except (self._aiohttp.ClientConnectorError, self._aiohttp.ServerDisconnectedError) as error:
                refused = isinstance(error, self._aiohttp.ClientConnectorError)
                if refused and self._leave_out(server, f"{server.url} cannot be reached"):
                    continue
                server.give_up_if_silent("cannot be reached")
            except IncompleteError as error:
                if not self._leave_out(server, str(error)):
                    raise
                continue
            finally:
                server.in_flight -= 1
            await asyncio.sleep(min(pause, self._timeout / 4))
            pause = min(2 * pause, LONGEST_PAUSE)
        self._done.append(reply)
        self._wake.set()

    def _leave_out(self, server: Server, why: str) -> bool:
        """Say that a server is left out of the run, once, and whether there are others."""
        if server in self.servers and len(self.servers) > 1:
            self.servers.remove(server)
            others = ", ".join(each.url for each in self.servers)
            console.note(f"{why}: left out of the run; the run continues with {others}")
            return True
        return server not in self.servers


ENGINE = EngineSpec(
    "endpoint",
    lambda model, options: EndpointEngine(model, timeout=options.timeout),
    resolve_endpoint,
    serves="address",
)
