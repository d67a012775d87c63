"""The published averages, worked out by hand beside the module, and a best source chosen at other seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from evaluator.benchmark.registry import find
from evaluator.reporting.markdown import results_section
from evaluator.stats.benchmark_averages import aggregates, benchmark_languages, best_sources
from evaluator.stats.comparison import compare_results
from evaluator.stats.results import ResultRow, Results
from evaluator.stats.score_table import ScoreTable

METRICS = {"xquad": ("f1", "em"), "mlqa": ("f1", "em"), "tydiqa": ("f1", "em"), "udpos": ("f1", "token_accuracy")}


def row(arm: str, seed: int, target: str, language: str, metric: str, value: float, size: int = 100) -> ResultRow:
    return ResultRow(
        arm=arm, size=size, arm_n=size, seed=seed, target=target, language=language, split="test", metric=metric,
        value=value, n=10, data_revision="r",
    )  # fmt: skip


def scored(benchmark: str, leave_out: Sequence[tuple[str, str]] = ()) -> Iterator[ResultRow]:
    """Rows of one arm on a whole benchmark; scores depend on target, language and metric."""
    for number, (target, languages) in enumerate(benchmark_languages(benchmark).items()):
        for place, language in enumerate(languages):
            if (target, language) in leave_out:
                continue
            for step, metric in enumerate(METRICS.get(target, ("score",))):
                yield row("real", 0, target, language, metric, 20.0 + number + place / 10 - 4 * step)


def by_hand(rows: Sequence[ResultRow], *, english: bool) -> float:
    """The loops of XTREME's evaluate.py, written plainly."""
    tasks: dict[str, dict[str, dict[str, float]]] = {}
    for r in rows:
        assert r.value is not None
        if english or r.language != "en":
            tasks.setdefault(r.target, {}).setdefault(r.metric, {})[r.language] = r.value
    means = []
    for target, metrics in tasks.items():
        averages = {metric: sum(values.values()) / len(values) for metric, values in metrics.items()}
        if target in ("xquad", "mlqa", "tydiqa"):
            means.append((averages["em"] + averages["f1"]) / 2)
        else:
            means.append(averages[METRICS.get(target, ("score",))[0]])
    return sum(means) / len(means)


def test_the_benchmarks_have_the_languages_of_the_reference() -> None:
    sizes = {name: {t: len(own) for t, own in benchmark_languages(name).items()} for name in ("XTREME-R", "XTREME")}
    assert sizes["XTREME-R"] == {
        "xnli": 15, "xcopa": 11, "udpos": 38, "panx": 48, "xquad": 12, "mlqa": 7, "tydiqa": 9, "tatoeba": 41,
        "mewslix": 11, "lareqa": 11,
    }  # fmt: skip
    assert sizes["XTREME"] == {
        "xnli": 15, "udpos": 33, "panx": 40, "xquad": 11, "mlqa": 7, "tydiqa": 9, "tatoeba": 36, "pawsx": 7,
        "bucc2018": 4,
    }  # fmt: skip
    assert len({code for own in benchmark_languages("XTREME").values() for code in own}) == 40


@pytest.mark.parametrize("benchmark", ["XTREME-R", "XTREME"])
@pytest.mark.parametrize("english", [True, False])
def test_a_whole_benchmark_averages_as_the_reference_does(benchmark: str, english: bool) -> None:
    rows = list(scored(benchmark))
    found = [a for a in aggregates(ScoreTable.of(rows)) if (a.benchmark, a.english) == (benchmark, english)]
    assert [a.missing for a in found] == [()]
    assert found[0].mean == pytest.approx(by_hand(rows, english=english))


def test_no_average_over_a_missing_cell() -> None:
    rows = list(scored("XTREME-R", leave_out=[("panx", "qu"), *(("xcopa", c) for c in find("xcopa").languages)]))
    found = next(a for a in aggregates(ScoreTable.of(rows)) if a.benchmark == "XTREME-R")
    assert np.isnan(found.mean)
    assert found.missing == ("xcopa", "panx qu")
    assert np.isnan(found.targets["panx"])
    assert found.targets["xnli"] == pytest.approx(20.7)
    assert found.document()["mean"] is None


def test_a_data_set_mixed_from_two_revisions_is_missing_too() -> None:
    rows = list(scored("XTREME-R"))
    other = ResultRow(**{**vars_of(rows[0]), "seed": 1, "data_revision": "other"})
    assert next(iter(aggregates(ScoreTable.of([*rows, other])))).missing


def vars_of(of: ResultRow) -> dict[str, object]:
    return {name: getattr(of, name) for name in type(of).__dataclass_fields__}


def test_the_best_source_is_chosen_at_the_other_seeds_and_reported_at_this_one() -> None:
    """At seed 0 arm b is lucky: chosen by the report's own seed it would count, chosen by the others it does not."""
    values = {"a": (50.0, 60.0, 62.0), "b": (90.0, 40.0, 42.0)}
    rows = [
        row(arm, seed, "xnli", code, "accuracy", value)
        for arm, by_seed in values.items()
        for seed, value in enumerate(by_seed)
        for code in ("en", "de")
    ]
    chosen = best_sources(ScoreTable.of(rows))
    assert [(c.seed, c.arm, c.value) for c in chosen] == [(0, "a", 50.0), (1, "b", 40.0), (2, "b", 42.0)]


def test_one_seed_or_one_trained_arm_has_no_best_source() -> None:
    one_arm = [row("a", seed, "xnli", "de", "accuracy", 50.0) for seed in range(3)]
    untrained = [row("none", seed, "xnli", "de", "accuracy", 50.0, size=0) for seed in range(3)]
    one_seed = [row(arm, 0, "xnli", "de", "accuracy", 50.0) for arm in "ab"]
    assert best_sources(ScoreTable.of([*one_arm, *untrained])) == []
    assert best_sources(ScoreTable.of(one_seed)) == []


def test_the_report_prints_the_average_or_says_what_is_missing() -> None:
    whole = results_section(compare_results(Results(tuple(scored("XTREME-R")), None)), {})
    assert "| XTREME-R | with | real | 100 | 2" in whole
    assert "| XTREME | with | real | 100 | incomplete | pawsx, bucc2018 |" in whole
