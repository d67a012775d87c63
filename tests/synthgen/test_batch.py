"""`make --batch` against a server of the batch protocol: exactly n rows, and no request paid twice."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from synthgen.dataset import read_manifest
from synthgen.errors import IncompleteError, UserError
from synthgen.generation.make import make
from synthgen.publishing.verify import verify
from tests.mock_batch import MockBatch, batches
from tests.mock_endpoint import serving
from tests.synthgen.test_endpoint import CHECKOUT, check_complete, command

ROWS = int(os.environ.get("BATCH_ROWS", "300"))
"""The bar of the project is 20,000."""


class Killer:
    """Kills the process when something has been done so often."""

    def __init__(self, what: str, times: int) -> None:
        self._what, self._left = what, times
        self.process: subprocess.Popen[bytes] | None = None

    def __call__(self, what: str) -> None:
        if what == self._what and self.process is not None:
            self._left -= 1
            if self._left == 0:
                os.kill(self.process.pid, signal.SIGKILL)


def kill_in_ledger(out: Path, server: MockBatch, url: str, replies: int) -> None:
    """Run until the ledger has so many replies, and kill."""
    process = subprocess.Popen(command(url, out, ROWS, "--batch"), cwd=CHECKOUT)
    while process.poll() is None:
        with closing(sqlite3.connect(f"file:{out}/ledger.sqlite?mode=ro", uri=True)) as ledger:
            try:
                if ledger.execute("SELECT COUNT(*) FROM replies").fetchone()[0] >= replies:
                    process.kill()
            except sqlite3.OperationalError:
                pass
    process.wait()


@pytest.mark.slow
def test_a_run_killed_three_times_keeps_exactly_n_and_pays_every_request_once(tmp_path: Path) -> None:
    out, server = tmp_path / "out", MockBatch(fails=lambda number: number % 50 == 0)
    with batches(server) as url:
        for what, times in (("create", 1), ("poll", 2), ("download", 2)):
            server.on = killer = Killer(what, times)
            killer.process = subprocess.Popen(command(url, out, ROWS, "--batch"), cwd=CHECKOUT)
            assert killer.process.wait(timeout=600) == -signal.SIGKILL
        server.on = lambda _: None
        kill_in_ledger(out, server, url, replies=ROWS // 2)
        make("mnli", n=ROWS, engine="endpoint", model=url, out=out, batch=True, price_in=2.0, price_out=4.0)
    check_complete(out, ROWS)
    assert set(server.paid.values()) == {1}
    manifest = read_manifest(out)
    assert server.paid.total() == manifest.attempts["ok"] + manifest.attempts["bad"]
    assert manifest.attempts["http"] > 0
    assert manifest.cost["per_million_prompt_tokens"] == 1.0
    assert verify(out).faults == ()


def test_what_the_server_refuses_is_left_out_in_the_next_job(tmp_path: Path) -> None:
    limit = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    server = MockBatch(refuse=lambda body: limit if "max_tokens" in body else "")
    with batches(server) as url:
        make("mnli", n=30, engine="endpoint", model=url, out=tmp_path / "out", batch=True)
    check_complete(tmp_path / "out", 30)
    assert set(server.paid.values()) == {1}
    assert read_manifest(tmp_path / "out").attempts["http"] == 0


def test_a_server_without_batches_is_said(tmp_path: Path) -> None:
    with serving() as (url, _), pytest.raises(UserError, match="has no batch API .POST /files: HTTP 404.*leave out"):
        make("mnli", n=6, engine="endpoint", model=url, out=tmp_path / "out", batch=True)


def test_a_batch_that_fails_says_why_and_is_sent_anew(tmp_path: Path) -> None:
    server = MockBatch(polls=0)
    fault = {"status": "failed", "errors": {"data": [{"code": "token_limit", "message": "Enqueued token limit"}]}}

    def fail(what: str) -> None:
        if what == "create":
            list(server.jobs.values())[-1].update(fault)
            server.polls, server.paid = 100, server.paid.__class__()

    out = tmp_path / "out"
    with batches(server) as url:
        server.on = fail
        with pytest.raises(IncompleteError, match="refused the batch batch_0: Enqueued token limit. 0 of 9 rows"):
            make("mnli", n=9, engine="endpoint", model=url, out=out, batch=True)
        server.on, server.polls = (lambda _: None), 0
        make("mnli", n=9, engine="endpoint", model=url, out=out, batch=True)
    check_complete(out, 9)


def test_batches_are_for_one_server_and_no_other_engine(tmp_path: Path, tiny_model: str) -> None:
    with pytest.raises(
        UserError,
        match="--batch has no effect: .* is served by the engine scripted; only a server at an address has a batch API",
    ):
        make("mnli", n=6, engine="scripted", model=tiny_model, out=tmp_path / "out", batch=True)
    with batches(MockBatch()) as one, batches(MockBatch()) as other, pytest.raises(UserError, match="one address"):
        make("mnli", n=6, engine="endpoint", model=f"{one},{other}", out=tmp_path / "out", batch=True)
