"""Hashes of finished files: known without reading while the file is as it was, and never longer."""

import os
import stat
import time
from pathlib import Path

import pytest

from synthgen.runtime import integrity
from synthgen.runtime.files import file_sha256
from synthgen.runtime.integrity import LARGE, file_fault, folder_faults, folder_hashes, known_sha256
from tests.synthgen.conftest import date_ahead


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "hashes"


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file that is large enough for the cache, and old."""
    path = tmp_path / "weights.safetensors"
    path.write_bytes(bytes(LARGE))
    time.sleep(2 * integrity._TICK / 1e9)
    return path


def test_a_change_that_keeps_size_and_time_is_seen(large: Path) -> None:
    before, state = known_sha256(large), large.stat()
    with large.open("r+b") as file:
        file.write(b"x")
    os.utime(large, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert known_sha256(large) == file_sha256(large) != before


def test_a_change_that_keeps_size_and_a_time_to_come_is_seen(large: Path) -> None:
    date_ahead(large)
    before = known_sha256(large)
    with large.open("r+b") as file:
        file.write(b"x")
    date_ahead(large)
    assert known_sha256(large) == file_sha256(large) != before


def test_a_large_file_is_read_by_one_process_and_not_by_the_next(large: Path, cache: Path) -> None:
    before = known_sha256(large)
    integrity._known.clear()
    (kept,) = cache.iterdir()
    kept.write_text(kept.read_text().replace(before, "0" * 64))
    assert known_sha256(large) == "0" * 64  # it is the cache that said so
    large.write_bytes(b"1" * LARGE)
    assert known_sha256(large) == file_sha256(large)


@pytest.mark.parametrize("content", ["", "[]", "{}", "[1, 2]", "null", "[" * 100_000])
def test_what_is_odd_in_the_cache_is_not_believed(large: Path, cache: Path, content: str) -> None:
    known_sha256(large)
    integrity._known.clear()
    next(cache.iterdir()).write_text(content)
    assert known_sha256(large) == file_sha256(large)


def test_a_file_that_was_renamed_is_not_read_again(large: Path, cache: Path) -> None:
    known_sha256(large)
    known_sha256(large.rename(large.with_name("renamed")))
    assert len(list(cache.iterdir())) == 1


def test_each_fault_of_a_folder_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    for name in ("whole", "cut", "gone", "changed", "folder_now", "linked", "pipe"):
        (folder / "in").mkdir(parents=True, exist_ok=True)
        (folder / "in" / name).write_text(f"content of {name}")
    hashes = folder_hashes(folder)
    (folder / "in" / "cut").write_text("content")
    (folder / "in" / "changed").write_text("Content of changed")
    for name in ("gone", "folder_now", "linked", "pipe"):
        (folder / "in" / name).unlink()
    (folder / "in" / "folder_now").mkdir()
    (folder / "in" / "linked").symlink_to(folder / "in" / "whole")
    os.mkfifo(folder / "in" / "pipe")
    differs = "is not the file that LIST lists: its SHA-256 differs"
    assert list(folder_faults(folder, hashes, "LIST")) == [
        f"in/changed {differs}",
        f"in/cut {differs}",
        "in/folder_now is not a file",
        "in/gone is missing",
        f"in/linked {differs}",
        "in/pipe is not a file",
    ]


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("content")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    assert file_fault(path, "0", "LIST") == "cannot be read: Permission denied"
    path.chmod(stat.S_IRUSR)
