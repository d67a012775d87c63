"""Whatever a server sends is a reply, a failed reply with its reason, or one line: never the end of the run."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from synthgen.engines.endpoint import EndpointEngine
from synthgen.engines.openai_api import resolve_endpoint
from synthgen.errors import IncompleteError, UserError
from synthgen.models.packs import ResolvedModel
from synthgen.text.json_text import JsonFault, parse_json
from tests.mock_endpoint import answering
from tests.synthgen.test_servers import fixed, replies_of

KEY = "sk-OurOwnMarker77"
_TEXT = '{"choices": [{"text": "x"}], "usage": {"prompt_tokens": %s}}'


def engine(address: str, timeout: float = 20) -> EndpointEngine:
    return EndpointEngine(ResolvedModel(Path(), "tiny", "", "", "", f"http://{address}/v1"), timeout=timeout)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("[" * 90_000 + "]" * 90_000, "more than 100 levels"),
        ('{"a":' * 500 + "1" + "}" * 500, "more than 100 levels"),
        (_TEXT % ("8" * 31), "an integer of 31 digits"),
        (_TEXT % "3e700", "is too large"),
        (_TEXT % "NaN", "NaN is not a JSON number"),
        ('{"choices": [], "choices": [{"text": "x"}]}', "the key 'choices' stands twice"),
        ('{"choices": {"0": {"text": "x"}}}', "not a completion"),
        ('"choices"', "not a completion"),
        ('{"choices": ["x"]}', "not a completion"),
        ("", "not a completion"),
    ],
)
def test_a_reply_that_is_no_completion_fails_and_says_why(body: str, said: str) -> None:
    with fixed(200, body) as address:
        (reply,) = replies_of(engine(address), 1)
    assert reply.outcome == "http"
    assert said in reply.error
    assert len(reply.error) < 400


@pytest.mark.parametrize(
    "count", ["-9223372036854775809", "-1", "18446744073709551615", '"many"', "[1]", "null", "1e300"]
)
def test_a_token_count_that_is_none_counts_nothing(count: str) -> None:
    with fixed(200, _TEXT % count) as address:
        (reply,) = replies_of(engine(address), 1)
    assert (reply.outcome, reply.text, reply.prompt_tokens) == ("ok", "x", 0)


@pytest.mark.parametrize("usage", ["[1, 2]", '"many"', "7", "null", '{"completion_tokens_details": "x"}'])
@pytest.mark.parametrize("status", [200, 201])
def test_counts_of_another_shape_count_nothing(usage: str, status: int) -> None:
    with fixed(status, f'{{"choices": [{{"text": "x"}}], "usage": {usage}}}') as address:
        (reply,) = replies_of(engine(address), 1)
    assert (reply.outcome, reply.text, reply.prompt_tokens) == ("ok", "x", 0)


@pytest.mark.parametrize("charset", ["undefined", "hex", "rot13", "punycode", "idna", "utf-7", "zlib", "no-such"])
def test_json_is_utf_8_whatever_the_charset_says(charset: str) -> None:
    async def reply(_: web.Request) -> web.Response:
        content = f"application/json; charset={charset}"
        return web.Response(body='{"choices": [{"text": "é"}]}'.encode(), headers={"Content-Type": content})

    with answering(reply) as address:
        (read,) = replies_of(engine(address), 1)
    assert (read.outcome, read.text) == ("ok", "é")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_a_body_that_cannot_be_unpacked_fails(encoding: str) -> None:
    with fixed(200, b"\x28\xb5\x2f\xfd no such packing", **{"Content-Encoding": encoding}) as address:
        (reply,) = replies_of(engine(address), 1)
    assert reply.outcome == "http"


def test_what_the_http_client_says_of_a_body_is_one_short_line() -> None:
    with fixed(200, b"no such packing", **{"Content-Encoding": "gzip"}) as address:
        (reply,) = replies_of(engine(address), 1)
    assert reply.error.startswith("ClientPayloadError: ")
    assert "\n" not in reply.error
    assert len(reply.error) < 400


def test_a_header_of_some_ten_thousand_bytes_is_read() -> None:
    with fixed(200, _TEXT % 1, **{"Content-Security-Policy": "img-src example.org; " * 1000}) as address:
        (reply,) = replies_of(engine(address), 1)
    assert (reply.outcome, reply.text) == ("ok", "x")


def test_an_object_instead_of_its_text_is_read_as_its_text() -> None:
    with fixed(200, '{"choices": [{"message": {"content": {"premise": "A café."}}}]}') as address:
        (reply,) = replies_of(engine(address), 1)
    assert (reply.outcome, reply.text) == ("ok", '{"premise": "A café."}')


def escaped(text: str) -> str:
    return "".join(f"\\u{ord(char):04X}" for char in text)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_key_that_a_server_repeats_is_masked_however_json_spells_it(
    status: int, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNTHGEN_API_KEY", KEY)
    content = f"it is {KEY}" if times == 1 else json.dumps({"premise": "it is KEY"}).replace("KEY", escaped(KEY))
    answer: dict[str, Any] = {"choices": [{"text": content}], "error": {"message": content}}
    body = json.dumps(answer).replace(KEY, escaped(KEY))
    with fixed(status, body) as address:
        (reply,) = replies_of(engine(address), 1)
    kept = json.loads(reply.text)["premise"] if times == 2 and reply.text else reply.text or reply.error
    assert "it is ***" in kept
    assert KEY not in kept


def test_a_long_run_of_backslashes_is_masked_in_linear_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTHGEN_API_KEY", KEY)
    with fixed(200, json.dumps({"choices": [{"text": "\\" * 900_000}]})) as address:
        (reply,) = replies_of(engine(address, timeout=10), 1)
    assert reply.outcome == "ok"


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ("[" * 90_000, "lists no models"),
        ('{"data": [{"id": "a", "id": "b"}]}', "lists no models"),
        (json.dumps([{"id": f"m{number}"} for number in range(30_000)]), "has 30000 models"),
    ],
)
def test_a_list_of_models_that_is_none_is_one_short_line(models: str, said: str) -> None:
    with fixed(200, models) as address, pytest.raises(UserError, match=said) as raised:
        resolve_endpoint(f"http://{address}/v1", 5)
    assert len(str(raised.value)) < 2000
    assert "\n" not in str(raised.value)


def test_half_a_character_in_a_models_name_becomes_the_sign_for_a_broken_one() -> None:
    with fixed(200, '{"data": [{"id": "a\\ud83db"}]}') as address:
        assert resolve_endpoint(f"http://{address}/v1", 5).ref == "a\ufffdb"


def test_a_pause_that_a_server_asks_for_ends_with_the_time_limit() -> None:
    started = time.monotonic()
    with fixed(429, "{}", **{"Retry-After": "1e9"}) as address, pytest.raises(IncompleteError, match="busy"):
        replies_of(engine(address, timeout=0.3), 40)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1, "a": 2}', "'a' stands twice"),
        ("[" * 101 + "]" * 101, "more than 100 levels"),
        ("[1" + "0" * 25 + "]", "an integer of 26 digits"),
        ("[Infinity]", "Infinity"),
        ("[-1e999]", "too large"),
        ("{", "Expecting property name"),
    ],
)
def test_json_that_no_one_should_write_is_refused_with_its_reason(text: str, said: str) -> None:
    with pytest.raises(JsonFault, match=said):
        parse_json(text)


def test_escaped_halves_of_characters_are_read_as_broken_ones_and_whole_pairs_as_they_are() -> None:
    assert parse_json(r'["\ud83d\ude00", "\ud83d", "\\ud83d", "\ude00\ud83d", "\\\ud83dx"]') == [
        "😀",
        "\ufffd",
        r"\ud83d",
        "\ufffd\ufffd",
        "\\\ufffdx",
    ]


def test_a_hundred_levels_are_read() -> None:
    assert parse_json("[" * 100 + "]" * 100)
