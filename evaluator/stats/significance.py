"""How sure an estimate is: t intervals, tests, the minimum detectable effect, Holm's correction, sign flips."""

import importlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from synthgen.errors import requires

CONFIDENCE = 0.95
ALPHA = 0.05
POWER = 0.80
EXACT_FLIPS = 12  # enumerate all 2^n sign flips up to this n
SAMPLED_FLIPS = 20_000


def scipy_module(name: str, purpose: str = "the statistics of a report") -> Any:  # noqa: ANN401 - scipy has no types
    """Import a module of scipy; UserError with the install line where it is missing."""
    with requires("scipy", "report", purpose):
        module = importlib.import_module(f"scipy.{name}")
    return module


def t_quantile(df: npt.ArrayLike, confidence: float | npt.NDArray[np.float64] = CONFIDENCE) -> Any:  # noqa: ANN401 - a number or array
    """Return the t quantile of a two-sided interval, elementwise."""
    return scipy_module("special").stdtrit(df, 0.5 + confidence / 2)


def rounded(value: float | None, digits: int = 4) -> float | None:
    """Return a number as comparison.json has it: rounded, None where it is not finite."""
    return None if value is None or not np.isfinite(value) else round(float(value), digits)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A contrast of scores with its standard error and degrees of freedom, all in points.

    `item_se` is the part of the standard error that the test items make, which no number of seeds changes. `seed_df`
    are the degrees of freedom of the other part; 0 where they are not known.
    """

    value: float
    se: float
    df: float
    seeds: int
    paired: bool = True
    items_resampled: bool = True
    item_se: float = 0.0
    seed_df: float = 0.0

    @property
    def known(self) -> bool:
        """Whether there is a standard error: two seeds at least, and no missing score."""
        return bool(np.isfinite(self.value) and np.isfinite(self.se) and self.df > 0)

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Return the t interval: of 95 % for a difference, of 90 % for two one-sided tests at 5 %."""
        half = float(t_quantile(self.df, confidence)) * self.se
        return self.value - half, self.value + half

    def rounded_interval(self, confidence: float = CONFIDENCE) -> list[float | None] | None:
        """Return the interval as comparison.json has it, None where there is no standard error."""
        return [rounded(end) for end in self.interval(confidence)] if self.known else None

    @property
    def p(self) -> float:
        """Two-sided p-value of no difference, dual to the interval."""
        return min(1.0, 2 * self._upper_tail(abs(self.value)))

    def p_above(self) -> float:
        """One-sided p-value of "the truth is at most zero"."""
        return self._upper_tail(self.value)

    def p_equivalence(self, margin: float) -> float:
        """Two one-sided tests (Schuirmann 1987) of "the truth lies outside (-margin, margin)"."""
        return max(self._upper_tail(self.value + margin), self._upper_tail(margin - self.value))

    def _upper_tail(self, distance: float) -> float:
        if self.se == 0:
            if distance > 0:
                return 0.0
            return 1.0 if distance < 0 else 0.5
        return float(scipy_module("special").stdtr(self.df, -distance / self.se))

    @property
    def mde80(self) -> float:
        """Minimum detectable effect: the smallest true difference detected with 80 % power (noncentral t)."""
        return self.detectable(ALPHA)

    def detectable(self, level: float) -> float:
        """Return the smallest true difference that a test at this level detects with 80 % power."""
        df = min(self.df, 1e6)
        return float(scipy_module("special").nctdtrinc(df, 1 - POWER, t_quantile(df, 1 - level))) * self.se

    @property
    def margin80(self) -> float:
        """The smallest margin for which equal arms are called equivalent with 80 % power, nearly: two t tails."""
        df, special = min(self.df, 1e6), scipy_module("special")
        return float(special.stdtrit(df, CONFIDENCE) + special.stdtrit(df, (1 + POWER) / 2)) * self.se


def exact_rate(count: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of Clopper and Pearson (1934) of a rate.

    >>> [round(end, 3) for end in exact_rate(0, 3)]
    [0.0, 0.708]
    """
    quantile, tail = scipy_module("special").betaincinv, (1 - CONFIDENCE) / 2
    low = float(quantile(count, total - count + 1, tail)) if count else 0.0
    return low, float(quantile(count + 1, total - count, 1 - tail)) if count < total else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's (1979) adjusted p-values, in the order given.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return list(map(float, adjusted))


def at_least(p_one_sided: Sequence[float], alpha: float = 0.05) -> int:
    """Return the largest k for which "better in at least k of m" holds at `alpha` (Dror et al. 2017, k-Bonferroni).

    Valid for dependent languages; it is the number of languages whose partial conjunction p-values stay below alpha.

    >>> at_least([0.001, 0.02, 0.8, 0.004])
    3
    """
    return sum(p <= alpha for p in holm(p_one_sided))


def sign_flip_floor(pairs: int) -> float:
    """Return the smallest two-sided p-value that flipping the signs of `pairs` differences can reach.

    >>> sign_flip_floor(5)
    0.0625
    """
    return float(2.0 / 2**pairs)


def sign_flip_p(differences: npt.ArrayLike, rng: np.random.Generator) -> float:
    """Return the two-sided paired permutation p-value over seeds: exact to 12 pairs, sampled beyond.

    It speaks of the test items at hand: another draw of items is not part of its null hypothesis.
    """
    values = np.asarray(differences, dtype=np.float64)
    exact = len(values) <= EXACT_FLIPS
    if exact:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=len(values))))
    else:
        signs = rng.choice(np.array([-1.0, 1.0]), size=(SAMPLED_FLIPS, len(values)))
    extreme = np.abs(signs @ values) >= abs(values.sum()) * (1 - 1e-12)
    return float(np.mean(extreme) if exact else (np.sum(extreme) + 1) / (SAMPLED_FLIPS + 1))
