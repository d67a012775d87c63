"""`evaluator score`: every prediction format read from a file, and every wrong file refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import evaluator
from evaluator.benchmark.registry import find
from evaluator.benchmark.target import DataRoot, Split
from synthgen.dataset.schemas import faults
from synthgen.errors import UserError
from tests.evaluator.noise import noisy

QUESTION = {"question": "?", "answers": [{"text": "Haus", "answer_start": 4}]}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four items of six targets, written for these tests."""
    questions = [{**QUESTION, "id": str(i)} for i in range(4)]
    paragraph = {"context": "das Haus", "qas": questions, "sentence_breaks": [[0, 8]]}
    document = json.dumps({"data": [{"paragraphs": [paragraph]}]})
    files = {
        "xquad/xquad.de.json": document,
        "lareqa/xquad-r/de.json": document,
        "lareqa/xquad-r/en.json": document,
        "xnli/test-de.tsv": "a\tb\n" * 4,
        "xnli/test.labels.txt": "neutral\n" * 4,
        "udpos/test-de.tsv": "ja\tINTJ\n.\tPUNCT\n\nnein\tINTJ\n\n",
        "tatoeba/tatoeba.deu-eng.deu": "a\nb\n",
        "tatoeba/tatoeba.deu-eng.eng": "a\nb\n",
        "bucc2018/de-en.dev.de": "de-1\ta\nde-2\tb\n",
        "bucc2018/de-en.dev.en": "en-1\ta\nen-2\tb\n",
        "bucc2018/de-en.dev.gold": "de-1\ten-1\n",
        "labels/mewslix/test-de.json": json.dumps({"m1": ["Q1"], "m2": ["Q2"]}),
    }
    for name, text in files.items():
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "data"


def score(root: Path, target: str, text: str) -> dict[str, Any]:
    path = root.parent / "predictions"
    path.write_text(text, encoding="utf-8")
    found = evaluator.score(target, language="de", predictions=path, data_root=root)
    assert faults(found, "score") == []
    return found


GOOD = [
    ("xnli", "neutral\r\n" * 3 + "entailment\r\n", {"accuracy": 75.0}),
    ("udpos", "INTJ\nPUNCT\n\nINTJ\n", {"f1": 100.0, "token_accuracy": 100.0}),
    ("tatoeba", "0\n0\n", {"accuracy": 50.0}),
    ("xquad", json.dumps({"0": "Haus", "1": "das Haus"}), {"f1": 125 / 3, "em": 25.0}),
    ("lareqa", json.dumps({str(i): ["de_1_0", "en_1_0"] for i in range(4)}), {"map20": 100.0}),
    ("mewslix", json.dumps({"m1": ["Q9", "Q1"], "m2": []}), {"map20": 25.0}),
    ("bucc2018", "de-1\ten-1\nde-2\ten-1\n", {"f1": 200 / 3}),
]


@pytest.mark.parametrize(("target", "text", "metrics"), GOOD, ids=[case[0] for case in GOOD])
def test_a_prediction_file_is_scored(root: Path, target: str, text: str, metrics: dict[str, float]) -> None:
    for mark in ("", "\ufeff"):
        assert score(root, target, mark + text)["metrics"] == pytest.approx(metrics)


def test_missing_and_extra_predictions_are_counted_and_named(root: Path) -> None:
    found = score(root, "xquad", json.dumps({"0": "Haus", "1": "das Haus", "9": "x"}))
    assert (found["n"], found["missing"], found["extra"]) == (4, 2, 1)
    assert (found["missing_ids"], found["extra_ids"]) == (["2", "3"], ["9"])
    assert found["metrics"]["em"] == 25.0


def test_a_sentence_without_a_translation_needs_no_prediction(root: Path) -> None:
    assert score(root, "bucc2018", "de-1\ten-1\n")["missing"] == 0


