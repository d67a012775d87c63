"""Looks at results before all seeds are there: the level that each may use, so that all together keep 5 %.

The planned looks are equally many seeds apart. The level is spent as Pocock's boundary spends it (Lan and DeMets 1983),
about evenly, since the first look already has all planned seeds of an ordinary comparison.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from evaluator.stats.significance import ALPHA, scipy_module

REACH, STEPS = 8.0, 4001  # of the grid of the sum of scores, in standard deviations of the last look


@dataclass(frozen=True, slots=True)
class Looks:
    """How many looks are planned, each after so many more seeds an arm."""

    planned: int
    seeds: int

    def factor(self, seeds: int) -> float:
        """Return what a p-value counts times at this number of seeds, so that ALPHA holds over all looks."""
        look = min(max(1, -(-seeds // self.seeds)), self.planned)
        return ALPHA / nominal_levels(self.planned)[look - 1]

    @classmethod
    def of(cls, record: Any) -> "Looks | None":  # noqa: ANN401 - a JSON value
        """Return the looks that experiment.json has, None where it has none."""
        numbers = {name: record.get(name) for name in ("planned", "seeds")} if isinstance(record, dict) else {}
        whole = [number for number in numbers.values() if isinstance(number, int) and 1 <= number <= 100]
        return cls(*whole) if len(whole) == 2 else None


@cache
def nominal_levels(looks: int) -> tuple[float, ...]:
    """Return the two-sided level of a single test at each of equally spaced looks.

    The density of the scores that have not crossed before is carried from look to look (Armitage et al. 1969).

    >>> [round(level, 4) for level in nominal_levels(1)]
    [0.05]
    """
    special = scipy_module("special")
    times = np.arange(1, looks + 1) / looks
    spent = np.diff(ALPHA * np.log1p((np.e - 1) * times), prepend=0.0)
    grid = np.linspace(-REACH, REACH, STEPS)
    width, centre = grid[1] - grid[0], STEPS // 2
    step = np.exp(-(grid**2) * looks / 2) / np.sqrt(2 * np.pi / looks)  # what the score gains between two looks
    density, levels = step, []
    for time, share in zip(times, spent, strict=True):
        beyond = np.cumsum(density[::-1])[::-1] - density / 2  # by the trapezoid rule
        outside = 2 * width * beyond[centre:]
        bound = float(np.interp(-share, -outside, grid[centre:]))
        levels.append(float(2 * special.ndtr(-bound / np.sqrt(time))))
        density = np.convolve(np.where(np.abs(grid) < bound, density, 0.0), step, mode="same") * width
    return tuple(levels)
