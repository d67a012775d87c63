"""Tokenised examples in flat arrays: the one shape between heads, batching and training.

Written part by part, memory-mapped and shared by every seed of a sweep. Plain files, not Arrow: record batches of the
parts would be copied together on loading (22 MB, 30 times the time, at 100,000 rows), and a single one on writing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from synthgen.runtime.files import new_file, write_atomically

IntArray = npt.NDArray[np.integer]

EncodedRecords = tuple[Sequence[Any], "Features"]
"""Records of one format and their features."""

IGNORED = -100
"""Target value that no loss and no prediction counts, as in torch's cross entropy."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A tokenised example, or a piece of one.

    `sequences` are token ids: one sequence, or one per choice, or query and candidate. `target` is what the loss
    compares with: one value (a class), one per token (tags), two (the span's first and last token) and more. `owner` is
    the index of the example. `seconds` is where the second segment of each sequence begins: its length, or nothing,
    where there is none.
    """

    sequences: tuple[Sequence[int], ...]
    target: Sequence[int]
    owner: int
    seconds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Features:
    """Features laid end to end; feature i has `group` sequences, number i x group and those that follow.

    Shapes: `ids` (tokens,), `starts` (features x group + 1,), `targets` (values,), `target_starts` (features + 1,),
    `owners` (features,): the index of the example that a feature is (a piece of). `seconds` (features x group,): where
    the second segment of each sequence begins, its length where it has none; None where no sequence has segments.
    """

    ids: IntArray
    starts: IntArray
    targets: IntArray
    target_starts: IntArray
    owners: IntArray
    group: int = 1
    seconds: IntArray | None = None

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
        """Return the features that `write_features` wrote to a folder, memory-mapped."""
        group = int(json.loads((folder / "features.json").read_text(encoding="utf-8"))["group"])
        arrays = {name: _mapped(folder / f"{name}.bin", dtype) for name, dtype in _DTYPES.items()}
        path = folder / f"{_SECONDS}.bin"
        return cls(**arrays, group=group, seconds=_mapped(path, "int32") if path.is_file() else None)


_DTYPES = {"ids": "int32", "starts": "int64", "targets": "int32", "target_starts": "int64", "owners": "int64"}
_SECONDS = "seconds"
"""A file for tokenizers with segments alone."""


def _mapped(path: Path, dtype: str) -> IntArray:
    """Return a file as a plain array, since slices of `np.memmap` take more than twice as long."""
    return np.asarray(np.memmap(path, dtype, "r")) if path.stat().st_size else np.zeros(0, dtype)


def write_features(folder: Path, parts: Iterable[tuple[Features, int]]) -> Features:
    """Write features, each part with its number of examples, to a folder and return them memory-mapped.

    A set of any size needs the memory of one part.
    """
    folder.mkdir(parents=True, exist_ok=True)
    group, examples, ids, values = 1, 0, 0, 0
    seconds, lengths = list[IntArray | None](), list[IntArray]()
    with ExitStack() as stack:
        files = {name: stack.enter_context(new_file(folder / f"{name}.bin")) for name in _DTYPES}
        for name in ("starts", "target_starts"):
            files[name].write(np.zeros(1, _DTYPES[name]).tobytes())
        for part, count in parts:
            sequences, targets = (part.ids, part.starts[1:] + ids), (part.targets, part.target_starts[1:] + values)
            columns = (*sequences, *targets, part.owners + examples)
            for (name, file), column in zip(files.items(), columns, strict=True):
                file.write(column.astype(_DTYPES[name]).tobytes())
            seconds.append(part.seconds)
            lengths.append(np.diff(part.starts))
            group, examples, ids, values = part.group, examples + count, ids + part.tokens, values + len(part.targets)
    if (joined := _joined(seconds, lengths)) is not None:
        write_atomically(folder / f"{_SECONDS}.bin", joined.astype("int32").tobytes())
    write_atomically(folder / "features.json", json.dumps({"group": group}) + "\n")
    return Features.load(folder)


def pack(features: Iterable[Feature], *, group: int = 1) -> Features:
    """Return features laid end to end; ValueError for one that has not `group` sequences.

    >>> packed = pack([Feature(([0, 7, 2],), [1], 0), Feature(([0, 9, 9, 2],), [0], 1)])
    >>> packed.lengths.tolist(), packed.sequence(1).tolist(), packed.target(0).tolist()
    ([3, 4], [0, 9, 9, 2], [1])
    """
    ids, targets, owners, seconds = list[IntArray](), list[IntArray](), list[int](), list[int]()
    for feature in features:
        if len(feature.sequences) != group:
            raise ValueError(f"example {feature.owner} has {len(feature.sequences)} sequences, the others {group}")
        ids.extend(np.asarray(sequence, dtype=np.int32) for sequence in feature.sequences)
        targets.append(np.asarray(feature.target, dtype=np.int32))
        owners.append(feature.owner)
        seconds.extend(feature.seconds or map(len, feature.sequences))
    arrays = *_laid_out(ids), *_laid_out(targets), np.asarray(owners, dtype=np.int64)
    has_segments = seconds != [len(sequence) for sequence in ids]
    return Features(*arrays, group, np.asarray(seconds, dtype=np.int32) if has_segments else None)


def merge(parts: Sequence[Features]) -> Features:
    """Return several sets as one in this order; owners count on from set to set, ValueError for different groups."""
    if len({part.group for part in parts}) != 1:
        raise ValueError(f"cannot merge features of {[part.group for part in parts]} sequences each")
    owners, first = [], 0
    for part in parts:
        owners.append(part.owners + first)
        first += int(part.owners[-1]) + 1 if len(part) else 0
    return Features(
        ids=np.concatenate([part.ids for part in parts]),
        starts=_boundaries([np.diff(part.starts) for part in parts]),
        targets=np.concatenate([part.targets for part in parts]),
        target_starts=_boundaries([np.diff(part.target_starts) for part in parts]),
        owners=np.concatenate(owners),
        group=parts[0].group,
        seconds=_joined([part.seconds for part in parts], [np.diff(part.starts) for part in parts]),
    )


def _joined(seconds: Sequence[IntArray | None], lengths: Sequence[IntArray]) -> IntArray | None:
    """Return where second segments begin, of several parts in order; None where no sequence has one."""
    if all(part is None for part in seconds):
        return None
    return np.concatenate([n if part is None else part for part, n in zip(seconds, lengths, strict=True)])


def _laid_out(arrays: Sequence[IntArray]) -> tuple[IntArray, IntArray]:
    """Return arrays laid end to end, and where each starts and the last ends."""
    values = np.concatenate(arrays) if arrays else np.zeros(0, dtype=np.int32)
    return values, _boundaries([np.array([len(array) for array in arrays], dtype=np.int64)])


def _boundaries(lengths: Sequence[IntArray]) -> IntArray:
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(np.concatenate(lengths), dtype=np.int64)])
