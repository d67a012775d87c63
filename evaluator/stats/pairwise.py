"""Pairwise comparison of arms at an aggregation level: the difference, its tests, and the verdict.

Every pair is compared at each common size, and each arm at its own full size. Comparisons over all targets are
corrected together (Holm), and so are the targets, families, scripts and languages of one comparison.
"""

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from evaluator.stats.contrasts import LevelScores
from evaluator.stats.looks import Looks
from evaluator.stats.needed_seeds import NeededSeeds, needed_seeds
from evaluator.stats.results import Group, TrainedRun
from evaluator.stats.significance import ALPHA, Estimate, at_least, holm, rounded, sign_flip_floor, sign_flip_p
from synthgen.errors import UserError
from synthgen.text.languages import ENGLISH

Verdict = Literal["a", "b", "a within margin", "b within margin", "equivalent", "unresolved"]
Size = int | Literal["full"]
ComparisonKey = tuple[str, str, Size]

_PRIMARY = re.compile(r"(?P<a>[^:@]+):(?P<b>[^:@]+)(?:@(?P<size>full|[1-9]\d{0,8}))?")

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
    p_equivalence_holm: float | None = None
    family: int = 1  # comparisons that are corrected together
    languages: Mapping[str, int] | None = None
    without_collapsed: Estimate | None = None  # the same without runs that look collapsed, where there are any
    primary: bool = False  # named before the runs, and corrected apart from the others
    looks: Looks | None = None  # planned before the runs
    one_dataset: tuple[str, ...] = ()  # arms whose rows a machine wrote once: another run would give another dataset

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
    def spent(self) -> float:
        """What p-values count times where several looks at the results were planned."""
        return self.looks.factor(self.estimate.seeds) if self.looks else 1.0

    @property
    def p_corrected(self) -> float:
        """The p-value of no difference after the corrections, as it is where nothing else is tested beside it."""
        return min(1.0, self.spent * (self.estimate.p if self.p_holm is None else self.p_holm))

    @property
    def p_equivalence_corrected(self) -> float:
        """The p-value of a difference beyond the margin, corrected in the same way."""
        p = self.p_equivalence_holm
        return min(1.0, self.spent * (self.estimate.p_equivalence(self.margin) if p is None else p))

    @property
    def better(self) -> Literal["a", "b"] | None:
        """The arm whose advantage is significant after Holm's correction."""
        if self.p_corrected > ALPHA:
            return None
        return "a" if self.estimate.value > 0 else "b"

    @property
    def within_margin(self) -> bool:
        """Whether both one-sided tests of equivalence pass, after Holm's correction."""
        return self.p_equivalence_corrected <= ALPHA

    @property
    def robust(self) -> bool:
        """Whether both tests come out alike with and without the runs that look collapsed."""
        other, own = self.without_collapsed, self.estimate
        if other is None:
            return True
        same_side = (own.value > 0) == (other.value > 0) or own.p > ALPHA
        differences = (own.p <= ALPHA) == (other.p <= ALPHA) and same_side
        equivalences = (own.p_equivalence(self.margin) <= ALPHA) == (other.p_equivalence(self.margin) <= ALPHA)
        return other.known and differences and equivalences

    @property
    def verdict(self) -> Verdict:
        """Difference and equivalence are two questions (Lakens 2017), so a small difference can be both."""
        if not self.known or self.reason is not None or not self.robust:
            return "unresolved"
        if self.better == "a":
            return "a within margin" if self.within_margin else "a"
        if self.better == "b":
            return "b within margin" if self.within_margin else "b"
        return "equivalent" if self.within_margin else "unresolved"

    @property
    def needed_seeds(self) -> NeededSeeds | None:
        """Seeds that would resolve an open comparison over all targets; None if there is or can be no verdict."""
        is_open = self.scope == "all" and self.known and self.reason is None and self.verdict == "unresolved"
        return needed_seeds(self.estimate, self.margin, self.looks) if is_open else None

    @property
    def not_inferior(self) -> tuple[str, ...]:
        """The arms that are at most the margin worse than the other, each by a one-sided test at 5 %."""
        if not self.known or self.reason is not None:
            return ()
        ahead = {self.a: self.estimate.value, self.b: -self.estimate.value}
        shifted = {arm: replace(self.estimate, value=value + self.margin) for arm, value in ahead.items()}
        return tuple(arm for arm, estimate in shifted.items() if self.spent * estimate.p_above() <= ALPHA)

    def document(self) -> dict[str, Any]:
        """Return the object of comparison.json."""
        e, known, need = self.estimate, self.known, self.needed_seeds
        return {
            **{name: getattr(self, name) for name in ("a", "b", "size", "size_a", "size_b", "n_a", "n_b", "scope")},
            "difference": rounded(e.value),
            "ci95": e.rounded_interval() if known else None,
            "se": rounded(e.se) if known else None,
            "df": rounded(min(e.df, 1e6)) if known else None,
            "p": rounded(e.p, 6) if known else None,
            **{name: rounded(getattr(self, name), 6) for name in ("p_holm", "p_permutation", "p_floor")},
            "corrected_together": self.family,
            "primary": self.primary,
            "spent": rounded(self.spent, 4),
            "ci90": e.rounded_interval(0.90) if known else None,
            "p_equivalence": rounded(e.p_equivalence(self.margin), 6) if known else None,
            "p_equivalence_holm": rounded(self.p_equivalence_holm, 6),
            "mde80": rounded(e.mde80) if known else None,
            "margin": self.margin,
            "margin80": rounded(e.margin80) if known else None,
            "verdict": self.verdict,
            "settling": None if need is None else need.document(),
            "not_inferior": list(self.not_inferior),
            "without_collapsed": self._without_collapsed(),
            "seeds": e.seeds,
            "paired": e.paired,
            "items_resampled": e.items_resampled,
            "languages": dict(self.languages) if self.languages else None,
            "reason": self.reason,
        }

    def _without_collapsed(self) -> dict[str, Any] | None:
        e = self.without_collapsed
        return None if e is None else {"difference": rounded(e.value), "ci95": e.rounded_interval(), "seeds": e.seeds}


