"""A local OpenAI-compatible server for tests and benchmarks: answers at once or after a delay, fails on request.

    python -m tests.mock_endpoint --port 8000 --latency 0.005 --malformed 0.2 --http-500 0.05 --timeouts 0.01

It answers `/v1/chat/completions` (honouring `response_format` of type json_schema: an object with every required
property), `/v1/completions`, `/v1/models`, and `/counters`: how many requests it answered well, malformed, with
HTTP 500, 429, and not in time. Texts are distinct and drawn from a seed; faults are drawn request by request.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import ssl
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

MODEL = "mock-7b"
WORDS = """
    river museum garden council winter doctor bridge station lawyer window market teacher harbour village letter
    painter factory kitchen soldier island farmer library engine singer mountain doorway judge blanket captain
    orchard tunnel baker valley clerk meadow student ladder pilot castle tailor basket forest hotel nurse
    carried watched opened crossed painted repaired visited followed counted described remembered answered sold
    near behind before after above without quietly slowly often never early late old small green heavy bright
""".split()  # noqa: SIM905 - seventy quoted words are harder to read


@dataclass
class Faults:
    """Shares of requests (0-1) that go wrong, and how long a good reply takes in seconds."""

    latency: float = 0.0
    malformed: float = 0.0
    http_500: float = 0.0
    timeouts: float = 0.0
    hold: float = 120.0
    """How long a request that times out is held, seconds."""
    busy_above: int = 0
    """More requests at a time than this are answered with 429 and Retry-After; 0 for no limit."""
    models: tuple[str, ...] = (MODEL,)
    seed: int = 0
    say: Callable[[dict[str, Any]], str] | None = None
    """What a chat is answered, by the body of the request; a made-up object of the schema otherwise."""


@dataclass
class MockEndpoint:
    """The server's state: its faults, its counters, the largest number of requests it held at one time."""

    faults: Faults
    counters: Counter[str] = field(default_factory=Counter)
    peak: int = 0
    keys: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._draw = random.Random(self.faults.seed)
        self._open = 0
        self.closing = asyncio.Event()

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/completions", self._completion)
        app.router.add_get("/counters", self._show_counters)
        return app

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": name} for name in self.faults.models]})

    async def _show_counters(self, request: web.Request) -> web.Response:
        return web.json_response({**self.counters, "peak": self.peak})

    async def _chat(self, request: web.Request) -> web.Response:
        body = await request.json()
        schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
        made_up = self._object(schema) if schema else self._sentence()
        text = self.faults.say(body) if self.faults.say else made_up
        return await self._answer(request, body, text, lambda content: {"message": {"content": content}})

    async def _completion(self, request: web.Request) -> web.Response:
        body = await request.json()
        return await self._answer(request, body, self._sentence(), lambda content: {"text": content})

    async def _answer(self, request: web.Request, body: dict[str, Any], text: str, choice: Any) -> web.Response:
        self.keys.add(request.headers.get("Authorization", ""))
        self._open += 1
        self.peak = max(self.peak, self._open)
        try:
            return await self._answer_or_fail(body, text, choice)
        finally:
            self._open -= 1

    async def _answer_or_fail(self, body: dict[str, Any], text: str, choice: Any) -> web.Response:
        faults, drawn = self.faults, self._draw.random()
        if faults.busy_above and self._open > faults.busy_above:
            self.counters["busy"] += 1
            return web.json_response({"error": {"message": "slow down"}}, status=429, headers={"Retry-After": "0.02"})
        if drawn < faults.http_500:
            self.counters["http"] += 1
            return web.json_response({"error": {"message": "planned failure"}}, status=500)
        if drawn < faults.http_500 + faults.timeouts:
            self.counters["timeout"] += 1
            await asyncio.wait([asyncio.ensure_future(self.closing.wait())], timeout=faults.hold)
        if faults.latency:
            await asyncio.sleep(faults.latency)
        if drawn < faults.http_500 + faults.timeouts:
            return web.json_response({})
        bad = drawn < faults.http_500 + faults.timeouts + faults.malformed
        self.counters["bad" if bad else "ok"] += 1
        content = text[: len(text) // 2] if bad else text
        usage = {"prompt_tokens": 100, "completion_tokens": len(content.split())}
        return web.json_response({"model": body.get("model"), "choices": [choice(content)], "usage": usage})

    def _object(self, schema: dict[str, Any]) -> str:
        return json.dumps({name: self._sentence() for name in schema["required"]})

    def _sentence(self) -> str:
        return "The " + " ".join(self._draw.choices(WORDS, k=9)) + "."


@contextmanager
def serving(faults: Faults | None = None) -> Iterator[tuple[str, MockEndpoint]]:
    """Serve in a thread; yield the base URL and the server."""
    server = MockEndpoint(faults or Faults())
    with listening(server.app(), server.closing) as address:
        yield f"http://{address}/v1", server


@contextmanager
def listening(
    app: web.Application,
    closing: asyncio.Event | None = None,
    tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
) -> Iterator[str]:
    """Serve an application in a thread; yield host and port. `closing` is set before it ends."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1)

    async def start() -> int:
        await runner.setup()
        site = web.TCPSite(runner, host, 0, backlog=1024, ssl_context=tls)
        await site.start()
        return int(runner.addresses[0][1])

    port = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    finally:
        if closing is not None:
            loop.call_soon_threadsafe(closing.set)
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def answering(reply: Callable[[web.Request], Awaitable[web.Response]], host: str = "127.0.0.1") -> Iterator[str]:
    """Serve one function for every path and method; yield host and port."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", reply)
    with listening(app, host=host) as address:
        yield address


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8000)
    for name in ("latency", "malformed", "http-500", "timeouts"):
        parser.add_argument(f"--{name}", type=float, default=0.0)
    parser.add_argument("--hold", type=float, default=120.0)
    arguments = vars(parser.parse_args())
    port = arguments.pop("port")
    web.run_app(MockEndpoint(Faults(**arguments)).app(), host="127.0.0.1", port=port, print=None)


if __name__ == "__main__":
    main()
