"""A store with damage of every kind: the same command makes again what is damaged and what it needs, and no more."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import evaluator
from synthgen.errors import UserError
from synthgen.runtime.drafts import draft_name
from synthgen.runtime.integrity import known_sha256
from tests.evaluator.conftest import TINY_RECIPE, write_pairs
from tests.synthgen.conftest import date_ahead

pytest.importorskip("torch")


@dataclass(frozen=True)
class Finished:
    """A finished comparison: the folder that its store and tables are in, and the command."""

    folder: Path
    arms: list[str]
    arguments: dict[str, Any]

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def results(self) -> str:
        return (self.folder / "out" / "results.jsonl").read_text()

    def compare(self) -> None:
        evaluator.compare(self.arms, **self.arguments, store=self.store, out=self.folder / "out" / "report.html")

    def first(self, kind: str, name: str) -> Path:
        return sorted((self.store / kind).glob(f"*/{name}"))[0]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, samples: Path) -> Finished:
    """A comparison of a small set with none, on one target."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "tiny.toml").write_text(TINY_RECIPE, encoding="utf-8")
    arguments = {
        "targets": ["xnli"], "languages": ["en", "tr"], "model": str(tiny_model), "recipe": str(folder / "tiny.toml"),
        "seeds": 2, "max_eval_examples": 8, "max_train_examples": 8, "data_root": samples,
    }  # fmt: skip
    run = Finished(folder, ["none=none", f"real={write_pairs(folder / 'real', 24)}"], arguments)
    run.compare()
    return run


@pytest.fixture
def finished(whole: Finished, tmp_path: Path) -> Finished:
    for name in ("store", "out"):
        shutil.copytree(whole.folder / name, tmp_path / name)
    return Finished(tmp_path, whole.arms, whole.arguments)


