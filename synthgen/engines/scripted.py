"""Replies from a file or a function: for tests, benchmarks and dry runs, without a model.

    synthgen make --task mnli --n 30 --engine scripted --model replies.jsonl

The file has one reply a line, taken in turn and from the start again: `{"text": "It rains."}`, or what goes wrong:
`{"error": "http"}`, `{"error": "busy"}`, `{"error": "timeout"}`, `{"error": "refused"}`, `{"error": "crash"}` (the
process is killed, as by `kill -9`); `"seconds"` makes a reply slow. A text that is no JSON is a bad reply, the same
text twice a duplicate.
"""

import hashlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Literal, get_args

from synthgen.engines.base import Engine, EngineSpec, NextRequest, Reply, Request, text_reply
from synthgen.errors import UserError, plain_os_error
from synthgen.models.packs import ResolvedModel
from synthgen.text.json_text import parse_json
from synthgen.text.plain_text import read_plain_text

Fault = Literal["http", "busy", "timeout", "refused", "crash"]
Answer = str | Exception
"""The text of a reply, TimeoutError for a timeout, any other exception for a server error."""


@dataclass(frozen=True, slots=True)
class Line:
    """A reply of the file."""

    text: str = ""
    error: Fault | Literal[""] = ""
    seconds: float = 0.0


class ScriptedEngine(Engine):
    """Replies to each request with `answer(request)`, such as `lambda request: request.prompt.upper()`."""

    name = "scripted"
    versions: dict[str, str] = {"scripted": "1"}  # noqa: RUF012 - a constant

    def __init__(self, answer: Callable[[Request], Answer | Line], *, batch_size: int = 64) -> None:
        """Reply with `answer`; up to `batch_size` requests are in flight, so replies lag behind requests."""
        self._answer, self._batch_size, self.requests = answer, batch_size, 0

    def run(self, next_request: NextRequest) -> Iterator[Reply]:
        """Yield one reply for each request, in the order of the requests."""
        while batch := list(islice(iter(next_request, None), self._batch_size)):
            for request in batch:
                self.requests += 1
                yield _reply(request, self._answer(request))


def resolve_replies(ref: str, _timeout: float) -> ResolvedModel:
    """Return a file of replies as a model, with its hash as the revision; UserError when it cannot be read."""
    path = Path(ref)
    shape = 'give a file with one JSON object per line, such as {"text": "It rains."}'
    with plain_os_error(f"--engine scripted reads its replies from the file --model {ref}", shape):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return ResolvedModel(path, path.name, digest, "that of the replies", "replies from a file, no model")


def read_replies(path: Path) -> Callable[[Request], Line]:
    """Return an answer function over a file of replies; UserError with the line that is not one."""
    texts = read_plain_text(path, "the replies ").split("\n")
    lines = [_line(text, where=f"{path}:{number}") for number, text in enumerate(texts, 1) if text.strip()]
    if not lines:
        raise UserError(f'{path} has no replies; give one JSON object per line, such as {{"text": "It rains."}}')
    replies = cycle(lines)
    return lambda _: next(replies)


def _line(text: str, *, where: str) -> Line:
    try:
        line = Line(**parse_json(text))
    except (ValueError, TypeError):
        raise UserError(f"{where}: {text[:80]!r} is not a reply; allowed keys: text, error, seconds") from None
    if not isinstance(line.text, str) or type(line.seconds) not in (int, float) or not 0 <= line.seconds < 1e6:
        raise UserError(f"{where}: {text[:80]!r} is not a reply; text must be a string, seconds a number")
    if line.error and line.error not in get_args(Fault):
        raise UserError(f"{where}: error '{line.error}'; allowed: {', '.join(get_args(Fault))}")
    return line


def _reply(request: Request, answer: Answer | Line) -> Reply:
    if isinstance(answer, Exception):
        return Reply(request.tag, "timeout" if isinstance(answer, TimeoutError) else "http", error=str(answer))
    if isinstance(answer, Line):
        if answer.seconds:
            time.sleep(answer.seconds)
        if answer.error == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        elif answer.error:
            return Reply(request.tag, answer.error, error="planned")
        answer = answer.text
    return text_reply(request.tag, answer, tokens=(len(request.prompt.split()), len(answer.split())))


ENGINE = EngineSpec(
    "scripted", lambda model, _: ScriptedEngine(read_replies(model.path)), resolve_replies, serves="replies"
)
