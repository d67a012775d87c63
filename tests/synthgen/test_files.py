"""Folders that appear whole or not at all, and the hash of a checkpoint's weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from synthgen.models.loading import weights_sha256
from synthgen.runtime.files import draft_folder, read_toml


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


def test_the_hash_of_a_checkpoint_covers_every_shard_and_is_the_files_own_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(b"{}")
    assert weights_sha256(tmp_path) == hashlib.sha256(b"{}").hexdigest()
    (tmp_path / "model-00001-of-00002.safetensors").write_bytes(b"one")
    assert weights_sha256(tmp_path) == hashlib.sha256(b"one").hexdigest()
    (tmp_path / "model-00002-of-00002.safetensors").write_bytes(b"two")
    before = weights_sha256(tmp_path)
    (tmp_path / "model-00002-of-00002.safetensors").write_bytes(b"three")
    assert weights_sha256(tmp_path) != before


def test_a_byte_order_mark_is_no_part_of_a_toml_file(tmp_path: Path) -> None:
    (tmp_path / "f.toml").write_bytes(b"\xef\xbb\xbf[shape]\r\nmin_words = 3\r\n")
    assert read_toml(tmp_path / "f.toml") == {"shape": {"min_words": 3}}
