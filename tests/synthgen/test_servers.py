"""Servers as they are met: what an address, a key or a proxy can be wrong with, and what is said of it."""

from __future__ import annotations

import itertools
import json
import random
import ssl
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from synthgen.dataset import read_manifest
from synthgen.engines import Reply, Request, Sampling
from synthgen.engines.base import run_with_retries
from synthgen.engines.endpoint import EndpointEngine
from synthgen.engines.openai_api import resolve_endpoint
from synthgen.engines.scripted import Line, ScriptedEngine
from synthgen.engines.server import Limit
from synthgen.errors import IncompleteError, UserError
from synthgen.generation.make import make
from synthgen.models.packs import ResolvedModel
from tests.mock_endpoint import Faults, answering, listening, serving

WORDS = "river museum garden council winter doctor bridge station lawyer window market teacher".split()  # noqa: SIM905
MODELS = '{"data": [{"id": "tiny"}]}'


def replies_of(engine: EndpointEngine, count: int, schema: str | None = None) -> list[Reply]:
    """Return the replies to so many equal requests."""
    waiting = [Request((number, 0), "Write.", Sampling(5, 0.8, 5, (), schema)) for number in range(count)]
    with closing(engine):
        return list(engine.run(lambda: waiting.pop() if waiting else None))


def unique(number: int) -> str:
    """Return a sentence that no other number has."""
    draw = random.Random(number)
    return f"The {' '.join(draw.choices(WORDS, k=9))} number {number}."


def fixed(status: int, body: str | bytes, **headers: str) -> AbstractContextManager[str]:
    """Return a server that answers everything alike."""
    raw = body if isinstance(body, bytes) else body.encode()

    async def reply(request: web.Request) -> web.Response:
        return web.Response(status=status, body=raw, headers={"Content-Type": "application/json", **headers})

    return answering(reply)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, "404 page not found", r"lists no models \(HTTP 404: 404 page not found\); add /v1 .*#NAME"),
        (401, '{"error": {"message": "wrong key"}}', "refuses the key, set SYNTHGEN_API_KEY: HTTP 401: wrong key"),
        (500, '{"error": {"message": "boom"}}', "lists no models .HTTP 500: boom."),
        (500, "d\xe9lai".encode("latin-1"), "lists no models .HTTP 500: d\ufffdlai."),
        (200, "<html>Sign in</html>", "lists no models .HTTP 200: <html>Sign in"),
        (200, '{"data": []}', "has no model loaded"),
        (200, '{"data": null}', "has no model loaded"),
        (200, '{"data": [{"id": null}, {"id": ""}]}', "lists no models|has no model loaded"),
        (200, '{"data": [{"id": "a"}, {"id": "b"}]}', "has 2 models; give one of: http.*#a, http.*#b"),
    ],
)
def test_each_fault_of_an_address_has_its_line(status: int, body: str | bytes, said: str) -> None:
    with fixed(status, body) as address, pytest.raises(UserError, match=said) as fault:
        resolve_endpoint(f"http://{address}", timeout=5)
    assert "\n" not in str(fault.value)


def test_a_bare_list_of_models_is_a_list_too() -> None:
    with fixed(200, '[{"id": "tiny"}]') as address:
        assert resolve_endpoint(f"http://{address}/v1", timeout=5).ref == "tiny"


def test_a_redirect_is_named_and_not_followed() -> None:
    with (
        fixed(307, "", Location="http://other.example/v1/models") as address,
        pytest.raises(UserError, match="redirects .HTTP 307. to http://other.example/v1/models; give the address"),
    ):
        resolve_endpoint(f"http://{address}/v1#tiny", timeout=5)


