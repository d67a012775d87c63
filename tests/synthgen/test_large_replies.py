"""Replies that unpack to far more than was sent, or have no end: a failed request, in little memory."""

import gzip
import tracemalloc
from pathlib import Path

from aiohttp import web

from synthgen.engines.endpoint import EndpointEngine
from synthgen.models.packs import ResolvedModel
from tests.mock_endpoint import answering
from tests.synthgen.test_servers import replies_of

_BOMB = gzip.compress(bytes(300_000_000), 9)


def _engine(url: str) -> EndpointEngine:
    return EndpointEngine(ResolvedModel(Path(), "tiny", "", "", "", f"http://{url}/v1"), timeout=20)


def test_a_reply_that_unpacks_to_hundreds_of_megabytes_fails_in_little_memory() -> None:
    async def reply(_: web.Request) -> web.Response:
        return web.Response(body=_BOMB, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})

    with answering(reply) as url:
        tracemalloc.start()
        (failed,) = replies_of(_engine(url), 1)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert failed.outcome == "http"
    assert "larger than 4,000,000 bytes" in failed.error
    assert peak < 100_000_000


def test_a_reply_without_an_end_fails() -> None:
    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 100_000)

    with answering(reply) as url:  # type: ignore[arg-type]
        (failed,) = replies_of(_engine(url), 1)
    assert (failed.outcome, "larger than" in failed.error) == ("http", True)
