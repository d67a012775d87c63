"""Evaluation and training files of a slightly other shape than the official one: one line that says where and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evaluator.benchmark.data_root import data_check
from evaluator.benchmark.registry import find
from evaluator.benchmark.target import DataRoot
from synthgen.errors import UserError

QUESTION = {"id": "q1", "question": "Where did Ann go?", "answers": [{"text": "home", "answer_start": 9}]}
COPA = {
    "premise": "It rained.",
    "choice1": "It got wet.",
    "choice2": "It got dry.",
    "question": "effect",
    "label": 0,
    "idx": 0,
}


def without(values: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}


@pytest.mark.parametrize(
    ("question", "why"),
    [
        (QUESTION | {"answers": None}, r"question q1: 'answers' is not a list but None"),
        (without(QUESTION, "answers"), r"question q1 has no answers"),
        (QUESTION | {"answers": {"text": ["home"], "answer_start": [9]}}, r"question q1: 'answers' is not a list but"),
        (without(QUESTION, "id"), r"a question has no id"),
        (QUESTION | {"question": None}, r"question q1: no question"),
        (QUESTION | {"answers": [{"text": 7, "answer_start": 9}]}, r"question q1: text is no text"),
        (QUESTION | {"answers": [{"answer_start": 9}]}, r"question q1: an answer has no text"),
        ("q1", r"a question has no id"),
    ],
)
def test_a_question_of_another_shape_is_named(question: Any, why: str, tmp_path: Path) -> None:
    path = tmp_path / "xquad" / "xquad.de.json"
    path.parent.mkdir()
    document = {"data": [{"title": "T", "paragraphs": [{"context": "Ann went home.", "qas": [question]}]}]}
    path.write_text(json.dumps(document))
    with pytest.raises(UserError, match=rf"xquad\.de\.json.*{why}"):
        find("xquad").load(DataRoot(tmp_path), "de", "test")


@pytest.mark.parametrize("document", [{"data": None}, {"data": [{"paragraphs": 3}]}, {"data": [None]}, [], 3])
def test_a_document_of_another_shape_is_named(document: Any, tmp_path: Path) -> None:
    path = tmp_path / "xquad" / "xquad.de.json"
    path.parent.mkdir()
    path.write_text(json.dumps(document))
    with pytest.raises(UserError, match=r"xquad\.de\.json"):
        find("xquad").load(DataRoot(tmp_path), "de", "test")


@pytest.mark.parametrize("name", list(COPA))
def test_a_premise_that_lacks_something_is_named_with_its_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / "xcopa" / "tr" / "test.tr.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(map(json.dumps, [COPA, without(COPA, name)])))
    with pytest.raises(UserError, match=rf"test\.tr\.jsonl line 2 has no {name}"):
        data_check(data_root=tmp_path, targets=["xcopa"])


@pytest.mark.parametrize("form", ["lines", "array", "numbered", "columns"])
def test_mnli_is_read_for_training_in_any_of_its_forms(form: str, tmp_path: Path) -> None:
    labels = ("entailment", "neutral", "contradiction")
    rows = [{"text_a": f"It rains {n}.", "text_b": f"It is wet {n}.", "label": labels[n]} for n in range(3)]
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    numbered = {str(number): row for number, row in enumerate(rows)}
    forms = {"array": json.dumps(rows), "numbered": json.dumps(numbered), "columns": json.dumps(columns)}
    path = tmp_path / "mnli" / "train_9k.json"
    path.parent.mkdir()
    path.write_text(forms.get(form) or "\n".join(map(json.dumps, rows)))
    train = find("xnli").train
    assert train is not None
    assert [(record.text_a, record.label) for record in train(DataRoot(tmp_path)).records] == [
        (f"It rains {n}.", n) for n in range(3)
    ]
    path.write_text(json.dumps([*rows, rows[0] | {"label": "perhaps"}]))
    with pytest.raises(UserError, match=r"train_9k\.json row 4: unknown label"):
        train(DataRoot(tmp_path))
