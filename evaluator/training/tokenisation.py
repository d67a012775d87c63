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

from evaluator.benchmark.registry import find
from evaluator.benchmark.splits import EN_DEV, capped, draw
from evaluator.benchmark.target import DataRoot
from evaluator.experiment.arms import read_lines, text_files
from evaluator.experiment.graph import CODE_VERSION, DataDraw, IntermediateJob, TargetJob
from evaluator.experiment.recipe import Stage
from evaluator.store import Node, Store
from evaluator.training.checkpoint_selection import EnglishDev, dev_items, training_items
from evaluator.training.features import Features, FeatureWriter
from evaluator.training.heads.base import Head
from evaluator.training.heads.registry import head_for
from synthgen.dataset.manifest import dataset_format, read_manifest
from synthgen.dataset.shards import read_rows

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
    """Return one set of features per label set, and one of all corpora, which comes last.

    The rows of parts with the same labels are pooled, as Phang's authors advise for ANLI+.
    """
    if job.own:
        return [_own_features(job, tokenizer, store)]
    pooled: dict[tuple[str, tuple[str, ...]], list[DataDraw]] = {}
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
    if job.corpora:
        found.append(_corpus_features(job, tokenizer, store))
    return found


def _corpus_features(job: IntermediateJob, tokenizer: PreTrainedTokenizerBase, store: Store) -> tuple[Head, Features]:
    from evaluator.training.heads.mlm import MaskedHead

    head = MaskedHead.of(tokenizer)
    drawn = [[c.content_hash, c.total, c.rows, job.seed if c.rows < c.total else None] for c in job.corpora]
    inputs = {"tokenizer": job.base.tokenizer, "corpora": drawn}
    lines = (line for part in job.corpora for line in _taken(part, read_lines(text_files(part.folder)), job.seed))
    return head, cached(store, inputs, lines, head, tokenizer, job.stage)


def _own_features(job: IntermediateJob, tokenizer: PreTrainedTokenizerBase, store: Store) -> tuple[Head, Features]:
    """Return the draw from the target's own training set; another seed draws and orders it anew than the target's."""
    target, (rows,) = find(job.own or ""), job.parts
    items = target.train(DataRoot(rows.folder)) if target.train else None
    if items is None:
        raise RuntimeError(f"target {job.own} has no training set")
    head = head_for(target.head, target.labels, job.recipe)
    chosen = capped(items, rows.rows, job.seed).records
    inputs = {"tokenizer": job.base.tokenizer, "data": digest(chosen)}
    return head, cached(store, inputs, chosen, head, tokenizer, job.stage)


def _records(part: DataDraw, seed: int) -> Iterator[Any]:
    format_: Any = dataset_format(read_manifest(part.folder))
    return (format_.from_row(row) for row in _taken(part, read_rows(part.folder), seed))


def _taken(part: DataDraw, rows: Iterable[Any], seed: int) -> Iterator[Any]:
    """Yield the rows that a seed draws, without reading ahead."""
    if part.rows == part.total:
        yield from rows
        return
    chosen = iter(draw(part.total, part.rows, seed).tolist())
    wanted = next(chosen, None)
    for number, row in enumerate(rows):
        if number == wanted:
            yield row
            wanted = next(chosen, None)


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
        held_out = job.select == EN_DEV and name == "training"
        whole = training_items(target, root, job.recipe.selection["examples"]) if held_out else read(root)
        items = capped(whole, job.max_train_examples, job.seed)
        inputs = {"tokenizer": job.encoder.tokenizer, "data": digest(items.records)}
        found.append((name, stage, head, cached(store, inputs, items.records, head, tokenizer, stage)))
    return found


def english_dev(job: TargetJob, tokenizer: PreTrainedTokenizerBase, store: Store) -> EnglishDev | None:
    """Return what chooses a target's checkpoint, None where that is the last one."""
    if job.select != EN_DEV:
        return None
    target, chosen = find(job.target), job.recipe.selection
    items = dev_items(target, DataRoot(job.data_root), chosen["examples"])
    head = head_for(target.head, target.labels, job.recipe)
    features = evaluation_features(job, items.records, head, tokenizer, store)
    every, patience = chosen["every_steps"], chosen["patience"]
    return EnglishDev(
        target, items, head, features, every, patience, job.recipe.tokens_per_batch, job.hardware.bfloat16
    )


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
