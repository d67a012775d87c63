"""The verdict: what is averaged, what is refused, and what every kind of broken input comes to."""

from __future__ import annotations

import json
import re
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from evaluator.reporting import sentences
from evaluator.stats.comparison import Comparison, compare_results
from evaluator.stats.estimand import aggregation_levels
from evaluator.stats.item_bootstrap import level_draws
from evaluator.stats.pairwise import PairwiseResult
from evaluator.stats.results import (
    Cell,
    ResultRow,
    TrainedRun,
    read_results,
    write_item_ids,
    write_item_scores,
    write_results,
)
from evaluator.stats.score_table import ScoreTable
from evaluator.stats.significance import holm

from . import experiments

experiment_rows, results_file = experiments.experiment_rows, experiments.results_file
Rows = Callable[..., list[ResultRow]]
Maker = Callable[..., Path]


@pytest.fixture(scope="module")
def comparison(experiment_rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    path = tmp_path_factory.mktemp("whole") / "results.jsonl"
    write_results(path, experiment_rows())
    return compare_results(read_results(path))


def whole(comparison: Comparison, a: str, b: str, size: int | str) -> PairwiseResult:
    return next(p for p in comparison.headline() if (p.a, p.b, p.size) == (a, b, size))


def compare(path: Path) -> Comparison:
    return compare_results(read_results(path))


def problems(comparison: Comparison) -> dict[str, str]:
    return {problem.kind: problem.message for problem in comparison.problems}


def test_a_comparison_is_a_frame_with_a_row_a_difference_and_a_table_in_a_notebook(comparison: Comparison) -> None:
    pytest.importorskip("pandas")
    frame, first = comparison.to_pandas(), comparison.pairs[0].document()
    assert len(frame) == len(comparison.pairs)
    assert frame.loc[0, ["a", "b", "verdict"]].tolist() == [first["a"], first["b"], first["verdict"]]
    assert [frame.low[0], frame.high[0]] == first["ci95"]
    assert comparison._repr_html_().count("<tr>") == 1 + len(comparison.headline())


def test_the_document_fits_the_published_schema(comparison: Comparison) -> None:
    schema = json.loads(
        files("synthgen.dataset.schemas").joinpath("comparison.schema.json").read_text(encoding="utf-8")
    )
    jsonschema.Draft202012Validator(schema).validate(json.loads(json.dumps(comparison.document(), allow_nan=False)))


def test_the_estimand_is_the_mean_over_targets_of_the_mean_over_languages_without_english(
    comparison: Comparison, experiment_rows: Rows
) -> None:
    by_target: dict[str, list[float]] = {}
    for row in experiment_rows():
        if (row.arm, row.size, row.language == "en") == ("real", 1_000, False):
            by_target.setdefault(row.target, []).append(row.value or 0.0)
    expected = np.mean([np.mean(values) for values in by_target.values()])
    point = next(p for p in comparison.points if (p.arm, p.size, p.scope) == ("real", 1_000, "all"))
    assert point.estimate.value == pytest.approx(expected)


def test_a_target_with_two_metrics_counts_their_mean_and_leaves_out_secondary_ones() -> None:
    cells = [
        Cell("xquad", "de", "em"),
        Cell("xquad", "de", "f1"),
        Cell("udpos", "de", "f1"),
        Cell("udpos", "de", "token_accuracy"),
    ]
    everything = aggregation_levels(cells)[0]
    assert everything.cells == {cells[0]: 0.25, cells[1]: 0.25, cells[2]: 0.5}


def test_a_family_counts_targets_equally_however_many_languages_they_have() -> None:
    cells = [
        Cell("xnli", "de", "accuracy"),
        Cell("udpos", "de", "f1"),
        Cell("udpos", "nl", "f1"),
        Cell("udpos", "zh", "f1"),
    ]
    germanic = next(scope for scope in aggregation_levels(cells) if scope.key == "family:IE: Germanic")
    assert germanic.cells == {cells[0]: 0.5, cells[1]: 0.25, cells[2]: 0.25}


def test_every_pair_is_compared_at_every_common_size_and_at_full_size(comparison: Comparison) -> None:
    seen = {(pair.a, pair.b, pair.size) for pair in comparison.headline()}
    arms = [("real", "none"), ("synthetic", "none"), ("synthetic", "real")]
    assert seen == {(a, b, size) for a, b in arms for size in (1_000, 4_000, "full")}
    for a, b in arms:
        full = whole(comparison, a, b, "full")
        assert {full.size_a, full.size_b} <= {0, 16_000}  # once, though it is a common size too


def test_the_standard_error_agrees_with_the_published_multi_bootstrap_where_test_items_make_the_noise(
    comparison: Comparison, results_file: Maker
) -> None:
    results = read_results(results_file())
    table = ScoreTable.of(results.rows)
    draws = level_draws(results, table, aggregation_levels(table.cells)).draws["all"]
    real, synthetic = (draws[table.groups[arm, 16_000]] for arm in ("real", "synthetic"))
    seeds = np.random.default_rng(0).integers(0, 5, size=(draws.shape[1], 5))
    published = np.diff(experiments.multibootstrap(real, synthetic, seeds, seeds), axis=1).std(ddof=1)
    assert 0.5 < published / whole(comparison, "synthetic", "real", "full").estimate.se < 2


def test_a_level_counts_its_test_items_once_whichever_languages_share_them(results_file: Maker) -> None:
    results = read_results(results_file(languages=("en", "de", "sw")))
    table = ScoreTable.of(results.rows)
    levels = aggregation_levels(table.cells)
    counts = level_draws(results, table, levels).items
    for level in levels:
        ids = {(cell.target, item) for cell in level.cells for item in results.item_ids(cell) or ()}
        assert counts[level.key] == len(ids) > 0, level.key


def test_targets_are_resampled_independently(results_file: Maker, experiment_rows: Rows) -> None:
    rows = [replace(r, target="xquad", data_revision="rev1") for r in experiment_rows(targets=("xnli",), seeds=2)]
    both = compare(results_file([*rows, *(replace(r, target="xnli") for r in rows)]))
    one, other, mean = (
        next(p.estimate for p in both.points if (p.arm, p.size, p.scope) == ("none", 0, scope))
        for scope in ("target:xnli", "target:xquad", "all")
    )
    assert one.value == other.value == mean.value
    assert one.se != other.se  # the same scores under other draws


def test_arms_of_other_sizes_are_compared_at_their_own_full_size_and_labelled_so(
    results_file: Maker, experiment_rows: Rows
) -> None:
    rows = [row for row in experiment_rows() if (row.arm, row.size) != ("real", 16_000)]
    pair = whole(compare(results_file(rows)), "synthetic", "real", "full")
    assert (pair.size_a, pair.size_b) == (16_000, 4_000)


def test_an_arm_of_ten_times_is_compared_at_the_size_asked_for_and_drawn_at_what_it_was_trained_on(
    results_file: Maker, experiment_rows: Rows
) -> None:
    rows = [replace(r, arm_n=10 * r.size) if r.arm == "synthetic" else r for r in experiment_rows(seeds=3)]
    tenfold, plain = compare(results_file(rows)), compare(results_file(experiment_rows(seeds=3)))
    pair = whole(tenfold, "synthetic", "real", 1_000)
    assert (pair.n_a, pair.n_b) == (10_000, 1_000)
    assert pair.estimate == whole(plain, "synthetic", "real", 1_000).estimate
    assert sentences.size_text(pair) == "at size 1,000 (trained on 10,000 and 1,000 examples)"
    curve = next(c.curve for c in tenfold.curves if (c.scope, c.curve.arm) == ("all", "synthetic"))
    assert curve.limits == (2_500, 640_000)
    rates = [
        next(r for r in found.exchange_rates if (r.arm, r.reference, r.k) == ("synthetic", "real", 1_000))
        for found in (tenfold, plain)
    ]
    assert rates[0].equals == pytest.approx(10 * (rates[1].equals or 0), rel=0.05)


def test_an_arm_without_intermediate_data_is_shown_at_every_size(comparison: Comparison) -> None:
    pairs = [whole(comparison, "real", "none", size) for size in (1_000, "full")]
    assert [pair.size_b for pair in pairs] == [0, 0]


def test_languages_are_corrected_by_holm_and_counted(comparison: Comparison) -> None:
    pair = whole(comparison, "real", "none", "full")
    own = [
        p
        for p in comparison.pairs
        if p.scope.startswith("language:") and (p.a, p.b, p.size) == ("real", "none", "full")
    ]
    assert {p.scope for p in own if p.p_holm is not None} == {"language:de", "language:sw", "language:zh"}
    assert all(p.p_holm >= p.estimate.p for p in own if p.p_holm is not None)
    assert pair.languages is not None
    assert pair.languages["of"] == 3


def test_the_same_results_give_the_same_bytes(results_file: Maker) -> None:
    path = results_file(seeds=3)
    first, second = (json.dumps(compare(path).document()) for _ in range(2))
    assert first == second


def test_a_store_gives_the_verdict_of_inline_items(tmp_path: Path, experiment_rows: Rows) -> None:
    rows = experiment_rows(seeds=3)
    write_results(tmp_path / "inline.jsonl", rows)
    write_results(tmp_path / "store" / "results.jsonl", [replace(row, item_ids=None, item_scores=None) for row in rows])
    cells: dict[Cell, dict[TrainedRun, object]] = {}
    for row in rows:
        cells.setdefault(row.cell, {})[row.run] = row.item_scores
        write_item_ids(tmp_path / "store", row.target, row.language, row.item_ids or ())
    for cell, scores in cells.items():
        write_item_scores(tmp_path / "store", cell, scores)  # type: ignore[arg-type]
    inline, stored = compare(tmp_path / "inline.jsonl"), compare(tmp_path / "store")
    assert json.dumps(inline.document()) == json.dumps(stored.document())


# --- broken input ---------------------------------------------------------------------------------------------------


def test_a_missing_cell_refuses_the_aggregates_that_need_it_and_no_other(
    results_file: Maker, experiment_rows: Rows
) -> None:
    rows = [
        r
        for r in experiment_rows()
        if (r.run, r.cell) != (TrainedRun("real", 4_000, 2), Cell("xnli", "de", "accuracy"))
    ]
    found = compare(results_file(rows))
    pair = whole(found, "synthetic", "real", 4_000)
    assert (pair.verdict, pair.document()["difference"]) == ("unresolved", None)
    assert pair.reason == "missing or failed scores of real@4000"
    assert whole(found, "synthetic", "real", 1_000).known
    udpos = next(p for p in found.by_scope["target:udpos"] if (p.a, p.b, p.size) == ("synthetic", "real", 4_000))
    assert udpos.known
    assert "real@4000 seed 2 was not scored on xnli/de/accuracy" in problems(found)["missing cell"]


def test_a_failed_run_is_reported_and_never_averaged_away(results_file: Maker, experiment_rows: Rows) -> None:
    rows = [
        replace(r, value=None, item_ids=None, item_scores=None) if r.run == TrainedRun("real", 1_000, 0) else r
        for r in experiment_rows()
    ]
    found = compare(results_file(rows))
    assert whole(found, "real", "none", 1_000).reason == "missing or failed scores of real@1000"
    assert whole(found, "synthetic", "none", 1_000).known
    assert "real@1000 seed 0 has no score (null or NaN)" in problems(found)["failed run"]


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [("data_revision", "rev2", "data revisions rev1, rev2"), ("split", "dev", "splits dev, test")],
)
def test_mixed_data_refuse_every_aggregate_that_holds_them(
    results_file: Maker, experiment_rows: Rows, field: str, value: str, word: str
) -> None:
    rows = [
        replace(r, **{field: value}) if (r.arm, r.cell) == ("real", Cell("xnli", "de", "accuracy")) else r
        for r in experiment_rows()
    ]
    found = compare(results_file(rows))
    assert all(not pair.known for pair in found.headline())
    assert all(np.isnan(point.estimate.value) for point in found.points if point.scope in ("all", "target:xnli"))
    assert {curve.scope for curve in found.curves} == {"target:udpos"}
    assert f"xnli/de/accuracy mixes {word}" in problems(found)["mixed cells"]
    assert all(pair.known for pair in found.by_scope["target:udpos"])


