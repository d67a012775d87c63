"""Servers that keep to the protocol in their own way, or not: each is read rightly, or is one line."""

from __future__ import annotations

import gzip
import itertools
import json
import re
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from synthgen.corpora.import_corpus import import_task
from synthgen.dataset import read_manifest
from synthgen.engines import Reply, Request, Sampling
from synthgen.engines.base import TRIES, run_with_retries
from synthgen.engines.dialect import Dialect, completion
from synthgen.engines.endpoint import EndpointEngine
from synthgen.engines.failures import error_message, failed_reply, pause_seconds
from synthgen.engines.openai_api import resolve_endpoint
from synthgen.engines.scripted import Line, ScriptedEngine
from synthgen.errors import IncompleteError
from synthgen.filters.command import filter as run_filters
from synthgen.generation.make import make
from synthgen.models.packs import ResolvedModel
from synthgen.publishing.verify import verify
from synthgen.translation.command import translate
from tests.mock_endpoint import answering
from tests.providers import Provider

TEXT = "The ferry left the old harbour at noon, très tôt."
COMPLETION = {"choices": [{"message": {"content": TEXT}, "finish_reason": "stop"}], "usage": {"completion_tokens": 9}}
BODY = json.dumps(COMPLETION, ensure_ascii=False)


def model_at(address: str) -> ResolvedModel:
    return ResolvedModel(Path(), "tiny", "", "x", url=f"http://{address}/v1")


def one_reply(address: str, schema: str | None = None) -> Reply:
    """Return what a server replies to one request."""
    waiting = [Request((0, 0), "Write.", Sampling(5, 0.8, 5, (), schema))]
    with closing(EndpointEngine(model_at(address), timeout=5)) as engine:
        (reply,) = engine.run(lambda: waiting.pop() if waiting else None)
    return reply


def answering_with(body: bytes, status: int = 200, **headers: str) -> Any:
    async def reply(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=headers)

    return answering(reply)


def events(*pieces: dict[str, Any], end: str = "data: [DONE]\n\n") -> bytes:
    return "".join(f"data: {json.dumps(piece)}\n\n" for piece in pieces).encode() + end.encode()


def delta(**message: Any) -> dict[str, Any]:
    return {"choices": [{"delta": message, "finish_reason": None}]}


