"""What is averaged: the estimand and its parts, as weighted sums of cells.

The whole is the macro mean over targets of the mean over non-English languages, where a target with several metrics
(QA: EM and F1) counts their mean (XTREME-R evaluate.py); below it the same per target, family, script and language, and
the transfer gap. All of it follows from the list of cells, so `estimand_of` can be hashed before anything runs.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from evaluator.stats.results import Cell
from synthgen.runtime.files import json_sha256
from synthgen.text.languages import ENGLISH, any_language

Kind = Literal["all", "target", "family", "script", "language", "gap"]
TargetLanguage = tuple[str, str]

SECONDARY_METRICS = frozenset(
    {"token_accuracy", "macro_f1"}
)  # reported, never part of a target's score when it has another metric


@dataclass(frozen=True, slots=True)
class AggregationLevel:
    """A weighted sum of cells; `key` is the scope of comparison.json: `all`, or `kind:name`."""

    kind: Kind
    key: str
    cells: Mapping[Cell, float]


def primary_cells(cells: Iterable[Cell]) -> dict[TargetLanguage, list[Cell]]:
    """Return the cells that make the score of each (target, language): its metrics less the secondary ones."""
    groups: dict[TargetLanguage, list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.target, cell.language), []).append(cell)
    return {key: [c for c in group if c.metric not in SECONDARY_METRICS] or group for key, group in groups.items()}


def aggregation_levels(cells: Iterable[Cell]) -> list[AggregationLevel]:
    """Return every aggregation level of the estimand, the whole first."""
    scored = primary_cells(cells)
    foreign = [key for key in scored if key[1] != ENGLISH]
    names: list[tuple[Kind, Iterable[TargetLanguage], Callable[[TargetLanguage], str]]] = [
        ("all", foreign, lambda _: "all"),
        ("target", foreign, lambda key: f"target:{key[0]}"),
        ("family", foreign, lambda key: f"family:{any_language(key[1]).family}"),
        ("script", foreign, lambda key: f"script:{any_language(key[1]).script}"),
        ("language", scored, lambda key: f"language:{key[1]}"),
    ]
    levels = []
    for kind, keys, name_of in names:
        for name in sorted({name_of(key) for key in keys}):
            levels.append(AggregationLevel(kind, name, _macro(scored, [key for key in keys if name_of(key) == name])))
    targets = sorted({target for target, _ in foreign})
    return levels + [_gap(scored, target) for target in targets if (target, ENGLISH) in scored]


def mean_over_languages(levels: Iterable[AggregationLevel]) -> dict[Cell, float]:
    """Return the weights of the mean of the non-English languages, each of which is a mean over its targets."""
    languages = [level for level in levels if level.kind == "language" and level.key != f"language:{ENGLISH}"]
    cells = (cell for level in languages for cell in level.cells)
    return {
        cell: sum(level.cells.get(cell, 0.0) for level in languages) / len(languages) for cell in dict.fromkeys(cells)
    }


def _macro(scored: Mapping[TargetLanguage, list[Cell]], keys: Sequence[TargetLanguage]) -> dict[Cell, float]:
    languages = Counter(target for target, _ in keys)
    return {cell: 1 / (len(languages) * languages[key[0]] * len(scored[key])) for key in keys for cell in scored[key]}


def _gap(scored: Mapping[TargetLanguage, list[Cell]], target: str) -> AggregationLevel:
    """The transfer gap: English minus the mean of the other languages (Hu et al. 2020, XTREME, section 5)."""
    others = _macro(scored, [key for key in scored if key[0] == target and key[1] != ENGLISH])
    english = _macro(scored, [(target, ENGLISH)])
    return AggregationLevel("gap", f"gap:{target}", {**english, **{cell: -weight for cell, weight in others.items()}})


def estimand_of(cells: Iterable[Cell]) -> dict[str, Any]:
    """Return what will be estimated and its hash, from the cells alone, so that it can be fixed before running."""
    targets: dict[str, dict[str, list[str]]] = {}
    for (target, code), primary in primary_cells(cells).items():
        if code != ENGLISH:
            entry = targets.setdefault(target, {"languages": [], "metrics": sorted({cell.metric for cell in primary})})
            entry["languages"].append(code)
    text = "macro mean over targets of the mean over non-English languages, at each size"
    content = {"text": text, "targets": targets}
    digest = json_sha256(content)
    return {**content, "hash": digest[:16]}
