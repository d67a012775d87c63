"""What is averaged: the estimand and its parts, as weighted sums of cells.

The whole is the macro mean over targets of the mean over non-English languages, where a target with several metrics
(QA: EM and F1) counts their mean (XTREME-R evaluate.py); below it the same per target, family, script and language, and
the transfer gap. All of it follows from the list of cells, so `estimand_of` can be hashed before anything runs.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from evaluator.benchmark.languages import ENGLISH, LANGUAGES
from evaluator.stats.results import Cell

Kind = Literal["all", "target", "family", "script", "language", "gap"]

SECONDARY_METRICS = frozenset({"token_accuracy"})  # reported, never part of a target's score when it has another metric


@dataclass(frozen=True, slots=True)
class AggregationLevel:
    """A weighted sum of cells: everything, a target, a family, a script, a language, or a transfer gap."""

    kind: Kind
    name: str
    cells: Mapping[Cell, float]

    @property
    def key(self) -> str:
        """The name in comparison.json: `all`, or `kind:name`."""
        return self.kind if self.kind == "all" else f"{self.kind}:{self.name}"


def primary_cells(cells: Iterable[Cell]) -> dict[tuple[str, str], list[Cell]]:
    """Return the cells that make the score of each (target, language): its metrics less the secondary ones."""
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.target, cell.language), []).append(cell)
    return {key: [c for c in own if c.metric not in SECONDARY_METRICS] or own for key, own in groups.items()}


def make_scopes(cells: Iterable[Cell]) -> list[AggregationLevel]:
    """Return every scope of the estimand, the whole first."""
    scored = primary_cells(cells)
    foreign = [key for key in scored if key[1] != ENGLISH]
    targets = sorted({target for target, _ in foreign})
    scopes = [AggregationLevel("all", "all", _macro(scored, foreign))] if foreign else []
    scopes += [
        AggregationLevel("target", name, _macro(scored, [k for k in foreign if k[0] == name])) for name in targets
    ]
    facts: list[tuple[Kind, Any]] = [("family", lambda code: LANGUAGES[code].family)]
    facts += [("script", lambda code: LANGUAGES[code].script)]
    for kind, of in facts:
        for name in sorted({of(code) for _, code in foreign}):
            scopes.append(AggregationLevel(kind, name, _macro(scored, [key for key in foreign if of(key[1]) == name])))
    for code in sorted({code for _, code in scored}):
        scopes.append(AggregationLevel("language", code, _macro(scored, [key for key in scored if key[1] == code])))
    return scopes + [_gap(scored, target) for target in targets if (target, ENGLISH) in scored]


def _macro(scored: Mapping[tuple[str, str], list[Cell]], keys: Sequence[tuple[str, str]]) -> dict[Cell, float]:
    languages = Counter(target for target, _ in keys)
    return {cell: 1 / (len(languages) * languages[key[0]] * len(scored[key])) for key in keys for cell in scored[key]}


def _gap(scored: Mapping[tuple[str, str], list[Cell]], target: str) -> AggregationLevel:
    """The transfer gap: English minus the mean of the other languages (Hu et al. 2020, XTREME, section 5)."""
    others = _macro(scored, [key for key in scored if key[0] == target and key[1] != ENGLISH])
    english = _macro(scored, [(target, ENGLISH)])
    return AggregationLevel("gap", target, {**english, **{cell: -weight for cell, weight in others.items()}})


def estimand_of(cells: Iterable[Cell]) -> dict[str, Any]:
    """Return what will be estimated and its hash, from the cells alone, so that it can be fixed before running."""
    scored = primary_cells(cells)
    targets: dict[str, dict[str, list[str]]] = {}
    for (target, code), own in scored.items():
        if code != ENGLISH:
            entry = targets.setdefault(target, {"languages": [], "metrics": sorted({cell.metric for cell in own})})
            entry["languages"].append(code)
    text = "macro mean over targets of the mean over non-English languages, at each size"
    content = {"text": text, "targets": targets}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return {**content, "hash": digest[:16]}
