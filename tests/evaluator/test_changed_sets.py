"""A set whose shards were changed after it was finished: nothing reads it as the set that its manifest describes."""

import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evaluator import train
from evaluator.experiment.arms import parse_arms
from synthgen import filter as filter_set
from synthgen import inspect, translate
from synthgen.dataset.manifest import read_intact_manifest
from synthgen.errors import UserError
from tests.evaluator.conftest import write_pairs

_CHANGED = r"train-00000-of-00001.parquet is not the file that synthgen.json lists: its SHA-256 differs; copy or make"


def _change_labels(folder: Path) -> Path:
    """Give every row another label; the manifest stays."""
    shard = next((folder / "data").iterdir())
    table = pq.read_table(shard)
    place = table.column_names.index("label")
    labels = pa.array([(label + 1) % 3 for label in table["label"].to_pylist()], pa.int64())
    pq.write_table(table.set_column(place, table.schema.field("label"), labels), shard)
    return folder


@pytest.mark.parametrize(
    "read",
    [
        lambda changed, out: train(changed, out=out, model=str(out / "no-model-is-read")),
        lambda changed, _: parse_arms(["none=none", f"a={changed}:4"]),
        lambda changed, out: filter_set(changed, out=out / "kept"),
        lambda changed, out: translate(changed, to="tlh", out=out / "tlh"),
        lambda changed, _: inspect(changed),
    ],
)
def test_a_changed_set_is_refused_by_whatever_reads_it(tmp_path: Path, read: Callable[[Path, Path], object]) -> None:
    changed = _change_labels(write_pairs(tmp_path / "set", 12))
    with pytest.raises(UserError, match=_CHANGED):
        read(changed, tmp_path / "out")


def test_a_shard_that_is_missing_or_added_is_named(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path / "set", 12)
    shard = next((folder / "data").iterdir())
    added = shard.with_name("train-00001-of-00002.parquet")
    os.link(shard, added)
    with pytest.raises(UserError, match=r"train-00001-of-00002.parquet is not in synthgen.json; "):
        read_intact_manifest(folder)
    added.unlink()
    shard.unlink()
    with pytest.raises(UserError, match=r"train-00000-of-00001.parquet is missing; "):
        read_intact_manifest(folder)


def test_a_change_is_seen_in_the_process_that_has_read_the_set(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path / "set", 12)
    assert read_intact_manifest(folder).kept == 12
    with pytest.raises(UserError, match=_CHANGED):
        read_intact_manifest(_change_labels(folder))