STOP = {"choices": [{"delta": {}, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (BODY.encode("utf-16"), {}),
        (BODY.encode("utf-16-le"), {"Content-Type": "application/json"}),
        (BODY.encode("utf-32"), {}),
        (b"\xef\xbb\xbf" + BODY.encode(), {"Content-Type": "application/json"}),
        (BODY.encode("latin-1"), {"Content-Type": "application/json; charset=ISO-8859-1"}),
        (BODY.encode(), {"Content-Type": "application/json; charset=ISO-8859-1"}),
        (BODY.encode(), {"Content-Type": "text/html; charset=no-such-one"}),
        (gzip.compress(BODY.encode()), {"Content-Encoding": "gzip"}),
        (zlib.compress(BODY.encode()), {"Content-Encoding": "deflate"}),
        (events(delta(role="assistant", content=TEXT[:9]), delta(content=TEXT[9:]), STOP), {}),
        (events(delta(content=TEXT), STOP, end=""), {"Content-Type": "text/event-stream"}),
        (b": OPENROUTER PROCESSING\n\n" + events(delta(content=TEXT)), {}),
        (events({"choices": [{"text": TEXT[:20]}]}, {"choices": [{"text": TEXT[20:]}]}), {}),
        (events(COMPLETION), {}),
        (json.dumps({"choices": [{"text": TEXT, "index": 1, "id": "x"}], "id": "x", "usage": None}).encode(), {}),
    ],
)
def test_a_body_is_read_whatever_it_is_written_in(body: bytes, headers: dict[str, str]) -> None:
    with answering_with(body, **headers) as address:
        reply = one_reply(address)
    assert (reply.outcome, reply.text, reply.error) == ("ok", TEXT, "")


def test_a_key_that_a_stream_repeats_in_pieces_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTHGEN_API_KEY", "sk-0123456789")
    pieces = delta(content="The key sk-01"), delta(content="23456789 is\u2028mine."), STOP
    lines = "".join(f"data: {json.dumps(piece, ensure_ascii=False)}\n\n" for piece in pieces)
    with answering_with(lines.encode()) as address:
        assert one_reply(address).text == "The key *** is\u2028mine."


@pytest.mark.parametrize(
    ("body", "headers", "says"),
    [
        (events(delta(content=TEXT[:9]), end=""), {}, "the event stream ended too early"),
        (events(delta(content=TEXT), {"error": {"message": "the GPU is gone"}}), {}, "the GPU is gone"),
        (b"data: {not JSON\n\n", {}, "the reply is not a completion"),
        (b"<html>Sign in</html>", {"Content-Type": "text/html"}, "not a completion: .*<html>Sign in"),
        (b'{"choices": []}', {}, "not a completion: .*choices"),
        (b'{"choices": [null]}', {}, "not a completion: .*null"),
        (b'{"object": "list"}', {}, "not a completion: .*list"),
        (b'{"error": "no worker"}', {}, "no worker"),
        (BODY.encode(), {"Content-Encoding": "gzip"}, "ContentEncodingError|ClientPayloadError"),
    ],
)
def test_what_is_no_reply_is_a_failed_request_in_one_line(body: bytes, headers: dict[str, str], says: str) -> None:
    with answering_with(body, **headers) as address:
        reply = one_reply(address)
    assert reply.outcome == "http"
    assert re.search(says, reply.error)
    assert "\n" not in reply.error


@contextmanager
def raw_server(answer: bytes) -> Iterator[str]:
    """Serve bytes to every connection, which is closed then."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection, suppress(OSError):
                    connection.settimeout(5)
                    connection.recv(65_536)
                    connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


def test_a_body_of_http_1_0_ends_where_the_connection_does() -> None:
    head = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"
    with raw_server(head + BODY.encode()) as address:
        assert one_reply(address).text == TEXT


def test_a_body_that_breaks_off_is_a_failed_request() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    half = BODY.encode()[:40]
    with raw_server(head + b"%x\r\n%s\r\n" % (len(half), half)) as address:
        reply = one_reply(address)
    assert (reply.outcome, reply.error.partition(":")[0]) == ("http", "ClientPayloadError")


def test_an_object_that_comes_as_the_arguments_of_a_tool_is_the_reply() -> None:
    arguments = '{"premise": "It rains."}'
    message = {"content": None, "tool_calls": [{"type": "function", "function": {"name": "x", "arguments": arguments}}]}
    choice = {"message": message, "finish_reason": "tool_calls"}
    with answering_with(json.dumps({"choices": [choice]}).encode()) as address:
        assert one_reply(address, schema="{}").text == arguments
        assert one_reply(address).error == "empty reply"


TOO_LONG = [
    "This model's maximum context length is 2048 tokens. However, your messages resulted in 3000 tokens.",
    "'max_tokens' or 'max_completion_tokens' is too large: 900. This model's maximum context length is 512 tokens",
    "the request exceeds the available context size, try increasing it",
    "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens",
    "prompt is too long: 210000 tokens > 200000 maximum",
    "The input token count (40000) exceeds the maximum number of tokens allowed (32768).",
    "Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
    "The input (3000 tokens) is longer than the model's context length (2048 tokens).",
    "The decoder prompt (length 3000) is longer than the maximum model length of 2048.",
    "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length",
    "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
    "Invalid request: Your request exceeded model token limit: 8192",
    "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4200.",
    "Range of input length should be [1, 30720]",
    "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 509178 tokens.",
    "Prompt exceeds max length",
]
FILTERED = [
    "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
    "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
    "Content Exists Risk",
    "Input data may contain inappropriate content.",
]
CUT_OFF = [
    "Could not finish the message because max_tokens or model output limit was reached. Please try again.",
    "max completion tokens reached before generating a valid document",
]


@pytest.mark.parametrize(
    ("status", "message", "outcome", "error"),
    [
        *((400, message, "ok", "prompt too long") for message in TOO_LONG),
        (413, "Request Entity Too Large", "ok", "prompt too long"),
        (422, TOO_LONG[0], "ok", "prompt too long"),
        *((400, message, "ok", "content filter") for message in FILTERED),
        *((400, message, "ok", "truncated") for message in CUT_OFF),
        (403, "Your input was flagged", "ok", "content filter"),
        (400, "I do not like it", "refused", "HTTP 400: I do not like it"),
        (422, "no", "refused", "HTTP 422: no"),
        (415, "no", "refused", "HTTP 415: no"),
        (500, CUT_OFF[0], "http", f"HTTP 500: {CUT_OFF[0]}"),
        (408, "slow", "http", "HTTP 408: slow"),
        (500, "maximum context length", "http", "HTTP 500: maximum context length"),
        (529, "overloaded", "busy", "HTTP 529: overloaded"),
    ],
)
def test_what_a_server_says_against_a_request_tells_whether_to_send_it_again(
    status: int, message: str, outcome: str, error: str
) -> None:
    body = json.dumps({"error": {"message": message}}).encode()
    with answering_with(body, status, **{"Retry-After": "0.01"}) as address:
        reply = one_reply(address, schema="{}")
    assert (reply.outcome, reply.error) == (outcome, error)


def test_what_a_refusal_quotes_of_a_prompt_or_of_a_reply_names_no_parameter() -> None:
    request = Request((0, 0), "Write.", Sampling(5, 0.8, 5, (), "{}"))
    for message in (*TOO_LONG, *FILTERED, *CUT_OFF):
        assert Dialect().after(request, 400, f"{message} 'Stop, the temperature of response_format, top_k'") is None
    assert Dialect().after(request, 400, "Unsupported value: temperature") is not None


def test_a_reply_that_the_server_could_not_read_is_what_the_model_wrote() -> None:
    error = {"code": "json_validate_failed", "message": "Failed to generate JSON.", "failed_generation": TEXT}
    with answering_with(json.dumps({"error": error}).encode(), 400) as address:
        reply = one_reply(address, schema="{}")
    assert (reply.outcome, reply.text, reply.error) == ("ok", TEXT, "unreadable JSON")


def test_the_words_of_an_error_are_said_wherever_they_stand() -> None:
    bodies = ({"error": {"message": "no"}}, [{"error": {"message": "no"}}], {"detail": "no"}, {"error": "no"}, "no")
    assert {error_message(json.dumps(body)) for body in bodies} == {"no"}
    assert error_message('{"detail": ["a", "b"]}') == "['a', 'b']"
    assert error_message("[]") == "[]"


def test_a_server_without_room_is_waited_for_when_its_error_came_as_a_success() -> None:
    for code in (529, "429", "rate_limit_exceeded", "overloaded_error"):
        error = json.dumps({"error": {"message": "no room", "type": "x", "code": code}})
        assert completion(Request((0, 0), "", Sampling(5, 0.8, 5, ())), error).outcome == "busy"


def test_an_error_code_that_came_as_a_success_is_taken_as_the_status() -> None:
    assert failed_reply((0, 0), "context_length_exceeded", TOO_LONG[0], "x").error == "prompt too long"
    assert failed_reply((0, 0), 400, "no", "no").outcome == "refused"
    assert failed_reply((0, 0), None, "maximum context length", "x").outcome == "http"


def test_a_refused_request_is_sent_once_more_and_a_failed_one_until_its_last_try() -> None:
    for error, sent in (("refused", 2), ("http", TRIES)):
        engine = ScriptedEngine(lambda _, error=error: Line(error=error))  # type: ignore[misc]
        requests = [Request((number, 0), "Write.", Sampling(5, 0.8, 5, ())) for number in range(3)]
        assert {reply.outcome for reply in run_with_retries(engine, requests, 0.0)} == {error}
        assert engine.requests == 3 * sent


RATES = {"x-ratelimit-reset-requests": "2s", "x-ratelimit-reset-tokens": "1m1s"}


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"Retry-After": "3", "x-ratelimit-reset-requests": "9s"}, "", 3.0),
        ({"retry-after-ms": "250"}, "", 0.25),
        (RATES, "", 30.0),
        (RATES | {"x-ratelimit-remaining-tokens": "7"}, "", 2.0),
        ({}, '{"error": {"message": "slow", "retry_after": 4}}', 4.0),
        ({}, '{"error": {"details": [{"retryDelay": "1.5s"}]}}', 1.5),
        ({}, '{"retry_after_ms": 1500}', 1.5),
        ({"Retry-After": "soon"}, "slow down", 0.5),
        ({"Retry-After": "nan"}, "", 0.5),
    ],
)
def test_the_pause_that_a_server_asks_for_is_read_wherever_it_says_so(
    headers: dict[str, str], body: str, seconds: float
) -> None:
    assert pause_seconds(headers, body) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("models", "name", "ref"),
    [
        ({"models": [{"name": "tiny:latest", "model": "tiny:latest"}]}, "", "tiny:latest"),
        ({"models": [{"name": "other"}], "data": [{"id": "tiny"}]}, "", "tiny"),
        ({"data": ["tiny"]}, "", "tiny"),
        ([{"name": "tiny"}], "", "tiny"),
        ({"data": [{"id": "a"}, {"id": "b"}], "has_more": True, "last_id": "b"}, "#tiny", "tiny"),
        ({"data": [{"id": "tiny"}, {"id": "tiny"}]}, "", "tiny"),
    ],
)
def test_a_list_of_models_of_another_shape_is_read(models: Any, name: str, ref: str) -> None:
    with answering_with(json.dumps(models).encode()) as address:
        assert resolve_endpoint(f"http://{address}/v1/{name}", timeout=5).ref == ref


class Streaming(Provider):
    """Streams every completion, whatever it is asked for."""

    async def reply(self, request: web.Request) -> web.Response:
        whole = await super().reply(request)
        if request.path.endswith("/models"):
            return whole
        text = json.loads(whole.body)["choices"][0]["message"]["content"]  # type: ignore[arg-type]
        pieces = [delta(content=text[start : start + 7]) for start in range(0, len(text), 7)]
        return web.Response(body=events(*pieces, STOP), content_type="text/event-stream")


def test_make_a_judge_and_a_translator_read_a_server_that_streams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path / "cache"))
    with Streaming().serving() as address:
        url = f"http://{address}/v1"
        assert make("mnli", n=12, engine="endpoint", model=url, out=tmp_path / "made").kept == 12
        assert run_filters(tmp_path / "made", out=tmp_path / "judged", judge=url).kept == 4
        (translated,) = translate(tmp_path / "made", to="de", mt=f"llm:{url}", round_trip=0, out=tmp_path / "de")
    assert translated.kept == 12
    assert not verify(tmp_path / "made").faults


class Small(Provider):
    """Takes no prompt that `is_long` says is too long for it."""

    def __init__(self, refused: Callable[[str], bool], status: int, message: str) -> None:
        super().__init__()
        self.refused, self.status, self.says = refused, status, message

    def refusal(self, path: str, body: dict[str, Any]) -> tuple[int, Any] | None:
        if not self.refused(body["messages"][-1]["content"]):
            return None
        return self.status, {"error": {"message": self.says}}


def test_rows_that_do_not_fit_the_model_are_rejected_with_the_reason_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path / "cache"))
    every_third = itertools.count()
    small = Small(lambda _: next(every_third) % 3 == 2, 400, TOO_LONG[1])
    with small.serving() as address:
        url, made = f"http://{address}/v1", tmp_path / "made"
        manifest = make("mnli", n=90, engine="endpoint", model=url, out=made)
        import_task("mnli", source="sample", out=tmp_path / "english")
        judged = run_filters(tmp_path / "english", out=tmp_path / "judged", judge=url)
        (german,) = translate(tmp_path / "english", to="de", mt=f"llm:{url}", round_trip=0, out=tmp_path / "de")
    assert (manifest.kept, manifest.failed, manifest.attempts["http"]) == (90, 0, 0)
    assert manifest.rejected["prompt too long"] > 10
    assert not verify(made).faults
    assert 0 < german.kept < read_manifest(tmp_path / "english").kept
    assert judged.kept > 0


def test_a_server_that_refuses_everything_ends_the_run_in_one_line(tmp_path: Path) -> None:
    with Small(lambda _: True, 400, "I do not like it").serving() as address:
        again = partial(make, "mnli", n=90, engine="endpoint", model=f"http://{address}/v1", out=tmp_path / "made")
        with pytest.raises(IncompleteError, match="too many requests fail: .* HTTP 400: I do not like it"):
            again()
    with Small(lambda _: True, 413, "no").serving() as address:
        again = partial(make, "mnli", n=90, engine="endpoint", model=f"http://{address}/v1", out=tmp_path / "long")
        with pytest.raises(IncompleteError, match="none of 100 replies can be used; .*prompt too long"):
            again()