BAD = [
    ("xnli", "neutral\n" * 3, r"has 3 predictions for 4 items .*missing: 3; extra: none"),
    ("xnli", "neutral\n" * 5, r"has 5 predictions for 4 items .*missing: none; extra: line 5"),
    ("xnli", "neutrl\n" * 4, r"prediction line 1 is 'neutrl'; known labels: entailment"),
    ("udpos", "INTJ\n\nINTJ\n", r"1 tags for the 2 tokens of item de-0"),
    ("udpos", "INTJ\nDOT\n\nINTJ\n", r"prediction line 2 is 'DOT'; known tags: ADJ"),
    ("tatoeba", "0\n2\n", r"prediction line 2 is '2'; known: 0 to 1"),
    ("xquad", "[]", r"holds a JSON list; expected an object of item ids"),
    ("xquad", "{", r"the prediction file is not JSON"),
    ("xquad", '{"0": ["Haus"]}', r'the prediction of 0 is \["Haus"\]; expected a text'),
    ("lareqa", '{"0": "de_1_0"}', r'the prediction of 0 is "de_1_0"; expected a list of ids'),
    ("bucc2018", "de-1 en-1\n", r"prediction line 1 is 'de-1 en-1'; expected id TAB id"),
    ("bucc2018", "de-1\ten-9\n", r"prediction line 1 pairs de-1 with en-9; one is not in"),
]


@pytest.mark.parametrize(("target", "text", "message"), BAD)
def test_a_wrong_prediction_file_is_refused_with_its_place(root: Path, target: str, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        score(root, target, text)


def test_a_group_of_targets_is_no_target_and_not_suggested(root: Path) -> None:
    with pytest.raises(UserError, match=r"^unknown target 'all'; known: xnli, .*, sib200$"):
        evaluator.score("all", language="de", predictions="none.txt", data_root=root)


def test_a_missing_file_and_a_folder_are_no_prediction_files(root: Path) -> None:
    for path, message in ((root / "none", "no prediction file at"), (root, "cannot read .*: Is a directory")):
        with pytest.raises(UserError, match=message):
            evaluator.score("xnli", language="de", predictions=path, data_root=root)


def lines(predictions: list[Any]) -> str:
    return "".join(f"{prediction}\n" for prediction in predictions)


def blocks(predictions: list[Any]) -> str:
    return "\n".join("".join(f"{tag}\n" for tag in tags) for tags in predictions)


def by_id(predictions: list[Any], split: Split) -> str:
    return json.dumps({i: p for i, p in zip(split.ids, predictions, strict=True) if p is not None}, ensure_ascii=False)


WRITERS: dict[str, Callable[[list[Any], Split], str]] = {
    "label": lambda predictions, _: lines(predictions),
    "blocks": lambda predictions, _: blocks(predictions),
    "json": by_id,
}
CASES = [
    *[(name, split, code, "label") for name, split, code in (("xnli", "test", "sw"), ("xcopa", "test", "th"))],
    *[(name, "test", code, "label") for name, code in (("tatoeba", "ka"), ("pawsx", "zh"))],
    *[("udpos", "test", "yo", "blocks"), ("panx", "dev", "yo", "blocks")],
    *[("xquad", "test", "zh", "json"), ("mlqa", "dev", "es", "json"), ("tydiqa", "dev", "sw", "json")],
]


@pytest.mark.realdata
@pytest.mark.parametrize(("name", "split_name", "code", "writer"), CASES)
def test_a_file_of_predictions_scores_as_the_predictions_do(
    data_root: Path, tmp_path: Path, name: str, split_name: str, code: str, writer: str
) -> None:
    target = find(name)
    split = target.load(DataRoot(data_root), code, split_name)
    predictions = noisy(target, split)
    path = tmp_path / "predictions"
    path.write_text(WRITERS[writer](predictions, split), encoding="utf-8")
    found = evaluator.score(name, language=code, predictions=path, data_root=data_root, split=split_name)
    assert found["metrics"] == target.score(split, predictions).metrics


@pytest.mark.realdata
def test_mewslix_is_scored_on_the_mock_files_as_the_reference_prints(data_root: Path) -> None:
    path = data_root / "xtreme_mock" / "predictions" / "mewslix" / "test-de.json"
    found = evaluator.score("mewslix", language="de", predictions=path, data_root=data_root)
    assert found["metrics"] == {"map20": 50.0}
    assert found["gold"] == ["xtreme_mock/labels/mewslix/test-de.json"]


def test_lists_of_a_split_that_do_not_line_up_are_refused() -> None:
    with pytest.raises(UserError, match=r"2 ids, 1 items and 2 labels in a\.tsv"):
        Split("de", ("1", "2"), ("text",), ("0", "1"), (Path("a.tsv"),))