@settings(max_examples=25, deadline=None)
@given(st.sets(st.integers(0, 167), max_size=160), st.sets(st.integers(0, 167), max_size=3))
def test_whatever_is_missing_or_failed_a_number_never_stands_for_a_hole(lost: set[int], failed: set[int]) -> None:
    rows = experiments.make_rows(seeds=3, sizes=(1_000, 4_000, 16_000), items=8, languages=("en", "de", "sw", "zh"))
    assert len(rows) == 168
    blank = {"value": None, "item_ids": None, "item_scores": None}
    kept = [replace(row, **(blank if i in failed else {})) for i, row in enumerate(rows) if i not in lost]
    with tempfile.TemporaryDirectory() as folder:
        write_results(Path(folder) / "results.jsonl", kept)
        found = compare(Path(folder) / "results.jsonl")
    json.dumps(found.document(), allow_nan=False)
    whole_groups = Counter((row.arm, row.size) for row in kept if row.value is not None and row.language != "en")
    cells = {row.cell for row in kept if row.language != "en"}
    for pair in found.headline():
        runs = [sum(1 for row in {r.run for r in kept} if row[:2] == group) for group in pair_groups(pair)]
        complete = all(whole_groups[g] == n * len(cells) for g, n in zip(pair_groups(pair), runs, strict=True))
        assert np.isfinite(pair.estimate.value) == complete


