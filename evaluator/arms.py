"""Arms: the sources of intermediate data under comparison, and which rows each size and seed draws.

- `name=PART[+PART...]`, PART = `DATASET[:N]`: a dataset folder, N of its rows
- `name=none`: target training only
- `name=model:REF`: a ready intermediate encoder
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.features import IntArray
from synthgen.dataset import Manifest, read_manifest, scale_counts
from synthgen.errors import UserError

FULL = 0
"""The size that stands for all rows of an arm."""

_ARM = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9_.-]*)=(?P<value>.+)")
_PART = re.compile(r"(?P<folder>.+?)(?::(?P<rows>\d+))?")
_GRAMMAR = "expected name=DATASET[:N][+DATASET[:N]...], name=none or name=model:REF"


@dataclass(frozen=True, slots=True)
class Part:
    """A dataset folder and how many of its rows take part."""

    folder: Path
    manifest: Manifest
    rows: int


@dataclass(frozen=True, slots=True)
class Arm:
    """One source of intermediate data; without parts, `model` (or the base model) is the encoder as it is."""

    name: str
    parts: tuple[Part, ...] = ()
    model: str | None = None

    @property
    def rows(self) -> int:
        """Rows at full size."""
        return sum(part.rows for part in self.parts)

    def draws(self, size: int) -> tuple[int, ...]:
        """Return how many rows each part gives at a size, in proportion; UserError when the arm is smaller."""
        if size == FULL or not self.parts:
            return tuple(part.rows for part in self.parts)
        if size > self.rows:
            folders = " + ".join(f"{part.folder} ({part.rows} rows)" for part in self.parts)
            raise UserError(f"arm '{self.name}' cannot give size {size}: {folders}; allowed: up to {self.rows}")
        counts = scale_counts({str(i): part.rows for i, part in enumerate(self.parts)}, size)
        return tuple(counts[str(i)] for i in range(len(self.parts)))

    def facts(self) -> dict[str, Any]:
        """Return what the report says about the arm: where its data came from and what was kept."""
        manifests = [part.manifest for part in self.parts]
        rejected: dict[str, int] = {}
        for manifest in manifests:
            for reason, count in manifest.rejected.items():
                rejected[reason] = rejected.get(reason, 0) + count
        models = [manifest.model for manifest in manifests if manifest.model]
        return {
            "origin": "+".join(dict.fromkeys(manifest.origin for manifest in manifests)) or None,
            "tasks": list(dict.fromkeys(manifest.task for manifest in manifests)),
            "model": self.model or (models[0].get("ref") if models else None),
            "kept": sum(manifest.kept for manifest in manifests),
            "failed": sum(manifest.failed for manifest in manifests),
            "rejected": dict(sorted(rejected.items())),
            "rows": self.rows,
        }


def parse_arms(texts: Sequence[str]) -> tuple[Arm, ...]:
    """Return the arms of the command line in order; UserError for a second arm of the same name."""
    arms = tuple(parse_arm(text) for text in texts)
    names = [arm.name for arm in arms]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"arm '{name}' is given {names.count(name)} times; names must differ")
    if not arms:
        raise UserError(f"no arm to compare; {_GRAMMAR}")
    return arms


def parse_arm(text: str) -> Arm:
    """Return one arm; its dataset folders must be finished."""
    match = _ARM.fullmatch(text)
    if not match:
        raise UserError(f"cannot read the arm '{text}'; {_GRAMMAR}")
    name, value = match["name"], match["value"]
    if value == "none":
        return Arm(name)
    if value.startswith("model:"):
        return Arm(name, model=value.removeprefix("model:"))
    return Arm(name, tuple(_part(part, arm=name) for part in value.split("+")))


def _part(text: str, *, arm: str) -> Part:
    match = _PART.fullmatch(text)
    if not match:
        raise UserError(f"arm '{arm}' has an empty part; {_GRAMMAR}")
    if match["folder"].startswith("mlm:") or match["folder"] == "mlm":
        raise UserError(f"arm '{arm}': masked language modelling ('{text}') is not available yet; {_GRAMMAR}")
    folder = Path(match["folder"])
    manifest = read_manifest(folder)
    rows = int(match["rows"]) if match["rows"] else manifest.kept
    if not 1 <= rows <= manifest.kept:
        raise UserError(f"arm '{arm}': {folder} has {manifest.kept} rows; '{text}' asks for {rows}")
    return Part(folder, manifest, rows)


def draw(total: int, rows: int, seed: int) -> IntArray:
    """Return which `rows` of `total` a seed draws, ascending. Smaller draws of a seed are part of its larger ones.

    >>> set(draw(100, 5, seed=1)) <= set(draw(100, 20, seed=1))
    True
    """
    return np.sort(np.random.default_rng(seed).permutation(total)[:rows])
