"""Tokenised data in the store, shared by seeds, arms and sizes: counted by `calibration`, read by `jobs`.

A node of kind `features` is identified by the data's hash, the tokenizer, the head and the lengths.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import compress, islice
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from evaluator.benchmark.registry import of_run
from evaluator.benchmark.splits import EN_DEV, capped, draw, draw_by_id
from evaluator.benchmark.target import DataRoot, Split
from evaluator.experiment.arms import read_lines, text_files
from evaluator.experiment.graph import CODE_VERSION
from evaluator.experiment.jobs import DataDraw, Encoder, IntermediateJob, TargetJob
from evaluator.experiment.overlap import texts_of
from evaluator.experiment.recipe import Stage
from evaluator.store import Json, Node, Store
from evaluator.training.checkpoint_selection import training_items
from evaluator.training.features import EncodedRecords, Features, write_features
from evaluator.training.heads.base import Head, LabelHead
from evaluator.training.heads.mlm import MaskedHead
from evaluator.training.heads.registry import head_for
from evaluator.training.shuffled_labels import with_shuffled_labels
from evaluator.training.soft_targets import TrainingRecord, soften
from synthgen.dataset.manifest import dataset_format, is_finished, read_intact_manifest, read_manifest
from synthgen.dataset.shards import read_ids, read_rows
from synthgen.models.encoder import read_tokenizer

RECORDS_AT_ONCE = 5_000
"""Records tokenised together: what one part of the features takes in memory."""


@dataclass(frozen=True, slots=True)
class TargetStage:
    """A training stage of a target, `pretraining` or `training`: how it trains, with which head, on what."""

    name: str
    stage: Stage
    head: Head
    features: Features


@lru_cache(maxsize=1)
def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a checkpoint folder, the last one kept: 250,000 pieces take a second and 300 MB."""
    tokenizer: PreTrainedTokenizerBase = read_tokenizer(folder)
    return tokenizer


def training_cached(
    store: Store, encoder: Encoder, data: Json, records: Iterable[TrainingRecord], head: Head, stage: Stage
) -> Features:
    """Return the features of records to be trained on, with the targets that the stage asks for."""
    labels = head.labels if isinstance(head, LabelHead) else ()
    if not stage.is_soft or not labels:
        return cached(store, encoder, data, (each.record for each in records), head, stage)

    def encode(part: Sequence[TrainingRecord], tokenizer: PreTrainedTokenizerBase) -> Features:
        features = head.encode([each.record for each in part], tokenizer, stage)
        return soften(features, part, stage, len(labels))

    targets = {"targets": [stage.targets, stage.own_label, stage.label_smoothing]}
    return cached(store, encoder, {**data, **targets}, records, head, stage, encode)


def cached(
    store: Store,
    encoder: Encoder,
    data: Json,
    records: Iterable[Any],
    head: Head,
    stage: Stage,
    encode: Callable[[Sequence[Any], PreTrainedTokenizerBase], Features] | None = None,
) -> Features:
    """Return the records' features, from the store if it has them; `data` identifies the records.

    `encode` is the head's own where nothing else is given.
    """
    encode = encode or partial(head.encode, stage=stage)
    lengths = [stage.max_length, stage.query_length, stage.stride]
    inputs = {"tokenizer": encoder.tokenizer, "head": repr(head), "lengths": lengths, "code": CODE_VERSION}
    node = Node("features", {**data, **inputs})
    if not store.is_finished(node):
        with store.writing(node) as (draft, results):
            tokenizer = load_tokenizer(encoder.tokenizer_folder)
            features = write_features(draft, ((encode(part, tokenizer), len(part)) for part in _parts(records)))
            results |= {"features": len(features), "tokens": features.tokens}
    return Features.load(store.folder(node))


def _parts(records: Iterable[Any]) -> Iterator[list[Any]]:
    """Yield the records in lists of RECORDS_AT_ONCE."""
    iterator = iter(records)
    while part := list(islice(iterator, RECORDS_AT_ONCE)):
        yield part


def intermediate_features(job: IntermediateJob, store: Store) -> list[tuple[Head, Features]]:
    """Return a head and its features per label set, then those of all corpora for masked language modelling.

    The rows of parts with the same labels are pooled, as Phang's authors advise for ANLI+.
    """
    if job.target_data:
        return [_target_features(job, store)]
    pools: dict[tuple[str, tuple[str, ...]], list[DataDraw]] = {}
    for part in job.parts:
        format_ = dataset_format(read_manifest(part.folder))
        pools.setdefault((format_.name, format_.labels), []).append(part)
    pairs = []
    for (name, labels), parts in pools.items():
        head = head_for(name, labels, job.recipe)
        records = (record for part in parts for record in _records(part, job.seed))
        data, stage = {"data": _draws(parts, job.seed)}, job.recipe.intermediate((name,))
        pairs.append((head, training_cached(store, job.base, data, records, head, stage)))
    if job.corpora:
        masked, drawn = MaskedHead.of(load_tokenizer(job.base.tokenizer_folder)), _draws(job.corpora, job.seed)
        lines = (line for part in job.corpora for line in _drawn(part, _lines(part.folder), job.seed))
        stage = job.recipe.intermediate()
        pairs.append((masked, cached(store, job.base, {"corpora": drawn}, lines, masked, stage)))
    return pairs