def pair_groups(pair: PairwiseResult) -> tuple[tuple[str, int], tuple[str, int]]:
    return (pair.a, pair.size_a), (pair.b, pair.size_b)


def test_runs_scored_on_different_items_are_not_compared(results_file: Maker, experiment_rows: Rows) -> None:
    rows = [
        replace(r, item_ids=tuple(f"other-{item}" for item in r.item_ids or ()))
        if (r.arm, r.target) == ("real", "xnli")
        else r
        for r in experiment_rows(seeds=2)
    ]
    found = compare(results_file(rows))
    assert not whole(found, "synthetic", "real", 1_000).known
    assert "was scored on other items" in problems(found)["unequal items"]


def test_scores_that_disagree_with_their_items_are_not_trusted(results_file: Maker, experiment_rows: Rows) -> None:
    rows = [
        replace(r, value=(r.value or 0) / 2) if r.run == TrainedRun("real", 1_000, 0) else r
        for r in experiment_rows(seeds=2)
    ]
    assert "its item scores give" in problems(compare(results_file(rows)))["unequal items"]


def test_one_seed_gives_a_difference_and_no_verdict(results_file: Maker) -> None:
    found = compare(results_file(seeds=1))
    pair = whole(found, "synthetic", "real", 1_000)
    assert (pair.verdict, pair.reason) == ("unresolved", "one seed: the variance between seeds is unknown")
    assert pair.document()["difference"] is not None
    assert pair.document()["ci95"] is None
    assert "use 5 seeds (at least 3)" in problems(found)["one seed"]


