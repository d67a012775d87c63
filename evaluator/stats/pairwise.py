"""Pairwise comparison of arms at an aggregation level: the difference, its tests, and the verdict.

Every pair is compared at each common size, and each arm at its own full size. Languages are corrected together (Holm),
and counted for the whole.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from evaluator.stats.contrasts import LevelScores
from evaluator.stats.results import Group
from evaluator.stats.significance import Estimate, at_least, holm, rounded, sign_flip_floor, sign_flip_p
from synthgen.text.languages import ENGLISH

Verdict = Literal["a", "b", "equivalent", "unresolved"]
Size = int | Literal["full"]
ComparisonKey = tuple[str, str, Size]

ALPHA = 0.05
LEAST_SE = 1e-9  # points; below it runs are copies of each other, or have collapsed
MIN_FLIP_PAIRS = 6  # below six pairs a sign-flip test cannot reach 0.05


@dataclass(frozen=True, slots=True)
class PairwiseResult:
    """Arm `a` minus arm `b` at a level (`scope`), both at `size`, or each at its own full size (`size` is "full").

    `n_a` and `n_b` are the examples they were trained on: ten times the size for an arm that stands for ten times.
    """

    a: str
    b: str
    size: Size
    size_a: int
    size_b: int
    n_a: int
    n_b: int
    scope: str
    estimate: Estimate
    margin: float
    reason: str | None = None  # why no verdict is given, whatever the numbers say
    p_floor: float | None = None
    p_permutation: float | None = None
    p_holm: float | None = None
    languages: Mapping[str, int] | None = None

    @property
    def key(self) -> ComparisonKey:
        """The arms and the size that are compared, the same at every level."""
        return self.a, self.b, self.size

    @property
    def both_trained(self) -> bool:
        """Whether both arms have intermediate data."""
        return self.size_a > 0 and self.size_b > 0

    @property
    def known(self) -> bool:
        """Whether there is a difference with a standard error that says something: seeds that differ."""
        return self.estimate.known and self.estimate.se >= LEAST_SE

    @property
    def verdict(self) -> Verdict:
        """Equivalent when both one-sided tests pass; else the better arm when the interval excludes zero."""
        if not self.known or self.reason is not None:
            return "unresolved"
        if self.estimate.p_equivalence(self.margin) <= ALPHA:
            return "equivalent"
        if self.estimate.p <= ALPHA:
            return "a" if self.estimate.value > 0 else "b"
        return "unresolved"

    def document(self) -> dict[str, Any]:
        """Return the object of comparison.json."""
        e, known = self.estimate, self.known
        return {
            **{name: getattr(self, name) for name in ("a", "b", "size", "size_a", "size_b", "n_a", "n_b", "scope")},
            "difference": rounded(e.value),
            "ci95": e.rounded_interval() if known else None,
            "se": rounded(e.se) if known else None,
            "df": rounded(min(e.df, 1e6)) if known else None,
            "p": rounded(e.p, 6) if known else None,
            **{name: rounded(getattr(self, name), 6) for name in ("p_holm", "p_permutation", "p_floor")},
            "p_equivalence": rounded(e.p_equivalence(self.margin), 6) if known else None,
            "mde80": rounded(e.mde80) if known else None,
            "margin": self.margin,
            "verdict": self.verdict,
            "seeds": e.seeds,
            "paired": e.paired,
            "items_resampled": e.items_resampled,
            "languages": dict(self.languages) if self.languages else None,
            "reason": self.reason,
        }


def pairwise_results(
    level: str, scores: LevelScores, arms: Sequence[str], *, margin: float, fault: str | None
) -> Iterator[PairwiseResult]:
    """Yield the result of every pair of arms at a level; with a `fault` none of them gets a verdict."""
    for a, b, size in _matched_groups(arms, scores.values):
        estimate = scores.contrast({a: 1.0, b: -1.0})
        flips = _sign_flips(scores, a, b) if estimate.known and estimate.paired else (None, None)
        reason = fault or _unknown_reason(scores, estimate, a, b)
        trained = scores.examples(a), scores.examples(b)
        yield PairwiseResult(a[0], b[0], size, a[1], b[1], *trained, level, estimate, margin, reason, *flips)


def _matched_groups(arms: Sequence[str], groups: Iterable[Group]) -> Iterator[tuple[Group, Group, Size]]:
    """Yield every pair of arms at each common size, and each arm at its own full size."""
    sizes: dict[str, list[int]] = {}
    for arm, size in sorted(groups):
        sizes.setdefault(arm, []).append(size)
    for b, a in itertools.combinations(arms, 2):
        if [0] in (sizes[a], sizes[b]):  # an arm without intermediate data is shown at every size
            yield from (((a, n), (b, m), max(n, m)) for n in sizes[a] for m in sizes[b])
        else:
            yield from (((a, n), (b, n), n) for n in sizes[a] if n in sizes[b])
        yield (a, sizes[a][-1]), (b, sizes[b][-1]), "full"


def _unknown_reason(scores: LevelScores, estimate: Estimate, a: Group, b: Group) -> str | None:
    if not np.isfinite(estimate.value):
        holes = [f"{arm}@{size}" for arm, size in (a, b) if not np.isfinite(scores.values[arm, size]).all()]
        return f"missing or failed scores of {' and '.join(holes)}"
    if not estimate.known:
        return "one seed: the noise of training is unknown"
    return "no seed differs from another: noise cannot be estimated" if estimate.se < LEAST_SE else None


def _sign_flips(scores: LevelScores, a: Group, b: Group) -> tuple[float | None, float | None]:
    difference = scores.values[a] - scores.values[b]
    enough = len(difference) >= MIN_FLIP_PAIRS
    return sign_flip_floor(len(difference)), sign_flip_p(difference, np.random.default_rng(0)) if enough else None


def with_holm(pairs: Sequence[PairwiseResult]) -> Iterator[PairwiseResult]:
    """Adjust language p-values within each comparison, and count "better in at least k of m" for its whole."""
    families: dict[ComparisonKey, dict[str, Estimate]] = {}
    for pair in pairs:
        tested = pair.known and pair.reason is None
        if pair.scope.startswith("language:") and pair.scope != f"language:{ENGLISH}" and tested:
            families.setdefault(pair.key, {})[pair.scope] = pair.estimate
    adjusted = {k: dict(zip(f, holm([e.p for e in f.values()]), strict=True)) for k, f in families.items()}
    for pair in pairs:
        if pair.scope == "all" and pair.known and pair.key in families:
            above = [estimate.p_above() for estimate in families[pair.key].values()]
            counts = {"a_better": at_least(above), "b_better": at_least([1 - p for p in above]), "of": len(above)}
            yield replace(pair, languages=counts)
        else:
            yield replace(pair, p_holm=adjusted.get(pair.key, {}).get(pair.scope))