def _draws(parts: Sequence[DataDraw], seed: int) -> list[list[Any]]:
    return [[*part.to_json(), seed if part.rows < part.total or part.shuffled else None] for part in parts]


def _target_features(job: IntermediateJob, store: Store) -> tuple[Head, Features]:
    """Return the head and features of rows drawn from the target's own training set, by the job's seed."""
    target, (rows,) = of_run(job.target_data or "", job.definition), job.parts
    if target.train is None:
        raise RuntimeError(f"target {job.target_data} has no training set")
    head = head_for(target.head, target.labels, job.recipe)
    records = capped(target.train(DataRoot(rows.folder)), rows.rows, job.seed).records
    data = {"data": digest(records)}
    return head, training_cached(store, job.base, data, map(TrainingRecord, records), head, job.stage)


def _records(part: DataDraw, seed: int) -> Iterator[TrainingRecord]:
    format_: Any = dataset_format(read_intact_manifest(part.folder))
    rows = _drawn(part, read_rows(part.folder), seed)
    if part.shuffled:  # a verifier's probabilities would tell the labels
        return map(TrainingRecord, with_shuffled_labels([format_.from_row(row) for row in rows], seed))
    return (TrainingRecord.of_row(format_.from_row(row), row) for row in rows)


def _lines(folder: Path) -> Iterator[str]:
    """Return the texts of a corpus, or of the rows of a dataset folder, one for each row."""
    if not is_finished(folder):
        return read_lines(text_files(folder))
    format_: Any = dataset_format(read_intact_manifest(folder))
    return (" ".join(texts_of(format_.from_row(row))) for row in read_rows(folder))


def _drawn(part: DataDraw, rows: Iterable[Any], seed: int) -> Iterator[Any]:
    """Return an iterator over the rows that a seed draws."""
    if part.rows == part.total:
        return iter(rows)
    drawn = np.zeros(part.total, dtype=bool)
    if part.by_ids:
        drawn[draw_by_id(read_ids(part.folder), part.rows, seed)] = True
    else:
        drawn[draw(part.total, part.rows, seed)] = True
    return compress(rows, drawn)


def training_features(job: TargetJob, store: Store) -> list[TargetStage]:
    """Return a target's stages in order: pretraining where it has one, training; none without a training set."""
    target, root = of_run(job.target, job.definition), DataRoot(job.data_root)
    if job.stage is None or target.train is None:
        return []
    stages = [("training", target.train, target.labels, job.stage)]
    if target.pretrain:
        stage = job.recipe.stage(f"{target.name}-pretrain")
        stages.insert(0, ("pretraining", target.pretrain, target.pretrain_labels, stage))
    sets = []
    for name, read, labels, stage in stages:
        head = head_for(target.head, labels, job.recipe)
        if job.select == EN_DEV and name == "training":
            items = training_items(target, root, job.recipe.selection_of(job.target)["examples"])
        else:
            items = read(root)
        records = capped(items, job.max_train_examples, job.seed).records
        data = {"data": digest(records)}
        features = training_cached(store, job.encoder, data, map(TrainingRecord, records), head, stage)
        sets.append(TargetStage(name, stage, head, features))
    return sets


def target_head(job: TargetJob) -> Head:
    """Return the head of a job's target."""
    target = of_run(job.target, job.definition)
    return head_for(target.head, target.labels, job.recipe)


def prediction_features(job: TargetJob, splits: Sequence[Split], store: Store) -> list[EncodedRecords]:
    """Return the records and features of each split, then the pool and features of each where the target ranks.

    A pool that all languages share stands in every split but is encoded once.
    """
    target, texts = of_run(job.target, job.definition), [split.records for split in splits]
    if target.rank:
        texts += [split.pool for split in (splits[:1] if target.join else splits)]
    return [(records, evaluation_features(job, records, store)) for records in texts]


def evaluation_features(job: TargetJob, records: Sequence[Any], store: Store) -> Features:
    """Return the features of test or development items, or of a pool."""
    data, stage = {"data": digest(records)}, job.stage or Stage(1.0, 1)
    return cached(store, job.encoder, data, records, target_head(job), stage)


def digest(records: Iterable[Any]) -> str:
    """Return the SHA-256 of records: strings, or dataclasses of strings and numbers."""
    hashed = hashlib.sha256()
    for record in records:
        hashed.update(repr(record).encode())
    return hashed.hexdigest()
