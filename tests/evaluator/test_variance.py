"""Where the variance of a difference comes from, and what tested languages say of another one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.linear_model import OLS
from statsmodels.regression.mixed_linear_model import MixedLM

from evaluator.reporting.languages import language_figures
from evaluator.reporting.report import report
from evaluator.stats.comparison import compare_results
from evaluator.stats.contrasts import LevelScores
from evaluator.stats.item_bootstrap import ItemNoise
from evaluator.stats.results import Group, read_results
from evaluator.stats.significance import Estimate
from evaluator.stats.variance import new_language, seed_components, variance_between

from . import experiments

experiment_rows, results_file = experiments.experiment_rows, experiments.results_file
Maker = Callable[..., Path]

A: Group = ("a", 100)
B: Group = ("b", 100)
DIFFERENCE = {A: 1.0, B: -1.0}


def test_the_parts_add_up_to_the_variance_of_the_difference(results_file: Maker) -> None:
    found = compare_results(read_results(results_file(sizes=(1000,))))
    for each in found.decompositions:
        pair = next(pair for pair in found.headline() if pair.key == (each.a, each.b, each.size))
        parts = [component.in_difference for component in each.components if component.in_difference is not None]
        assert len(parts) == 4
        a, b = (
            np.array(found.point_at[arm, size, "all"].by_seed)
            for arm, size in ((each.a, each.size_a), (each.b, each.size_b))
        )
        between_seeds = np.var(a - b, ddof=1) / len(a)
        assert sum(parts) == pytest.approx(between_seeds + pair.estimate.item_se**2)


def cells_with_known_noise(seeds: int, paired: bool) -> dict[tuple[str, str], tuple[float, LevelScores]]:
    """Return differences whose seeds have variance 4 as a whole, 2.25 by target, 1 by language: two targets."""
    rng = np.random.default_rng(5)
    whole, cells = rng.standard_normal((2, seeds)), {}
    for target, languages in (("xnli", ("de", "sw", "zh")), ("udpos", ("de", "tr"))):
        of_target = rng.standard_normal((2, seeds))
        for language in languages:
            noise = np.sqrt(2) * whole + 1.5 / np.sqrt(2) * of_target + np.sqrt(0.5) * rng.standard_normal((2, seeds))
            seen = {A: tuple(range(seeds)), B: tuple(range(seeds) if paired else range(seeds, 2 * seeds))}
            cells[target, language] = 0.5 / len(languages), LevelScores({A: 60 + noise[0], B: 60 + noise[1]}, seen)
    return cells


@pytest.mark.parametrize("paired", [True, False])
def test_seed_noise_is_told_apart_by_target_and_language(paired: bool) -> None:
    found = seed_components(cells_with_known_noise(1000, paired), A, B, 1000)
    assert [component.one for component in found] == pytest.approx([4, 2.25, 1], rel=0.25)
    assert [component.in_difference for component in found] == pytest.approx(
        [4 / 1000, 2.25 / 2 / 1000, (1 / 12 + 1 / 8) / 1000], rel=0.25
    )


def test_the_parts_of_balanced_seed_noise_are_those_of_statsmodels() -> None:
    rng, n, targets, languages = np.random.default_rng(8), 12, ("xnli", "udpos"), ("de", "sw", "zh")
    whole, of_target = 2 * rng.standard_normal(n), 1.5 * rng.standard_normal((2, n))
    seeds, cells, rows = dict.fromkeys((A, B), tuple(range(n))), {}, []
    for index, target in enumerate(targets):
        for language in languages:
            values = whole + of_target[index] + rng.standard_normal(n)
            cells[target, language] = 1 / 6, LevelScores({A: values, B: np.zeros(n)}, seeds)
            rows += [(seed, target, f"{target} {language}", value) for seed, value in enumerate(values)]
    frame = pd.DataFrame(rows, columns=["seed", "target", "cell", "value"])
    parts = {"re_formula": "1", "vc_formula": {"target": "0 + target"}}
    expected = MixedLM.from_formula("value ~ cell", frame, groups="seed", **parts).fit()
    of_statsmodels = [float(expected.cov_re.iloc[0, 0]), float(expected.vcomp[0]), float(expected.scale)]
    assert [component.one for component in seed_components(cells, A, B, n)] == pytest.approx(of_statsmodels, rel=1e-3)


def test_what_one_target_cannot_tell_apart_stays_open() -> None:
    cells = {key: cell for key, cell in cells_with_known_noise(1000, True).items() if key[0] == "xnli"}
    seed, of_target, of_language = seed_components(cells, A, B, 1000)
    assert seed.one == pytest.approx(6.25, rel=0.25)
    assert of_target.one is of_target.in_difference is None
    assert of_language.one == pytest.approx(1, rel=0.25)


def exact(value: float, se: float = 0.0) -> Estimate:
    return Estimate(value, se, 1e6, 5)


def test_without_noise_the_intervals_are_those_of_a_sample_by_statsmodels() -> None:
    values = [1.2, -0.3, 0.8, 2.1, 0.4, 1.7]
    new = new_language([exact(value) for value in values], exact(float(np.mean(values))))
    expected = OLS(values, np.ones(6)).fit().get_prediction([1]).summary_frame(alpha=0.05).iloc[0]
    assert new is not None
    assert new.interval(new=True) == pytest.approx((expected.obs_ci_lower, expected.obs_ci_upper))
    assert new.interval(new=False) == pytest.approx((expected.mean_ci_lower, expected.mean_ci_upper))


# statsmodels 0.15.0: `meta_analysis._fit_tau_mm(np.array(values), np.array(errors) ** 2, np.ones(5))`, the estimate of
# Hedges (1983) in the form of DerSimonian and Kacker (2007).
HEDGES = 0.693


def test_independent_languages_lie_as_far_apart_as_statsmodels_says() -> None:
    values, errors = [1.2, -0.3, 0.8, 2.1, 0.4], [0.2, 0.5, 0.3, 0.4, 0.1]
    mean = exact(float(np.mean(values)), float(np.sqrt(np.sum(np.square(errors)))) / 5)
    found = variance_between([exact(value, error) for value, error in zip(values, errors, strict=True)], mean)
    assert found == pytest.approx(HEDGES)


def test_noise_that_languages_share_does_not_spread_them() -> None:
    values = [1.0, 1.1, 0.9, 1.0]
    own = variance_between([exact(value, 0.5) for value in values], exact(1.0, 0.25))
    shared = variance_between([exact(value, 0.5) for value in values], exact(1.0, 0.5))
    spread = float(np.var(values, ddof=1))
    assert own == pytest.approx(spread - (0.25 - 0.0625) * 4 / 3)
    assert shared == pytest.approx(spread)


def test_three_languages_say_nothing_of_a_fourth() -> None:
    assert new_language([exact(value) for value in (1.0, 2.0, 3.0)], exact(2.0)) is None


def test_a_new_language_lies_in_its_interval_in_95_of_100_worlds() -> None:
    rng, inside, worlds, k, n = np.random.default_rng(3), 0, 200, 8, 5
    seeds = dict.fromkeys((A, B), tuple(range(n)))
    items = 0.36 * np.eye(2)
    for _ in range(worlds):
        true = 1.0 * rng.standard_normal(k + 1)
        scores = 60 + 0.7 * rng.standard_normal((2, n, 1)) + 0.5 * rng.standard_normal((2, n, k))
        scores += 0.6 * rng.standard_normal((2, 1, k))
        scores[0] += true[:k]

        def contrast(values: np.ndarray, noise: np.ndarray) -> Estimate:
            return LevelScores(dict(zip((A, B), values, strict=True)), seeds, ItemNoise(noise, noise, 900)).contrast(
                DIFFERENCE
            )

        languages = [contrast(scores[:, :, language], items) for language in range(k)]
        found = new_language(languages, contrast(scores.mean(axis=2), items / k))
        assert found is not None
        low, high = found.interval(new=True)
        inside += low <= true[k] <= high
    assert 0.93 <= inside / worlds <= 0.995


def test_the_page_shows_languages_by_script_family_and_distance_from_english(
    results_file: Maker, tmp_path: Path
) -> None:
    source = results_file(sizes=(1000,), languages=("en", "de", "sw", "zh", "hi", "ru"))
    source.with_name("arms.json").write_text(
        json.dumps({"real": {"rows": 5000}, "synthetic": {"rows": 1000, "datasets": 1}, "none": {"rows": 0}})
    )
    found = report(source, out=tmp_path / "report.html")
    pair = next(each for each in found.decompositions if {each.a, each.b} == {"real", "synthetic"})
    assert pair.data_draw == {"synthetic": False, "real": True}
    figure = language_figures(found)[0]
    assert [len(panel.marks) for panel in figure.panels] == [5, 5, 5]
    assert [label for label, _ in figure.panels[0].labels] == ["Latn", "Cyrl", "Deva", "Hans"]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Mean difference of 5 languages" in page
    assert "part of the seed: each seed draws its own rows" in page
    assert "not included: all seeds use the same rows" in page


def test_without_english_or_enough_languages_the_figure_is_smaller_and_nothing_is_predicted(
    results_file: Maker, tmp_path: Path
) -> None:
    found = report(results_file(sizes=(1000,), languages=("de", "sw", "zh")), out=tmp_path / "report.html")
    assert [panel.title for panel in language_figures(found)[0].panels] == ["By script", "By family"]
    assert all(each.new_language is None for each in found.decompositions)
    assert "prediction interval)" not in (tmp_path / "report.html").read_text(encoding="utf-8")
