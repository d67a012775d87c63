"""Contract of every format: rows come back as they were, and a head of the evaluator trains on them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from synthgen.corpora.import_corpus import import_task
from synthgen.dataset import dataset_format, read_rows, row_features
from synthgen.formats import FORMATS, Format, format_from_manifest
from synthgen.formats.base import Row
from synthgen.task.registry import load_task, task_names

TASKS = {load_task(name).format.name: name for name in task_names()}
"""For each format a task that has it."""


@pytest.fixture(scope="module", params=FORMATS)
def real(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Format, list[Row]]:
    """A format and rows of it: the examples in a prompt; of tags, which no prompt has, a sample."""
    if request.param == "tags":
        sample = tmp_path_factory.mktemp("format") / "set"
        manifest = import_task("udpos", source="sample", n=60, out=sample)
        return dataset_format(manifest), list(read_rows(sample))
    task = load_task(TASKS[request.param])
    rows = [
        task.format.assemble(shot, next(iter(task.label_counts)) if label == "any" else label)
        for label, shots in task.shots.items()
        for shot in shots
    ]
    return task.format, [{"id": f"r{number}", "language": "en", **row} for number, row in enumerate(rows)]


def test_every_format_is_that_of_a_task() -> None:
    assert set(TASKS) == set(FORMATS)


def test_a_manifest_gives_back_the_format_and_its_columns_stand_in_the_features(
    real: tuple[Format, list[Row]],
) -> None:
    format_, _ = real
    assert format_from_manifest(format_.name, format_.columns, format_.labels) == format_
    assert set(format_.text_columns) <= set(format_.columns) <= set(row_features(format_))


def test_a_row_is_a_record_and_the_record_the_row(real: tuple[Format, list[Row]]) -> None:
    format_, rows = real
    for row in rows:
        record = format_.from_row(row)
        assert format_.from_row(format_.to_row(record)) == record
        assert format_.check(row) is None


def test_a_head_learns_from_the_rows_and_predicts_one_answer_for_each(
    real: tuple[Format, list[Row]], tiny_encoder: Path
) -> None:
    torch = pytest.importorskip("torch")
    from evaluator.experiment.recipe import Stage, load_recipe
    from evaluator.training.heads.base import collate
    from evaluator.training.heads.registry import head_for
    from evaluator.training.tokenisation import load_tokenizer

    format_, rows = real
    head = head_for(format_.name, format_.labels, load_recipe("small", 16))
    records = [format_.from_row(row) for row in rows[:4]]
    model = head.build(tiny_encoder, 0)
    features = head.encode(records, load_tokenizer(tiny_encoder), Stage(1e-3, 1, 8))
    batch = collate(features, np.arange(len(features)), 1, torch.device("cpu"))
    loss = head.loss(model, batch)
    loss.backward()
    assert math.isfinite(loss.item())
    assert loss.item() > 0
    with torch.no_grad():
        assert len(head.decode(records, features, head.outputs(model.eval(), batch))) == len(records)