def test_two_seeds_are_called_few(results_file: Maker) -> None:
    assert "use 5 seeds (at least 3)" in problems(compare(results_file(seeds=2)))["few seeds"]


def test_one_size_has_no_curve_and_says_so(results_file: Maker) -> None:
    found = compare(results_file(sizes=(1_000,)))
    assert (found.curves, found.exchange_rates) == ((), ())
    assert "no scaling curve and no exchange rate" in problems(found)["one size"]


def test_without_item_scores_the_interval_covers_seeds_alone_and_says_so(results_file: Maker) -> None:
    found = compare(results_file(with_items=False))
    pair = whole(found, "synthetic", "real", 1_000)
    assert not pair.estimate.items_resampled
    assert (pair.verdict, pair.not_inferior) == ("unresolved", ())
    assert "no verdict: item scores are missing, so the interval covers seeds only" in sentences.sentence(pair)
    assert re.search(r"\|items:\d+ cells without\|", found.signature)
    assert "|items:all|" in compare(results_file()).signature
    assert "intervals that need them cover seeds only" in problems(found)["seeds alone"]


def test_all_comparisons_over_all_targets_are_corrected_together(comparison: Comparison) -> None:
    headline = comparison.headline()
    assert [pair.family for pair in headline] == [len(headline)] * len(headline)
    assert [pair.p_holm for pair in headline] == holm([pair.estimate.p for pair in headline])


def test_a_lost_seed_leaves_the_others_paired(results_file: Maker, experiment_rows: Rows) -> None:
    rows = [r for r in experiment_rows() if (r.arm, r.size, r.seed) != ("synthetic", 1_000, 2)]
    estimate = whole(compare(results_file(rows)), "synthetic", "real", 1_000).estimate
    assert (estimate.seeds, estimate.paired) == (4, True)
    common = [r for r in experiment_rows() if r.seed != 2]
    assert estimate.value == whole(compare(results_file(common)), "synthetic", "real", 1_000).estimate.value


