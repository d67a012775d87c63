"""Fetching from the hub, against a loopback server that answers as the hub does: resolve once, lock, download, read."""

from __future__ import annotations

import hashlib
import json
import socket
from pathlib import Path

import pytest

from synthgen.corpora.catalogue import ENTRIES, SOURCES
from synthgen.corpora.import_corpus import import_task
from synthgen.dataset import read_rows
from synthgen.errors import IncompleteError, UserError
from synthgen.formats.base import class_label, integer, string
from synthgen.runtime.hub import parquet_files
from tests import hub as loopback
from tests.hub import Hub, parquet, use_empty_caches

pytest.importorskip("huggingface_hub")
hub = loopback.hub


def nli_features(order: tuple[str, ...]) -> dict:
    return {"premise": string(), "hypothesis": string(), "label": class_label(order), "idx": integer()}


def nli_rows(labels: list[int]) -> list[dict]:
    return [
        {"premise": f"Premise {i}.", "hypothesis": f"Hypothesis {i}.", "label": label, "idx": i}
        for i, label in enumerate(labels)
    ]


def put_mnli(hub: Hub, labels: list[int], order: tuple[str, ...] = ("entailment", "neutral", "contradiction")) -> None:
    content = parquet(nli_rows(labels), nli_features(order))
    hub.repos["nyu-mll/glue"] = {
        "README.md": b"",
        "mnli/train-00000-of-00001.parquet": content,
        "mnli/validation_matched-00000-of-00001.parquet": b"not asked for",
        "qqp/train-00000-of-00001.parquet": b"not asked for",
    }


def test_rows_come_with_the_resolved_revision_and_hashes(hub: Hub, tmp_path: Path) -> None:
    put_mnli(hub, [0, 1, 2, -1])
    manifest = import_task("mnli", source="hub", out=tmp_path / "mnli")
    assert (manifest.origin, manifest.kept, manifest.rejected) == ("real", 3, {"unlabelled": 1})
    (parent,) = manifest.parents
    content = hub.repos["nyu-mll/glue"]["mnli/train-00000-of-00001.parquet"]
    assert parent == {
        "hub": "nyu-mll/glue",
        "revision": hub.commit("nyu-mll/glue"),
        "file": "mnli/train-00000-of-00001.parquet",
        "sha256": hashlib.sha256(content).hexdigest(),
        "split": "train",
        "corpus": "mnli",
        "role": "source",
        "licence": manifest.licence,
    }
    rows = list(read_rows(tmp_path / "mnli"))
    assert [row["label"] for row in rows] == [0, 1, 2]
    assert rows[0]["id"] == "mnli-train-00000-0000000"
    assert "idx" not in rows[0]
    assert not [request for request in hub.requests if "validation" in request or "qqp" in request]


def test_labels_are_mapped_by_name_when_the_orders_differ(hub: Hub, tmp_path: Path) -> None:
    put_mnli(hub, [0, 1, 2], order=("contradiction", "entailment", "neutral"))
    import_task("mnli", source="hub", out=tmp_path / "mnli")
    assert [row["label"] for row in read_rows(tmp_path / "mnli")] == [2, 0, 1]


def test_labels_with_other_names_are_refused(hub: Hub, tmp_path: Path) -> None:
    put_mnli(hub, [0], order=("yes", "maybe", "no"))
    with pytest.raises(UserError, match="has the labels yes, maybe, no; expected entailment, neutral, contradiction"):
        import_task("mnli", source="hub", out=tmp_path / "mnli")


def test_a_second_import_uses_the_locked_revision_and_no_network(hub: Hub, tmp_path: Path) -> None:
    put_mnli(hub, [0, 1, 2])
    first = import_task("mnli", source="hub", out=tmp_path / "a")
    put_mnli(hub, [0])
    hub.repos["nyu-mll/glue"]["new-file"] = b"the branch has moved"
    hub.requests.clear()
    again = import_task("mnli", source="hub", out=tmp_path / "b")
    assert (again.parents, again.files) == (first.parents, first.files)
    assert hub.requests == []
    (entry,) = json.loads((tmp_path / "cache" / "hub.lock.json").read_text()).values()
    assert entry == {"revision": first.parents[0]["revision"], "files": ["mnli/train-00000-of-00001.parquet"]}


def test_pooled_tasks_fetch_every_corpus_and_shard(hub: Hub, tmp_path: Path) -> None:
    put_mnli(hub, [0, 1, 2])
    content = parquet(nli_rows([1, 1]), nli_features(("entailment", "neutral", "contradiction")))
    hub.repos["stanfordnlp/snli"] = {f"plain_text/train-0000{i}-of-00002.parquet": content for i in (0, 1)}
    hub.repos["facebook/anli"] = {f"plain_text/train_r{i}-00000-of-00001.parquet": content for i in (1, 2, 3)}
    manifest = import_task("anli_plus", source="hub", out=tmp_path / "anli_plus")
    assert manifest.label_counts == {"entailment": 1, "neutral": 11, "contradiction": 1}
    assert [parent["split"] for parent in manifest.parents] == ["train"] * 3 + ["train_r1", "train_r2", "train_r3"]
    assert "CC BY-NC 4.0" in manifest.licence
    assert len({row["id"] for row in read_rows(tmp_path / "anli_plus")}) == 13


