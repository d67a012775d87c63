"""Every target trains, predicts and scores from end to end, on a tiny random model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import evaluator
from evaluator.benchmark.registry import find, target_names

pytest.importorskip("torch")

CASES = [
    ("xnli", "test", "en,sw"),
    ("xcopa", "test", "et,th"),
    ("udpos", "test", "es,zh"),
    ("panx", "dev", "de,yo"),
    ("xquad", "test", "en,zh"),
    ("mlqa", "dev", "en,de"),
    ("tydiqa", "dev", "sw"),
    ("tatoeba", "test", "de,ka"),
    ("lareqa", "test", "de,en"),
    ("pawsx", "test", "zh"),
    ("bucc2018", "dev", "zh"),
]


def test_every_target_is_among_the_cases_but_those_that_have_tests_of_their_own() -> None:
    files = {"sib200", "belebele", "afrixnli"}  # test_own_targets.py
    assert {name for name, *_ in CASES} == set(target_names()) - {"mewslix"} - files


def metrics(folder: Path) -> dict[tuple[str, str], float]:
    rows = [json.loads(line) for line in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()]
    return {(row["language"], row["metric"]): row["value"] for row in rows}


def compare(
    target: str, split: str, languages: str, root: Path, model: Path, folder: Path
) -> dict[tuple[str, str], float]:
    evaluator.compare(
        ["none=none"],
        targets=[target],
        languages=languages.split(","),
        split=split,
        seeds=1,
        model=str(model),
        recipe="small",
        data_root=root,
        store=folder / "store",
        out=folder / "report.html",
        max_train_examples=20 if find(target).train else None,
        max_eval_examples=20,
    )
    return metrics(folder)


@pytest.mark.realdata
@pytest.mark.parametrize(("target", "split", "languages"), CASES)
def test_a_target_runs_from_end_to_end_on_real_files(
    data_root: Path, tiny_model: Path, tmp_path: Path, target: str, split: str, languages: str
) -> None:
    found = compare(target, split, languages, data_root, tiny_model, tmp_path)
    assert {language for language, _ in found} == set(languages.split(","))
    assert all(0 <= value <= 100 for value in found.values())


def mention(number: int) -> dict[str, object]:
    text = f"the dog {number} ran in the house"
    span = {"start": 4, "end": 7, "text": "dog"}
    context = {"text": text, "sentence_spans": [{"start": 0, "end": len(text)}], "language": "de"}
    found = {"example_id": f"m{number}", "mention_span": span, "entity_id": f"Q{number % 10}"}
    return {"context": context, "mentions": [found]}


def entity(number: int) -> dict[str, object]:
    text = f"a dog {number} is big"
    return {"entity_id": f"Q{number}", "description": text, "sentence_spans": [{"start": 0, "end": len(text)}]}


def test_mewslix_trains_and_ranks_on_files_of_our_own(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "mewslix"
    folder.mkdir(parents=True)
    mentions, entities = [mention(i) for i in range(50)], [entity(i) for i in range(30)]
    training = [
        {"contextual_mention": {"context": row["context"], "mention": row["mentions"][0]}, "entity": entities[i % 10]}
        for i, row in enumerate(mentions)
    ]
    for name, rows in (
        ("wikinews_mentions-test-de.jsonl", mentions),
        ("candidate_set_entities.jsonl", entities),
        ("wikipedia_pairs-train.jsonl", training),
    ):
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = compare("mewslix", "test", "de", tmp_path / "data", tiny_model, tmp_path)
    assert set(found) == {("de", "map20")}
