"""The overlap of every arm with the test and training items of each target and with other arms, kept in the store.

It is measured on the rows of whole dataset folders, of which sizes and seeds draw, before anything is trained.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from evaluator.benchmark.target import Split, Target
from evaluator.benchmark.target_file import reading_hash
from evaluator.experiment.arms import Arm
from evaluator.experiment.definition import Experiment
from evaluator.experiment.graph import data_revision, training_revision
from evaluator.experiment.overlap import VERSION, OverlapCounts, Texts
from evaluator.store import Node, Store
from evaluator.store.tables import OVERLAP_NAME
from synthgen.console import note
from synthgen.dataset.manifest import dataset_format, read_manifest
from synthgen.dataset.shards import read_rows
from synthgen.runtime.files import write_atomically
from synthgen.text import words

TEST, TRAINING, ARM = "test items", "training items", "arm"
LARGEST_POOL = 20
"""Candidates for each query, up to which a pool counts as test items; a larger one is an encyclopaedia."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many rows of an arm stand in something else: a target's test or training items, or another arm."""

    arm: str
    other: str
    kind: str
    same_task: bool
    shared: OverlapCounts

    def document(self) -> dict[str, Any]:
        """Return the object of overlap.json."""
        counts = asdict(self.shared)
        return {"arm": self.arm, "with": self.other, "kind": self.kind, "same_task": self.same_task, **counts}


def write_overlap(experiment: Experiment, store: Store, folders: Sequence[Path]) -> None:
    """Measure the overlap, unless the store has it, and write overlap.json; nothing where no arm has a dataset."""
    arms = [arm for arm in experiment.arms if arm.parts]
    if not arms:
        return
    node = Node("overlap", _inputs(experiment, arms))
    if not store.is_finished(node):
        note("comparing the rows of arms with test items, training items and each other")
        with store.writing(node) as (_, results):
            results["overlaps"] = [overlap.document() for overlap in _overlaps(experiment, arms)]
    text = json.dumps({"overlaps": store.results(node)["overlaps"]}, ensure_ascii=False, indent=1) + "\n"
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / OVERLAP_NAME, text)


def _inputs(experiment: Experiment, arms: Sequence[Arm]) -> dict[str, Any]:
    root, split = experiment.data_root, experiment.arguments.split
    targets = {
        target.name: [
            {code: data_revision(target, root, code, split) for code in experiment.languages[target.name]},
            training_revision(target, root) if target.train else "",
            reading_hash(target.definition),
        ]
        for target in experiment.targets
    }
    folders = {arm.name: [part.manifest.content_hash for part in arm.all_parts] for arm in arms}
    return {"version": [VERSION, words.VERSION], "arms": folders, "split": split, "targets": targets}


def _overlaps(experiment: Experiment, arms: Sequence[Arm]) -> Iterator[Overlap]:
    """Yield the overlap of every arm with everything; one target's texts are in memory at a time."""
    folders = {part.folder.resolve(): part for arm in arms for part in arm.all_parts}
    texts = {folder: Texts.of(_records(folder)) for folder in folders}
    of_arm = {arm.name: list(dict.fromkeys(part.folder.resolve() for part in arm.all_parts)) for arm in arms}
    for target in experiment.targets:
        loaded = partial(target.load, experiment.data_root, split=experiment.arguments.split)
        items = Texts.of(chain.from_iterable(_items(loaded(code)) for code in experiment.languages[target.name]))
        reads = [read for read in (target.train, target.pretrain) if read]
        rows = Texts.of(record for read in reads for record in read(experiment.data_root).records) if reads else None
        for arm in arms:
            own = [texts[folder] for folder in of_arm[arm.name]]
            for kind, other in ((TEST, items), (TRAINING, rows)):
                if other is not None:
                    yield Overlap(arm.name, target.name, kind, _is_of(target, arm), _sum(own, other))
    for arm, other_arm in ((one, two) for one in arms for two in arms if one is not two):
        if not set(of_arm[arm.name]) & set(of_arm[other_arm.name]):  # parts in common are there by design
            others = Texts.joined([texts[folder] for folder in of_arm[other_arm.name]])
            own = [texts[folder] for folder in of_arm[arm.name]]
            yield Overlap(arm.name, other_arm.name, ARM, False, _sum(own, others))


def _sum(own: Sequence[Texts], other: Texts) -> OverlapCounts:
    return sum((each.shared_with(other) for each in own), OverlapCounts(0))


def _records(folder: Path) -> Iterator[Any]:
    format_: Any = dataset_format(read_manifest(folder))
    return map(format_.from_row, read_rows(folder))


def _items(split: Split) -> Iterator[Any]:
    """Yield the texts of test items, and of the pool that they are searched in where that is as parallel."""
    yield from split.records
    if len(split.pool) <= LARGEST_POOL * len(split):
        yield from split.pool


def _is_of(target: Target, arm: Arm) -> bool:
    """Say whether an arm has data of the task that a target trains on: of one format, with labels of the same names."""
    formats = [dataset_format(part.manifest) for part in arm.parts]
    return any(
        each.name == target.head and (each.name == "span" or (each.name != "choice" and each.labels == target.labels))
        for each in formats
    )