def test_a_verdict_needs_the_same_answer_without_the_collapsed_run(results_file: Maker, experiment_rows: Rows) -> None:
    """Two arms drawn alike, but for one run that fell to one class: the fall alone is no verdict."""

    def fallen(row: ResultRow) -> ResultRow:
        if (row.arm, row.size, row.seed) != ("synthetic", 16_000, 4):
            return row
        right = [2 * (item < 2) for item in range(row.n)]  # 2 of 40 items
        counts, scores = tuple((tp, 2, 2) for tp in right), tuple(tp // 2 for tp in right)
        return replace(row, value=5.0, item_scores=counts if row.metric == "f1" else scores)

    rows = [fallen(r) for r in experiment_rows()]
    pair = whole(compare(results_file(rows)), "synthetic", "real", "full")
    assert pair.without_collapsed is not None
    assert pair.without_collapsed.seeds == 4
    assert "without the collapsed runs" in sentences.sentence(pair)
    assert pair.robust or (pair.verdict, "another verdict" in sentences.sentence(pair)) == ("unresolved", True)
    quiet = whole(compare(results_file(rows)), "real", "none", "full")
    assert quiet.without_collapsed is None


def test_other_seeds_make_the_comparison_unpaired(results_file: Maker, experiment_rows: Rows) -> None:
    rows = [replace(r, seed=r.seed + 10) if r.arm == "synthetic" else r for r in experiment_rows()]
    found = compare(results_file(rows))
    assert not whole(found, "synthetic", "real", 1_000).estimate.paired
    assert whole(found, "real", "none", 1_000).estimate.paired
    assert "else independent" in problems(found)["unequal seeds"]


def test_a_collapsed_run_is_reported_and_kept(results_file: Maker, experiment_rows: Rows) -> None:
    rows = [
        replace(r, value=33.3, item_ids=None, item_scores=None)
        if (r.run, r.target) == (TrainedRun("real", 1_000, 3), "xnli")
        else r
        for r in experiment_rows(with_items=False)
    ]
    found = compare(results_file(rows))
    assert "real@1000 seed 3 scores 33.30 on xnli in every language" in problems(found)["degenerate run"]
    assert whole(found, "synthetic", "real", 1_000).known


def test_failed_and_collapsed_runs_are_counted_with_an_exact_interval(
    results_file: Maker, experiment_rows: Rows
) -> None:
    lost, fallen = TrainedRun("real", 1_000, 0), TrainedRun("real", 1_000, 3)
    rows = [
        replace(r, value=None if r.run == lost else 33.3) if r.run in (lost, fallen) and r.target == "xnli" else r
        for r in experiment_rows(with_items=False)
    ]
    outcomes = {(each.arm, each.size): each for each in compare(results_file(rows)).outcomes}
    real = outcomes["real", 1_000]
    assert (real.runs, real.failed, real.collapsed) == (5, 1, 1)
    assert real.rate == pytest.approx(tuple(binomtest(2, 5).proportion_ci(method="exact")))
    assert outcomes["none", 0].rate == pytest.approx(tuple(binomtest(0, 5).proportion_ci(method="exact")))


def test_runs_that_never_differ_are_no_evidence_of_equivalence(results_file: Maker, experiment_rows: Rows) -> None:
    rows = [replace(r, value=50.0) for r in experiment_rows(with_items=False, seeds=3)]
    pair = whole(compare(results_file(rows)), "synthetic", "real", "full")
    assert (pair.verdict, pair.reason) == (
        "unresolved",
        "all seeds give the same score: the variance between seeds cannot be estimated",
    )


def test_languages_whose_runs_never_differ_count_as_no_evidence(results_file: Maker, experiment_rows: Rows) -> None:
    fixed = {"real": 60.0, "synthetic": 50.0}
    rows = [
        replace(r, value=fixed[r.run.arm]) if r.run.arm in fixed and r.cell.language in ("sw", "zh") else r
        for r in experiment_rows(with_items=False, seeds=3)
    ]
    found = compare(results_file(rows))
    own = [p for p in found.pairs if (p.a, p.b, p.size) == ("synthetic", "real", "full")]
    alone = [p for p in own if p.scope in ("language:sw", "language:zh")]
    assert [(p.known, p.p_holm, p.document()["p"]) for p in alone] == [(False, None, None)] * 2
    tested = sum(p.scope.startswith("language:") and p.scope != "language:en" for p in own) - 2
    counted = next(p.languages for p in own if p.scope == "all")
    assert counted is None or counted["of"] == tested


def test_one_arm_has_nothing_to_be_compared_with(results_file: Maker) -> None:
    found = compare(results_file(arms=("real",)))
    assert found.pairs == ()
    assert problems(found)["one arm"] == "real is the only arm, so nothing is compared; give two arms or more"


def test_a_run_far_below_the_other_seeds_is_reported_and_kept(results_file: Maker, experiment_rows: Rows) -> None:
    lost = TrainedRun("real", 16_000, 3)
    rows = [
        replace(r, value=max((r.value or 0) / 2 - i % 3, 0)) if (r.run, r.target) == (lost, "xnli") else r
        for i, r in enumerate(experiment_rows(with_items=False))
    ]
    assert "degenerate run" not in problems(compare(results_file(with_items=False)))
    found = compare(results_file(rows))
    assert "real@16000 seed 3 scores " in problems(found)["degenerate run"]
    assert "the other seeds " in problems(found)["degenerate run"]
    assert whole(found, "synthetic", "real", "full").known


def test_english_alone_has_no_aggregate(results_file: Maker) -> None:
    found = compare(results_file(languages=("en",)))
    assert found.headline() == []
    assert "only English was scored" in problems(found)["no transfer"]
