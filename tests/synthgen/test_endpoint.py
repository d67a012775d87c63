"""`synthgen make` over HTTP, against a local server that fails on request: counts, kills, busy and dead servers."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from aiohttp import web

from synthgen.cli.printing import print_make
from synthgen.dataset import Manifest, read_manifest, read_rows
from synthgen.engines import Reply, Request, Sampling
from synthgen.engines.endpoint import EndpointEngine
from synthgen.engines.openai_api import resolve_endpoint
from synthgen.engines.server import Limit
from synthgen.errors import IncompleteError, UserError
from synthgen.generation.make import make
from synthgen.generation.why import why
from synthgen.runtime.typer_command import Arguments
from tests.mock_endpoint import Faults, MockEndpoint, answering, serving

CHECKOUT = Path(__file__).parents[2]
FAULTS = Faults(latency=0.002, malformed=0.2, http_500=0.05, timeouts=0.01)


def command(url: str, out: Path, n: int, *options: str) -> list[str]:
    made = ["make", "--task", "mnli", "--n", str(n), "--engine", "endpoint", "--model", url, "--out", str(out)]
    return [sys.executable, "-c", "from synthgen.cli.commands import main; main()", *made, *options]


def kill_when(process: subprocess.Popen[bytes], server: MockEndpoint, answered: int) -> None:
    """Kill a process with SIGKILL once the server has answered so many requests."""
    while sum(server.counters.values()) < answered:
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.02)
    process.kill()
    process.wait()


def check_complete(out: Path, n: int) -> Manifest:
    manifest = read_manifest(out)
    rows = list(read_rows(out))
    assert len(rows) == len({row["id"] for row in rows}) == manifest.kept == n
    labels = Counter(manifest.labels[row["label"]] for row in rows)
    assert labels == manifest.label_counts
    assert max(labels.values()) - min(labels.values()) <= 1
    assert manifest.asked == manifest.kept + sum(manifest.rejected.values()) + manifest.failed
    return manifest


def attempts(server: MockEndpoint) -> dict[str, int]:
    return {name: server.counters[name] for name in ("ok", "bad", "http", "timeout")}


def test_with_faults_of_every_kind_n_are_kept_and_attempts_are_the_servers_own_count(tmp_path: Path) -> None:
    with serving(FAULTS) as (url, server):
        make("mnli", n=100, engine="endpoint", model=url, out=tmp_path / "out", timeout=5)
        manifest = check_complete(tmp_path / "out", 100)
        assert manifest.attempts == attempts(server)
        assert min(manifest.attempts.values()) > 0


def test_the_engine_is_closed_before_the_rows_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bool] = []
    close = EndpointEngine.close

    def note(engine: EndpointEngine) -> None:
        written.append((tmp_path / "out" / "data").exists() or any((tmp_path / "out").glob("*.parquet")))
        close(engine)

    monkeypatch.setattr(EndpointEngine, "close", note)
    with serving() as (url, _):
        make("mnli", n=6, engine="endpoint", model=url, out=tmp_path / "out")
    assert written[0] is False


def test_a_run_killed_twice_and_resumed_keeps_exactly_n(tmp_path: Path) -> None:
    with serving(FAULTS) as (url, server):
        for answered in (150, 350):
            process = subprocess.Popen(command(url, tmp_path / "out", 300, "--timeout", "5"), cwd=CHECKOUT)
            kill_when(process, server, answered)
        make("mnli", n=300, engine="endpoint", model=url, out=tmp_path / "out", timeout=5)
        manifest = check_complete(tmp_path / "out", 300)
        lost = sum(attempts(server).values()) - sum(manifest.attempts.values())
        assert 0 <= lost <= 2 * (64 + 256), "a kill loses at most what is in flight and not yet committed"


def test_a_busy_server_is_asked_less_at_a_time_and_no_row_is_lost(tmp_path: Path) -> None:
    with serving(Faults(latency=0.005, busy_above=8)) as (url, server):
        make("mnli", n=60, engine="endpoint", model=url, out=tmp_path / "out")
        manifest = check_complete(tmp_path / "out", 60)
        assert manifest.failed == 0
        assert manifest.attempts["http"] == server.counters["busy"] > 0


def test_the_limit_doubles_a_round_until_busy_and_then_grows_by_one_a_round() -> None:
    limit = Limit()
    for _ in range(32):
        limit.good()
    assert limit.now == 64
    limit.busy(sent=1.0, now=2.0)
    limit.busy(sent=1.5, now=2.0)
    assert limit.now == 32
    for _ in range(33):
        limit.good()
    assert limit.now == 33


def test_an_endpoint_that_dies_ends_the_run_within_the_timeout_and_it_can_be_resumed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with serving(Faults(latency=0.01)) as (url, server):
        process = subprocess.Popen(
            command(url, out, 2000, "--timeout", "3"), cwd=CHECKOUT, stderr=subprocess.PIPE, text=True
        )
        while sum(server.counters.values()) < 300:
            assert process.poll() is None
            time.sleep(0.02)
    began = time.monotonic()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 3, said
    assert time.monotonic() - began < 30
    assert "of 2000 rows are kept" in said
    with serving() as (url, _), pytest.raises(UserError, match="n is 2000 there, 20 in this command"):
        make("mnli", n=20, engine="endpoint", model=url, out=out)
    assert not (out / "synthgen.json").exists()


def test_no_endpoint_at_all_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(IncompleteError, match="cannot be reached"):
        make("mnli", n=5, engine="endpoint", model="http://127.0.0.1:9/v1", out=tmp_path / "out", timeout=1)
    assert not (tmp_path / "out").exists()


def test_a_server_that_only_fails_is_a_clear_stop(tmp_path: Path) -> None:
    with serving(Faults(http_500=1.0)) as (url, _), pytest.raises(IncompleteError, match="HTTP 500: planned failure"):
        make("mnli", n=400, engine="endpoint", model=url, out=tmp_path / "out")


def test_the_only_model_is_taken_and_others_are_listed() -> None:
    with serving() as (url, _):
        assert resolve_endpoint(url, timeout=5).ref == "mock-7b"
    with serving(Faults(models=("a", "b"))) as (url, _):
        assert resolve_endpoint(f"{url}#b", timeout=5).ref == "b"
        for ref in (url, f"{url}#c"):
            with pytest.raises(UserError, match="#a, http://.*#b"):
                resolve_endpoint(ref, timeout=5)


NO_HOST = ["http://", "http:///v1", "http://:80/v1", "http://[::1:80/v1", "http://a b/v1", f"http://{'a' * 300}/v1"]


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        *((ref, "is not an endpoint") for ref in ("localhost:8000", *NO_HOST)),
        *((f"http://host:{port}/v1", "is not an endpoint") for port in ("99999", "abc", "-1", "8000\nX: y")),
        ("http://user:pass@host/v1", "of an endpoint must have no password"),
        ("http://host/v1?key=1", "of an endpoint must have no password or query"),
        ("http://host/openai/x?api-version=2024", "at Azure give https://NAME.openai.azure.com/openai/v1#DEPLOYMENT"),
        ("http://host/v1/chat/completions#m", "is the path of one API call; give the server's address, http://host/v1"),
    ],
)
def test_what_is_no_endpoint_is_refused(ref: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as fault:
        resolve_endpoint(ref, timeout=1)
    assert "pass@" not in str(fault.value)


@pytest.mark.skipif(not Path("/proc/net/if_inet6").is_file(), reason="this machine has no IPv6")
def test_a_server_at_an_address_of_ipv6_is_asked() -> None:
    async def reply(_: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "tiny"}]})

    with answering(reply, "::1") as address:
        assert resolve_endpoint(f"http://{address}/v1/", timeout=5).url == f"http://{address}/v1"


def test_why_shows_every_prompt_and_the_key_is_written_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTHGEN_API_KEY", "sk-not-to-be-seen")
    with serving(Faults(http_500=0.1)) as (url, server):
        make("mnli", n=12, engine="endpoint", model=url, out=tmp_path / "out")
        assert server.keys == {"Bearer sk-not-to-be-seen"}
        host = url.partition("://")[2].partition("/")[0].encode()
    for path in (path for path in (tmp_path / "out").rglob("*") if path.is_file()):
        assert b"sk-not-to-be-seen" not in path.read_bytes(), path
        assert host not in path.read_bytes(), path
    row = next(iter(read_rows(tmp_path / "out")))
    story = why(tmp_path / "out", row["id"])
    prompts = [reply["prompt"] for reply in story["replies"] if reply["prompt"]]
    assert row["premise"] in prompts[-1]
    assert json.loads(story["replies"][-1]["text"])["hypothesis"] == row["hypothesis"]


def test_a_reply_of_another_shape_is_a_failed_request() -> None:
    engine = EndpointEngine(resolve_model_of("http://127.0.0.1:9/v1"), timeout=1)
    request = Request((0, 0), "x", Sampling(5, 1.0, 5, ()))
    assert engine.servers[0].read(request, 200, "<html>", {}).outcome == "http"
    assert engine.servers[0].read(request, 200, json.dumps({"choices": []}), {}).outcome == "http"
    assert engine.servers[0].read(request, 400, json.dumps({"error": "too long"}), {}).error == "HTTP 400: too long"
    with pytest.raises(UserError, match="refuses the key, set SYNTHGEN_API_KEY"):
        engine.servers[0].read(request, 401, "{}", {})
    engine.close()


def resolve_model_of(url: str):
    from synthgen.models.packs import ResolvedModel

    return ResolvedModel(Path(), "m", "", "x", url=url)


def test_a_preview_shows_items_and_the_cost_of_the_run_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with serving() as (url, _):
        shown = make("mnli", n=1000, engine="endpoint", model=url, preview=5)
    assert len(shown) >= 3
    assert all(item["prompts"] and item["replies"] and item["verdict"] for item in shown)
    assert "1,000 rows will take about" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_preview_at_a_server_that_fails_now_and_then_shows_each_reply_under_its_prompt(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with serving(Faults(http_500=0.5, malformed=0.2, seed=3)) as (url, server):
        shown = make("mnli", n=1000, engine="endpoint", model=url, preview=20)
    assert server.counters["http"] > 0
    assert any(len(item["replies"]) > 2 for item in shown)
    assert all(len(item["prompts"]) == len(item["replies"]) and all(item["prompts"]) for item in shown)
    arguments = {"preview": 5, "judge": None, "verifier": None}
    print_make(shown, Arguments(arguments, ["synthgen", "make", "--preview=5", "--n", "9"]))
    printed = capsys.readouterr()
    assert printed.err.endswith("next: synthgen make --n 9\n")
    assert printed.out.count("\nreply: ") == sum(len(item["replies"]) for item in shown)


FULL_DISK = """
import resource, sys
from pathlib import Path
from synthgen.generation.make import make
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
make("mnli", n=500, engine="endpoint", model=sys.argv[1], out=Path(sys.argv[2]))
"""


def test_on_a_full_disk_the_last_complete_batch_stands(tmp_path: Path) -> None:
    with serving() as (url, _):
        done = subprocess.run(
            [sys.executable, "-c", FULL_DISK, url, str(tmp_path / "out")],
            cwd=CHECKOUT, capture_output=True, text=True, check=False, env={**os.environ},
        )  # fmt: skip
        assert "IncompleteError" in done.stderr, done.stderr[-2000:]
        assert "make room on its disk" in done.stderr, done.stderr[-2000:]
        make("mnli", n=500, engine="endpoint", model=url, out=tmp_path / "out")
        check_complete(tmp_path / "out", 500)


@pytest.mark.parametrize("turns", list(itertools.product(range(6), repeat=2)))
def test_a_reply_in_the_last_turn_of_the_loop_ends_the_run(turns: tuple[int, int]) -> None:
    class Answered(EndpointEngine):
        async def _send(self, request: Request) -> None:
            for _ in range(turns[request.tag[0]]):
                await asyncio.sleep(0)
            self._done.append(Reply(request.tag, "ok", "text"))
            self._wake.set()

    with serving() as (url, _):
        engine = Answered(resolve_endpoint(url, timeout=5), timeout=5)
    waiting = [Request((number, 0), "", Sampling(1, 0.0, 1, ())) for number in range(2)]
    replies: list[Reply] = []
    thread = threading.Thread(target=lambda: replies.extend(engine.run(lambda: waiting.pop() if waiting else None)))
    thread.daemon = True
    thread.start()
    thread.join(timeout=20)
    assert len(replies) == 2
    assert not thread.is_alive()
    engine.close()