def test_a_server_that_loads_its_model_is_waited_for() -> None:
    calls = itertools.count()

    async def reply(request: web.Request) -> web.Response:
        number = next(calls)
        ready = number > 1
        status = 200 if ready else 529 if number else 429
        return web.Response(status=status, text=MODELS if ready else '{"error": "Loading model"}')

    with answering(reply) as address:
        assert resolve_endpoint(f"http://{address}/v1", timeout=10).ref == "tiny"
        calls = itertools.count(-1000)
        with pytest.raises(IncompleteError, match=r"is not ready after 0.2 s .HTTP \d+: Loading model."):
            resolve_endpoint(f"http://{address}/v1", timeout=0.2)


def test_a_certificate_that_is_not_trusted_is_named(tmp_path: Path) -> None:
    pair = [f"{tmp_path}/key.pem", f"{tmp_path}/cert.pem"]
    options = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=x"]
    subprocess.run(["openssl", "req", *options, "-keyout", pair[0], "-out", pair[1]], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair[1], pair[0])
    with listening(web.Application(), tls=tls) as address:
        url = f"https://{address}/v1"
        with pytest.raises(UserError, match="the certificate of https://.* is refused .*self.signed.*SSL_CERT_FILE"):
            resolve_endpoint(url, timeout=5)
        with pytest.raises(UserError, match="the certificate of https://"):
            replies_of(EndpointEngine(ResolvedModel(Path(), "tiny", "", "x", url=url), timeout=5), 1)


def test_a_line_end_after_the_key_is_left_out_and_one_within_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = []

    async def reply(request: web.Request) -> web.Response:
        keys.append(request.headers["Authorization"])
        return web.Response(text=MODELS)

    with answering(reply) as address:
        monkeypatch.setenv("SYNTHGEN_API_KEY", "sk-abc\r\n")
        resolve_endpoint(f"http://{address}/v1", timeout=5)
        monkeypatch.setenv("SYNTHGEN_API_KEY", "sk-abc\nsk-def")
        with pytest.raises(UserError, match="SYNTHGEN_API_KEY has a line break") as fault:
            resolve_endpoint(f"http://{address}/v1", timeout=5)
    assert keys == ["Bearer sk-abc"]
    assert "sk-" not in str(fault.value)


def test_a_page_that_is_not_utf8_is_a_failed_request() -> None:
    with fixed(500, "d\xe9lai d\xe9pass\xe9".encode("latin-1")) as address:
        model = ResolvedModel(Path(), "tiny", "", "x", url=f"http://{address}/v1")
        (reply,) = replies_of(EndpointEngine(model, timeout=5), 1)
    assert (reply.outcome, reply.error) == ("http", "HTTP 500: d\ufffdlai d\ufffdpass\ufffd")


def test_without_v1_the_answer_404_says_so() -> None:
    with fixed(404, '{"detail": "Not Found"}') as address:
        model = ResolvedModel(Path(), "tiny", "", "x", url=f"http://{address}")
        with pytest.raises(UserError, match="does not serve tiny: HTTP 404: .*; add /v1 to the address"):
            replies_of(EndpointEngine(model, timeout=5), 1)


def test_without_v1_an_error_that_comes_as_a_success_says_so() -> None:
    with fixed(200, '{"error": "Unexpected endpoint or method. (POST /completions)"}') as address:
        model = ResolvedModel(Path(), "tiny", "", "x", url=f"http://{address}")
        with pytest.raises(UserError, match="did not return a completion: Unexpected end.*; add /v1 to the address"):
            replies_of(EndpointEngine(model, timeout=5), 1)


def test_a_provider_without_room_behind_a_gateway_is_waited_for() -> None:
    calls = itertools.count()

    async def reply(_: web.Request) -> web.Response:
        if next(calls) < 2:
            return web.json_response({"error": {"code": 429, "message": "rate"}}, headers={"Retry-After": "0.4"})
        return web.json_response({"choices": [{"text": "A text.", "finish_reason": "stop"}]})

    with answering(reply) as address:
        engine = EndpointEngine(ResolvedModel(Path(), "tiny", "", "x", url=f"http://{address}/v1"), timeout=5)
        began = time.monotonic()
        outcomes = [each.outcome for each in replies_of(engine, 4)]
    assert sorted(outcomes) == ["busy", "busy", "ok", "ok"]
    assert time.monotonic() - began > 0.35


