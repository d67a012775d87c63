"""A local server of OpenAI's batch protocol (https://platform.openai.com/docs/api-reference/batch), which counts jobs.

It has no other way to ask a model. `on` is called with the name of what has just been done, before it is said: upload,
create, poll, download.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.mock_endpoint import listening
from tests.providers import scripted_reply

Refuse = Callable[[dict[str, Any]], str]
"""Says what is wrong with a request; empty for nothing."""


@dataclass
class MockBatch:
    """Files and jobs, and every request that was paid for."""

    on: Callable[[str], None] = lambda _: None
    refuse: Refuse = lambda _: ""
    fails: Callable[[int], bool] = lambda _: False
    """Whether the request of a number fails within its job."""
    polls: int = 2
    """So often a job is in progress when it is looked at."""
    files: dict[str, bytes] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    paid: Counter[str] = field(default_factory=Counter)
    looks: Counter[str] = field(default_factory=Counter)
    requests: int = 0

    def app(self) -> web.Application:
        app = web.Application(client_max_size=200_000_000)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/files", self._upload)
        app.router.add_get("/v1/files/{id}/content", self._content)
        app.router.add_post("/v1/batches", self._create)
        app.router.add_get("/v1/batches", self._list)
        app.router.add_get("/v1/batches/{id}", self._look)
        return app

    async def _models(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "tiny"}]})

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        assert form["purpose"] == "batch"
        name = f"file-{len(self.files)}"
        self.files[name] = form["file"].file.read()  # type: ignore[union-attr]
        self.on("upload")
        return web.json_response({"id": name, "object": "file", "purpose": "batch", "bytes": len(self.files[name])})

    async def _create(self, request: web.Request) -> web.Response:
        asked = await request.json()
        assert asked["completion_window"] == "24h"
        lines = [json.loads(line) for line in self.files[asked["input_file_id"]].splitlines()]
        assert {line["url"] for line in lines} == {asked["endpoint"]}
        assert len({line["custom_id"] for line in lines}) == len(lines) <= 50_000
        name = f"batch_{len(self.jobs)}"
        output, errors = self._worked(lines)
        self.files |= {f"{name}-output": output, f"{name}-errors": errors}
        self.jobs[name] = {"id": name, "object": "batch", "status": "in_progress", **asked}
        self.on("create")
        return web.json_response(self.jobs[name])

    def _worked(self, lines: list[dict[str, Any]]) -> tuple[bytes, bytes]:
        """Return the output and the error file of a job, its replies in another order."""
        output, errors = list[str](), list[str]()
        for line in lines:
            self.requests += 1
            response: dict[str, Any]
            if fault := self.refuse(line["body"]) or "overloaded" * self.fails(self.requests):
                status = 500 if fault == "overloaded" else 400
                response = {"status_code": status, "body": {"error": {"message": fault}}}
            else:
                self.paid[line["custom_id"]] += 1
                message = {"role": "assistant", "content": scripted_reply(line["body"], self.requests)}
                usage = {"prompt_tokens": 100, "completion_tokens": 10}
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                response = {"status_code": 200, "body": {"choices": [choice], "usage": usage}}
            result = {"id": f"r{self.requests}", "custom_id": line["custom_id"], "response": response, "error": None}
            (output if response["status_code"] == 200 else errors).append(json.dumps(result))
        random.Random(len(lines)).shuffle(output)
        return "\n".join(output).encode(), "\n".join(errors).encode()

    async def _list(self, request: web.Request) -> web.Response:
        jobs = list(reversed(self.jobs.values()))
        start = [job["id"] for job in jobs].index(request.query["after"]) + 1 if "after" in request.query else 0
        page = jobs[start : start + 2]
        return web.json_response({"object": "list", "data": page, "has_more": start + 2 < len(jobs)})

    async def _look(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        self.looks[name] += 1
        self.on("poll")
        if self.looks[name] <= self.polls:
            return web.json_response(self.jobs[name])
        done = {"status": "completed", "output_file_id": f"{name}-output", "error_file_id": f"{name}-errors"}
        return web.json_response(self.jobs[name] | done)

    async def _content(self, request: web.Request) -> web.Response:
        self.on("download")
        return web.Response(body=self.files[request.match_info["id"]])


@contextmanager
def batches(server: MockBatch) -> Iterator[str]:
    """Serve batches in a thread; yield the base URL."""
    with listening(server.app()) as address:
        yield f"http://{address}/v1"
