"""`evaluator data fetch` against a hub on the loopback: layout, lock, resume, retry, and what cannot be fetched."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

import evaluator
from evaluator.benchmark.registry import find
from evaluator.benchmark.target import DataRoot
from synthgen.errors import IncompleteError
from synthgen.formats.base import class_label, string
from tests import hub as loopback
from tests.hub import Hub, parquet

pytest.importorskip("huggingface_hub")
hub = loopback.hub

XNLI = "facebook/xnli"
FILES = ["xnli/dev-de.tsv", "xnli/test-de.tsv", "xnli/test.labels.txt", "xnli/train-en.tsv"]


def put_xnli(hub: Hub, order: tuple[str, ...] = ("entailment", "neutral", "contradiction")) -> None:
    """Three pairs a split, of which pair i is the i-th label by name, whatever number the hub gives it."""
    names = ("entailment", "neutral", "contradiction")
    rows = [
        {"premise": f'a "p" {i}', "hypothesis": f"h\u2028 {i}", "label": order.index(name)}
        for i, name in enumerate(names)
    ]
    features = {"premise": string(), "hypothesis": string(), "label": class_label(order)}
    content = parquet(rows, features)
    hub.repos[XNLI] = {
        f"{code}/{split}-00000-of-00001.parquet": content
        for code in ("en", "de")
        for split in ("train", "validation", "test")
    }


def fetch(root: Path) -> list[str]:
    return [row["path"] for row in evaluator.data_fetch(data_root=root, targets=["xnli"], languages=["de"])]


def downloads(hub: Hub) -> int:
    return sum(request.startswith("GET") and request.endswith(".parquet") for request in hub.requests)


@pytest.mark.parametrize(
    "order", [("entailment", "neutral", "contradiction"), ("contradiction", "entailment", "neutral")]
)
def test_fetched_files_read_as_the_official_ones_whatever_order_the_hub_has(
    hub: Hub, tmp_path: Path, order: tuple[str, ...]
) -> None:
    put_xnli(hub, order)
    assert fetch(tmp_path / "root") == FILES
    split = find("xnli").load(DataRoot(tmp_path / "root"), "de", "test")
    assert split.gold == ("entailment", "neutral", "contradiction")
    assert split.records[1].text_a == 'a "p" 1'
    assert split.records[1].text_b == "h\u2028 1"


def test_every_file_has_its_hash_and_its_revision(hub: Hub, tmp_path: Path) -> None:
    put_xnli(hub)
    for row in evaluator.data_fetch(data_root=tmp_path, targets=["xnli"], languages=["de"]):
        assert row["sha256"] == hashlib.sha256((tmp_path / row["path"]).read_bytes()).hexdigest()
        assert (row["repository"], row["revision"]) == (XNLI, hub.commit(XNLI))


def test_a_second_fetch_asks_for_nothing_and_a_damaged_file_comes_again(hub: Hub, tmp_path: Path) -> None:
    put_xnli(hub)
    fetch(tmp_path)
    hub.requests.clear()
    fetch(tmp_path)
    assert hub.requests == []
    whole = (tmp_path / FILES[0]).read_bytes()
    (tmp_path / FILES[0]).write_bytes(whole[:5])
    fetch(tmp_path)
    assert (tmp_path / FILES[0]).read_bytes() == whole


def test_a_hub_that_fails_half_way_leaves_what_was_fetched_and_the_same_command_goes_on(
    hub: Hub, tmp_path: Path
) -> None:
    put_xnli(hub)
    missing = hub.repos[XNLI].pop("de/validation-00000-of-00001.parquet")
    with pytest.raises(
        IncompleteError, match=r"could not fetch xnli/dev-de\.tsv .* run the same command again to continue"
    ):
        fetch(tmp_path)
    kept = json.loads((tmp_path / "fetched.json").read_text(encoding="utf-8"))["files"]
    assert 0 < len(kept) < len(FILES)
    hub.repos[XNLI]["de/validation-00000-of-00001.parquet"] = missing
    locked = tmp_path / "fetched.json"
    lock = json.loads(locked.read_text(encoding="utf-8"))
    lock["revisions"][XNLI] = hub.commit(XNLI)  # the loopback's commit depends on its files
    locked.write_text(json.dumps(lock), encoding="utf-8")
    assert fetch(tmp_path) == FILES


def test_a_download_that_fails_once_is_tried_again(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    put_xnli(hub)
    calls: list[str] = []

    def flaky(*arguments: object, **options: object) -> str:
        calls.append(str(arguments[1]))
        if len(calls) == 2:
            raise ConnectionError("reset by peer")
        return huggingface_hub.file_download.hf_hub_download(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", flaky)
    assert fetch(tmp_path) == FILES
    assert len(calls) == len(FILES) + 1


def test_what_must_be_obtained_by_hand_says_where(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(IncompleteError, match=r"mewslix: Mewsli-X .*rebuilt from WikiNews dumps"):
        evaluator.data_fetch(data_root=tmp_path, targets=["mewslix"])
