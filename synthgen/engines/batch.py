"""An endpoint's batches as an engine: all requests there are go as one job, at half the price and within a day.

The ledger has the name and the id of every job that is not used up. A run that was killed waits for those first, and
only what is in none of them becomes a new job, so nothing is paid twice.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import Counter
from collections.abc import Coroutine, Generator, Iterator
from dataclasses import replace
from importlib.metadata import version
from itertools import islice
from typing import Any, TypeVar

from synthgen import console
from synthgen.dataset.ledger import Ledger
from synthgen.engines.base import Engine, NextRequest, Reply, Request
from synthgen.engines.batch_api import BatchApi, line, mapping
from synthgen.engines.dialect import Dialect, body, completion
from synthgen.engines.failures import error_message, failed_reply
from synthgen.engines.openai_api import ADDRESS_SEPARATOR
from synthgen.errors import IncompleteError, UserError
from synthgen.models.packs import ResolvedModel

T = TypeVar("T")
MOST_REQUESTS = 50_000
"""Of a job (OpenAI's limit)."""
MOST_BYTES = 150_000_000
"""Of its file; OpenAI takes 200 MB."""
PREFIX = "/v1"
"""Paths in a file of requests begin with it, whatever the address does."""
OPENAI = Dialect(without=frozenset({"top_k", "chat_template_kwargs"}))
"""What is sent at first: a refusal would cost a whole job's time."""


class BatchEngine(Engine):
    """One model of one server, asked by jobs."""

    name = "endpoint"

    def __init__(self, model: ResolvedModel, ledger: Ledger, *, timeout: float) -> None:
        """Keep the jobs in `ledger`, which has the replies of the run too; UserError for more than one address."""
        if ADDRESS_SEPARATOR in model.url:
            raise UserError("--batch sends its jobs to one server; give one address")
        self._model, self._ledger, self._api = model, ledger, BatchApi(model.url, timeout=timeout)
        self._loop = asyncio.new_event_loop()
        self._dialect = OPENAI
        self._failures = Counter(ledger.failed_keys())
        self._results: dict[str, dict[str, Any]] = {}
        """By the id of a request in its job: what came of it."""

    @property
    def versions(self) -> dict[str, str]:
        """Version of the HTTP client; what the server runs is not known here."""
        return {"aiohttp": version("aiohttp")}

    def run(self, next_request: NextRequest) -> Iterator[Reply]:
        """Yield the replies to all requests there are, job by job."""
        for name, job in self._ledger.open_jobs():
            self._adopt(name, job)
        while requests := list(islice(iter(next_request, None), MOST_REQUESTS)):
            while requests:
                requests = yield from self._replies(requests)
            if not self._results:  # all of it is used, and stored in this transaction
                self._end_jobs()
        self._results.clear()
        self._end_jobs()

    def _replies(self, requests: list[Request]) -> Generator[Reply, None, list[Request]]:
        """Yield the replies to requests, sent as jobs; return those to be sent again, otherwise than now."""
        sent, again = self._dialect, list[Request]()
        self._submit([request for request in requests if self._id(request) not in self._results])
        for request in requests:
            reply = self._reply(request, sent)
            if reply is None:
                again.append(request)
                continue
            if reply.outcome != "ok":
                self._failures[self._key(request)] += 1
            yield reply
        return again

    def close(self) -> None:
        """Close the connections; jobs go on at the server."""
        if not self._loop.is_closed():
            self._run(self._api.close())
            self._loop.close()

    def _end_jobs(self) -> None:
        for name, _ in self._ledger.open_jobs():
            self._ledger.end_job(name)
        self._ledger.commit()

    def _run(self, waiting: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(waiting)

    def _key(self, request: Request) -> str:
        return request.key(self._model.ref, self._model.revision)

    def _id(self, request: Request) -> str:
        """Return the id of a request in its job: that of its content, and how often it failed before."""
        key = self._key(request)
        return f"{key}-{self._failures[key]}"

    def _submit(self, requests: list[Request]) -> None:
        """Send requests as jobs and wait for their results."""
        lines, size, path = list[str](), 0, ""
        for request in requests:
            path, data = body(self._model.ref, request, self._dialect)
            lines.append(line(self._id(request), PREFIX + path, data))
            size += len(lines[-1])
            if size > MOST_BYTES:
                self._send(PREFIX + path, lines)
                lines, size = [], 0
        if lines:
            self._send(PREFIX + path, lines)

    def _send(self, path: str, lines: list[str]) -> None:
        """Send one job; its name is in the ledger before the server has it, and its id as soon as there is one."""
        name = secrets.token_hex(8)
        self._ledger.add_job(name)
        self._ledger.commit()  # with the slots that its requests are of
        job = self._run(self._api.submit(name, path, lines))
        self._ledger.name_job(name, job)
        self._ledger.commit()
        console.note(
            f"batch {job}: {len(lines):,} requests are with the server; run the same command to wait for it again"
        )
        self._wait(name, job)

    def _adopt(self, name: str, known: str) -> None:
        """Wait for a job of an earlier process; one that never came to the server is forgotten."""
        job = known or self._run(self._api.find(name))
        if not job:
            self._ledger.end_job(name)
            self._ledger.commit()
            return
        if job != known:
            self._ledger.name_job(name, job)
            self._ledger.commit()
        self._wait(name, job)

    def _wait(self, name: str, job: str) -> None:
        """Take the results of a job when it has ended."""
        state = self._run(self._api.ended(job))
        if state["status"] == "failed":
            self._ledger.end_job(name)
            self._ledger.commit()
            faults = mapping(state.get("errors")).get("data")
            reason = mapping(faults[0] if isinstance(faults, list) and faults else None).get("message")
            raise IncompleteError(f"{self._model.url} refused the batch {job}: {reason or 'it gives no reason'}")
        self._run(self._take(state))

    async def _take(self, state: dict[str, Any]) -> None:
        async for result in self._api.results(state):
            self._results[str(result.get("custom_id"))] = result

    def _reply(self, request: Request, sent: Dialect) -> Reply | None:
        """Return the reply in a request's result; None when it is to be sent again, otherwise than in `sent`."""
        result = self._results.pop(self._id(request), None)
        if result is None:
            return Reply(request.tag, "http", error="the batch has no result for the request")
        response = mapping(result.get("response"))
        status, text = response.get("status_code"), json.dumps(response.get("body") or {"error": result.get("error")})
        if status == 200:
            reply = completion(request, text)
            dialect = sent.after_reply(request, reply)
            if dialect is None:
                return reply
            if self._dialect == sent:
                self._dialect = dialect
            return None
        fault = f"HTTP {status}: {error_message(text)}" if isinstance(status, int) else error_message(text)
        change = sent.after(request, status, text) if isinstance(status, int) else None
        if change is None:
            reply = failed_reply(request.tag, status, text, fault)
            return replace(reply, outcome="http") if reply.outcome == "busy" else reply
        if self._dialect == sent:
            self._dialect, what = change
            console.note(f"{self._model.url} takes {what} ({fault})")
        return None
