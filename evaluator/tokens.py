"""Tokenised data, made once and kept in the store: shared by seeds, arms and sizes, counted by `plan`, read by `work`.

A node of kind `features` is identified by the data's hash, the tokenizer, the head and the lengths, and memory-mapped
when it is used. Neighbours: `graph` names the data, `heads` tokenise them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from transformers import PreTrainedTokenizerBase

from evaluator.arms import draw
from evaluator.features import Features, FeatureWriter
from evaluator.graph import CODE_VERSION, IntermediateJob, Rows, TargetJob
from evaluator.heads.base import Head
from evaluator.heads.registry import head_for
from evaluator.recipe import Stage
from evaluator.scoring import capped
from evaluator.store import Node, Store
from evaluator.targets import find
from evaluator.targets.base import DataRoot
from synthgen.dataset import dataset_format, read_manifest, read_rows

RECORDS_AT_ONCE = 5_000
"""Records tokenised together; the memory of one part."""


def cached(
    store: Store, inputs: dict[str, Any], records: Iterable[Any], head: Head, tokenizer: PreTrainedTokenizerBase,
    stage: Stage,
) -> Features:  # fmt: skip
    """Return the records' features, from the store when they are there; `inputs` identify the records."""
    lengths = [stage.max_length, stage.query_length, stage.stride]
    node = Node("features", {**inputs, "head": repr(head), "lengths": lengths, "code": CODE_VERSION})
    if not store.is_finished(node):
        with store.writing(node) as (draft, results):
            writer = FeatureWriter(draft)
            for part in _parts(records):
                writer.append(head.encode(part, tokenizer, stage), len(part))
            features = writer.close()
            results |= {"features": len(features), "tokens": features.tokens}
    return Features.load(store.folder(node))


def _parts(records: Iterable[Any]) -> Iterator[Sequence[Any]]:
    iterator = iter(records)
    while part := list(islice(iterator, RECORDS_AT_ONCE)):
        yield part


def intermediate_features(
    job: IntermediateJob, tokenizer: PreTrainedTokenizerBase, store: Store
) -> list[tuple[Head, Features]]:
    """Return one set of features per label set; its parts' rows are pooled, as Phang's authors advise for ANLI+."""
    pooled: dict[tuple[str, tuple[str, ...]], list[Rows]] = {}
    for part in job.parts:
        format_ = dataset_format(read_manifest(part.folder))
        pooled.setdefault((format_.name, format_.labels), []).append(part)
    found = []
    for (name, labels), parts in pooled.items():
        head = head_for(name, labels, job.recipe)
        drawn = [[p.content_hash, p.total, p.rows, job.seed if p.rows < p.total else None] for p in parts]
        inputs = {"tokenizer": job.base.tokenizer, "data": drawn}
        records = (record for part in parts for record in _records(part, job.seed))
        found.append((head, cached(store, inputs, records, head, tokenizer, job.stage)))
    return found


def _records(part: Rows, seed: int) -> Iterator[Any]:
    format_: Any = dataset_format(read_manifest(part.folder))
    chosen = set(draw(part.total, part.rows, seed).tolist()) if part.rows < part.total else None
    for number, row in enumerate(read_rows(part.folder)):
        if chosen is None or number in chosen:
            yield format_.from_row(row)


def training_features(
    job: TargetJob, tokenizer: PreTrainedTokenizerBase, store: Store
) -> list[tuple[str, Stage, Head, Features]]:
    """Return (name, stage, head, features) of a target's training, after that of the stage before it if it has one."""
    target, root, found = find(job.target), DataRoot(job.data_root), []
    if job.stage is None or target.train is None:
        return []
    stages = [("training", target.train, target.labels, job.stage)]
    if target.pretrain:
        before = job.recipe.stage(f"{target.name}-pretrain")
        stages.insert(0, ("pretraining", target.pretrain, target.pretrain_labels, before))
    for name, read, labels, stage in stages:
        head = head_for(target.head, labels, job.recipe)
        items = capped(read(root), job.max_train_examples, job.seed)
        inputs = {"tokenizer": job.encoder.tokenizer, "data": digest(items.records)}
        found.append((name, stage, head, cached(store, inputs, items.records, head, tokenizer, stage)))
    return found


def evaluation_features(
    job: TargetJob, records: Sequence[Any], head: Head, tokenizer: PreTrainedTokenizerBase, store: Store
) -> Features:
    """Return the features of test items, or of a pool."""
    inputs = {"tokenizer": job.encoder.tokenizer, "data": digest(records)}
    return cached(store, inputs, records, head, tokenizer, job.stage or Stage(1.0, 1))


def digest(records: Iterable[Any]) -> str:
    """Return a hash of records: strings, or dataclasses of strings and numbers."""
    hashed = hashlib.sha256()
    for record in records:
        hashed.update(repr(record).encode())
    return hashed.hexdigest()
