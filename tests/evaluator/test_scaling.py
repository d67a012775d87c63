"""Curves recover the truth they were drawn from, and say nothing where nothing can be said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from evaluator.reporting.sentences import exchange_sentence
from evaluator.stats.contrasts import LevelScores
from evaluator.stats.results import Floats, Group
from evaluator.stats.scaling import exchange_rate, fit_curves
from synthgen.errors import UserError

SIZES = (1_000, 4_000, 16_000, 64_000)


def line(size: float, behind: float = 0.0) -> float:
    return 60 + np.log2(size / 1000) - behind


def power(size: float) -> float:
    return 90 - 30 * (size / 1000) ** -0.4


def arm_points(curve: object, noise: float = 0.0, seeds: int = 5, seed: int = 0) -> dict[int, Floats]:
    rng = np.random.default_rng(seed)
    return {size: curve(size) + noise * rng.standard_normal(seeds) for size in SIZES}  # type: ignore[operator]


def scores_of(arms: dict[str, dict[int, Floats]]) -> LevelScores:
    values: dict[Group, Floats] = {(arm, size): v for arm, points in arms.items() for size, v in points.items()}
    return LevelScores(values, {group: tuple(range(len(v))) for group, v in values.items()})


def test_a_line_in_log_n_is_found_again() -> None:
    curve = fit_curves({"real": arm_points(line, 0.05)})["real"]
    assert curve.form == "log-linear"
    assert curve.theta[1] == pytest.approx(1.0, abs=0.03)


def test_a_power_law_is_found_again() -> None:
    curve = fit_curves({"real": arm_points(power, 0.05)})["real"]
    assert curve.form == "power"
    floor, _, rate = curve.theta
    assert floor == pytest.approx(10, abs=1)
    assert rate == pytest.approx(0.4, abs=0.05)


def test_the_log_linear_fit_is_the_regression_of_scipy() -> None:
    points = arm_points(line, 0.5)
    curve = fit_curves({"real": {size: points[size] for size in SIZES[:2]}})["real"]
    n = np.repeat(SIZES[:2], 5)
    expected = stats.linregress(np.log2(n), np.concatenate([points[size] for size in SIZES[:2]]))
    assert curve.theta == pytest.approx((expected.intercept, expected.slope))


def test_the_power_law_fit_is_as_good_as_the_one_of_scipy() -> None:
    points = arm_points(power, 0.4, seed=3)
    curve = fit_curves({"real": points})["real"]
    n, y = np.repeat(SIZES, 5).astype(float), np.concatenate([points[size] for size in SIZES])
    best, _ = optimize.curve_fit(lambda n, c, a, b: 100 - c - a * (n / 1000) ** -b, n, y, p0=(10, 30, 0.4))
    floor, height, rate = best
    assert curve.values(np.array(SIZES, float)) == pytest.approx(
        100 - floor - height * (np.array(SIZES) / 1000.0) ** -rate, abs=1e-3
    )


def test_the_band_at_one_size_of_two_is_the_t_interval_of_its_seeds() -> None:
    points = {size: v for size, v in arm_points(line, 0.5).items() if size in SIZES[:2]}
    scores = scores_of({"real": points})
    low, high = fit_curves({"real": points})["real"].band(scores, np.array([1000.0]))[0]
    assert (low, high) == pytest.approx(scores.contrast({("real", 1000): 1.0}).interval())


def test_all_arms_take_one_form() -> None:
    curves = fit_curves(
        {"real": arm_points(power, 0.05), "synthetic": arm_points(lambda n: power(n / 3), 0.05, seed=1)}
    )
    assert {curve.form for curve in curves.values()} == {"power"}


@given(st.floats(0.2, 1.8))
def test_a_curve_that_lies_lower_by_d_needs_two_to_the_d_times_the_data(behind: float) -> None:
    arms = {"real": arm_points(line), "synthetic": arm_points(lambda n: line(n, behind))}
    curves = fit_curves(arms)
    rate = exchange_rate(scores_of(arms), curves["synthetic"], curves["real"], 4_000)
    assert rate.equals == pytest.approx(4_000 * 2**behind, rel=1e-3)
    assert rate.rate == pytest.approx(2**behind, rel=1e-3)


def test_the_interval_of_an_exchange_rate_holds_its_estimate() -> None:
    arms = {"real": arm_points(line, 0.3), "synthetic": arm_points(lambda n: line(n, 1), 0.3, seed=1)}
    curves = fit_curves(arms)
    rate = exchange_rate(scores_of(arms), curves["synthetic"], curves["real"], 4_000)
    assert rate.low is not None
    assert rate.high is not None
    assert rate.low < 8_000 < rate.high
    assert rate.low < (rate.equals or 0) < rate.high


def test_a_curve_that_never_gets_there_is_not_reached() -> None:
    arms = {"real": arm_points(line, 0.1), "synthetic": arm_points(lambda n: line(n, 12), 0.1, seed=1)}
    curves = fit_curves(arms)
    rate = exchange_rate(scores_of(arms), curves["synthetic"], curves["real"], 64_000)
    assert rate.equals is None
    assert rate.rate is None
    assert (rate.low, rate.high) == (256_000, None)


def test_one_seed_gives_an_exchange_rate_without_an_end() -> None:
    arms = {"real": arm_points(line, 0.1, seeds=1), "synthetic": arm_points(lambda n: line(n, 1), 0.1, seeds=1, seed=1)}
    curves = fit_curves(arms)
    rate = exchange_rate(scores_of(arms), curves["synthetic"], curves["real"], 4_000)
    assert rate.equals is not None
    assert (rate.low, rate.high) == (None, None)


def test_nothing_is_said_beyond_four_times_the_largest_size() -> None:
    curve = fit_curves({"real": arm_points(line)})["real"]
    assert curve.limits == (250, 256_000)
    with pytest.raises(UserError, match="real: 256001 examples; allowed: 250 to 256000, four times what was measured"):
        curve.values(np.array([256_001.0]))


def test_one_size_makes_no_curve() -> None:
    with pytest.raises(UserError, match="real: a curve needs at least two sizes, got 1"):
        fit_curves({"real": {1000: np.array([60.0, 61.0])}})


def late(size: float) -> float:
    """A curve that stays flat for thousands of rows, then rises: neither form fits it."""
    return 60 + 6 / (1 + np.exp(1.5 * (3 - np.log2(size / 1000))))


def test_curves_that_no_form_fits_are_interpolated_and_end_where_measuring_did() -> None:
    points = arm_points(late, 0.3)
    curve = fit_curves({"real": points})["real"]
    assert (curve.form, curve.limits, curve.rivals) == ("interpolated", (1_000, 64_000), ())
    assert curve.values(np.array([4_000.0])) == pytest.approx([points[4_000].mean()])
    middle = (points[4_000].mean() + points[16_000].mean()) / 2
    assert curve.values(np.array([8_000.0])) == pytest.approx([middle])
    low, high = curve.band(scores_of({"real": points}), np.array([4_000.0]))[0]
    assert (low, high) == pytest.approx(scores_of({"real": points}).contrast({("real", 4_000): 1.0}).interval())
    with pytest.raises(UserError, match="allowed: 1000 to 64000, what was measured"):
        curve.values(np.array([64_001.0]))


def test_a_reference_that_gains_nothing_from_more_examples_gives_no_rate() -> None:
    arms = {"real": arm_points(lambda n: 60.0, 0.5), "synthetic": arm_points(line, 0.5, seed=1)}
    curves = fit_curves(arms)
    rate = exchange_rate(scores_of(arms), curves["synthetic"], curves["real"], 4_000)
    assert rate.equals is rate.low is rate.high is None
    assert "the score of real does not clearly rise with more examples" in str(rate.reason)
    assert "No exchange rate of synthetic for 4,000 real examples: the score of real does not" in exchange_sentence(
        rate
    )
