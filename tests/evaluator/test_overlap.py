"""Overlap: which rows of an arm stand in test items, in training items or in another arm."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from evaluator.experiment.arguments import Arguments
from evaluator.experiment.definition import define, open_store
from evaluator.experiment.overlap import RUN, OverlapCounts, Texts
from evaluator.reporting.overlap import contaminated, overlap_rows, read_overlaps
from evaluator.reporting.report import report
from evaluator.sweep.overlap import OVERLAP_NAME, write_overlap
from synthgen.formats.choice import Choice
from synthgen.formats.pair import Pair
from synthgen.formats.span import Span
from synthgen.formats.tags import TaggedSentence

from .conftest import LABELS, dataset_folder
from .experiments import make_rows, write_results

RAIN, WET = "It has been raining in the old town since the morning.", "All of the streets are wet by now."


def shared(rows: list[Any], others: list[Any]) -> dict[str, int]:
    return {name: count for name, count in asdict(Texts.of(rows).shared_with(Texts.of(others))).items() if count}


def test_a_row_counts_once_by_the_first_kind_that_fits() -> None:
    run = " ".join(f"word{i}" for i in range(RUN))
    rows = [Pair(RAIN, WET, 0), Pair(RAIN, "No.", 1), Pair(f"So {run} they said", "No.", 1), Pair("Other", "Words", 2)]
    others = [Pair(WET.upper(), RAIN.rstrip("."), 2), f"{run} is what we read"]
    assert shared(rows, others) == {"rows": 4, "whole": 1, "text": 1, "run": 1}


def test_twelve_common_words_and_short_texts_are_no_overlap() -> None:
    twelve = " ".join(f"word{i}" for i in range(RUN - 1))
    assert shared([f"So {twelve} they said", Pair("Yes, I do.", "No.", 0)], [f"{twelve} is it", "Yes, I do."]) == {
        "rows": 2
    }


def test_letters_of_a_script_without_spaces_are_half_a_word_each() -> None:
    short, run = "大雨倾盆而下。", "今天早上七点钟有一艘渡轮离开了旧港口没人看见它"
    assert shared([short], [short, f"他说{run}"]) == {"rows": 1}
    assert shared([f"她说{run}了"], [f"他写{run}吧"]) == {"rows": 1}
    assert shared([f"她说{run}离开那里"], [f"他写{run}离开那里"]) == {"rows": 1, "run": 1}


@pytest.mark.parametrize(
    ("row", "other"),
    [
        (Choice(RAIN, "Why?", ("a", "b"), 0), Pair(RAIN, "x", 0)),
        (Span(RAIN, "When?", "morning", 46), RAIN),
        (TaggedSentence(tuple(RAIN.split()), (0,) * 11), (RAIN, WET)),
        (Pair("今天早上七点钟港口开始下雨了", "路都湿了", 0), "今天早上七点钟港口开始下雨了。"),
    ],
)
def test_records_of_any_format_and_script_are_compared(row: Any, other: Any) -> None:
    assert shared([row], [other]) == {"rows": 1, "text": 1}


def test_nothing_overlaps_with_nothing() -> None:
    assert Texts.of([]).shared_with(Texts.of([RAIN])) == OverlapCounts(0)
    assert Texts.of([RAIN]).shared_with(Texts.of([])) == OverlapCounts(1)
    assert Texts.joined([Texts.of([]), Texts.of([RAIN])]).shared_with(Texts.of([RAIN])) == OverlapCounts(1, whole=1)


@pytest.fixture
def contaminated_experiment(
    datasets: dict[str, Path], tiny_model: Path, tiny_recipe: str, samples: Path, tmp_path: Path
) -> Arguments:
    """An arm that holds three of XNLI's Spanish test pairs and a training pair, beside another set."""
    tests = [line.split("\t") for line in (samples / "xnli/test-es.tsv").read_text(encoding="utf-8").splitlines()[:3]]
    train = json.loads((samples / "mnli/train_sample.json").read_text(encoding="utf-8"))["0"]
    pairs = [*tests, [train["text_a"], train["text_b"]]]
    rows = [
        {"premise": p, "hypothesis": h, "label": 0, "id": str(i), "language": "en"} for i, (p, h) in enumerate(pairs)
    ]
    counts = dict.fromkeys(LABELS, 0) | {LABELS[0]: len(rows)}
    folder = dataset_folder(tmp_path / "leaky", rows, origin="synthetic", licence="CC0-1.0", label_counts=counts)
    common = {"model": str(tiny_model), "recipe": tiny_recipe, "data_root": samples, "store": tmp_path / "store"}
    arms = ["none=none", f"leaky={folder}", f"real={datasets['real']}", f"mix={folder}+{datasets['real']}"]
    return Arguments(arms, targets=["xnli", "udpos"], languages=["en", "es"], **common)  # type: ignore[arg-type]


def test_arms_are_compared_with_items_and_each_other_once(contaminated_experiment: Arguments, tmp_path: Path) -> None:
    experiment = define(contaminated_experiment)
    for place in ("first", "second"):
        write_overlap(experiment, open_store(experiment), [tmp_path / place])
    first, second = ((tmp_path / place / OVERLAP_NAME).read_bytes() for place in ("first", "second"))
    assert first == second
    assert len(list((tmp_path / "store/overlap").glob("*/synthgen.json"))) == 1
    found = {(each["arm"], each["with"], each["kind"]): each for each in json.loads(first)["overlaps"]}
    assert {**found["leaky", "xnli", "test items"], "arm": 0, "with": 0, "kind": 0} == {
        "arm": 0, "with": 0, "kind": 0, "same_task": True, "rows": 4, "whole": 3, "text": 0, "run": 0,
    }  # fmt: skip
    assert found["leaky", "xnli", "training items"]["whole"] == 1
    assert not found["leaky", "udpos", "test items"]["same_task"]
    assert found["mix", "xnli", "test items"]["whole"] == 3
    assert ("mix", "leaky", "arm") not in found, "a mixture holds its parts by design"
    assert found["real", "leaky", "arm"]["rows"] == 24


def test_a_report_shows_the_overlap_and_warns_of_test_items(tmp_path: Path) -> None:
    write_results(tmp_path / "results.jsonl", make_rows(targets=("xnli",), sizes=(1000,), seeds=2))
    entry = {"arm": "real", "with": "xnli", "kind": "test items", "same_task": True, "rows": 1000}
    clean = {**entry, "arm": "synthetic", "whole": 0, "text": 1, "run": 0}
    document = {"overlaps": [{**entry, "whole": 2, "text": 1, "run": 0}, clean, 7, {"arm": "<b>"}]}
    (tmp_path / OVERLAP_NAME).write_text(json.dumps(document), encoding="utf-8")
    comparison = report(tmp_path, out=tmp_path / "report.html")
    said = [problem.message for problem in comparison.problems if problem.kind == "test items in an arm"]
    assert len(said) == 1
    assert said[0].startswith("3 of 1,000 rows of real (0.30 %) contain a test item of xnli")
    schema = files("synthgen.dataset.schemas").joinpath("comparison.schema.json").read_text(encoding="utf-8")
    written = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(json.loads(schema)).validate(written)
    assert written["overlaps"][0]["whole"] == 2
    assert "runs of 13 words" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "runs of 13 words" in (tmp_path / "results.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("document", [{}, {"overlaps": 3}, {"overlaps": [None, [], {}]}, {"overlaps": {"arm": "x"}}])
def test_an_odd_overlap_file_shows_nothing(document: dict[str, Any]) -> None:
    found = read_overlaps(document)
    assert found == contaminated(found) == overlap_rows(found)[1] == []
