"""Two commands on one folder: the second is refused at once, or waits; a killed one gives its lock up."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

import synthgen
from synthgen.errors import IncompleteError
from synthgen.publishing.publish import publish
from synthgen.runtime.lock import only_writer

pytest.importorskip("fcntl")
SPAWN = multiprocessing.get_context("spawn")


def hold(place: Path, pipe: Connection) -> None:
    with only_writer(place):
        pipe.send("held")
        pipe.poll(60)


@pytest.fixture
def held(tmp_path: Path):
    """A place that another process writes, that process, and a pipe that ends it."""
    here, there = SPAWN.Pipe()
    process = SPAWN.Process(target=hold, args=(tmp_path / "out", there))
    process.start()
    there.close()
    assert here.recv() == "held"
    yield tmp_path / "out", process, here
    here.close()
    process.join()


def test_every_command_that_writes_a_folder_is_refused_at_once_while_another_does(held, tmp_path: Path) -> None:
    out, process, _ = held
    folder = tmp_path / "set"
    synthgen.import_task("mnli", source="sample", out=folder)
    line = f"another process is writing {out}; run the same command again when it has ended"
    for command in (
        lambda: synthgen.filter(folder, out=out),
        lambda: synthgen.import_task("mnli", source="sample", out=out),
        lambda: publish(folder, to=str(out)),
    ):
        with pytest.raises(IncompleteError, match=f"^{line}$"):
            command()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    synthgen.import_task("mnli", source="sample", out=out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "set"]


def test_who_waits_goes_on_when_the_other_has_ended_and_no_lock_is_left(held) -> None:
    out, process, pipe = held
    pipe.close()
    with only_writer(out, wait=True):
        process.join()
        with pytest.raises(IncompleteError), only_writer(out):
            pass
    with only_writer(out):
        pass
    assert not list(out.parent.iterdir())


def count(place: Path, times: int) -> None:
    for _ in range(times):
        with only_writer(place, wait=True):
            number = int(place.read_text())
            time.sleep(0.001)
            place.write_text(str(number + 1))


def test_of_many_writers_there_is_never_more_than_one(tmp_path: Path) -> None:
    place = tmp_path / "number"
    place.write_text("0")
    writers = [SPAWN.Process(target=count, args=(place, 40)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert place.read_text() == "120"
