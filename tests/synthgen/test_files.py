"""Folders that appear whole or not at all, and the hash of a checkpoint's weights."""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from synthgen.errors import UserError
from synthgen.models.loading import weights_sha256
from synthgen.runtime.drafts import draft_name
from synthgen.runtime.files import draft_folder, new_file, rust_writer, scratch_folder, write_atomically
from synthgen.runtime.lock import only_writer
from synthgen.text.toml_text import read_toml
from tests.synthgen.conftest import date_ahead


def write(out: Path, *, fault: Exception | None = None, other: Path | None = None) -> None:
    with draft_folder(out) as draft:
        (draft / "rows").touch()
        if other:
            other.mkdir(parents=True)
        if fault:
            raise fault


def test_a_draft_takes_the_folders_place_only_when_the_block_ends_well(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        write(tmp_path / "out", fault=KeyError())
    assert not list(tmp_path.iterdir())
    write(tmp_path / "out")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["out", "out/rows"]


def test_a_folder_that_was_filled_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="not empty"):
        write(tmp_path / "out", other=tmp_path / "out" / "theirs")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "theirs"]


def test_only_drafts_that_nobody_writes_any_more_are_removed(tmp_path: Path) -> None:
    ended = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True).stdout.strip()
    here, elsewhere = platform.node(), "another-machine"
    running = [(here, str(os.getppid()), 30), (elsewhere, ended, 6)]
    gone = [(here, ended, 0), (elsewhere, ended, 8)]
    for number, (host, process, days) in enumerate([*running, *gone]):
        draft = tmp_path / f".out.{host}{'' if host == here else number}-{process}.draft"
        draft.mkdir()
        os.utime(draft, times=(time.time() - days * 86_400,) * 2)
    write(tmp_path / "out")
    left = {path.name for path in tmp_path.iterdir()} - {"out"}
    assert left == {f".out.{here}-{os.getppid()}.draft", f".out.{elsewhere}1-{ended}.draft"}


def test_the_hash_of_a_checkpoint_covers_every_shard_and_is_the_files_own_where_there_is_one(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")

    def write(name: str, value: float) -> bytes:
        safetensors.save_file({name: np.full(3, value, dtype=np.float32)}, path := tmp_path / f"{name}.safetensors")
        return path.read_bytes()

    assert hashlib.sha256(write("one", 1.0)).hexdigest() == weights_sha256(tmp_path)
    write("two", 2.0)
    before = weights_sha256(tmp_path)
    write("two", 3.0)
    assert weights_sha256(tmp_path) != before


def test_a_byte_order_mark_is_no_part_of_a_toml_file(tmp_path: Path) -> None:
    (tmp_path / "f.toml").write_bytes(b"\xef\xbb\xbf[shape]\r\nmin_words = 3\r\n")
    assert read_toml(tmp_path / "f.toml") == {"shape": {"min_words": 3}}


def _ended() -> str:
    return subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True).stdout.strip()


def _of_process(name: str, process: str, start: str) -> str:
    """Return the name of a draft of this process as another's."""
    return re.sub(r"-\d+-\d+\.", f"-{process}-{start}.", draft_name(name))


@pytest.mark.parametrize("has_gone_back", [False, True], ids=["", "the clock has gone back"])
def test_drafts_of_files_whose_writers_have_ended_are_removed_by_the_next_write_to_the_folder(
    tmp_path: Path, *, has_gone_back: bool
) -> None:
    parent = os.getppid()
    start = Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[19]
    running = _of_process("other.json", str(parent), start)
    left = [_of_process("other.json", _ended(), start), _of_process("other.json", str(parent), "17"), f".f.{_ended()}"]
    not_ours = [f".g.{_ended()}", ".hidden"]
    for name in (running, *left, *not_ours):
        (tmp_path / name).touch()
    (tmp_path / (folder := _of_process("set", _ended(), "5"))).mkdir()
    (tmp_path / folder / "part").touch()
    if has_gone_back:
        date_ahead(tmp_path)
    write_atomically(tmp_path / "f", "text")
    assert {path.name for path in tmp_path.iterdir()} == {"f", running, *not_ours}


def test_threads_that_write_one_file_leave_one_of_their_texts_and_no_draft(tmp_path: Path) -> None:
    texts = [str(number) * 100_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: write_atomically(tmp_path / "f", text), texts * 5))
    assert (tmp_path / "f").read_text() in texts
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_device_is_written_to_and_not_replaced() -> None:
    write_atomically(Path(os.devnull), "text")
    assert not Path(os.devnull).is_file()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full is there on Linux alone")
def test_an_error_of_a_full_disk_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "f").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"No space left on device: '.*/f'"), new_file(tmp_path / "f") as file:
        file.write(b"text")


def test_two_drafts_of_one_process_are_two_folders(tmp_path: Path) -> None:
    with scratch_folder(tmp_path / "out") as first, scratch_folder(tmp_path / "out") as second:
        assert first != second
        assert first.is_dir()
        assert second.is_dir()
    assert not list(tmp_path.iterdir())


def test_the_lock_of_a_killed_process_is_removed_by_the_next_write_and_one_that_is_held_is_not(tmp_path: Path) -> None:
    left = tmp_path / ".gone.writer.lock"
    left.touch()
    with only_writer(tmp_path / "busy"):
        write_atomically(tmp_path / "f", "text")
        assert {path.name for path in tmp_path.iterdir()} == {"f", ".busy.writer.lock"}


def test_an_error_of_a_library_in_rust_is_that_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left on device") as raised, rust_writer(tmp_path):
        raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")
    assert raised.value.errno == errno.ENOSPC


def test_a_pipe_that_nobody_reads_is_one_line_and_one_that_is_read_is_written_to(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    os.mkfifo(path)
    with pytest.raises(UserError, match=r"README\.md: it is a pipe that nobody reads; remove it"):
        write_atomically(path, "a card")
    with ThreadPoolExecutor(1) as other:
        text = other.submit(path.read_text)
        for _ in range(500):
            try:
                write_atomically(path, "a card")
                break
            except UserError:
                time.sleep(0.01)
        assert text.result(10) == "a card"
