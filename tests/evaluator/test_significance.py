"""The statistics against outside authorities: scipy, statsmodels, and the published multi-bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import ttost_paired

from evaluator.stats.contrasts import LevelScores, bartlett_p
from evaluator.stats.item_bootstrap import ItemNoise, item_noise, metric_draws, resample_counts
from evaluator.stats.needed_seeds import conditional_power, needed_seeds
from evaluator.stats.pairwise import pairwise_results, with_holm
from evaluator.stats.results import Group
from evaluator.stats.significance import Estimate, at_least, holm, sign_flip_floor, sign_flip_p

from . import experiments

A, B = ("synthetic", 100), ("real", 100)
DIFFERENCE = {A: 1.0, B: -1.0}


def two_arms(a: list[float], b: list[float], seeds_b: tuple[int, ...] | None = None) -> LevelScores:
    seeds = {A: tuple(range(len(a))), B: seeds_b or tuple(range(len(b)))}
    return LevelScores({A: np.array(a), B: np.array(b)}, seeds)


SAMPLES = ([61.2, 60.4, 62.9, 61.7, 60.9], [60.1, 60.3, 61.0, 61.5, 59.8])


def test_arms_that_share_seeds_give_the_paired_t_interval_of_scipy() -> None:
    estimate = two_arms(*SAMPLES).contrast(DIFFERENCE)
    expected = stats.ttest_rel(*SAMPLES)
    interval = expected.confidence_interval(0.95)
    assert estimate.interval() == pytest.approx((interval.low, interval.high), abs=1e-9)
    assert estimate.p == pytest.approx(expected.pvalue, abs=1e-9)
    assert estimate.paired


def test_arms_with_other_seeds_give_the_welch_interval_of_scipy() -> None:
    a, b = SAMPLES[0], [*SAMPLES[1], 58.8, 61.1]
    estimate = two_arms(a, b, seeds_b=(10, 11, 12, 13, 14, 15, 16)).contrast(DIFFERENCE)
    expected = stats.ttest_ind(a, b, equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert estimate.interval() == pytest.approx((interval.low, interval.high), abs=1e-9)
    assert estimate.p == pytest.approx(expected.pvalue, abs=1e-9)
    assert not estimate.paired


def test_equivalence_is_the_paired_tost_of_statsmodels() -> None:
    estimate = two_arms(*SAMPLES).contrast(DIFFERENCE)
    expected, _, _ = ttost_paired(np.array(SAMPLES[0]), np.array(SAMPLES[1]), -1.5, 1.5)
    assert estimate.p_equivalence(1.5) == pytest.approx(expected, abs=1e-9)


def test_the_detectable_difference_has_eighty_percent_power_by_statsmodels() -> None:
    estimate = two_arms(*SAMPLES).contrast(DIFFERENCE)
    effect = estimate.mde80 / (estimate.se * np.sqrt(5))
    assert TTestPower().power(effect, nobs=5, alpha=0.05) == pytest.approx(0.8, abs=1e-3)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_holm_agrees_with_statsmodels(p_values: list[float]) -> None:
    np.testing.assert_allclose(holm(p_values), multipletests(p_values, method="holm")[1], atol=1e-12)


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=40))
def test_at_least_k_is_the_largest_k_whose_partial_conjunction_p_stays_below_alpha(p_values: list[float]) -> None:
    ordered, m = sorted(p_values), len(p_values)
    conjunction = np.maximum.accumulate([(m - k) * p for k, p in enumerate(ordered)])  # Dror et al. 2017, eq. 3
    assert at_least(p_values) == int(np.sum(conjunction <= 0.05))


@given(npst.arrays(np.float64, st.integers(2, 9), elements=st.floats(-5, 5).map(lambda x: round(x, 3))))
def test_sign_flips_agree_with_the_exact_permutation_test_of_scipy(differences: np.ndarray) -> None:
    expected = stats.permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        alternative="two-sided",
        n_resamples=np.inf,
        vectorized=True,
    )
    null = np.abs(expected.null_distribution)
    two_sided = np.mean(null >= abs(expected.statistic) * (1 - 1e-12))  # scipy doubles the smaller tail
    assert sign_flip_p(differences, np.random.default_rng(0)) == pytest.approx(two_sided, abs=1e-9)


def test_no_sign_flip_p_lies_below_its_floor() -> None:
    for n in range(2, 11):
        assert sign_flip_p(np.ones(n), np.random.default_rng(0)) == pytest.approx(sign_flip_floor(n))


def test_many_pairs_are_flipped_at_random_and_stay_near_the_exact_value() -> None:
    differences = np.random.default_rng(3).normal(0.4, 1.0, size=20)
    expected = stats.ttest_1samp(differences, 0).pvalue
    assert sign_flip_p(differences, np.random.default_rng(0)) == pytest.approx(expected, abs=0.02)


# google-research/language, language/multiberts/multibootstrap.py at c040a31: `multibootstrap(info, p, ones, score,
# nboot=300, rng=RandomState(11))` on the predictions below, score = percent right; mean and sd (ddof 1) of its draws.
PUBLISHED = {
    True: ([59.73666667, 66.25166667], [4.7647664, 5.27512277], 6.515, 7.628318675789442),
    False: ([60.0, 65.83166667], [4.39329072, 5.18576298], 5.831666666666667, 7.092142990395046),
}


@pytest.mark.parametrize("paired", [True, False])
def test_the_multi_bootstrap_gives_the_means_and_standard_errors_of_the_published_code(paired: bool) -> None:
    n_seeds, n_items, n_draws = 5, 40, 300
    rng = np.random.RandomState(5)
    chance = np.repeat([[0.6], [0.7]], n_seeds, axis=0)
    right = (rng.rand(2 * n_seeds, n_items) < chance).astype(np.float32)
    stream = np.random.RandomState(11)  # the published code draws seeds, then seeds of the other arm, then items
    seeds, other_seeds, counts = [], [], []
    for _ in range(n_draws):
        seeds.append(stream.choice(n_seeds, n_seeds))
        other_seeds.append(seeds[-1] if paired else stream.choice(n_seeds, n_seeds))
        counts.append(np.bincount(stream.choice(n_items, n_items), minlength=n_items))
    draws = metric_draws(right, np.array(counts, dtype=np.float32).T)
    pairs = experiments.multibootstrap(draws[:n_seeds], draws[n_seeds:], np.array(seeds), np.array(other_seeds))
    difference = pairs[:, 1] - pairs[:, 0]
    means, deviations, mean, deviation = PUBLISHED[paired]
    np.testing.assert_allclose(pairs.mean(axis=0), means, atol=1e-6)
    np.testing.assert_allclose(pairs.std(axis=0, ddof=1), deviations, atol=1e-6)
    assert difference.mean() == pytest.approx(mean, abs=1e-6)
    assert difference.std(ddof=1) == pytest.approx(deviation, abs=1e-6)


@given(st.integers(1, 50), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_every_draw_has_as_many_items_as_the_test_set(n_items: int, n_draws: int, seed: int) -> None:
    counts = resample_counts(n_items, n_draws, np.random.default_rng(seed))
    assert counts.shape == (n_items, n_draws)
    np.testing.assert_array_equal(counts.sum(axis=0), n_items)


def test_a_corpus_metric_is_recomputed_from_resampled_counts_not_averaged() -> None:
    triples = np.array([[[1, 1, 1], [0, 3, 1]]], dtype=np.float32)  # F1 of the items: 1 and 0; of both: 2/6
    draws = metric_draws(triples, np.array([[1, 2, 0], [1, 0, 2]], dtype=np.float32))
    np.testing.assert_allclose(draws, [[100 * 2 / 6, 100.0, 0.0]])


def test_item_noise_that_seeds_share_is_counted_and_noise_of_their_own_is_not_counted_twice() -> None:
    rng = np.random.default_rng(1)
    n, m = 4, 3000
    shared, own = rng.normal(size=(2, 1, m)), rng.normal(size=(2, n, m))
    items = np.concatenate([(shared + own)[0], (shared + own)[1]])
    draws = (items @ resample_counts(m, 1000, rng)) / m
    noise = item_noise(draws, [A, B], [A] * n + [B] * n, list(range(n)) * 2, m)
    weights = np.array([1, -1])
    assert weights @ noise.across_seeds @ weights == pytest.approx(2 / m, rel=0.15)  # what the seeds share
    assert weights @ noise.of_means @ weights == pytest.approx(2 / m + 2 / (n * m), rel=0.15)


def test_noise_of_the_test_items_widens_the_interval() -> None:
    alone = two_arms(*SAMPLES)
    with_items = LevelScores(alone.values, alone.seeds, ItemNoise(np.diag([0.2, 0.2]), np.diag([0.25, 0.25]), 500))
    seeds_only = alone.contrast(DIFFERENCE).se
    assert with_items.contrast(DIFFERENCE).se == pytest.approx(np.sqrt(seeds_only**2 + 0.4))


def test_the_degrees_of_freedom_lie_between_those_of_seeds_and_of_items() -> None:
    alone = two_arms(*SAMPLES)
    for item_variance in (1e-9, 0.05, 10.0):
        noise = ItemNoise(np.eye(2) * item_variance, np.zeros((2, 2)), 500)
        estimate = LevelScores(alone.values, alone.seeds, noise).contrast(DIFFERENCE)
        share = alone.contrast(DIFFERENCE).se ** 2 / estimate.se**2
        weighted = share * stats.t.ppf(0.975, 4) + (1 - share) * stats.t.ppf(0.975, 499)
        low, high = estimate.interval()
        assert (high - low) / 2 == pytest.approx(weighted * estimate.se, rel=1e-6)
        assert 4 <= estimate.df <= 499


def test_seeds_that_agree_by_luck_do_not_make_the_interval_narrower_than_the_items_alone() -> None:
    lucky = two_arms([61.0, 62.0, 63.0], [60.0, 61.0, 62.0])
    with_items = LevelScores(lucky.values, lucky.seeds, ItemNoise(np.zeros((2, 2)), np.diag([0.3, 0.3]), 500))
    assert lucky.contrast(DIFFERENCE).se == 0
    assert with_items.contrast(DIFFERENCE).se == pytest.approx(np.sqrt(0.6))


@pytest.mark.parametrize(("shift", "df"), [(0, 4.0), (2, 6.0)])
def test_a_sweep_lends_two_degrees_of_freedom_unless_seeds_repeat_themselves_at_every_size(
    shift: int, df: float
) -> None:
    alone = two_arms(*SAMPLES)
    more = {(arm, size): np.roll(v, shift * size) for size in (1, 2) for (arm, _), v in alone.values.items()}
    sweep = LevelScores({**alone.values, **more}, dict.fromkeys([A, B, *more], (0, 1, 2, 3, 4)))
    assert sweep.contrast(DIFFERENCE).df == pytest.approx(df, abs=0.7)


def _sweep(sd: dict[Group, float], seeds: int = 5) -> LevelScores:
    noise = np.random.default_rng(3)
    values = {group: 60 + noise.normal(0, size, seeds) for group, size in sd.items()}
    return LevelScores(values, dict.fromkeys(values, tuple(range(seeds))))


def test_a_noisy_third_arm_changes_nothing_between_two_others() -> None:
    pair = _sweep({(arm, size): 0.5 for size in (100, 200, 400) for arm in "ab"})
    noisy = {("c", size): np.array([10.0, 90, 20, 80, 50]) for size in (100, 200, 400)}
    beside = LevelScores({**pair.values, **noisy}, dict.fromkeys([*pair.values, *noisy], (0, 1, 2, 3, 4)))
    weights = {("a", 100): 1.0, ("b", 100): -1.0}
    assert beside.contrast(weights) == pair.contrast(weights)


def test_sizes_of_clearly_unequal_noise_lend_nothing() -> None:
    sweep = _sweep({(arm, size): sd for size, sd in ((100, 0.1), (200, 1.0), (400, 10.0)) for arm in "ab"})
    assert sweep.contrast({("a", 400): 1.0, ("b", 400): -1.0}).df == pytest.approx(4, abs=0.1)


def test_an_arm_of_one_size_borrows_no_noise_of_the_other() -> None:
    sweep = _sweep({("none", 0): 3.0, **{("a", size): 0.3 for size in (100, 200, 400)}})
    assert sweep.contrast({("a", 100): 1.0, ("none", 0): -1.0}).df == 4


def test_bartletts_p_value_is_that_of_scipy() -> None:
    runs = np.random.default_rng(5).normal(0, [[1.0], [2.0], [4.0]], (3, 6))
    variances = np.var(runs, axis=1, ddof=1)
    assert bartlett_p(variances, 5) == pytest.approx(stats.bartlett(*runs).pvalue)


def test_one_seed_or_a_missing_score_leaves_the_uncertainty_unknown() -> None:
    single = two_arms([61.0], [60.0]).contrast(DIFFERENCE)
    assert single.value == 1.0
    assert not single.known
    assert not two_arms([61.0, np.nan], [60.0, 61.0]).contrast(DIFFERENCE).known


@given(st.floats(-3, 3), st.floats(0.05, 2), st.integers(3, 10))
def test_the_p_value_is_below_five_percent_exactly_when_the_interval_excludes_zero(
    mean: float, sd: float, n: int
) -> None:
    noise = np.random.default_rng(n).normal(0, sd, n)
    estimate = two_arms(list(mean + noise), [0.0] * n).contrast(DIFFERENCE)
    low, high = estimate.interval()
    assert (estimate.p < 0.05) == (low > 0 or high < 0)


def test_power_after_the_first_seeds_is_on_average_the_power_of_the_t_test_of_scipy() -> None:
    rng, effect, sd, later = np.random.default_rng(0), 2.0, 1.2, np.array([4, 5, 8])
    first = rng.normal(effect, sd, (2000, 3))
    seen = [Estimate(float(np.mean(runs)), float(np.std(runs, ddof=1)) / 3**0.5, 2.0, 3, seed_df=2.0) for runs in first]
    powers = [conditional_power(estimate, effect, sd**2, later, np.full(3, 0.05)) for estimate in seen]
    expected = stats.nct.sf(stats.t.ppf(0.975, later - 1), later - 1, effect * later**0.5 / sd)
    assert np.mean(powers, axis=0) == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize(
    ("sd", "item_se", "value", "effect"), [(2.0, 0.0, 1.5, 1.5), (1.5, 0.3, 1.4, 1.4), (0.6, 0.3, 1.0, 1.5)]
)
def test_the_seeds_that_would_settle_a_comparison_detect_its_effect_in_eight_of_ten_worlds(
    sd: float, item_se: float, value: float, effect: float
) -> None:
    need = needed_seeds(Estimate(value, np.sqrt(sd**2 / 3 + item_se**2), 2.0, 3, item_se=item_se, seed_df=2.0), effect)
    assert need.seeds is not None
    assert need.effect == effect
    found = [_found(sd, item_se, value, effect, n) for n in (need.seeds - 1, need.seeds)]
    assert found[0] - 0.01 < 0.8 < found[1] + 0.01
    assert need.floor == pytest.approx(2.8016 * item_se, rel=1e-3)


def _found(sd: float, item_se: float, value: float, effect: float, n: int) -> float:
    """Go on to n seeds from three that gave `value` and `sd`, with the median of the SDs that leave `effect` true."""
    rng, worlds = np.random.default_rng(0), 20_000
    possible = np.sort(sd * np.sqrt(2 / rng.chisquare(2, 10 * worlds)))
    variance = possible**2 / 3 + item_se**2
    likelihood = np.cumsum(np.exp(-((value - effect) ** 2) / variance / 2) / np.sqrt(variance))
    true = float(np.interp(likelihood[-1] / 2, likelihood, possible))
    of_difference = true**2 / 3 + item_se**2
    items = (value - effect) * item_se**2 / of_difference  # the first seeds and the items gave `value`
    drawn = rng.normal(items, item_se * true / np.sqrt(3 * of_difference), (worlds, 1))
    first = np.array([-1.0, 0.0, 1.0]) * sd + value
    later = rng.normal(effect + drawn, true, (worlds, n - 3))
    runs = np.hstack([np.tile(first, (worlds, 1)), later])
    variance = np.var(runs, axis=1, ddof=1) / n
    total = variance + item_se**2
    quantile = (variance * stats.t.ppf(0.975, n - 1) + item_se**2 * stats.norm.ppf(0.975)) / total
    return float(np.mean(runs.mean(axis=1) > quantile * np.sqrt(total)))


def test_a_difference_above_the_margin_may_be_too_large_by_chance_and_need_more_seeds() -> None:
    seen = Estimate(1.8, 0.6, 3.0, 3, item_se=0.3, seed_df=2.0)
    need = needed_seeds(seen, 1.0)
    assert need.effect == 1.8
    assert need.cautious_effect == pytest.approx(seen.interval(0.6)[0])
    assert need.seeds is not None
    assert need.cautious_seeds is not None
    assert need.seeds < need.cautious_seeds
    same = needed_seeds(seen, 2.0)
    assert (same.cautious_effect, same.cautious_seeds) == (2.0, same.seeds)


def test_other_comparisons_that_are_open_need_more_seeds_and_significant_ones_do_not() -> None:
    def seeds(third: float | None) -> int:
        """Return what the first of the arms' comparisons needs, with a third arm at this score."""
        runs = {A: np.array([60.1, 60.9, 61.5, 62.0]), B: np.array([60.0, 59.9, 60.2, 60.1])}
        runs |= {} if third is None else {("third", 100): third + np.array([0.0, 0.1, 0.2, 0.1])}
        covariance = 1e-4 * np.eye(len(runs))
        noise = ItemNoise(covariance, covariance, 100)
        scores = LevelScores(runs, dict.fromkeys(runs, (0, 1, 2, 3)), noise)
        arms = [arm for arm, _ in runs]
        need = with_holm(list(pairwise_results("all", scores, arms, margin=0.5, fault=None)))[0].needed_seeds
        assert need is not None
        assert need.seeds is not None
        return need.seeds

    assert seeds(None) == seeds(10.0) < seeds(60.1)


def test_a_difference_that_was_missed_by_bad_luck_needs_more_seeds_than_one_that_was_nearly_seen() -> None:
    unlucky, near = (needed_seeds(Estimate(value, 0.6, 4.0, 5, item_se=0.2), 1.2).seeds for value in (0.2, 1.1))
    assert unlucky is not None
    assert near is not None
    assert unlucky > near


def test_an_effect_below_the_floor_of_the_items_needs_other_items_not_seeds() -> None:
    assert needed_seeds(Estimate(0.4, 0.5, 4.0, 5, item_se=0.4), 0.5).seeds is None
