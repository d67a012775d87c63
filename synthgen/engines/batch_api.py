"""The batch protocol of OpenAI-compatible servers: a file of requests, a job on it, files of results.

https://platform.openai.com/docs/api-reference/batch. A job carries a name of ours in its metadata, so that one whose id
got lost is found in the list of jobs, and never paid twice.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from synthgen.engines.failures import BUSY, LONGEST_PAUSE, error_message, pause_seconds
from synthgen.engines.http_body import LARGE_REPLIES, LARGEST_REPLY, BodyFault, read_body
from synthgen.engines.openai_api import (
    api_key,
    load_aiohttp,
    open_session,
    refuse_address,
    tls_fault,
)
from synthgen.errors import IncompleteError, UserError, first_line
from synthgen.text.json_text import JsonFault, parse_json

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")
NAME = "synthgen_job"
"""The key of a job's name in its metadata."""
JOBS_A_PAGE = 100
FIRST_POLL = 0.2
"""Seconds before the state of a job is asked for again; twice as long each time."""
_ID = re.compile(r"[\w.:-]+")
ENDED = ("completed", "failed", "expired", "cancelled")


class BatchApi:
    """The jobs of one server."""

    def __init__(self, url: str, *, timeout: float) -> None:
        """Ask the server at `url`; one that fails or is away for `timeout` seconds ends the run."""
        self._url, self._timeout, self._key = url, timeout, api_key()
        self._aiohttp = load_aiohttp()
        self._session: aiohttp.ClientSession | None = None
        self._room = asyncio.Semaphore(LARGE_REPLIES)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def submit(self, name: str, path: str, lines: Iterable[str]) -> str:
        """Upload requests, create their job and return its id."""
        data = "\n".join(lines).encode()

        def form() -> aiohttp.FormData:  # one is sent once
            fields: aiohttp.FormData = self._aiohttp.FormData()
            fields.add_field("purpose", "batch")
            fields.add_field("file", data, filename=f"{name}.jsonl", content_type="application/jsonl")
            return fields

        file = self._id(await self._json("POST", "/files", form=form))
        job = {"input_file_id": file, "endpoint": path, "completion_window": "24h", "metadata": {NAME: name}}
        give_up_at = time.monotonic() + self._timeout
        while True:
            try:
                return self._id(await self._json("POST", "/batches", body=job, tries=1))
            except IncompleteError:
                # Whether the job was created is not known: it is looked for before another one is.
                if batch := await self.find(name):
                    return batch
                if time.monotonic() > give_up_at:
                    raise
                await asyncio.sleep(FIRST_POLL)

    async def find(self, name: str) -> str | None:
        """Return the id of the job of a name, None when there is none."""
        after = ""
        while True:
            page = await self._json("GET", f"/batches?limit={JOBS_A_PAGE}{after}")
            jobs = [mapping(job) for job in page.get("data") or ()]
            for job in jobs:
                if mapping(job.get("metadata")).get(NAME) == name:
                    return self._id(job)
            if not page.get("has_more") or not jobs:
                return None
            after = f"&after={self._id(jobs[-1])}"

    async def ended(self, job: str) -> dict[str, Any]:
        """Return what the server says of a job when it has ended."""
        pause = 0.0
        while True:
            await asyncio.sleep(pause)
            state = await self._json("GET", f"/batches/{job}")
            if state.get("status") in ENDED:
                return state
            pause = min(LONGEST_PAUSE, max(FIRST_POLL, 2 * pause))

    async def results(self, state: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """Yield the lines of the output and the error file of an ended job."""
        for name in ("output_file_id", "error_file_id"):
            if file := state.get(name):
                for line in (await self._download(f"/files/{file}/content")).split(b"\n"):
                    if line.strip():
                        yield self._parsed(line.decode("utf-8", "replace"), "a result")

    async def _download(self, path: str) -> bytes:
        """Return a file of results; a line may be as large as a reply, the file holds tens of thousands."""

        async def read(response: aiohttp.ClientResponse) -> bytes:
            content = bytearray()
            async for chunk in response.content.iter_any():
                content += chunk
                if len(content) - content.rfind(b"\n") > LARGEST_REPLY:
                    raise BodyFault(f"a result is larger than {LARGEST_REPLY:,} bytes")
            return bytes(content)

        return await self._exchange("GET", path, read)

    def _id(self, answer: dict[str, Any]) -> str:
        """Return the id of a file or a job."""
        if not isinstance(name := answer.get("id"), str) or not _ID.fullmatch(name):
            raise IncompleteError(f"{self._url} returned no id for a file or a batch: {str(answer)[:100]}")
        return name

    async def _json(self, method: str, path: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401 - as `_exchange`
        """Return the JSON object of a response."""

        async def read(response: aiohttp.ClientResponse) -> str:
            return await read_body(response, self._key, self._room)

        return self._parsed(await self._exchange(method, path, read, **options), f"{method} {path}")

    def _parsed(self, text: str, what: str) -> dict[str, Any]:
        try:
            value = parse_json(text)
        except JsonFault:
            value = None
        if not isinstance(value, dict):
            raise IncompleteError(f"{self._url}: {what} is not a JSON object: {text[:100]}")
        return value

    async def _exchange(
        self,
        method: str,
        path: str,
        read: Callable[[aiohttp.ClientResponse], Awaitable[T]],
        *,
        body: dict[str, Any] | None = None,
        form: Callable[[], aiohttp.FormData] | None = None,
        tries: int = 0,
    ) -> T:
        """Return what `read` makes of a response, asked for again while the server is busy, fails or is away.

        Raises UserError where it refuses the request, IncompleteError after the timeout or so many `tries`.
        """
        self._session = self._session or open_session(self._url, self._key, timeout=None, json_bodies=False)
        give_up_at, pause, count = time.monotonic() + self._timeout, FIRST_POLL, 0
        limit = self._aiohttp.ClientTimeout(sock_connect=10.0, sock_read=self._timeout)
        while True:
            count += 1
            options: dict[str, Any] = {"timeout": limit, "allow_redirects": False}
            if form:
                options["data"] = form()
            elif body:
                options["json"] = body
            try:
                async with self._session.request(method, self._url + path, **options) as response:
                    if response.status == 200:
                        return await read(response)
                    fault = await self._refusal(response, method, path)
                    wait = pause_seconds(response.headers) if response.status in BUSY else pause
            except self._aiohttp.ClientSSLError as error:
                raise UserError(tls_fault(self._url, error)) from None
            except (BodyFault, self._aiohttp.ClientError, OSError) as error:
                fault, wait = first_line(error), pause
            if count == tries or time.monotonic() > give_up_at:
                raise IncompleteError(f"{self._url}{path.partition('?')[0]} does not answer ({fault})")
            await asyncio.sleep(wait)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _refusal(self, response: aiohttp.ClientResponse, method: str, path: str) -> str:
        """Return what a response that is no success says; UserError where it stays none."""
        text = await read_body(response, self._key, self._room)
        error = f"HTTP {response.status}: {error_message(text)}"
        refuse_address(self._url, response.status, text, response.headers.get("Location", ""))
        if response.status in (404, 405, 501):
            raise UserError(f"{self._url} has no batch API ({method} {path}: {error}); leave out --batch")
        if response.status < 500 and response.status not in BUSY:
            raise UserError(f"{self._url} refuses {method} {path}: {error}")
        return error


def mapping(value: object) -> dict[str, Any]:
    """Return an object of a server's JSON, an empty one where something else stands."""
    return value if isinstance(value, dict) else {}


def line(custom_id: str, path: str, body: str) -> str:
    """Return a request as a line of a file of requests."""
    return f'{{"custom_id": {json.dumps(custom_id)}, "method": "POST", "url": {json.dumps(path)}, "body": {body}}}'
