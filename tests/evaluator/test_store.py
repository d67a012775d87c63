"""The store: who may write to it, what is refused, and how two machines meet at an address."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import evaluator
from evaluator.store import Node, Store
from evaluator.store.mirror import Mirror
from synthgen.errors import IncompleteError, UserError

NODE = Node("predictions", {"of": "something"})


def write(store: Store, text: str, node: Node = NODE) -> None:
    with store.writing(node) as (draft, results):
        (draft / "predictions.txt").write_text(text)
        results["n"] = len(text)


def test_the_first_to_finish_a_node_is_believed(tmp_path: Path) -> None:
    store = Store.open(tmp_path, {})
    with store.writing(NODE) as (draft, _):
        write(store, "1")
        (draft / "predictions.txt").write_text("late")
    assert store.results(NODE) == {"n": 1}
    assert not list((tmp_path / "predictions").glob(".*"))


def test_drafts_of_processes_that_are_gone_are_swept_and_those_of_others_left(tmp_path: Path) -> None:
    store = Store.open(tmp_path, {})
    host = os.uname().nodename
    gone, elsewhere = (f".{NODE.key}.{name}.draft" for name in (f"{host}-999999999", "another.machine-1"))
    for name in (gone, elsewhere):
        (tmp_path / "predictions" / name).mkdir(parents=True)
    write(store, "done")
    assert {path.name for path in (tmp_path / "predictions").iterdir()} == {NODE.key, elsewhere}


def test_another_revision_of_a_model_is_refused_with_both(tmp_path: Path) -> None:
    Store.open(tmp_path, {"a/b": "one"})
    with pytest.raises(UserError, match="contains runs of a/b at revision one; the model is now at two"):
        Store.open(tmp_path, {"a/b": "two"})


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full is there on Linux alone")
def test_a_log_on_a_full_disk_names_its_file(tmp_path: Path) -> None:
    store = Store.open(tmp_path, {})
    (tmp_path / "logs").mkdir(exist_ok=True)
    log = tmp_path / f"logs/{NODE.kind}-{NODE.key}.log"
    log.symlink_to("/dev/full")
    with pytest.raises(OSError, match=f"No space left on device: '{log}'"):
        store.log(NODE, "text")


def test_another_version_is_refused(tmp_path: Path) -> None:
    Store.open(tmp_path, {})
    (tmp_path / "store.json").write_text('{"version": 99, "models": {}}')
    with pytest.raises(UserError, match="is a store of version 99, this is version 2"):
        Store.open(tmp_path, {})


def test_machines_that_share_an_address_find_each_others_nodes(tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    mirror = Mirror("memory://experiment")
    first, second = Store(tmp_path / "first", mirror), Store(tmp_path / "second", mirror)
    assert not second.is_finished(NODE)
    write(first, "done")
    assert second.is_finished(NODE)
    assert (second.folder(NODE) / "predictions.txt").read_text() == "done"
    assert second.results(NODE) == {"n": 4}


def test_an_address_keeps_version_and_models_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fsspec")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "one"))
    address = "memory://models"
    Store.open(address, {"a/b": "one"})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "two"))
    with pytest.raises(UserError, match="memory://models contains runs of a/b at revision one"):
        Store.open(address, {"a/b": "two"})


def test_an_address_of_an_unknown_kind_is_one_line() -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(UserError, match="--store nowhere://x: Protocol not known: nowhere"):
        Store.open("nowhere://x", {})


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def _flip(path: Path) -> None:
    """Change a byte, leaving size and time of the file as they were."""
    before, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _swap(path: Path) -> None:
    """Put the file of another node in its place."""
    other = Store(path.parents[2])
    write(other, "another", Node("predictions", {"of": "something else"}))
    shutil.copy(other.folder(Node("predictions", {"of": "something else"})) / path.name, path)


def _link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/null")


DAMAGES = [
    _cut,
    _flip,
    _swap,
    _link,
    Path.unlink,
    lambda path: path.write_bytes(b""),
    lambda path: path.write_text("{}"),
]


@pytest.mark.parametrize("name", ["predictions.txt", "synthgen.json"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_node_that_is_not_as_it_was_finished_is_said_once_and_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], object], name: str
) -> None:
    store = Store.open(tmp_path, {})
    write(store, "done")
    assert store.is_finished(NODE)
    damage(store.path(NODE) / name)
    assert [store.is_finished(NODE), store.is_finished(NODE)] == [False, False]
    said = capsys.readouterr().err
    assert said == "" if (name, damage) == ("synthgen.json", Path.unlink) else f"{NODE.key}: {name} " in said
    assert said.count("it is computed again") <= 1
    write(store, "done")
    assert store.is_finished(NODE)
    assert (store.folder(NODE) / "predictions.txt").read_text() == "done"


def test_a_node_with_the_manifest_of_another_is_not_taken_for_it(tmp_path: Path) -> None:
    store, other = Store.open(tmp_path, {}), Node("predictions", {"of": "something else"})
    write(store, "done")
    write(store, "other", other)
    shutil.rmtree(store.path(NODE))
    shutil.copytree(store.path(other), store.path(NODE))
    assert not store.is_finished(NODE)


def test_a_node_that_is_damaged_at_an_address_is_named_and_made_again(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    mirror = Mirror("memory://damaged")
    first, second = Store(tmp_path / "first", mirror), Store(tmp_path / "second", mirror)
    write(first, "done")
    fsspec.filesystem("memory").pipe_file(f"/damaged/predictions/{NODE.key}/predictions.txt", b"gone")
    with pytest.raises(IncompleteError, match=r"predictions.txt is not the file .*; it was removed, the same command"):
        second.folder(NODE)
    assert not second.is_finished(NODE)
    write(second, "done")
    assert Store(tmp_path / "third", mirror).results(NODE) == {"n": 4}


def test_a_head_that_is_a_folder_and_a_node_of_another_kind_are_one_line_each(tmp_path: Path) -> None:
    with Store.open(tmp_path, {}).writing(Node("scores", {"n": 1})):
        pass
    assert [row["what"] for row in evaluator.store_list(tmp_path)] == ["synthgen.json is not that of a node of scores"]
    (tmp_path / "store.json").unlink()
    (tmp_path / "store.json").mkdir()
    assert evaluator.store_check(tmp_path).faults == {"store.json": "cannot be read"}
    evaluator.store_repair(tmp_path)
    assert evaluator.store_check(tmp_path).faults == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may remove and read everything")
def test_what_cannot_be_removed_is_not_called_removed(tmp_path: Path) -> None:
    with Store.open(tmp_path, {}).writing(Node("features", {"n": 1})):
        pass
    (tmp_path / "features").chmod(0o500)
    with pytest.raises(PermissionError):
        evaluator.store_clean(tmp_path)
    (tmp_path / "features").chmod(0o700)


def test_a_removal_that_fails_is_an_error_and_not_a_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(tmp_path, {}).writing(Node("features", {"n": 1})):
        pass

    def refuse(path: str, **_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "rmdir", refuse)
    with pytest.raises(PermissionError):
        evaluator.store_clean(tmp_path)


def test_a_folder_of_nodes_that_cannot_be_read_is_not_taken_for_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(tmp_path, {}).writing(Node("features", {"n": 1})):
        pass

    def refuse(path: object) -> list[str]:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "listdir", refuse)
    for command in (evaluator.store_check, evaluator.store_list, evaluator.store_size):
        with pytest.raises(PermissionError, match="features"):
            command(tmp_path)


@pytest.mark.parametrize("name", ["tables.json", "features/NODE/synthgen.json"])
def test_a_pipe_in_a_store_is_a_fault_and_not_waited_for(tmp_path: Path, name: str) -> None:
    with Store.open(tmp_path, {}).writing(node := Node("features", {"n": 1})):
        pass
    path = tmp_path / name.replace("NODE", node.key)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    (fault,) = evaluator.store_check(tmp_path).faults.values()
    assert fault.endswith("cannot be read")
    evaluator.store_repair(tmp_path)
    assert evaluator.store_check(tmp_path).faults == {}


def test_a_store_whose_head_cannot_be_read_is_packed_after_its_repair(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store", {}).writing(Node("predictions", {"n": 1})):
        pass
    (tmp_path / "store" / "store.json").write_text("3")
    with pytest.raises(UserError, match=r"store\.json cannot be read: evaluator store repair"):
        evaluator.store_pack(tmp_path / "store", out=tmp_path / "a.tar.gz")
    evaluator.store_repair(tmp_path / "store")
    assert evaluator.store_pack(tmp_path / "store", out=tmp_path / "a.tar.gz").nodes == 1