def parse_primary(text: str) -> ComparisonKey:
    """Return the comparison that `A:B` or `A:B@SIZE` names; UserError for another text.

    >>> parse_primary("synthetic:real"), parse_primary("synthetic:real@500")
    (('synthetic', 'real', 'full'), ('synthetic', 'real', 500))
    """
    if not (match := _PRIMARY.fullmatch(text)):
        raise UserError(f"--primary {text}: expected two arms, such as synthetic:real, or synthetic:real@500")
    size = match["size"]
    return match["a"], match["b"], int(size) if size and size != "full" else "full"


def pairwise_results(
    level: str,
    scores: LevelScores,
    arms: Sequence[str],
    *,
    margin: float,
    fault: str | None,
    collapsed: frozenset[TrainedRun] = frozenset(),
    primary: Collection[ComparisonKey] = (),
    looks: Looks | None = None,
) -> Iterator[PairwiseResult]:
    """Yield the result of every pair of arms at a level; with a `fault` none of them gets a verdict."""
    fallen, others = {run.group for run in collapsed}, scores.without(collapsed)
    for a, b, size in _matched_groups(arms, scores.values):
        estimate = scores.contrast({a: 1.0, b: -1.0})
        without = others.contrast({a: 1.0, b: -1.0}) if {a, b} & fallen else None
        p_floor, p_permutation = _sign_flips(scores, a, b) if estimate.known and estimate.paired else (None, None)
        yield PairwiseResult(
            a=a[0],
            b=b[0],
            size=size,
            size_a=a[1],
            size_b=b[1],
            n_a=scores.examples(a),
            n_b=scores.examples(b),
            scope=level,
            estimate=estimate,
            margin=margin,
            reason=fault or _unknown_reason(scores, estimate, a, b),
            p_floor=p_floor,
            p_permutation=p_permutation,
            without_collapsed=without,
            primary=_is_primary(a, b, size, primary),
            looks=looks,
        )