def test_spans_choices_and_tags_are_read_as_the_hub_stores_them(hub: Hub, tmp_path: Path) -> None:
    span = {"id": "a", "title": "T", "context": "Tea is hot.", "question": "?"}
    answers = [{"text": ["Tea"], "answer_start": [0]}, {"text": [], "answer_start": []}]
    spans = [span | {"answers": answer, "id": f"q{i}"} for i, answer in enumerate(answers)]
    swag = {"ctx_a": "A.", "ctx_b": "b", "ctx": "A. b", "endings": list("wxyz"), "label": "2"}
    tags = {"tokens": ["Dogs", "bark"], "pos_tags": [7, 15]}
    hub.repos = {
        "rajpurkar/squad_v2": {
            "squad_v2/train-00000-of-00001.parquet": parquet(spans, ENTRIES["squad_v2"].format.features())
        },
        "Rowan/hellaswag": {
            "data/train-00000-of-00001.parquet": parquet(
                [swag, swag | {"label": ""}], ENTRIES["hellaswag"].format.features()
            )
        },
        "google/xtreme": {
            "udpos.English/train-00000-of-00001.parquet": parquet([tags], ENTRIES["udpos"].format.features()),
            "udpos.German/train-00000-of-00001.parquet": b"not asked for",
        },
    }
    manifest = import_task("squad_v2", source="hub", out=tmp_path / "squad")
    assert manifest.label_counts == {"answerable": 1, "unanswerable": 1}
    assert [row["id"] for row in read_rows(tmp_path / "squad")] == ["q0", "q1"]
    manifest = import_task("hellaswag", source="hub", out=tmp_path / "swag")
    assert (manifest.label_counts, manifest.rejected) == ({"2": 1}, {"unlabelled": 1})
    import_task("udpos", source="hub", out=tmp_path / "udpos")
    (row,) = read_rows(tmp_path / "udpos")
    assert row["pos_tags"] == [7, 15]


HUB_ROWS = {
    "qqp": {"question1": "Is tea hot?", "question2": "Is hot tea?", "label": 1},
    "squad_v1": {
        "id": "q",
        "title": "T",
        "context": "Tea is hot.",
        "question": "What is hot?",
        "answers": {"text": ["Tea"], "answer_start": [0]},
    },
    "cosmosqa": {"context": "It rained.", "question": "Why?", **{f"answer{i}": str(i) for i in range(4)}, "label": 2},
    "commonsenseqa": {
        "question": "Where?",
        "question_concept": "tea",
        "choices": {"label": list("ABCDE"), "text": list("vwxyz")},
        "answerKey": "D",
    },
}


@pytest.mark.parametrize("task", HUB_ROWS)
def test_a_row_of_the_hub_is_a_row_of_the_folder(hub: Hub, tmp_path: Path, task: str) -> None:
    (source,), row = SOURCES[task], HUB_ROWS[task]
    (split,) = source.hub
    content = parquet([row], source.format.features())
    hub.repos[split.repo] = {f"{split.config}/train/0000.parquet": content, f"{split.config}/test/0000.parquet": b""}
    manifest = import_task(task, source="hub", out=tmp_path / task)
    (kept,) = read_rows(tmp_path / task)
    assert {name: kept[name] for name in row} == row
    assert sum(manifest.label_counts.values()) == 1


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["c/train-00001-of-00002.parquet", "c/train-00000-of-00002.parquet"], [1, 0]),
        (["c/train/0000.parquet", "c/test/0000.parquet"], [0]),
        (["data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"], [0]),
        (["train.parquet", "validation.parquet"], [0]),
        (["other/train-00000-of-00001.parquet"], []),
        (["c/train_r1-00000-of-00001.parquet", "c/pretrain-0.parquet"], []),
    ],
)
def test_the_files_of_a_split_are_found_in_every_layout(names: list[str], expected: list[int]) -> None:
    assert parquet_files(names, "c", "train") == [names[index] for index in expected]


def test_a_repository_without_the_split_lists_what_it_has(hub: Hub, tmp_path: Path) -> None:
    hub.repos["nyu-mll/glue"] = {"cola/train-00000-of-00001.parquet": b""}
    with pytest.raises(IncompleteError, match=r"no Parquet files for mnli/train; it has cola/train-00000"):
        import_task("mnli", source="hub", out=tmp_path / "mnli")


def test_an_unknown_repository_ends_incomplete_with_the_way_out(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(IncompleteError, match=r"cannot fetch tau/commonsense_qa .*--from PATH with train_rand_split"):
        import_task("commonsenseqa", source="hub", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_network_ends_incomplete_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{unused.getsockname()[1]}")
        use_empty_caches(tmp_path, monkeypatch)
        with pytest.raises(IncompleteError, match=r"Nothing was written\. Run .* or give --from PATH"):
            import_task("mnli", source="hub", out=tmp_path / "mnli")
    assert not (tmp_path / "mnli").exists()


def test_ccg_is_never_fetched(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"ccg is not on the hub \(LDC2005T13.*your own copy of CCGbank"):
        import_task("ccg", source="hub", out=tmp_path / "ccg")


def test_every_other_task_has_a_hub_address() -> None:
    assert all(source.hub for task, sources in SOURCES.items() for source in sources if task != "ccg")
