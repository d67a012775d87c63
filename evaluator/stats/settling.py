"""What would settle an unresolved comparison: how many seeds, and what no number of seeds can show.

The variance of a difference is V_seed / n + V_item. More seeds shrink the first part alone, so the test items set a
floor under the minimum detectable effect.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluator.stats.contrasts import cochran_cox
from evaluator.stats.looks import Looks
from evaluator.stats.results import Floats
from evaluator.stats.significance import ALPHA, POWER, Estimate, rounded, scipy_module, t_quantile

MOST_SEEDS = 100


@dataclass(frozen=True, slots=True)
class Settling:
    """Seeds per arm, those so far among them, that detect `effect` points with 80 % power: None beyond `MOST_SEEDS`.

    `floor` is the minimum detectable effect that no number of seeds goes below, with these test items.
    """

    effect: float
    seeds: int | None
    floor: float

    def document(self) -> dict[str, Any]:
        """Return the object of comparison.json."""
        return {"effect": rounded(self.effect), "seeds": self.seeds, "floor": rounded(self.floor)}


def settling(estimate: Estimate, margin: float, looks: Looks | None = None) -> Settling:
    """Return what would detect the difference that was seen, if it is the true one, or the margin where it is less.

    Where looks are planned, it has to be detected at the level of the look that has so many seeds.
    """
    seen, items = abs(estimate.value), estimate.item_se**2
    effect = max(seen, margin)
    seed_variance = max(estimate.se**2 - items, 0.0) * estimate.seeds
    more = range(estimate.seeds + 1, MOST_SEEDS + 1)
    enough = (
        n
        for n in more
        if _power(effect, seen, estimate.se**2, np.array([seed_variance / n, items]), n, _level(looks, n)) >= POWER
    )
    normal, last = scipy_module("special").ndtri, _level(looks, MOST_SEEDS)
    floor = float(normal(1 - last / 2) + normal(POWER)) * estimate.item_se
    return Settling(effect, next(enough, None), floor)


def _level(looks: Looks | None, seeds: int) -> float:
    return ALPHA / looks.factor(seeds) if looks else ALPHA


def _power(effect: float, seen: float, variance: float, parts: Floats, seeds: int, level: float) -> float:
    """Return the probability that so many seeds detect `effect`, where it is true and `seen` was found so far.

    Conditional power (Lan and Wittes 1988): what the seeds so far and the test items got wrong stays in part.
    `variance` is that of the difference so far, `parts` are those of seeds and items with so many seeds; the t
    test is taken as normal with the variance of its bound (Johnson and Welch 1940).
    """
    total, df = (float(each[0]) for each in cochran_cox(parts[:, None], np.array([[seeds - 1.0], [1e6]])))
    left = min(total / variance, 1.0)
    bound = float(t_quantile(min(df, 1e6), 1 - level))
    mean, spread = effect + left * (seen - effect), total * (1 - left) + bound**2 * total / (2 * df)
    return float(scipy_module("special").ndtr((mean - bound * total**0.5) / max(spread, 1e-18) ** 0.5))