def test_answers_that_there_is_no_room_are_no_failures_of_a_judges_requests() -> None:
    calls = itertools.count()
    engine = ScriptedEngine(lambda _: Line("Yes.") if next(calls) % 12 == 11 else Line(error="busy"))
    requests = [Request((number, 0), "Write.", Sampling(5, 0.8, 5, ())) for number in range(3)]
    assert [reply.text for reply in run_with_retries(engine, requests, 0.0)] == ["Yes."] * 3


def test_a_page_instead_of_a_reply_is_one_line() -> None:
    with fixed(200, "<html>\n<body>\nSign in</body>") as address:
        engine = EndpointEngine(ResolvedModel(Path(), "tiny", "", "x", url=f"http://{address}/v1"), timeout=5)
        (reply,) = replies_of(engine, 1)
    assert reply.error.endswith("<html> <body> Sign in</body>")


def test_the_proxy_of_the_environment_is_used_and_no_proxy_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    targets = []

    async def reply(request: web.Request) -> web.Response:
        targets.append((request.host.removesuffix(":8000"), request.headers.get("Proxy-Authorization", "")[:6]))
        return web.Response(text=MODELS)

    with answering(reply) as address:
        monkeypatch.setenv("http_proxy", f"http://name:word@{address}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert resolve_endpoint("http://llm.internal.example:8000/v1", timeout=5).ref == "tiny"
        assert resolve_endpoint(f"http://{address}/v1", timeout=5).ref == "tiny"
    assert targets == [("llm.internal.example", "Basic "), (address, "")]


def has(name: str) -> Callable[[dict[str, Any]], bool]:
    return lambda body: name in body


def formats(*types: str) -> Callable[[dict[str, Any]], bool]:
    return lambda body: body.get("response_format", {}).get("type") in types


TOP_K = (has("top_k"), 400, "Unrecognized request argument supplied: top_k")
LIMIT = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
WARMTH = "Unsupported value: 'temperature' does not support 0.8. Only the default (1) value is supported."
SCHEMA = (formats("json_schema"), 400, "'response_format.type' must be 'text' or 'json_object'")
REFUSALS = {
    "openai": [TOP_K],
    "o-series": [TOP_K, (has("max_tokens"), 400, LIMIT), (has("temperature"), 400, WARMTH)],
    "json object": [SCHEMA],
    "no format": [SCHEMA, (formats("json_object"), 422, "response_format: Extra inputs are not permitted")],
    "chat only": [(has("prompt"), 404, "404 page not found")],
    "vllm": [],
}


def refusing(profile: str, seen: list[dict[str, Any]]) -> AbstractContextManager[str]:
    """Return a server that refuses what such servers refuse, in their words."""

    async def reply(request: web.Request) -> web.Response:
        body = await request.json()
        for applies, status, message in REFUSALS[profile]:
            if applies(body):
                seen.append(body)
                return web.json_response({"error": {"message": message}}, status=status)
        choice = {"message": {"content": "{}"}} if "messages" in body else {"text": "A text."}
        return web.json_response({"choices": [choice | {"finish_reason": "stop"}]})

    return answering(reply)


@pytest.mark.parametrize(
    ("profile", "schema", "refusals", "takes"),
    [
        ("openai", "{}", 1, ["no chat_template_kwargs and no top_k"]),
        (
            "o-series",
            "{}",
            3,
            ["no chat_template_kwargs", "max_completion_tokens instead", "no temperature"],
        ),
        ("json object", "{}", 1, ["json_object instead of a JSON schema"]),
        ("no format", "{}", 2, ["json_object instead", "no response_format instead"]),
        ("chat only", None, 1, ["chat instead of completions"]),
        ("vllm", "{}", 0, []),
    ],
)
def test_what_a_server_refuses_is_negotiated_once_for_the_run(
    profile: str, schema: str | None, refusals: int, takes: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[dict[str, Any]] = []
    with refusing(profile, seen) as address:
        model = ResolvedModel(Path(), "tiny", "", "x", url=f"http://{address}/v1")
        replies = replies_of(EndpointEngine(model, timeout=5), 100, schema)
    assert [reply.outcome for reply in replies] == ["ok"] * 100
    assert len(seen) == refusals <= 3
    said = " ".join(capsys.readouterr().err.split())
    assert [said.count(f"now use {change}") for change in takes] == [1] * len(takes)


def chatting(content: Callable[[int], str], calls: list[int], finish: str = "stop") -> AbstractContextManager[str]:
    """Return a server whose replies are `content` of their number."""

    async def reply(request: web.Request) -> web.Response:
        if request.path.endswith("/models"):
            return web.Response(text=MODELS)
        calls.append(len(calls))
        text = content(calls[-1])
        choice = {"message": {"content": text}} if "chat" in request.path else {"text": text}
        return web.json_response({"choices": [choice | {"finish_reason": finish}]})

    return answering(reply)


def test_replies_of_which_none_can_be_read_end_the_run_and_it_can_be_resumed(tmp_path: Path) -> None:
    readable, calls = [False], list[int]()

    def content(number: int) -> str:
        return json.dumps(dict.fromkeys(("premise", "hypothesis"), unique(number))) if readable[0] else "Sure! I can."

    with chatting(content, calls) as address:
        again = partial(make, "mnli", n=60, engine="endpoint", model=f"http://{address}/v1", out=tmp_path / "out")
        with pytest.raises(IncompleteError, match="none of 100 replies .* unreadable JSON .*'Sure! I can.'.* 0 of 60"):
            again()
        assert len(calls) <= 100 + 256
        readable[0] = True
        again()
        assert read_manifest(tmp_path / "out").kept == 60


def test_a_label_that_keeps_next_to_nothing_ends_the_run(tmp_path: Path) -> None:
    calls: list[int] = []

    def content(number: int) -> str:
        return json.dumps(dict.fromkeys(("premise", "hypothesis"), "The same old text stands here every time."))

    with (
        chatting(content, calls) as address,
        pytest.raises(IncompleteError, match=r"only \d of \d+ rows for '\w+' are kept; most frequent rejection: "),
    ):
        make("mnli", n=900, engine="endpoint", model=f"http://{address}/v1", out=tmp_path / "out")
    assert len(calls) < 12_000  # of a budget of 67,500; more are in flight on a busy machine


@pytest.mark.parametrize("decoding", ["plain", "json"])
def test_a_text_that_the_server_cut_off_is_a_rejection_that_says_so(tmp_path: Path, decoding: str) -> None:
    def content(number: int) -> str:
        text = unique(number).removesuffix(".")
        return text if decoding == "plain" else json.dumps(dict.fromkeys(("premise", "hypothesis"), text))

    with (
        chatting(content, [], finish="length") as address,
        pytest.raises(
            IncompleteError, match="none of 100 replies can be used; most frequent rejection: truncated .300 rows."
        ),
    ):
        make("mnli", n=30, engine="endpoint", model=f"http://{address}/v1", out=tmp_path / "out", decoding=decoding)


def requests_of(count: int) -> Callable[[], Request | None]:
    waiting = [Request((number, 0), "Write.", Sampling(5, 0.8, 5, ())) for number in range(count)]
    return lambda: waiting.pop() if waiting else None


def test_several_servers_share_the_requests() -> None:
    with serving(Faults(latency=0.02)) as (one, first), serving(Faults(latency=0.02)) as (other, second):
        engine = EndpointEngine(resolve_endpoint(f"{one},{other}", timeout=5), timeout=5)
        with closing(engine):
            replies = list(engine.run(requests_of(300)))
    assert [reply.outcome for reply in replies] == ["ok"] * 300
    assert min(first.counters["ok"], second.counters["ok"]) > 50


def test_a_server_that_dies_is_left_out_and_said_and_no_reply_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Faults(latency=0.02)) as (one, first):
        with serving(Faults(latency=0.02)) as (other, _):
            engine = EndpointEngine(resolve_endpoint(f"{one},{other}#mock-7b", timeout=5), timeout=5)
        with closing(engine):
            replies = list(engine.run(requests_of(100)))
        assert first.counters["ok"] == len(replies) == 100
        assert resolve_endpoint(f"{other},{one}", timeout=5).url == one
    said = " ".join(capsys.readouterr().err.split())
    assert said.count(f"{other} cannot be reached: no longer used; the run continues with {one}") == 1
    assert f"not used: the endpoint {other} cannot be reached" in said


def test_servers_of_different_models_are_refused() -> None:
    with (
        serving() as (one, _),
        serving(Faults(models=("b",))) as (other, _),
        pytest.raises(UserError, match="choose with #NAME"),
    ):
        resolve_endpoint(f"{one},{other}", timeout=5)


@pytest.mark.slow
def test_a_server_gets_hundreds_at_a_time_and_one_that_lets_them_wait_for_each_other_few() -> None:
    with serving(Faults(latency=2.0)) as (url, server):
        engine = EndpointEngine(resolve_endpoint(url, timeout=60), timeout=60)
        with closing(engine):
            assert len(list(engine.run(requests_of(4000)))) == 4000
    assert server.peak > 512
    limit = Limit()
    for number in range(1000):
        limit.good(seconds=1.0 + min(number, 60), enough=30.0)
    assert limit.now < 100


def test_a_server_gets_no_more_at_a_time_than_are_read_here() -> None:
    with serving(Faults(latency=0.005)) as (url, server):
        engine = EndpointEngine(resolve_endpoint(url, timeout=60), timeout=60)
        for _ in engine.run(requests_of(800)):
            time.sleep(0.004)
        engine.close()
    assert server.peak < 100


NO_CREDIT = [
    (429, {"message": "You exceeded your current quota", "code": "insufficient_quota"}),
    (402, {"message": "Payment Required"}),
    (402, {"message": "Insufficient Balance", "code": "invalid_request_error"}),
    (403, {"message": "user quota is not enough", "code": "insufficient_user_quota"}),
    (403, {"message": "Sorry, your account balance is insufficient", "code": 30001}),
    (400, {"message": "Your credit balance is too low to access the API", "type": "invalid_request_error"}),
    (400, {"message": "Access denied, please make sure your account is in good standing.", "code": "Arrearage"}),
    (200, {"message": "This request requires more credits", "code": 402}),
]


@pytest.mark.parametrize(("status", "error"), NO_CREDIT)
def test_an_account_without_credit_ends_the_run_at_once(status: int, error: dict[str, object]) -> None:
    with fixed(status, json.dumps({"error": error})) as address:
        model = ResolvedModel(Path(), "tiny", "", "x", url=f"http://{address}/v1")
        with pytest.raises(IncompleteError, match="refuses further requests, the account has no credit: HTTP") as fault:
            replies_of(EndpointEngine(model, timeout=60), 1)
    assert str(error["message"]) in str(fault.value)


def test_a_reply_that_speaks_of_money_and_was_given_up_is_asked_again() -> None:
    choice = {"message": {"content": "The bank said: insufficient funds."}, "finish_reason": "error"}
    with fixed(200, json.dumps({"choices": [choice]})) as address:
        model = ResolvedModel(Path(), "tiny", "", "x", url=f"http://{address}/v1")
        (reply,) = replies_of(EndpointEngine(model, timeout=60), 1)
    assert (reply.outcome, reply.error) == ("http", "the server ended the reply with 'error'")


def test_a_list_of_models_that_speaks_of_money_is_a_list() -> None:
    models = {"data": [{"id": "tiny", "description": "A balance not too low, insufficient credits, Arrearage."}]}
    with fixed(200, json.dumps(models)) as address:
        assert resolve_endpoint(f"http://{address}/v1", timeout=5).ref == "tiny"
