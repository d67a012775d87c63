"""Where the uncertainty of a difference comes from, and what it says of a language that was not tested.

Seeds: a difference varies from seed to seed as a whole, by target, and by language of a target. The covariances over
seeds between its cells, of two targets, of two languages of one target, and of a cell with itself, are those three
variances summed up: estimates by the method of moments (Searle, Casella and McCulloch 1992), which add up to the
variance between seeds of the whole; with as many languages in each target they are those of REML, unless one is below
zero. Such a one is shown as zero.

Targets and languages: the estimand names them, so they make no part of the interval. How far the true effects of
languages lie apart is what their differences vary by, less what seeds and test items make of that (Hedges 1983; as the
first step of DerSimonian and Kacker 2007); noise that all of them share does not spread them and is not taken away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from evaluator.stats.contrasts import LevelScores
from evaluator.stats.pairwise import ComparisonKey, PairwiseResult, Size
from evaluator.stats.results import Floats, Group
from evaluator.stats.significance import Estimate, rounded, t_quantile
from synthgen.text.languages import ENGLISH

Source = Literal["seed", "seed x target", "seed x language", "test items", "target", "language"]
LEAST_LANGUAGES = 4
_ENGLISH = f"language:{ENGLISH}"


@dataclass(frozen=True, slots=True)
class Component:
    """A source of variance: of one draw of it, and in the difference, both in squared points.

    `one` is None where it cannot be told from another, `in_difference` where the estimand holds it fixed.
    """

    source: Source
    one: float | None
    in_difference: float | None

    def document(self) -> dict[str, Any]:
        """Return the object of comparison.json."""
        numbers = {"one": rounded(self.one), "in_difference": rounded(self.in_difference)}
        return {"source": self.source, **numbers}


@dataclass(frozen=True, slots=True)
class NewLanguage:
    """What the languages of a comparison, as a sample of such languages, say of another one.

    `mean` is their mean difference, `spread` the sample variance of their differences, of which `noise` is that of
    seeds and test items which each has alone.
    """

    languages: int
    mean: Estimate
    spread: float
    noise: float

    @property
    def between(self) -> float:
        """The variance of the true differences of languages."""
        return max(self.spread - self.noise, 0.0)

    def interval(self, *, new: bool) -> tuple[float, float]:
        """Return the 95 % interval of the mean over all such languages, or of one `new` language.

        The t interval of a difference that would be observed, with languages - 1 degrees of freedom, less the noise
        of its own; the squares of half-widths are added (Zou and Donner 2008).
        """
        t, normal = (float(t_quantile(df)) for df in (self.languages - 1.0, 1e6))
        of_languages = max(t**2 * self.spread - normal**2 * self.noise, 0.0) * (1 / self.languages + new)
        half = (of_languages + (float(t_quantile(self.mean.df)) * self.mean.se) ** 2) ** 0.5
        return self.mean.value - half, self.mean.value + half

    def document(self) -> dict[str, Any]:
        """Return the object of comparison.json."""
        return {
            "languages": self.languages,
            "mean": rounded(self.mean.value),
            "ci95": [rounded(end) for end in self.interval(new=False)],
            "sd": rounded(self.between**0.5),
            "prediction95": [rounded(end) for end in self.interval(new=True)],
        }


@dataclass(frozen=True, slots=True)
class Decomposition:
    """The variance of a comparison over all targets by source, and what it says of a new language, if it can."""

    a: str
    b: str
    size: Size
    size_a: int
    size_b: int
    components: tuple[Component, ...]
    new_language: NewLanguage | None
    data_draw: Mapping[str, bool] = field(default_factory=dict)  # arms whose seeds are known to draw their rows, or not

    def document(self) -> dict[str, Any]:
        """Return the object of comparison.json."""
        return {
            **{name: getattr(self, name) for name in ("a", "b", "size")},
            "components": [component.document() for component in self.components],
            "data_draw": dict(self.data_draw),
            "new_language": None if self.new_language is None else self.new_language.document(),
        }


def decompositions(
    pairs: Iterable[PairwiseResult],
    cells: Mapping[tuple[str, str], tuple[float, LevelScores]],
    over_languages: LevelScores,
) -> Iterator[Decomposition]:
    """Yield the decomposition of every comparison over all targets that has a standard error.

    `cells` are the scores of each target and language with its weight in the estimand, `over_languages` the mean over
    languages.
    """
    by_key: dict[ComparisonKey, dict[str, PairwiseResult]] = {}
    for pair in pairs:
        by_key.setdefault(pair.key, {})[pair.scope] = pair
    for scopes in by_key.values():
        if "all" in scopes and scopes["all"].known:
            yield _decompose(scopes, cells, over_languages)


def _decompose(
    scopes: Mapping[str, PairwiseResult],
    cells: Mapping[tuple[str, str], tuple[float, LevelScores]],
    over_languages: LevelScores,
) -> Decomposition:
    pair = scopes["all"]
    first, second = (pair.a, pair.size_a), (pair.b, pair.size_b)
    estimates = {
        kind: [level.estimate for name, level in scopes.items() if name.startswith(kind) and name != _ENGLISH]
        for kind in ("target:", "language:")
    }
    mean = over_languages.contrast({first: 1.0, second: -1.0})
    components = (
        *seed_components(cells, first, second, pair.estimate.seeds),
        Component("test items", None, pair.estimate.item_se**2 if pair.estimate.items_resampled else None),
        Component("target", variance_between(estimates["target:"], pair.estimate), None),
        Component("language", variance_between(estimates["language:"], mean), None),
    )
    language = new_language(estimates["language:"], mean) if pair.reason is None else None
    return Decomposition(pair.a, pair.b, pair.size, pair.size_a, pair.size_b, components, language)


def new_language(languages: Sequence[Estimate], mean: Estimate) -> NewLanguage | None:
    """Return what the differences of languages, and their mean, say of another; None for fewer than four."""
    if len(languages) < LEAST_LANGUAGES or not (mean.known and all(language.known for language in languages)):
        return None
    spread, noise = _spread_and_noise(languages, mean)
    return NewLanguage(len(languages), mean, spread, noise)


def variance_between(parts: Sequence[Estimate], mean: Estimate) -> float | None:
    """Return the variance of the true differences of targets or languages, of which `mean` is the mean."""
    if len(parts) < 2 or not (mean.known and all(part.known for part in parts)):
        return None
    spread, noise = _spread_and_noise(parts, mean)
    return spread - noise


def _spread_and_noise(parts: Sequence[Estimate], mean: Estimate) -> tuple[float, float]:
    """Return the sample variance of differences, and the part of it that is their noise.

    That is their own noise less that of the mean, times k / (k - 1): what all share does not spread them.
    """
    noise = float(np.mean([part.se**2 for part in parts])) - mean.se**2
    return float(np.var([part.value for part in parts], ddof=1)), max(noise, 0.0) * len(parts) / (len(parts) - 1)


def seed_components(
    cells: Mapping[tuple[str, str], tuple[float, LevelScores]], first: Group, second: Group, seeds: int
) -> list[Component]:
    """Return the three parts of the variance between seeds."""
    targets = np.array([target for target, _ in cells])
    weights = np.array([weight for weight, _ in cells.values()])
    covariance = seeds * _covariance_of_mean([scores for _, scores in cells.values()], first, second)
    same_cell = np.eye(len(cells), dtype=bool)
    same_target = (targets[:, None] == targets[None, :]) & ~same_cell
    within_cell, within_target, between_targets = (
        _weighted_mean(covariance, weights, mask) for mask in (same_cell, same_target, ~same_target & ~same_cell)
    )
    shared = within_target if between_targets is None else between_targets
    of_target = None if within_target is None or between_targets is None else within_target - between_targets
    of_cell = None if shared is None or within_cell is None else within_cell - (shared + (of_target or 0.0))
    seed = within_cell if shared is None else shared
    by_target = sum(float(weights[targets == target].sum()) ** 2 for target in dict.fromkeys(targets))
    parts: list[tuple[Source, float | None, float]] = [
        ("seed", seed, 1.0),
        ("seed x target", of_target, by_target),
        ("seed x language", of_cell, float(weights @ weights)),
    ]
    return [Component(name, one, None if one is None else one * share / seeds) for name, one, share in parts]


def _covariance_of_mean(cells: Sequence[LevelScores], first: Group, second: Group) -> Floats:
    """Return the covariance of the cells' mean differences over seeds, (cells, cells)."""
    samples = [np.stack([scores.samples([first, second])[arm] for scores in cells]) for arm in (0, 1)]
    if cells[0].contrast({first: 1.0, second: -1.0}).paired:
        samples = [samples[0] - samples[1]]
    return np.asarray(sum(np.atleast_2d(np.cov(each)) / each.shape[1] for each in samples))


def _weighted_mean(covariance: Floats, weights: Floats, mask: npt.NDArray[np.bool_]) -> float | None:
    share = np.outer(weights, weights) * mask
    return float((covariance * share).sum() / share.sum()) if mask.any() else None