def _zero(path: Path) -> None:
    """Overwrite the middle of a file, in place."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(bytes(min(64, size // 4)))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:70])


@pytest.mark.parametrize("damage", [_zero, _cut, Path.unlink])
def test_the_same_command_gives_the_same_results_and_says_what_was_damaged(
    finished: Finished, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], object]
) -> None:
    before = finished.results
    places = {"scores": "items.json", "predictions": "predictions.parquet", "features": "ids.bin"}
    places |= {"target": "synthgen.json", "intermediate": "model.safetensors"}
    damaged = {kind: finished.first(kind, name) for kind, name in places.items()}
    for path in damaged.values():
        damage(path)
    target = damaged["target"].parent
    # A checkpoint is only read where a target needs it.
    for path in [*(finished.store / "predictions").iterdir(), *(finished.store / "scores").iterdir()]:
        if path not in [each.parent for each in damaged.values()]:
            shutil.rmtree(path)
    capsys.readouterr()
    finished.compare()
    said = capsys.readouterr().err
    assert finished.results == before
    for path in {*damaged.values()} - ({damaged["target"]} if damage is Path.unlink else set()):
        assert said.count(f"{path.parent}: {path.name} ") == 1, said
    assert (target / "synthgen.json").is_file()
    assert evaluator.store_check(finished.store).faults == {}


def test_a_comparison_goes_on_when_the_clock_has_gone_back(finished: Finished) -> None:
    before = finished.results
    for part in ("scores", "predictions"):
        shutil.rmtree(sorted((finished.store / part).iterdir())[0])
    damaged = finished.first("scores", "items.json")
    known_sha256(damaged)
    date_ahead(finished.folder)
    _zero(damaged)
    date_ahead(finished.folder)
    finished.compare()
    assert finished.results == before
    assert evaluator.store_check(finished.store).faults == {}


def test_check_names_each_file_and_repair_removes_it(finished: Finished) -> None:
    before = finished.results
    assert evaluator.store_check(finished.store).exit_code == 0
    items = sorted((finished.store / "items").iterdir())[0]
    damaged = [finished.first("intermediate", "model.safetensors"), finished.first("scores", "synthgen.json"), items]
    for path in [*damaged, finished.store / "store.json"]:
        _cut(path)
    found = evaluator.store_check(finished.store)
    places = {path.parent.relative_to(finished.store).as_posix() for path in damaged[:2]}
    assert set(found.faults) == {*places, "store.json", f"items/{items.name}"}
    assert found.exit_code == 2
    with pytest.raises(
        UserError, match=r"items/.* is not the file that tables.json lists: .*; give the `evaluator comp"
    ):
        evaluator.report(finished.store, out=finished.folder / "page.html")
    with pytest.raises(UserError, match=r"its store.json cannot be read; use another --store, or: evaluator store"):
        finished.compare()
    repaired = evaluator.store_repair(finished.store)
    assert set(repaired.removed) == set(found.faults)
    assert repaired.exit_code == 0
    finished.compare()
    assert finished.results == before
    assert evaluator.store_check(finished.store).faults == {}


def test_list_and_size_say_what_a_store_holds(finished: Finished) -> None:
    nodes = evaluator.store_list(finished.store)
    assert {(node["kind"], node["what"]) for node in nodes if node["kind"] != "features"} >= {
        ("intermediate", "intermediate real 24 rows seed 0"),
        ("predictions", "none, xnli seed 1: tr test"),
        ("scores", "real 24, xnli seed 0: tr test"),
    }
    sizes = {each["kind"]: each["bytes"] for each in evaluator.store_size(finished.store)}
    assert sizes["predictions"] == sum(node["bytes"] for node in nodes if node["kind"] == "predictions")
    assert sum(sizes.values()) == sum(path.stat().st_size for path in finished.store.rglob("*") if path.is_file())


def test_a_cleaned_store_gives_the_same_results_and_makes_again_what_more_seeds_need(finished: Finished) -> None:
    results = (finished.store / "results.jsonl").read_bytes()
    before = sum(each["bytes"] for each in evaluator.store_size(finished.store))
    removed = {each["kind"]: each for each in evaluator.store_clean(finished.store)}
    assert removed["intermediate"]["nodes"] == 2
    after = sum(each["bytes"] for each in evaluator.store_size(finished.store))
    assert before - after == sum(each["bytes"] for each in removed.values())
    finished.compare()
    assert (finished.store / "results.jsonl").read_bytes() == results
    assert not list((finished.store / "intermediate").glob("*/*")), "nothing was trained again"
    more = Finished(finished.folder, finished.arms, {**finished.arguments, "languages": ["en", "tr", "es"]})
    more.compare()
    assert (finished.store / "results.jsonl").read_bytes() != results
    assert evaluator.store_check(finished.store).faults == {}


def test_nothing_is_removed_while_a_run_writes(finished: Finished) -> None:
    (finished.store / "target" / draft_name("0" * 24)).mkdir()
    with pytest.raises(UserError, match="a run writes to .*target now; nothing was removed"):
        evaluator.store_clean(finished.store)
    assert list((finished.store / "intermediate").glob("*/synthgen.json"))


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no store at .*: a store has a store.json"):
        evaluator.store_check(tmp_path)
    (tmp_path / "store.json").write_text(json.dumps({"version": 99, "models": {}}))
    for command in (evaluator.store_check, evaluator.store_repair, evaluator.store_clean):
        with pytest.raises(UserError, match="is a store of version 99"):
            command(tmp_path)


@pytest.mark.parametrize("name", ["results.jsonl", "arms.json", "items"])
def test_a_report_reads_no_table_that_was_changed_and_says_which(finished: Finished, name: str) -> None:
    out = finished.folder / "out"
    path = sorted((out / name).iterdir())[0] if name == "items" else out / name
    path.write_bytes(path.read_bytes().replace(b"1", b"2", 1) + b"\n")
    for source in (out, out / "results.jsonl"):
        with pytest.raises(UserError, match=rf"{path.name} is not the file that tables.json lists"):
            evaluator.report(source, out=out / "again.html")
    (out / "tables.json").write_text("[1]")
    with pytest.raises(UserError, match=r"tables.json cannot be read; .* or remove tables.json if the change is yours"):
        evaluator.report(out, out=out / "again.html")
    finished.compare()
    evaluator.report(out, out=out / "again.html")


@pytest.mark.parametrize("name", ["comparison.json", "plan.json", "report.html"])
def test_a_comparison_that_was_changed_is_not_published(finished: Finished, name: str) -> None:
    out = finished.folder / "out"
    path = out / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(UserError, match=rf"not published: .*{path.name} is not the file that tables.json lists"):
        evaluator.publish(out, to=str(finished.folder / "public"))
    finished.compare()
    evaluator.publish(out, to=str(finished.folder / "public"))
    assert (finished.folder / "public" / "tables.json").is_file()


def test_no_report_and_no_checkpoint_is_written_into_a_finished_set(whole: Finished) -> None:
    place = whole.folder / "real"
    with pytest.raises(UserError, match=r"page.html is inside real, a finished folder; give another --out"):
        evaluator.report(whole.store, out=place / "page.html")
    with pytest.raises(UserError, match=r"model is inside real, a finished folder; give another --out"):
        evaluator.train(place, model=whole.arguments["model"], out=place / "model")


def test_a_manifest_of_another_node_is_said_and_the_node_made_again(
    finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    before, other = finished.results, finished.first("features", "synthgen.json")
    for kind in ("intermediate", "predictions"):
        shutil.copy(other, finished.first(kind, "synthgen.json"))
    assert "is that of features/" in str(evaluator.store_list(finished.store))
    capsys.readouterr()
    finished.compare()
    assert "synthgen.json is that of features/" in capsys.readouterr().err
    assert finished.results == before
