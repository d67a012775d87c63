"""Tokenised examples in flat arrays: the one shape between heads, batching and training.

Flat arrays, not lists of lists, because they can be written once, memory-mapped and shared by every seed of a sweep: a
million examples cost no more memory than the pages in use. Neighbours: `heads` make them, `batching` reads the lengths,
`trainer` and `inference` read the batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
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

    def save(self, folder: Path) -> None:
        """Write the arrays to `folder`, one .npy file each."""
        folder.mkdir(parents=True, exist_ok=True)
        for item in fields(self):
            np.save(folder / f"{item.name}.npy", np.asarray(getattr(self, item.name)), allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> Features:
        """Return the features of a folder, memory-mapped."""
        names = [item.name for item in fields(cls) if item.name != "group"]
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in names}
        return cls(**arrays, group=int(np.load(folder / "group.npy", allow_pickle=False)))


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
