"""What would settle an unresolved comparison: how many seeds, and what no number of seeds can show.

The variance of a difference is V_seed / n + V_item. More seeds shrink the first part alone, so the test items set a
floor under the minimum detectable effect.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluator.stats.contrasts import cochran_cox
from evaluator.stats.significance import CONFIDENCE, POWER, Estimate, rounded, scipy_module

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


def settling(estimate: Estimate, margin: float) -> Settling:
    """Return what would detect the difference that was seen, if it is the true one, or the margin where it is less."""
    effect, items = max(abs(estimate.value), margin), estimate.item_se**2
    seed_variance = max(estimate.se**2 - items, 0.0) * estimate.seeds
    enough = (
        n for n in range(estimate.seeds + 1, MOST_SEEDS + 1) if _detectable(seed_variance / n, items, n) <= effect
    )
    normal = scipy_module("special").ndtri
    floor = float(normal(0.5 + CONFIDENCE / 2) + normal(POWER)) * estimate.item_se
    return Settling(effect, next(enough, None), floor)


def _detectable(seed_variance: float, item_variance: float, seeds: int) -> float:
    """Return the minimum detectable effect of variances of a mean, with the degrees of freedom of Cochran & Cox."""
    variances, dfs = np.array([[seed_variance], [item_variance]]), np.array([[seeds - 1.0], [1e6]])
    total, df = cochran_cox(variances, dfs)
    return Estimate(0.0, float(total[0]) ** 0.5, float(df[0]), seeds).mde80