def _is_primary(a: Group, b: Group, size: Size, primary: Iterable[ComparisonKey]) -> bool:
    """Say whether a comparison was named; the largest size of both arms may be named by its number too."""
    numbers = {a[1], b[1]} - {0}
    sizes = {size, *(numbers if len(numbers) == 1 and size == "full" else ())}
    return any({first, second} == {a[0], b[0]} and named in sizes for first, second, named in primary)


def _matched_groups(arms: Sequence[str], groups: Iterable[Group]) -> Iterator[tuple[Group, Group, Size]]:
    """Yield every pair of arms at each common size, and each arm at its own full size: a pair of groups once."""
    sizes: dict[str, list[int]] = {}
    for arm, size in sorted(groups):
        sizes.setdefault(arm, []).append(size)
    for b, a in itertools.combinations(arms, 2):
        # An arm without intermediate data is shown at every size.
        untrained = [0] in (sizes[a], sizes[b])
        matched = [(n, m) for n in sizes[a] for m in sizes[b] if untrained or n == m]
        full = sizes[a][-1], sizes[b][-1]
        yield from (((a, n), (b, m), max(n, m)) for n, m in matched if (n, m) != full)
        yield (a, full[0]), (b, full[1]), "full"


def _unknown_reason(scores: LevelScores, estimate: Estimate, a: Group, b: Group) -> str | None:
    if not np.isfinite(estimate.value):
        holes = [f"{arm}@{size}" for arm, size in (a, b) if not np.isfinite(scores.values[arm, size]).all()]
        return f"missing or failed scores of {' and '.join(holes)}"
    if not estimate.known:
        return "one seed: the variance between seeds is unknown"
    if estimate.se < LEAST_SE:
        return "all seeds give the same score: the variance between seeds cannot be estimated"
    return None if estimate.items_resampled else "item scores are missing, so the interval covers seeds only"


def _sign_flips(scores: LevelScores, a: Group, b: Group) -> tuple[float | None, float | None]:
    first, second = scores.samples([a, b])
    difference = first - second
    enough = len(difference) >= MIN_FLIP_PAIRS
    return sign_flip_floor(len(difference)), sign_flip_p(difference, np.random.default_rng(0)) if enough else None


def with_holm(pairs: Sequence[PairwiseResult]) -> list[PairwiseResult]:
    """Adjust p-values within each family, and count "better in at least k of m languages" for the whole."""
    families: dict[tuple[str, ...], list[int]] = {}
    for index, pair in enumerate(pairs):
        if pair.known and pair.reason is None and pair.scope != f"language:{ENGLISH}":
            families.setdefault(_family(pair), []).append(index)
    adjusted = list(pairs)
    for members in families.values():
        tested = [pairs[index] for index in members]
        differences = holm([pair.estimate.p for pair in tested])
        equivalences = holm([pair.estimate.p_equivalence(pair.margin) for pair in tested])
        for index, p_holm, p_equivalence in zip(members, differences, equivalences, strict=True):
            adjusted[index] = replace(
                pairs[index], p_holm=p_holm, p_equivalence_holm=p_equivalence, family=len(members)
            )
    by_key = {key: [pairs[index].estimate for index in members] for key, members in families.items()}
    return [_with_languages(pair, by_key) if pair.scope == "all" else pair for pair in adjusted]


def _family(pair: PairwiseResult) -> tuple[str, ...]:
    """Return what is corrected together: one kind of scope of one comparison; over all targets all comparisons.

    There the primary ones stand apart.
    """
    kind = pair.scope.partition(":")[0]
    return (kind, str(pair.primary)) if kind == "all" else (kind, *map(str, pair.key))


def _with_languages(pair: PairwiseResult, families: Mapping[tuple[str, ...], Sequence[Estimate]]) -> PairwiseResult:
    estimates = families.get(("language", *map(str, pair.key)))
    if not estimates or not pair.known:
        return pair
    above = [estimate.p_above() for estimate in estimates]
    counts = {"a_better": at_least(above, ALPHA / 2), "b_better": at_least([1 - p for p in above], ALPHA / 2)}
    return replace(pair, languages={**counts, "of": len(above)})
