"""Primary comparisons, planned looks, and the margin that was fixed: what a verdict may rest on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from evaluator.reporting import sentences
from evaluator.reporting.inputs import changed_plan
from evaluator.reporting.report import report
from evaluator.stats.comparison import Comparison, compare_results
from evaluator.stats.looks import Looks, nominal_levels
from evaluator.stats.needed_seeds import needed_seeds
from evaluator.stats.pairwise import PairwiseResult, parse_primary
from evaluator.stats.results import read_results
from evaluator.stats.significance import Estimate
from evaluator.sweep.plan_file import _added

from . import experiments

results_file = experiments.results_file
Maker = Callable[..., Path]


def pair_of(found: Comparison, size: int | str) -> PairwiseResult:
    return next(p for p in found.headline() if (p.a, p.b, p.size) == ("synthetic", "real", size))


@pytest.mark.parametrize(
    ("looks", "published"),
    [(1, [1.96]), (2, [2.157, 2.201]), (5, [2.438, 2.427, 2.410, 2.397, 2.386])],
)
def test_the_level_of_a_look_is_the_published_one(looks: int, published: list[float]) -> None:
    """Lan and DeMets with Pocock's spending function, two-sided 5 %, equal distances."""
    assert [-norm.ppf(level / 2) for level in nominal_levels(looks)] == pytest.approx(published, abs=0.002)


def test_all_looks_together_are_wrong_in_five_of_a_hundred() -> None:
    scores = np.random.default_rng(1).normal(size=(100_000, 4)).cumsum(axis=1) / np.sqrt(np.arange(1, 5))
    p_values = 2 * norm.sf(np.abs(scores))
    assert np.mean((p_values <= nominal_levels(4)).any(axis=1)) == pytest.approx(0.05, abs=0.003)
    assert np.mean((p_values <= 0.05).any(axis=1)) > 0.12


def test_a_p_value_counts_more_the_more_looks_are_planned() -> None:
    looks = Looks(planned=4, seeds=3)
    assert [looks.factor(seeds) for seeds in (2, 3, 4, 6, 99)] == pytest.approx(
        [0.05 / nominal_levels(4)[look] for look in (0, 0, 1, 1, 3)]
    )
    assert Looks.of({"planned": 4, "seeds": 3}) == looks
    for odd in (None, [], {"planned": 4}, {"planned": "4", "seeds": 3}, {"planned": 0, "seeds": 3}):
        assert Looks.of(odd) is None


def test_a_planned_look_is_paid_for_in_every_verdict(results_file: Maker) -> None:
    results = read_results(results_file(seeds=3))
    plain, looked = (pair_of(compare_results(results, looks=looks), 1_000) for looks in (None, Looks(4, 3)))
    assert looked.p_corrected == pytest.approx(min(1, plain.p_corrected * 0.05 / nominal_levels(4)[0]))
    assert looked.estimate == plain.estimate
    assert "looks:4 of 3 seeds" in compare_results(results, looks=Looks(4, 3)).signature


def test_a_primary_comparison_is_corrected_alone_and_comes_first(results_file: Maker) -> None:
    results = read_results(results_file(seeds=5))
    found = compare_results(results, primary=[parse_primary("real:synthetic@1000")])
    lead = sentences.lead_pairs(found)[0]
    assert (lead.a, lead.b, lead.size, lead.primary, lead.family) == ("synthetic", "real", 1_000, True, 1)
    assert lead.p_corrected == lead.estimate.p
    assert sentences.sentence(lead).startswith("Primary comparison: ")
    others = [pair for pair in found.headline() if not pair.primary]
    assert {pair.family for pair in others} == {len(others)}
    assert pair_of(compare_results(results, primary=[("real", "synthetic", 16_000)]), "full").primary


def test_a_report_takes_margin_and_primary_of_the_record(results_file: Maker, tmp_path: Path) -> None:
    source = results_file(seeds=3)
    record = {"margin": 2, "primary": ["synthetic:real"], "looks": {"planned": 2, "seeds": 3}}
    source.with_name("experiment.json").write_text(json.dumps(record))
    found = report(source, out=tmp_path / "out" / "report.html")
    assert (found.margin, pair_of(found, "full").primary) == (2, True)
    assert pair_of(found, "full").spent == pytest.approx(0.05 / nominal_levels(2)[0])
    other = report(source, out=tmp_path / "out" / "report.html", margin=3)
    assert "other margin: 2 points were fixed before the runs; equivalence at 3 is exploratory" in (
        sentences.problem_lines(other.problems)
    )


def test_seeds_added_after_a_look_that_was_not_planned_make_verdicts_exploratory(
    results_file: Maker, tmp_path: Path
) -> None:
    path = results_file(targets=("xnli",), sizes=(1000,))
    plan = {
        "history": [{"margin": 0.5, "primary": []}, {"margin": 1.0, "primary": ["a:b"]}, 3],
        "looks": [{"seeds": 3}],
    }
    path.with_name("plan.json").write_text(json.dumps(plan))
    said = [p.message for p in report(path, out=tmp_path / "report.html").problems if p.kind == "exploratory"]
    assert said == [
        "margin was 0.5 in the first plan and is 1 now; verdicts are exploratory",
        "primary was none in the first plan and is a:b now; verdicts are exploratory",
    ]
    looks = {"looks": [{"seeds": 3}, {"seeds": 3}, {"seeds": 5}, {"seeds": 8}]}
    path.with_name("plan.json").write_text(json.dumps(looks))
    [line] = [p.message for p in report(path, out=tmp_path / "report.html").problems if p.kind == "exploratory"]
    assert line.startswith("results were computed with 3, 5 and 8 seeds without planned interim looks")
    path.with_name("experiment.json").write_text(json.dumps({"looks": {"planned": 4, "seeds": 3}}))
    assert not [p for p in report(path, out=tmp_path / "report.html").problems if p.kind == "exploratory"]


@pytest.mark.parametrize("plan", [{"history": 3, "looks": "x"}, {"history": [None], "looks": [[], {"seeds": "a"}]}])
def test_an_odd_plan_says_nothing_of_looks(plan: dict[str, object]) -> None:
    assert changed_plan(plan, looks_planned=False) == []


def test_a_plan_is_only_added_to() -> None:
    first = _added([], {"seeds": 3})
    assert _added(first, {"seeds": 3}) == first
    assert [entry["seeds"] for entry in _added(first, {"seeds": 5})] == [3, 5]
    assert all(entry["date"] for entry in first)


def test_planned_looks_ask_for_more_seeds_than_one_test() -> None:
    seen = Estimate(1.0, 0.6, 2.0, 3, item_se=0.1)
    once, looking = needed_seeds(seen, 0.5), needed_seeds(seen, 0.5, Looks(4, 3))
    assert once.seeds is not None
    assert looking.seeds is not None
    assert once.seeds < looking.seeds < 2 * once.seeds
    assert looking.floor > once.floor
