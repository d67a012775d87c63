"""Inputs that a stage's length cuts: counted when a model is trained, and said in the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluator.experiment.recipe import SMALL
from evaluator.reporting.inputs import cut_inputs
from evaluator.reporting.report import report
from synthgen.formats.pair import Pair
from synthgen.formats.span import Span

from .conftest import sentence
from .experiments import make_rows, write_results

pytest.importorskip("torch")

from evaluator.training.heads.registry import head_for
from evaluator.training.jobs import input_counts
from evaluator.training.tokenisation import load_tokenizer


def test_features_that_fill_their_length_and_windows_without_an_answer_are_counted(tiny_model: Path) -> None:
    tokenizer, stage = load_tokenizer(tiny_model), SMALL.intermediate(("pair",))
    pair, span = head_for("pair", ("a", "b"), SMALL), head_for("span", ("answerable",), SMALL)
    long = " ".join(sentence(number) for number in range(100))
    pairs = pair.encode([Pair(sentence(1), sentence(2), 0), Pair(long, long, 1)], tokenizer, stage)
    assert input_counts(pair, pairs, stage) == {"features": 2, "full": 1}
    windows = span.encode([Span(long, "What?", sentence(0), 0)], tokenizer, stage)
    assert len(windows) > 2
    counts = input_counts(span, windows, stage)
    assert counts["features"] - counts["without_answer"] == 1


def test_a_report_says_which_arms_were_cut(tmp_path: Path) -> None:
    write_results(tmp_path / "results.jsonl", make_rows(targets=("xnli",), sizes=(1000,), seeds=2))
    real = {"items_cut_%": 31.5, "windows_without_answer_%": 2.0}
    arms = {"real": real, "synthetic": {"items_cut_%": 0.5}, "none": 3}
    (tmp_path / "arms.json").write_text(json.dumps(arms), encoding="utf-8")
    said = [p.message for p in report(tmp_path, out=tmp_path / "report.html").problems if p.kind == "cut inputs"]
    assert len(said) == 1
    assert said[0].startswith("real: 31.5 % of its training items reach max_length and may be truncated")
    assert cut_inputs({"a": {"items_cut_%": "x"}, "b": {"items_cut_%": float("nan")}}) == []
