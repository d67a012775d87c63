"""Finished runs in an archive: another store goes on with them, and nothing else gets in."""

from __future__ import annotations

import errno
import gzip
import io
import json
import random
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest

import evaluator
from evaluator.cli.commands import print_packed
from evaluator.training.features import write_features
from synthgen.errors import UserError
from synthgen.runtime import files
from synthgen.runtime.files import json_sha256
from synthgen.runtime.typer_command import Arguments
from tests.evaluator.conftest import TINY_RECIPE, write_pairs

pytest.importorskip("torch")


def test_an_unpacked_store_gives_the_same_results_without_training_again(
    tmp_path: Path, tiny_model: Path, samples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny.toml").write_text(TINY_RECIPE, encoding="utf-8")
    arms = ["none=none", f"real={write_pairs(tmp_path / 'real', 24)}"]

    def compare(name: str) -> bytes:
        evaluator.compare(
            arms, targets=["xnli"], languages=["en", "tr"], model=str(tiny_model), recipe=str(tmp_path / "tiny.toml"),
            seeds=1, max_eval_examples=8, max_train_examples=8, data_root=samples,
            store=tmp_path / name, out=tmp_path / f"{name}.html",
        )  # fmt: skip
        return (tmp_path / name / "results.jsonl").read_bytes()

    first = compare("one")
    packed = evaluator.store_pack(tmp_path / "one", out=tmp_path / "runs.tar.gz")
    again = evaluator.store_pack(tmp_path / "one", out=tmp_path / "again.tar.gz")
    assert (tmp_path / "runs.tar.gz").read_bytes() == (tmp_path / "again.tar.gz").read_bytes()
    unpacked = evaluator.store_unpack(tmp_path / "runs.tar.gz", store=tmp_path / "two")
    assert packed.nodes == again.nodes == unpacked.nodes > 0
    print_packed(unpacked, Arguments({"archive": unpacked.archive}))
    assert f"next: run the same `evaluator compare` command with --store {tmp_path}/two" in capsys.readouterr().err
    assert compare("two") == first
    assert not (tmp_path / "two" / "intermediate").exists(), "nothing was trained"


def _archive(path: Path, name: str, content: bytes = b"{}", kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.size, member.linkname = kind, len(content), "/etc/passwd"
        archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("name", ["../out", "/abs", "target/0/x", "intermediate/" + "0" * 24 + "/model.safetensors"])
def test_an_archive_with_another_member_is_refused(tmp_path: Path, name: str) -> None:
    path = _archive(tmp_path / "runs.tar.gz", name)
    with pytest.raises(UserError, match="is not a file of a run"):
        evaluator.store_unpack(path, store=tmp_path / "store")
    assert not list(tmp_path.glob("store/*/*"))


def test_a_link_in_an_archive_is_refused(tmp_path: Path) -> None:
    path = _archive(tmp_path / "runs.tar.gz", f"target/{'0' * 24}/synthgen.json", b"", tarfile.SYMTYPE)
    with pytest.raises(UserError, match="is not a file of a run"):
        evaluator.store_unpack(path, store=tmp_path / "store")


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08" + bytes(40)])
def test_a_file_that_is_no_archive_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "runs.tar.gz").write_bytes(content)
    with pytest.raises(UserError, match="is not an archive of"):
        evaluator.store_unpack(tmp_path / "runs.tar.gz", store=tmp_path / "store")


def test_a_changed_run_in_an_archive_is_refused(tmp_path: Path) -> None:
    path = _archive(tmp_path / "runs.tar.gz", f"target/{'0' * 24}/synthgen.json")
    with pytest.raises(UserError, match="cannot be read"):
        evaluator.store_unpack(path, store=tmp_path / "store")


RUN = {"kind": "target", "key": "0" * 24, "inputs": {}, "results": {}, "files": {}}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"key": None}, "not that of a run"),
        ({"kind": 3}, "not that of a run"),
        ({"inputs": None}, "not that of a run"),
        ({"results": [1]}, "not that of a run"),
        ({"files": None}, "not that of a run"),
        ({"files": ["a"]}, "not that of a run"),
        ({"files": {"a": 3}}, "not that of a run"),
        ({"key": "1" * 24}, "is that of target/1111"),
        ({"files": {"a\0b": "x"}}, "not a name of a file"),
        ({"files": {"\ud800": "x"}}, "its SHA-256 differs"),
        ({"files": {"/dev/zero": "x"}}, "is not a file"),
    ],
)
def test_a_manifest_that_is_right_by_its_own_hash_and_of_no_run_is_a_fault_everywhere(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    manifest = {name: value for name, value in {**RUN, **changed}.items() if value is not None}
    content = json.dumps({**manifest, "sha256": json_sha256(manifest)}).encode()
    path = _archive(tmp_path / "a.tar.gz", f"target/{'0' * 24}/synthgen.json", content)
    with pytest.raises(UserError, match=said):
        evaluator.store_unpack(path, store=tmp_path / "unpacked")
    node = tmp_path / "store" / "target" / ("0" * 24)
    node.mkdir(parents=True)
    (node / "synthgen.json").write_bytes(content)
    (fault,) = (text for name, text in evaluator.store_check(tmp_path / "store").faults.items() if "target" in name)
    assert re.search(said, fault)
    assert len(evaluator.store_list(tmp_path / "store")) == 1
    with pytest.raises(UserError, match="no finished runs"):
        evaluator.store_pack(tmp_path / "store", out=tmp_path / "runs.tar.gz")
    evaluator.store_repair(tmp_path / "store")
    assert not node.exists()


def test_a_disk_that_is_full_is_not_blamed_on_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _archive(tmp_path / "runs.tar.gz", f"target/{'0' * 24}/synthgen.json")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*synthgen\.json'"):
        evaluator.store_unpack(path, store=tmp_path / "store")
    assert not list(tmp_path.glob("store/**/*"))


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_archive_is_one_line(tmp_path: Path, seed: int) -> None:
    path, draw = _archive(tmp_path / "runs.tar.gz", f"target/{'0' * 24}/synthgen.json"), random.Random(seed)
    content = bytearray(gzip.decompress(path.read_bytes()))
    for _ in range(draw.randint(1, 40)):
        content[draw.randrange(1_024)] = draw.choice(b"\0\xff7gxKLSX \x80")
    path.write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(UserError, match=r"runs\.tar\.gz"):
        evaluator.store_unpack(path, store=tmp_path / "store")


def test_a_store_at_an_address_is_refused_and_no_folder_of_its_name_is_made(tmp_path: Path) -> None:
    path = _archive(tmp_path / "runs.tar.gz", f"target/{'0' * 24}/synthgen.json")
    with pytest.raises(UserError, match="is an address"):
        evaluator.store_unpack(path, store="s3://bucket/store")
    with pytest.raises(UserError, match="is an address"):
        evaluator.store_pack("s3://bucket/store", out=tmp_path / "out.tar.gz")


def test_features_that_a_full_disk_cuts_short_name_their_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*\.bin'"):
        write_features(tmp_path / "features", [])
