"""Shared makers of the tests: the MNLI format, model and dataset folders, and `make` with a scripted engine."""

from __future__ import annotations

import errno
import json
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthgen.cards import card
from synthgen.dataset import MANIFEST_NAME, Manifest, finish, read_manifest, row_features, write_rows
from synthgen.dataset.manifest import MANIFEST_HASH
from synthgen.engines import Request
from synthgen.engines.scripted import ScriptedEngine
from synthgen.formats.base import Format, Row
from synthgen.formats.pair import PairFormat
from synthgen.generation.make import make
from tests.synthgen.scripts import sentence

NLI = PairFormat(("premise", "hypothesis"), ("entailment", "neutral", "contradiction"))
WORDS = "the old man slowly walked his brown dog across a quiet street before noon while rain fell".split()  # noqa: SIM905


def model_folder(folder: Path, config: str = "{}") -> str:
    """Write a model folder without weights; the scripted engine needs only its name."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(config)
    return str(folder)


def dataset_folder(folder: Path, rows: Sequence[Row], format_: Format = NLI, **manifest: Any) -> Path:
    """Write a finished dataset folder of English rows; `manifest` replaces keys of its manifest."""
    folder.mkdir(parents=True)
    keys = {
        "task": "mnli", "format": format_.name, "columns": format_.columns, "labels": format_.labels, "origin": "real",
        "language": "en", "licence": "cc-by-sa-4.0", "n": len(rows), "asked": len(rows), "kept": len(rows), "failed": 0,
        "rejected": {}, "label_counts": {}, "seed": 0,
    }  # fmt: skip
    files = write_rows(folder, [{"language": "en", **row} for row in rows], row_features(format_))
    finish(folder, Manifest(**{**keys, **manifest}, files=files))
    return folder


def parquet_folder(folder: Path, rows: Sequence[Row]) -> Path:
    """Write somebody's folder: one parquet file, no manifest."""
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), folder / "part.parquet")
    return folder


def random_sentence(draw: random.Random, words: int = 12) -> str:
    return " ".join(f"{draw.choice(WORDS)}{draw.randrange(50)}" for _ in range(words)) + "."


def random_rows(count: int, seed: int = 0) -> list[dict[str, object]]:
    """Return NLI rows of random words, whose labels take turns."""
    draw = random.Random(seed)
    return [
        {"premise": random_sentence(draw), "hypothesis": random_sentence(draw, 8), "label": i % 3} for i in range(count)
    ]


def make_scripted(
    model: str,
    out: Path,
    answer: Callable[[Request], str | Exception] = sentence,
    *,
    task: str = "mnli",
    n: int = 50,
    engine: ScriptedEngine | None = None,
    **options: Any,
) -> Manifest:
    """Make a set with a scripted engine that answers by a function."""
    options = {"decoding": "plain", "started_engine": engine or ScriptedEngine(answer), **options}
    return make(task, n=n, model=model, engine="scripted", out=out, **options)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model folder that no engine loads."""
    return model_folder(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def finished(tiny_model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished generated set of sixty rows."""
    folder = tmp_path_factory.mktemp("cards") / "set"
    make_scripted(tiny_model, folder, n=60)
    return folder


def put_manifest(folder: Path, values: dict[str, Any]) -> None:
    """Write a manifest as versions did that gave it no hash of itself."""
    (folder / MANIFEST_NAME).write_text(json.dumps({key: values[key] for key in values if key != MANIFEST_HASH}))


def edit_manifest(folder: Path, **changes: object) -> None:
    """Change manifest keys the way a careful forger would: counts still add up, card and Croissant follow."""
    values = json.loads((folder / MANIFEST_NAME).read_text()) | changes
    put_manifest(folder, values | {"asked": values["kept"] + sum(values["rejected"].values()) + values["failed"]})
    for name, text in card.views(read_manifest(folder)).items():
        (folder / name).write_text(text)


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """Let a dataset folder be on a disk without room: its fingerprints cannot be brought there."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("the name of an open file is known on Linux alone")
    fsync = os.fsync

    def without_room(descriptor: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}") == str(folder.resolve() / "fingerprints.parquet"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    os.fsync = without_room
    try:
        yield
    finally:
        os.fsync = fsync


def date_ahead(folder: Path) -> None:
    """Give everything in a folder a time to come: what a clock that has gone back makes of what was written before."""
    ahead = time.time() + 400 * 86_400
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (ahead, ahead), follow_symlinks=False)
