"""results.jsonl: what is read is what was written, and every fault is named with its line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.stats.results import (
    Cell,
    ResultRow,
    TrainedRun,
    parse_row,
    read_items,
    read_results,
    write_item_ids,
    write_item_scores,
    write_results,
)
from synthgen.errors import UserError
from synthgen.text.languages import LANGUAGES

from . import experiments

ROW = {
    "arm": "real",
    "size": 100,
    "arm_n": 100,
    "seed": 0,
    "target": "xnli",
    "language": "de",
    "split": "test",
    "metric": "accuracy",
    "value": 61.5,
    "n": 3,
    "data_revision": "rev1",
}
experiment_rows, results_file = experiments.experiment_rows, experiments.results_file
Maker = Callable[..., Path]


def write_lines(path: Path, *documents: object) -> Path:
    path.write_text("".join(f"{json.dumps(document)}\n" for document in documents), encoding="utf-8")
    return path


def test_rows_come_back_as_they_were_written(
    results_file: Maker, experiment_rows: Callable[..., list[ResultRow]]
) -> None:
    rows = experiment_rows(seeds=2)
    assert sorted(read_results(results_file(rows)).rows, key=str) == sorted(rows, key=str)


def test_the_same_rows_in_any_order_give_the_same_bytes(
    tmp_path: Path, experiment_rows: Callable[..., list[ResultRow]]
) -> None:
    rows = experiment_rows(seeds=2)
    write_results(tmp_path / "a.jsonl", rows)
    write_results(tmp_path / "b.jsonl", reversed(rows))
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


def test_every_written_line_fits_the_published_schema(results_file: Maker) -> None:
    schema = json.loads(files("synthgen.dataset.schemas").joinpath("results.schema.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    for line in results_file(seeds=1).read_text(encoding="utf-8").splitlines():
        validator.validate(json.loads(line))


@given(st.floats(min_value=0, max_value=100), st.integers(0, 10**9), st.sampled_from(sorted(LANGUAGES)))
def test_a_valid_row_parses_to_itself(value: float, size: int, code: str) -> None:
    row = parse_row({**ROW, "value": value, "size": size, "language": code}, where="here")
    kept = {name: field for name, field in asdict(row).items() if field is not None}
    assert parse_row(json.loads(json.dumps(kept)), where="here") == row


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"language": "xx"}, "unknown language 'xx' in results.jsonl line 1"),
        ({"value": 101}, "line 1: value is 101; allowed: 0 to 100, or null for a run that failed"),
        ({"size": -1}, "line 1: size is -1; allowed: whole numbers from 0"),
        ({"seed": True}, "line 1: seed is True; allowed: whole numbers from 0"),
        ({"arm": ""}, "line 1: arm is ''; allowed: text that is not empty"),
        ({"metrics": 1}, "unknown field 'metrics' in results.jsonl line 1; did you mean 'metric'?"),
        ({"item_ids": ["a"]}, "item_ids and item_scores come together"),
        ({"item_ids": ["a"], "item_scores": [1]}, "1 item_ids, 1 item_scores and n 3 differ"),
    ],
)
def test_a_wrong_field_is_named_with_its_line_and_what_is_allowed(tmp_path: Path, change: dict, message: str) -> None:
    with pytest.raises(UserError) as caught:
        read_results(write_lines(tmp_path / "results.jsonl", {**ROW, **change}))
    assert message in str(caught.value)


def test_all_faults_of_a_row_come_in_one_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"size is -1.*n is 'x'.*value is 'y'"):
        read_results(write_lines(tmp_path / "results.jsonl", {**ROW, "size": -1, "n": "x", "value": "y"}))


def test_missing_fields_are_all_named(tmp_path: Path) -> None:
    short = {name: value for name, value in ROW.items() if name not in ("seed", "target")}
    path = write_lines(tmp_path / "results.jsonl", short)
    with pytest.raises(UserError, match="seed is missing; target is missing"):
        read_results(path)


def test_a_duplicate_cell_names_both_lines(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_results(write_lines(tmp_path / "results.jsonl", ROW, {**ROW, "seed": 1}, {**ROW, "value": 3}))
    expected = "results.jsonl line 3: real@100 seed 0 on xnli/de/accuracy is already on line 1; keep one"
    assert str(caught.value) == expected


def test_a_line_that_is_not_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(json.dumps(ROW) + "\n{oops\n", encoding="utf-8")
    with pytest.raises(UserError, match="line 2: not JSON"):
        read_results(path)


def test_nan_is_read_as_a_failed_run(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(json.dumps({**ROW, "value": float("nan")}) + "\n", encoding="utf-8")
    assert read_results(path).rows[0].value is None


def test_a_failed_run_is_written_as_null(tmp_path: Path) -> None:
    write_results(tmp_path / "results.jsonl", [ResultRow(**{**ROW, "value": float("nan")})])  # type: ignore[arg-type]
    assert '"value": null' in (tmp_path / "results.jsonl").read_text(encoding="utf-8")


def test_an_empty_file_and_an_absent_one_say_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no results at .*; expected a results.jsonl or a store folder"):
        read_results(tmp_path)
    (tmp_path / "results.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match="has no rows"):
        read_results(tmp_path)


@pytest.mark.parametrize("width", [1, 3])
def test_item_scores_of_a_store_come_back_in_the_order_of_their_ids(tmp_path: Path, width: int) -> None:
    cell, ids = Cell("xnli", "de", "accuracy"), ["a", "b", "c"]
    shape = (3,) if width == 1 else (3, 3)
    scores = {
        TrainedRun("real", 10, seed): np.random.default_rng(seed).random(shape).astype(np.float32) for seed in range(2)
    }
    write_item_ids(tmp_path, "xnli", "de", ids)
    write_item_scores(tmp_path, cell, scores)
    back = read_items(tmp_path, cell)
    assert back.ids == tuple(ids)
    assert back.runs == tuple(scores)
    np.testing.assert_array_equal(back.scores, np.stack(list(scores.values())))


def test_item_scores_that_do_not_match_their_ids_are_refused(tmp_path: Path) -> None:
    cell = Cell("xnli", "de", "accuracy")
    write_item_ids(tmp_path, "xnli", "de", ["a", "b"])
    write_item_scores(tmp_path, cell, {TrainedRun("real", 10, 0): [1, 0, 1]})
    with pytest.raises(UserError, match="real@10 seed 0 has 3 item scores for 2 ids"):
        read_items(tmp_path, cell)


def test_inline_items_in_another_order_are_aligned_by_id(results_file: Maker) -> None:
    first = ResultRow(**{**ROW, "item_ids": ("a", "b", "c"), "item_scores": (1, 0, 0)})  # type: ignore[arg-type]
    second = replace(first, seed=1, item_ids=("c", "a", "b"), item_scores=(0, 1, 0))
    items = read_results(results_file([first, second])).items(first.cell)
    assert items is not None
    np.testing.assert_array_equal(items.scores, [[1, 0, 0], [1, 0, 0]])


@pytest.mark.parametrize(
    "scores",
    [
        (1, 0, None),
        (1, 0, 7),
        (1, 0, -1),
        (1, 0, "1"),
        (1, 0, (1, 1, 1)),
        ((1, 1, 1, 1), (1, 1, 1, 1), (1, 1, 1, 1)),
        ((1, 1, 1), (1, 1, None), (1, 1, 1)),
        ({}, {}, {}),
    ],
)
def test_item_scores_that_are_no_scores_are_refused_with_their_line(tmp_path: Path, scores: tuple[object, ...]) -> None:
    row = {**ROW, "item_ids": ["a", "b", "c"], "item_scores": scores}
    (tmp_path / "results.jsonl").write_text(json.dumps(row), encoding="utf-8")
    with pytest.raises(UserError, match=r"results\.jsonl line 1: item_scores hold other things than numbers"):
        read_results(tmp_path)


@pytest.mark.parametrize("ids", [["a", "a", "b"], ["a", "b", 3], ["a", "b", ["c"]]])
def test_item_ids_are_texts_and_each_stands_once(tmp_path: Path, ids: list[object]) -> None:
    row = {**ROW, "item_ids": ids, "item_scores": [1, 0, 0]}
    (tmp_path / "results.jsonl").write_text(json.dumps(row), encoding="utf-8")
    with pytest.raises(UserError, match="item_ids repeat, or are not all text"):
        read_results(tmp_path)


def test_a_file_that_is_not_text_and_a_store_that_is_not_parquet_are_named(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_bytes(b"\xff\xfe{}")
    with pytest.raises(UserError, match=r"results\.jsonl line 1 is not UTF-8"):
        read_results(tmp_path)
    cell = Cell("xnli", "de", "accuracy")
    write_item_ids(tmp_path, "xnli", "de", ["a"])
    (tmp_path / "items" / "xnli.de.accuracy.parquet").write_bytes(b"junk")
    with pytest.raises(UserError, match=r"xnli\.de\.accuracy\.parquet: .*; score the runs again"):
        read_items(tmp_path, cell)


def test_item_scores_of_a_store_that_are_no_scores_are_refused(tmp_path: Path) -> None:
    cell = Cell("xnli", "de", "accuracy")
    write_item_ids(tmp_path, "xnli", "de", ["a", "b"])
    write_item_scores(tmp_path, cell, {TrainedRun("real", 10, 0): [1, float("nan")]})
    with pytest.raises(UserError, match="item_scores hold other things than numbers"):
        read_items(tmp_path, cell)


def test_runs_scored_on_other_items_are_refused(results_file: Maker) -> None:
    first = ResultRow(**{**ROW, "item_ids": ("a", "b", "c"), "item_scores": (1, 0, 0)})  # type: ignore[arg-type]
    second = replace(first, seed=1, item_ids=("c", "a", "x"))
    results = read_results(results_file([first, second]))
    with pytest.raises(UserError, match="real@100 seed 1 was scored on other items than real@100 seed 0"):
        results.items(first.cell)


def test_the_languages_are_the_fifty_of_xtreme_r() -> None:
    codes = (
        "af ar az bg bn de el en es et eu fa fi fr gu he hi ht hu id it ja jv ka kk ko lt ml mr ms my nl pa pl pt qu "
        "ro ru sw ta te th tl tr uk ur vi wo yo zh"
    )
    assert sorted(LANGUAGES) == codes.split()
