"""Tokenised examples in flat arrays: the one shape between heads, batching and training.

Flat arrays, not lists of lists, because they can be written once, memory-mapped and shared by every seed of a sweep: a
million examples cost no more memory than the pages in use. Neighbours: `heads` make them, `batching` reads the lengths,
`trainer` and `inference` read the batches.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.integer]

IGNORED = -100
"""Target value that no loss and no prediction counts, as in torch's cross entropy."""


@dataclass(frozen=True, slots=True)
class Feature:
    """What a head makes of (a piece of) one example.

    `sequences` are token ids: one sequence, or one per choice, or query and candidate. `target` is what the loss
    compares with: one value (a class), one per token (tags) or two (the span's first and last token).
    """

    sequences: tuple[Sequence[int], ...]
    target: Sequence[int]
    owner: int


@dataclass(frozen=True, slots=True)
class Features:
    """Features laid end to end; feature i has `group` sequences, number i x group and those that follow.

    Shapes: `ids` (tokens,), `starts` (features x group + 1,), `targets` (values,), `target_starts` (features + 1,),
    `owners` (features,): the index of the example that a feature is (a piece of).
    """

    ids: IntArray
    starts: IntArray
    targets: IntArray
    target_starts: IntArray
    owners: IntArray
    group: int = 1

    def __len__(self) -> int:
        return len(self.owners)

    @property
    def lengths(self) -> IntArray:
        """Length in tokens of each feature's longest sequence, (features,)."""
        longest: IntArray = np.diff(self.starts).reshape(-1, self.group).max(axis=1)
        return longest

    def sequence(self, number: int) -> IntArray:
        """Return the token ids of one sequence."""
        return self.ids[self.starts[number] : self.starts[number + 1]]

    def target(self, feature: int) -> IntArray:
        """Return the target values of one feature."""
        return self.targets[self.target_starts[feature] : self.target_starts[feature + 1]]

    @property
    def tokens(self) -> int:
        """Number of token ids."""
        return len(self.ids)

    @classmethod
    def load(cls, folder: Path) -> Features:
        """Return the features that a `FeatureWriter` left in a folder, memory-mapped."""
        group = int(json.loads((folder / "features.json").read_text(encoding="utf-8"))["group"])
        return cls(**{name: _mapped(folder / f"{name}.bin", kind) for name, kind in _FILES.items()}, group=group)


_FILES: dict[str, type[np.integer]] = {
    "ids": np.int32,
    "starts": np.int64,
    "targets": np.int32,
    "target_starts": np.int64,
    "owners": np.int64,
}


def _mapped(path: Path, kind: type[np.integer]) -> IntArray:
    if not path.stat().st_size:
        return np.zeros(0, dtype=kind)
    return np.memmap(path, dtype=kind, mode="r")


class FeatureWriter:
    """Appends features to a folder as they are made, so that a set of any size needs the memory of one part."""

    def __init__(self, folder: Path) -> None:
        """Start with no features; `folder` is made."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.group, self.examples = folder, 1, 0
        self.ends = {"starts": 0, "target_starts": 0}
        for name, kind in _FILES.items():
            (folder / f"{name}.bin").write_bytes(np.zeros(1, kind).tobytes() if name in self.ends else b"")

    def append(self, part: Features, examples: int) -> None:
        """Add the features of the next `examples` examples."""
        self.group = part.group
        shifted = {
            "ids": part.ids,
            "targets": part.targets,
            "owners": part.owners + self.examples,
            "starts": part.starts[1:] + self.ends["starts"],
            "target_starts": part.target_starts[1:] + self.ends["target_starts"],
        }
        for name, values in shifted.items():
            with (self.folder / f"{name}.bin").open("ab") as file:
                file.write(np.ascontiguousarray(values, dtype=_FILES[name]).tobytes())
        self.ends["starts"] += len(part.ids)
        self.ends["target_starts"] += len(part.targets)
        self.examples += examples

    def close(self) -> Features:
        """Return what was written, memory-mapped."""
        (self.folder / "features.json").write_text(json.dumps({"group": self.group}) + "\n", encoding="utf-8")
        return Features.load(self.folder)


def pack(features: Iterable[Feature], *, group: int = 1) -> Features:
    """Return features laid end to end; every feature has `group` sequences.

    >>> packed = pack([Feature(([0, 7, 2],), [1], 0), Feature(([0, 9, 9, 2],), [0], 1)])
    >>> packed.lengths.tolist(), packed.sequence(1).tolist(), packed.target(0).tolist()
    ([3, 4], [0, 9, 9, 2], [1])
    """
    ids: list[IntArray] = []
    targets: list[IntArray] = []
    owners: list[int] = []
    for feature in features:
        if len(feature.sequences) != group:
            raise ValueError(f"example {feature.owner} has {len(feature.sequences)} sequences, the others {group}")
        ids.extend(np.asarray(sequence, dtype=np.int32) for sequence in feature.sequences)
        targets.append(np.asarray(feature.target, dtype=np.int32))
        owners.append(feature.owner)
    return Features(
        ids=_concatenate(ids),
        starts=_boundaries(ids),
        targets=_concatenate(targets),
        target_starts=_boundaries(targets),
        owners=np.asarray(owners, dtype=np.int64),
        group=group,
    )


def merge(parts: Sequence[Features]) -> Features:
    """Return several sets as one; owners count on from set to set in the order given."""
    if len({part.group for part in parts}) != 1:
        raise ValueError(f"cannot merge features of {[part.group for part in parts]} sequences each")
    owners, first = [], 0
    for part in parts:
        owners.append(part.owners + first)
        first += int(part.owners[-1]) + 1 if len(part) else 0
    return Features(
        ids=np.concatenate([part.ids for part in parts]),
        starts=_join([part.starts for part in parts]),
        targets=np.concatenate([part.targets for part in parts]),
        target_starts=_join([part.target_starts for part in parts]),
        owners=np.concatenate(owners),
        group=parts[0].group,
    )


def _concatenate(arrays: Sequence[IntArray]) -> IntArray:
    return np.concatenate(arrays) if arrays else np.zeros(0, dtype=np.int32)


def _boundaries(arrays: Sequence[IntArray]) -> IntArray:
    return np.concatenate([[0], np.cumsum([len(array) for array in arrays], dtype=np.int64)]).astype(np.int64)


def _join(starts: Sequence[IntArray]) -> IntArray:
    joined: list[IntArray] = [np.zeros(1, dtype=np.int64)]
    last = 0
    for part in starts:
        joined.append(part[1:] + last)
        last += int(part[-1])
    return np.concatenate(joined)
