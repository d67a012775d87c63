"""The store: who may write to it, what is refused, and how two machines meet at an address."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from evaluator.store import Node, Store
from evaluator.store.mirror import Mirror
from synthgen.errors import UserError

NODE = Node("predictions", {"of": "something"})


def write(store: Store, text: str, node: Node = NODE) -> None:
    with store.writing(node) as (draft, results):
        (draft / "predictions.txt").write_text(text)
        results["n"] = len(text)


def test_the_first_to_finish_a_node_is_believed(tmp_path: Path) -> None:
    store = Store.open(tmp_path, {})
    with store.writing(NODE) as (draft, _):
        write_elsewhere = store.folder(NODE)
        write_elsewhere.mkdir(parents=True)
        (write_elsewhere / "synthgen.json").write_text(json.dumps({"results": {"n": 1}}))
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
    with pytest.raises(UserError, match="holds runs of a/b at revision one; it is now two"):
        Store.open(tmp_path, {"a/b": "two"})


def test_another_version_is_refused(tmp_path: Path) -> None:
    Store.open(tmp_path, {})
    (tmp_path / "store.json").write_text('{"version": 99, "models": {}}')
    with pytest.raises(UserError, match="is a store of version 99, this is version 1"):
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
    with pytest.raises(UserError, match="memory://models holds runs of a/b at revision one"):
        Store.open(address, {"a/b": "two"})


def test_an_address_of_an_unknown_kind_is_one_line() -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(UserError, match="--store nowhere://x: Protocol not known: nowhere"):
        Store.open("nowhere://x", {})
