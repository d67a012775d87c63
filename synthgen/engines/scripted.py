"""An engine that answers from a function or a queue: for tests, benchmarks and dry runs, without a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from synthgen.engines import NextRequest, Reply, Request

Answer = str | Exception
"""A reply's text, TimeoutError for a timeout, any other exception for a server error."""


class ScriptedEngine:
    """Answers each request with what `answer(request)` returns; a TimeoutError or another exception is a failed reply.

    >>> engine = ScriptedEngine(lambda request: request.prompt.upper())
    """

    name = "scripted"
    versions: dict[str, str] = {"scripted": "1"}  # noqa: RUF012 - a constant

    def __init__(self, answer: Callable[[Request], Answer], *, batch_size: int = 64) -> None:
        """Answer with `answer`; up to `batch_size` requests are in flight, so replies lag behind requests."""
        self._answer = answer
        self._batch_size = batch_size
        self.requests = 0

    def run(self, next_request: NextRequest) -> Iterator[Reply]:
        """Yield one reply for each request, in the order of the requests."""
        while True:
            batch: list[Request] = []
            while len(batch) < self._batch_size and (request := next_request()) is not None:
                batch.append(request)
            if not batch:
                return
            for request in batch:
                self.requests += 1
                yield _reply(request, self._answer(request))

    def close(self) -> None:
        """Nothing to free."""


def _reply(request: Request, answer: Answer) -> Reply:
    if isinstance(answer, TimeoutError):
        return Reply(request.tag, "timeout", error=str(answer))
    if isinstance(answer, Exception):
        return Reply(request.tag, "http", error=str(answer))
    tokens = (len(request.prompt.split()), len(answer.split()))
    return Reply(request.tag, "ok", answer, prompt_tokens=tokens[0], output_tokens=tokens[1])
