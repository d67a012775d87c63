"""Generation over engines in Ray actors: exactly n rows, also when one is lost."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from synthgen.dataset import MANIFEST_NAME, read_rows
from synthgen.dataset.ledger import Ledger
from synthgen.engines.base import NoWork, Request, Sampling
from synthgen.engines.scripted import ScriptedEngine
from synthgen.errors import IncompleteError, UserError
from synthgen.runtime.ray_cluster import joined
from tests.synthgen.conftest import make_scripted
from tests.synthgen.scripts import mostly, sentence

pytest.importorskip("ray")

from synthgen.engines.ray_engine import RayEngine, Server

pytestmark = pytest.mark.ray


def honest(number: int) -> ScriptedEngine:
    return ScriptedEngine(mostly(0.1, ""), batch_size=8)


def mortal(number: int) -> ScriptedEngine:
    """The first engine ends its process after forty requests, as a lost machine would."""
    engine = ScriptedEngine(sentence, batch_size=8)

    def answer(request):
        if number == 0 and engine.requests > 40:
            os._exit(1)
        return sentence(request)

    engine._answer = answer
    return engine


def faulty(number: int) -> ScriptedEngine:
    """The first engine fails after forty requests, as a GPU might."""
    engine = ScriptedEngine(sentence, batch_size=8)

    def answer(request):
        if number == 0 and engine.requests > 40:
            raise RuntimeError("CUDA error: unspecified launch failure\nand a page of details")
        return sentence(request)

    engine._answer = answer
    return engine


@pytest.mark.parametrize("start", [honest, mortal, faulty])
def test_two_actors_make_exactly_n_rows(start, tiny_model: str, tmp_path: Path) -> None:
    with closing(RayEngine(start, address="local", engines=2)) as engine:
        assert (engine.name, set(engine.versions)) == ("scripted", {"scripted", "ray"})
        manifest = make_scripted(tiny_model, tmp_path / "out", n=60, engine=engine)
    assert manifest.kept == len(list(read_rows(tmp_path / "out"))) == 60
    assert manifest.asked == manifest.kept + sum(manifest.rejected.values()) + manifest.failed
    assert manifest.label_counts == {"entailment": 20, "neutral": 20, "contradiction": 20}


FAULTS = (
    "",
    "I'm sorry, but I can't help with that.",
    "Das ist ein ganz anderer Satz in einer anderen Sprache.",
    "No.",
)


def varied(number: int) -> ScriptedEngine:
    """Replies of which half are rejected: unreadable, by filters of single rows, as duplicates; some requests fail."""

    def answer(request):
        draw = random.Random(f"{request.nonce} {request.tag}")
        kind = draw.randrange(12)
        if kind == 11:
            return OSError("no room")
        return draw.choice([*FAULTS, "The river museum stays closed in winter."]) if kind > 6 else sentence(request)

    return ScriptedEngine(answer, batch_size=8)


def unused(number: int) -> ScriptedEngine:
    return ScriptedEngine(lambda request: pytest.fail("a request that is answered already"))


def test_what_actors_say_of_replies_and_rows_is_what_a_run_that_goes_on_says_here(
    tiny_model: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with closing(RayEngine(varied, address="local", engines=2)) as engine:
        there = make_scripted(tiny_model, out, n=60, engine=engine)
    with closing(Ledger(out / "ledger.sqlite", read_only=True)) as ledger:
        verdicts = list(ledger.verdicts())
        replies = [reply for each in verdicts for reply in reversed(list(ledger.replies(each.slot)))]
        assert all({(reply.slot, reply.step): reply.prompt for reply in replies}.values())  # of the first try
    (out / MANIFEST_NAME).unlink()
    here = make_scripted(tiny_model, out, n=60, engine=unused(0))
    with closing(Ledger(out / "ledger.sqlite", read_only=True)) as ledger:
        assert list(ledger.verdicts()) == verdicts
    assert {"refusal", "language", "too short", "empty reply"} <= set(there.rejected)
    assert there.attempts["http"] > 0
    assert there.checks["language"]["rows_judged"] > 60
    for name in ("asked", "rejected", "attempts", "checks", "files", "tokens", "statistics"):
        assert getattr(there, name) == getattr(here, name), name


def test_replies_come_in_bulk_and_those_before_a_fault_are_not_lost() -> None:
    server = Server()
    server.start(faulty, 0)
    server.begin(NoWork())
    sampling = Sampling(8, 1.0, -1, ())
    orders = [Request((number, 0), f"Topic {number}", sampling, nonce=number) for number in range(60)]
    calls = [server.exchange(orders)]
    while sum(map(len, calls)) < 40:
        calls.append(server.exchange([]))
    assert [reply.tag[0] for replies in calls for reply in replies] == list(range(40))
    assert len(calls) <= 40 // server.enough + 2
    with pytest.raises(RuntimeError, match="unspecified launch failure"):
        server.exchange([])


def hopeless(number: int) -> ScriptedEngine:
    def answer(request):
        raise RuntimeError("CUDA error: unspecified launch failure\nand a page of details")

    return ScriptedEngine(answer, batch_size=8)


def test_engines_that_all_fail_end_the_run_in_one_line_with_the_reason(tiny_model: str, tmp_path: Path) -> None:
    line = r"4 engines were lost, the last with: CUDA error: unspecified launch failure\. 0 of 60 rows are kept in .*"
    with (
        closing(RayEngine(hopeless, address="local", engines=1)) as engine,
        pytest.raises(IncompleteError, match=f"^{line}; run the same command again to continue"),
    ):
        make_scripted(tiny_model, tmp_path / "out", n=60, engine=engine)


def refusing(number: int) -> ScriptedEngine:
    raise UserError("this machine has no such model")


def test_what_an_engine_refuses_is_said_as_it_would_be_here() -> None:
    with pytest.raises(UserError, match="this machine has no such model"):
        RayEngine(refusing, address="local", engines=1)


def on_a_gpu(number: int) -> ScriptedEngine:
    """An engine that has loaded a torch which sees one GPU."""
    cuda = SimpleNamespace(is_available=lambda: True, device_count=lambda: 1, get_device_name=lambda _: "Invented H1")
    sys.modules["torch"] = SimpleNamespace(cuda=cuda)  # type: ignore[assignment]
    return honest(number)


def test_a_set_names_the_gpus_that_its_engines_ran_on() -> None:
    with closing(RayEngine(on_a_gpu, address="local", engines=2)) as engine:
        assert engine.versions["gpus"] == "2 x Invented H1"
    with closing(RayEngine(honest, address="local", engines=1)) as engine:
        assert "gpus" not in engine.versions


def test_as_many_engines_start_as_fit_with_so_many_gpus_each() -> None:
    import ray

    ray.init(address="local", num_gpus=4, include_dashboard=False, logging_level="ERROR")
    try:
        for gpus, left in ((1, 0), (2, 0), (3, 1)):
            with closing(RayEngine(honest, address="auto", gpus=gpus)):
                assert ray.available_resources().get("GPU", 0) == left
    finally:
        ray.shutdown()


def test_an_engine_over_more_gpus_than_a_machine_has_is_refused() -> None:
    with pytest.raises(UserError, match="no machine of the cluster has the 2 GPUs of an engine: it has none"):
        RayEngine(honest, address="local", gpus=2)


def test_what_ray_says_of_lost_processes_is_one_line_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    with joined("local") as ray:
        job, clients = ray.get_runtime_context().get_job_id(), ray._private.worker.global_worker.gcs_client
        page = "Workers killed as memory ran out.\nTop 10 memory users:\n" + "PID 1\n" * 80
        ray._private.utils.publish_error_to_driver("lost", page, clients, ray.JobID.from_hex(job))
        deadline, said = time.monotonic() + 30, ""
        while "Ray:" not in said and time.monotonic() < deadline:
            time.sleep(0.1)
            said += capfd.readouterr().err
    assert said == "Ray: Workers killed as memory ran out.\n"
    assert capfd.readouterr().out == ""


_DRIVER = """
import time
from synthgen.runtime.ray_cluster import joined
with joined("local") as ray:
    wait = ray.remote(lambda: time.sleep(60))
    tasks = [wait.remote() for _ in range(2)]
    time.sleep(2)
    print("begun", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads /proc")
def test_a_ray_that_is_started_here_listens_to_this_machine_alone_and_ends_with_a_killed_command(
    tmp_path: Path,
) -> None:
    psutil = pytest.importorskip("psutil")
    (tmp_path / "driver.py").write_text(_DRIVER)
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, str(tmp_path / "driver.py")]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as driver:
        assert driver.stdout
        assert next(driver.stdout) == "begun\n"  # no note of Ray's, of its tokens or of anything else
        me = psutil.Process(driver.pid)
        family = [me, *me.children(recursive=True)]
        sockets = [each for one in family for each in one.net_connections("tcp") if each.status == "LISTEN"]
        driver.kill()
    assert len(family) > 5
    assert sockets
    assert {each.laddr.ip.removeprefix("::ffff:") for each in sockets} == {"127.0.0.1"}
    _, left = psutil.wait_procs(family, timeout=15)
    assert [one for one in left if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
