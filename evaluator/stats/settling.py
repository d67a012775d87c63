"""What would settle an unresolved comparison: how many seeds, and what no number of seeds can show.

The variance of a difference is V_seed / n + V_item. More seeds shrink the first part alone, so the test items set a
floor under the minimum detectable effect.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluator.stats.contrasts import cochran_cox
from evaluator.stats.looks import Looks
from evaluator.stats.significance import ALPHA, POWER, Estimate, rounded, scipy_module

MOST_SEEDS = 100


@dataclass(frozen=True, slots=True)
class Settling:
    """Seeds per arm at which `effect` points are detected with 80 % power: None where not even `MOST_SEEDS` do.

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
    effect, items = max(abs(estimate.value), margin), estimate.item_se**2
    seed_variance = max(estimate.se**2 - items, 0.0) * estimate.seeds
    more = range(estimate.seeds + 1, MOST_SEEDS + 1)
    enough = (n for n in more if _detectable(seed_variance / n, items, n, _level(looks, n)) <= effect)
    normal, last = scipy_module("special").ndtri, _level(looks, MOST_SEEDS)
    floor = float(normal(1 - last / 2) + normal(POWER)) * estimate.item_se
    return Settling(effect, next(enough, None), floor)


def _level(looks: Looks | None, seeds: int) -> float:
    return ALPHA / looks.factor(seeds) if looks else ALPHA


def _detectable(seed_variance: float, item_variance: float, seeds: int, level: float) -> float:
    """Return the minimum detectable effect of variances of a mean, with the degrees of freedom of Cochran & Cox."""
    variances, dfs = np.array([[seed_variance], [item_variance]]), np.array([[seeds - 1.0], [1e6]])
    total, df = cochran_cox(variances, dfs)
    return Estimate(0.0, float(total[0]) ** 0.5, float(df[0]), seeds).detectable(level)
