"""How many seeds would resolve an unresolved comparison, and which differences no number of seeds can detect.

The variance of a difference is V_seed / n + V_item. More seeds reduce only the first part, so the test items set a
lower limit to the minimum detectable effect.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluator.stats.looks import Looks
from evaluator.stats.results import Floats
from evaluator.stats.significance import ALPHA, POWER, Estimate, rounded, scipy_module, t_quantile

MOST_SEEDS = 100
SAFEGUARD = 0.60  # confidence of the interval whose lower limit is the cautious difference
VARIANCES = 201  # quantiles of what the seeds so far leave possible for the variance between seeds
MEANS = 33  # quantiles of the later difference


@dataclass(frozen=True, slots=True)
class NeededSeeds:
    """Seeds per arm, those so far among them, that detect `effect` points with 80 % power: None beyond `MOST_SEEDS`.

    `cautious_effect` and `cautious_seeds` are the same for a difference that was observed too large by chance. `floor`
    is the minimum detectable effect that no number of seeds goes below, with these test items.
    """

    effect: float
    seeds: int | None
    cautious_effect: float
    cautious_seeds: int | None
    floor: float

    def document(self) -> dict[str, Any]:
        """Return the object of comparison.json."""
        cautious = {"effect": rounded(self.cautious_effect), "seeds": self.cautious_seeds}
        return {"effect": rounded(self.effect), "seeds": self.seeds, "cautious": cautious, "floor": rounded(self.floor)}


def needed_seeds(estimate: Estimate, margin: float, looks: Looks | None = None, *, comparisons: int = 1) -> NeededSeeds:
    """Return the seeds that detect the observed difference, taken as true, or the margin if that is larger.

    The cautious difference is the lower limit of the 60 % interval (safeguard power: Perugini, Gallucci and Costantini
    2014), or again the margin. The level is that of the planned interim look with this number of seeds, divided by the
    number of `comparisons` that Holm's correction still counts.
    """
    more = np.arange(estimate.seeds + 1, MOST_SEEDS + 1)
    levels = np.array([_level(looks, int(n)) / comparisons for n in more])

    def fewest(effect: float) -> int | None:
        variance = _seed_variance(estimate, effect)
        enough = more[conditional_power(estimate, effect, variance, more, levels) >= POWER]
        return int(enough[0]) if enough.size else None

    effect = max(abs(estimate.value), margin)
    cautious = max(abs(estimate.value) - float(t_quantile(estimate.df, SAFEGUARD)) * estimate.se, margin)
    normal, last = scipy_module("special").ndtri, _level(looks, MOST_SEEDS) / comparisons
    floor = float(normal(1 - last / 2) + normal(POWER)) * estimate.item_se
    return NeededSeeds(effect, fewest(effect), cautious, fewest(cautious), floor)


def _level(looks: Looks | None, seeds: int) -> float:
    return ALPHA / looks.factor(seeds) if looks else ALPHA


def _measured(estimate: Estimate) -> tuple[float, float]:
    """Return the variance of the difference between seeds, as the seeds so far give it, and its degrees of freedom."""
    of_seeds = max(estimate.se**2 - estimate.item_se**2, 1e-12)
    return of_seeds * estimate.seeds, estimate.seed_df or estimate.seeds - 1.0


def _seed_variance(estimate: Estimate, effect: float) -> float:
    """Return the median of what is possible for the variance between seeds, where `effect` is true.

    A scaled inverse chi-squared, times the likelihood of the difference that was seen. The variance as measured is too
    small more often than too large, most of all with two or three seeds (Browne 1995). The mean power over all possible
    variances (Spiegelhalter, Freedman and Blackburn 1986) follows the largest of them and names too many seeds.
    """
    measured, df = _measured(estimate)
    shares = (np.arange(VARIANCES) + 0.5) / VARIANCES
    possible = df * measured / scipy_module("special").chdtri(df, shares)  # from small to large
    of_difference = possible / estimate.seeds + estimate.item_se**2
    likelihood = -((abs(estimate.value) - effect) ** 2) / (2 * of_difference) - np.log(of_difference) / 2
    weights = np.cumsum(np.exp(likelihood - likelihood.max()))
    return float(possible[np.searchsorted(weights, weights[-1] / 2)])


def conditional_power(
    estimate: Estimate, effect: float, variance: float, seeds: npt.NDArray[np.int_], levels: Floats
) -> Floats:
    """Return the probability that each number of seeds detects `effect` with this true variance, after what was seen.

    Conditional power (Lan and Wittes 1988): what the seeds so far and the test items got wrong stays in part. The t
    quantile is that of a report's test (Cochran and Cox 1950), at the level of each number of seeds: a later difference
    is detected where the variance between seeds, as then estimated, lies below a limit. What later seeds add to that
    variance is the square of their distance from the first ones, and an independent chi-squared.
    """
    special, (measured, df) = scipy_module("special"), _measured(estimate)
    seen, items, so_far = abs(estimate.value), estimate.item_se**2, estimate.seeds
    n, level = seeds[:, None], levels[:, None]
    later, later_df = n - so_far, df + n - so_far
    first, last = variance / so_far + items, variance / n + items  # variances of the difference

    quantiles = special.ndtri((np.arange(MEANS) + 0.5) / MEANS)
    difference = effect + last / first * (seen - effect) + (last * (1 - last / first)) ** 0.5 * quantiles
    t, normal = t_quantile(later_df, 1 - level), special.ndtri(1 - level / 2)
    # (t * of_seeds + normal * items) / se = difference, where se**2 = of_seeds + items
    se = (difference + (difference**2 + 4 * t * items * (t - normal)) ** 0.5) / (2 * t)
    of_seeds = (se**2 - items) * n
    left = of_seeds * later_df - df * measured - (difference - seen) ** 2 * so_far * n / later
    below = special.gammainc((later - 1) / 2, np.maximum(left, 1e-12) / (2 * variance))
    return np.asarray(np.mean(np.where((difference > 0) & (left > 0), below, 0.0), axis=1))
