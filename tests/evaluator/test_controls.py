"""Controls: the same rows with the labels of others, and their texts without the task."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from evaluator.experiment.arguments import Arguments
from evaluator.experiment.arms import parse_arm
from evaluator.experiment.definition import define
from evaluator.experiment.file import filled, parse_experiment
from evaluator.experiment.graph import build
from evaluator.experiment.jobs import IntermediateJob
from evaluator.store import Store
from evaluator.training.shuffled_labels import with_shuffled_labels
from evaluator.training.tokenisation import intermediate_features
from synthgen.errors import UserError
from synthgen.formats.choice import Choice
from synthgen.formats.pair import Pair
from synthgen.formats.span import Span
from synthgen.formats.tags import TaggedSentence

pytest.importorskip("torch")


@pytest.fixture
def arguments(tiny_model: Path, tiny_recipe: str, samples: Path, tmp_path: Path) -> dict[str, Any]:
    common = {"targets": ["xnli"], "languages": ["en", "es"], "model": str(tiny_model), "recipe": tiny_recipe}
    return {**common, "seeds": 2, "sizes": [12], "data_root": samples, "store": tmp_path / "store"}


def jobs(arms: list[str], arguments: dict[str, Any]) -> dict[tuple[str, int], IntermediateJob]:
    graph = build(define(Arguments(arms, **arguments)))
    return {(job.arm, job.seed): job for job in graph.jobs if isinstance(job, IntermediateJob)}


def test_labels_are_those_of_other_rows_as_often_as_before() -> None:
    rows = [Pair(f"a {i}", f"b {i}", i % 3) for i in range(300)]
    shuffled = with_shuffled_labels(rows, seed=1)
    assert [(row.text_a, row.text_b) for row in shuffled] == [(row.text_a, row.text_b) for row in rows]
    assert Counter(row.label for row in shuffled) == Counter(row.label for row in rows)
    assert 70 < sum(one.label == two.label for one, two in zip(rows, shuffled, strict=True)) < 130
    assert with_shuffled_labels(rows, seed=1) == shuffled != with_shuffled_labels(rows, seed=2)


def test_what_stands_for_a_label_in_other_formats_stays_valid() -> None:
    context = "The cat sat on the mat in the hall of the old house."
    choices = with_shuffled_labels([Choice("c", "q", ("x", "y", "z")[: 2 + i % 2], i % 2) for i in range(50)], seed=0)
    answered = [Span(context, "Where?", "on the mat", 12) for _ in range(50)]
    spans = with_shuffled_labels([*answered, Span(context, "Who?")], seed=0)
    tagged = with_shuffled_labels([TaggedSentence(("a", "b", "c", "d"), (0, 1, 2, 3)) for _ in range(50)], seed=0)
    assert all(row.label < len(row.options) for row in choices)
    assert all(row.start is None or context[row.start : row.end] == row.answer for row in spans)
    assert len({row.start for row in spans}) > 10
    assert all(sorted(row.tags) == [0, 1, 2, 3] for row in tagged)


def test_a_control_trains_on_the_rows_of_its_arm_and_changes_no_key_of_it(
    datasets: dict[str, Path], arguments: dict[str, Any], tmp_path: Path
) -> None:
    real = f"real={datasets['real']}"
    alone = jobs([real], arguments)
    all_jobs = jobs([real, f"shuffled=shuffled:{datasets['real']}", f"text=mlm:{datasets['real']}"], arguments)
    assert all(all_jobs[key].node.key == job.node.key for key, job in alone.items())
    assert len({job.node.key for job in all_jobs.values()}) == 6
    store = Store.open(tmp_path / "features", {})
    [(_, plain)] = intermediate_features(all_jobs["real", 0], store)
    [(_, shuffled)] = intermediate_features(all_jobs["shuffled", 0], store)
    [(head, text)] = intermediate_features(all_jobs["text", 0], store)
    assert plain.ids.tolist() == shuffled.ids.tolist()
    assert sorted(plain.targets.tolist()) == sorted(shuffled.targets.tolist())
    assert plain.targets.tolist() != shuffled.targets.tolist()
    assert (head.name, len(text)) == ("mlm", len(plain)) == ("mlm", 12)


def test_arms_json_says_what_a_control_is(datasets: dict[str, Path]) -> None:
    assert parse_arm(f"s=shuffled:{datasets['real']}:8").facts()["control"] == "labels shuffled"
    assert parse_arm(f"m=mlm:{datasets['real']}:8").facts()["tasks"] == ["masked language modelling"]
    with pytest.raises(UserError, match="nor a dataset folder"):
        parse_arm(f"m=mlm:{datasets['real'].parent}")


def test_an_experiment_file_has_controls_of_named_data(datasets: dict[str, Path], tmp_path: Path) -> None:
    places = {"real": "runs/real", "shuffled": "runs/other"}
    assert filled("10*shuffled:real:50%+mlm:real:rest", places) == "10*shuffled:runs/real:50%+mlm:runs/real:rest"
    assert filled("shuffled:500", places) == "runs/other:500"
    path = tmp_path / "experiment.toml"
    data = f"[data]\nreal = {json.dumps(str(datasets['real']))}\n"
    path.write_text(
        data + '[arms]\ncontrol = "shuffled:real"\ntext = "mlm:real"\nwrong = "shuffled:reel"\n', encoding="utf-8"
    )
    faults = [fault.message for fault in parse_experiment(path, ()).faults]
    assert len(faults) == 1
    assert "reel" in faults[0]
