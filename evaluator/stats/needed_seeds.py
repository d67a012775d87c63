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
VARIANCES = 32  # quantiles of the variance between seeds that power is averaged over


@dataclass(frozen=True, slots=True)
class NeededSeeds:
    """Seeds per arm, those so far among them, that detect `effect` points with 80 % power: None beyond `MOST_SEEDS`.

    `floor` is the minimum detectable effect that no number of seeds goes below, with these test items.
    """

    effect: float
    seeds: int | None
    floor: float

    def document(self) -> dict[str, Any]:
        """Return the object of comparison.json."""
        return {"effect": rounded(self.effect), "seeds": self.seeds, "floor": rounded(self.floor)}


def needed_seeds(estimate: Estimate, margin: float, looks: Looks | None = None) -> NeededSeeds:
    """Return the seeds that detect the observed difference, taken as true, or the margin if that is larger.

    With planned interim looks, the level is that of the look with this number of seeds.
    """
    effect = max(abs(estimate.value), margin)
    more = np.arange(estimate.seeds + 1, MOST_SEEDS + 1)
    enough = more[_power(estimate, effect, more, np.array([_level(looks, int(n)) for n in more])) >= POWER]
    normal, last = scipy_module("special").ndtri, _level(looks, MOST_SEEDS)
    floor = float(normal(1 - last / 2) + normal(POWER)) * estimate.item_se
    return NeededSeeds(effect, int(enough[0]) if enough.size else None, floor)


def _level(looks: Looks | None, seeds: int) -> float:
    return ALPHA / looks.factor(seeds) if looks else ALPHA


def _power(estimate: Estimate, effect: float, seeds: npt.NDArray[np.int_], levels: Floats) -> Floats:
    """Return the probability that each number of seeds detects `effect`, where it is true, after what was seen.

    Conditional power (Lan and Wittes 1988): what the seeds so far and the test items got wrong stays in part. The
    variance between seeds is known from few of them, so the power is its mean over what they leave possible
    (Spiegelhalter, Freedman and Blackburn 1986): a scaled inverse chi-squared, times the likelihood of the difference
    that was seen. The test is taken as normal, with the variance of its bound (Johnson and Welch 1940).
    """
    special, so_far, n = scipy_module("special"), estimate.seeds, seeds[:, None]
    seen, items, df = abs(estimate.value), estimate.item_se**2, estimate.seed_df or so_far - 1.0
    measured = max(estimate.se**2 - items, 0.0) * so_far
    true = df * measured / special.chdtri(df, (np.arange(VARIANCES) + 0.5) / VARIANCES)
    first, last = true / so_far + items, true / n + items  # variances of the difference
    likelihood = -((seen - effect) ** 2) / (2 * first) - np.log(first) / 2
    weights = np.exp(likelihood - likelihood.max())

    later_df = df + n - so_far
    of_seeds = (df * measured + (n - so_far) * true) / later_df / n  # as the test will estimate it
    share = of_seeds / (of_seeds + items)
    quantile = share * t_quantile(later_df, 1 - levels[:, None]) + (1 - share) * special.ndtri(1 - levels / 2)[:, None]
    bound = quantile * (of_seeds + items) ** 0.5
    of_bound = (n - so_far) * (quantile * true / (later_df * n)) ** 2 / (2 * (of_seeds + items))
    mean = effect + last / first * (seen - effect)
    spread = np.maximum(last * (1 - last / first) + of_bound, 1e-18)
    return np.asarray(special.ndtr((mean - bound) / spread**0.5) @ weights / weights.sum())
