"""The jobs of a run graph, and what they begin with: nothing here says how they follow from an experiment.

A job is a node to be made: an intermediate model, or a target with the predictions of its languages.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evaluator.benchmark.target import Target, revision
from evaluator.experiment.arms import Arm
from evaluator.experiment.hardware import Hardware
from evaluator.experiment.recipe import Recipe, Stage
from evaluator.store import Node
from synthgen.errors import UserError
from synthgen.models.checkpoint_files import READ, check_weights
from synthgen.models.packs import LOCAL, ResolvedModel
from synthgen.runtime.provenance import public_name
from synthgen.text.json_text import read_json_object

REFERENCE, INPUTS_VERSION = "xlm-roberta", "+inputs1"
"""The same for all encoders but the reference's: before, inputs and weight decay of every encoder were as XLM-R's."""

OWN_SEED = 1_000
"""Added to the seed of an arm `own`: training twice on the same rows has another order and head each time."""


@dataclass(frozen=True, slots=True)
class DataDraw:
    """How many rows a run draws of a dataset folder, of a text corpus, or of a target's own training set.

    `by_ids` draws rows of a dataset by the hashes of their ids. `about` says of them, for a model card, what no key
    holds: task, origin, language, licence.
    """

    folder: Path
    content_hash: str
    total: int
    rows: int
    shuffled: bool = False
    by_ids: bool = False
    about: Mapping[str, str] = field(default_factory=dict, compare=False)

    def to_json(self) -> list[Any]:
        """Return the JSON values that go into keys."""
        by_ids = self.by_ids and self.rows < self.total
        kind = [*(["shuffled"] if self.shuffled else []), *(["ids"] if by_ids else [])]
        return [self.content_hash, self.total, self.rows, *kind]


@dataclass(frozen=True, slots=True)
class Encoder:
    """An encoder to start from: a model folder on disk, or an intermediate node. The tokenizer is the base model's.

    `head` is the format and the labels of the head that an intermediate model has beside it. `history` is what a model
    card says of it: the base model's name, revision and licence, and the data that it was `trained_on` since.
    """

    identity: str
    tokenizer: str
    tokenizer_folder: Path
    path: Path | None = None
    node: Node | None = None
    head: tuple[str, tuple[str, ...]] | None = None
    history: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, model: ResolvedModel) -> Encoder:
        """Return a model as it is; UserError for one without whole weights."""
        check_weights(model.path)
        name = identity(model)
        history = {"name": public_name(model.ref), "revision": model.revision, "licence": model.licence}
        return cls(name, name, model.path, path=model.path, history={**history, "trained_on": []})


@dataclass(frozen=True, slots=True)
class IntermediateJob:
    """Train one intermediate model: on dataset folders, on corpora, or on the training set of `target_data`.

    `base` is the encoder, or the model of the stage before.
    """

    node: Node
    base: Encoder
    parts: tuple[DataDraw, ...]
    stage: Stage
    recipe: Recipe
    seed: int
    steps: int | None
    licence: str
    hardware: Hardware
    corpora: tuple[DataDraw, ...] = ()
    target_data: str | None = None
    arm: str = ""
    definition: str = ""

    @property
    def label(self) -> str:
        """What the progress display calls it, by the first arm that needs it."""
        if self.target_data:
            return f"intermediate {self.arm}, {self.target_data}, {self.rows} rows seed {self.seed - OWN_SEED}"
        arm = f"{self.arm} " if self.arm else ""
        return f"intermediate {arm}{self.rows} rows seed {self.seed}"

    def encoder(self, head: tuple[str, tuple[str, ...]] | None = None) -> Encoder:
        """Return the model that it trains, to start from; `head` is what goes on."""
        drawn = [
            {**draw.about, "rows": draw.rows, "hash": draw.content_hash} | ({"shuffled": True} if draw.shuffled else {})
            for draw in (*self.parts, *self.corpora)
        ]
        history = {**self.base.history, "trained_on": [*self.base.history.get("trained_on", ()), *drawn]}
        return replace(self.base, identity=self.node.key, path=None, node=self.node, head=head, history=history)

    @property
    def rows(self) -> int:
        """Rows of the datasets, or lines of the corpora where there are no datasets."""
        return sum(part.rows for part in self.parts or self.corpora)


@dataclass(frozen=True, slots=True)
class TargetJob:
    """Train one target model, or take the encoder as it is, and predict every language in one pass.

    `definition` is the text of the file of a target of one's own, which other processes and machines do not have.
    """

    node: Node
    encoder: Encoder
    target: str
    stage: Stage | None
    recipe: Recipe
    seed: int
    data_root: Path
    split: str
    max_train_examples: int | None
    max_eval_examples: int | None
    predictions: dict[str, Node]
    hardware: Hardware
    select: str = "last"
    keep_head: bool = False
    arm: str = ""
    definition: str = ""

    @property
    def label(self) -> str:
        """What the progress display calls it, by the first arm that needs it."""
        name = f"{self.arm}, {self.target}" if self.arm else self.target
        return f"{name} seed {self.seed}" if self.stage else f"{name} encoder"


Job = IntermediateJob | TargetJob


@dataclass(frozen=True, slots=True)
class PlannedScore:
    """One (arm, size, seed, target, language): its predictions and its scores."""

    arm: Arm
    size: int
    arm_n: int
    seed: int
    target: Target
    language: str
    predictions: Node
    scores: Node


@dataclass(frozen=True, slots=True)
class Graph:
    """Jobs in an order that respects their dependencies, and the cells of the result table."""

    jobs: tuple[Job, ...]
    cells: tuple[PlannedScore, ...]


def identity(model: ResolvedModel) -> str:
    """Return what names a model's weights in keys: its revision, or a hash of the files of a bare local folder.

    For all but XLM-R it also says how its inputs are made.
    """
    is_reference = False
    with suppress(UserError):  # a config that cannot be read is refused where it is used
        is_reference = read_json_object(model.path / "config.json").get("model_type") == REFERENCE
    inputs = "" if is_reference else INPUTS_VERSION
    if model.revision != LOCAL:
        return (f"{model.ref}@{model.revision}" if not Path(model.ref).is_dir() else model.revision) + inputs
    return revision(sorted({path for pattern in READ for path in model.path.glob(pattern)})) + inputs
