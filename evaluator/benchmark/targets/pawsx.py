"""PAWS-X: paraphrase pairs with high word overlap in 7 languages, of the older XTREME."""

from __future__ import annotations

from pathlib import Path

from evaluator.benchmark.files.predictions import label_lines
from evaluator.benchmark.files.text import label_index, read_tsv
from evaluator.benchmark.files.writers import HubFile, tsv
from evaluator.benchmark.metrics.classification import accuracy
from evaluator.benchmark.target import DataRoot, DataSource, Split, Target, codes
from synthgen.formats.pair import Pair

LABELS = ("0", "1")

_ORIGIN = "PAWS-X (https://storage.googleapis.com/paws/pawsx/x-final.tar.gz) as XTREME lays it out, or the hub"
_TEST = DataSource(("pawsx/test-{language}.labelled.tsv",), f"{_ORIGIN}: columns id, sentence1, sentence2, label")
_DEV = DataSource(("pawsx/dev-{language}.tsv",), _ORIGIN)
_TRAIN = DataSource(("pawsx/train-en.tsv", "pawsx/dev-en.tsv"), _ORIGIN)


def read(root: DataRoot, language: str, split: str) -> Split:
    """Return the pairs of a language; a few texts are the placeholder "NS" in the release and stay."""
    path = root.find(TARGET.split_sources(split)[0], language)
    if split == "dev":
        return _split(language, read_tsv(path, 3), path)
    header, *rows = read_tsv(path, 4)
    rows = rows if header[0] == "id" else [header, *rows]
    return _split(language, [row[1:] for row in rows], path)


def train(root: DataRoot) -> Split:
    """Return the English training pairs; where only the dev file is there, its pairs."""
    path = root.find(_TRAIN)
    return _split("en", read_tsv(path, 3), path)


def _split(language: str, rows: list[list[str]], path: Path) -> Split:
    labels = [label_index(row[2], LABELS, where=f"{path} line {number}") for number, row in enumerate(rows, start=1)]
    records = tuple(Pair(row[0], row[1], label) for row, label in zip(rows, labels, strict=True))
    ids = tuple(f"{language}-{number}" for number in range(len(rows)))
    return Split(language, ids, records, tuple(row[2] for row in rows), (path,))


_HUB = "google-research-datasets/paws-x"

TARGET = Target(
    name="pawsx",
    title="PAWS-X",
    head="pair",
    languages=codes("de en es fr ja ko zh"),
    labels=LABELS,
    metrics=("accuracy",),
    train_source="PAWS, 49,401 English pairs",
    hub=_HUB,
    licence="free use, acknowledgement of Google LLC appreciated",
    citation="Yang et al., PAWS-X, EMNLP 2019",
    # Rows of different languages are not aligned by number.
    is_parallel=False,
    is_translated=True,
    sources={"test": (_TEST,), "dev": (_DEV,)},
    train_sources=(_TRAIN,),
    read=read,
    train=train,
    score=accuracy,
    parse=label_lines(LABELS),
    hub_files=(
        HubFile(
            "pawsx/test-{language}.labelled.tsv",
            _HUB,
            "{language}",
            "test",
            tsv("id", "sentence1", "sentence2", "label"),
        ),
        HubFile("pawsx/dev-{language}.tsv", _HUB, "{language}", "validation", tsv("sentence1", "sentence2", "label")),
        HubFile("pawsx/train-en.tsv", _HUB, "en", "train", tsv("sentence1", "sentence2", "label"), language="en"),
    ),
)
