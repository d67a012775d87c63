"""PAWS-X: paraphrase pairs with high word overlap in 7 languages, of the older XTREME."""

from evaluator.benchmark.files.pairs import pair_split
from evaluator.benchmark.files.predictions import label_lines
from evaluator.benchmark.files.writers import tsv
from evaluator.benchmark.metrics.classification import accuracy
from evaluator.benchmark.target import DataRoot, HubFile, Split, Target, facts
from synthgen.corpora.readers.text import read_table

LABELS = ("0", "1")


def read(root: DataRoot, language: str, split: str) -> Split:
    """Return the pairs of a language; a few texts are the placeholder "NS" in the release and stay.

    Translations of a test pair have one id in the files, though not one place.
    """
    path = root.find(TARGET.split_sources(split)[0], language)
    if split == "dev":
        return pair_split(language, read_table(path, 3), LABELS, (path,), f"{language}-")
    rows = read_table(path, 4)
    rows = rows[1:] if rows and rows[0][0] == "id" else rows
    names, pairs = [row[0] for row in rows], [row[1:] for row in rows]
    return pair_split(language, pairs, LABELS, (path,), f"{language}-", sources=names)


def train(root: DataRoot) -> Split:
    """Return the English training pairs; where only the dev file is there, its pairs."""
    path = root.find(TARGET.train_sources[0])
    return pair_split("en", read_table(path, 3), LABELS, (path,), "en-")


_HUB, _COLUMNS = "google-research-datasets/paws-x", ("sentence1", "sentence2", "label")

TARGET = Target(
    **facts(__file__),
    labels=LABELS,
    read=read,
    train=train,
    score=accuracy,
    parse=label_lines(LABELS),
    hub_files=(
        HubFile("pawsx/test-{language}.labelled.tsv", _HUB, "{language}", "test", tsv("id", *_COLUMNS)),
        HubFile("pawsx/dev-{language}.tsv", _HUB, "{language}", "validation", tsv(*_COLUMNS)),
        HubFile("pawsx/train-en.tsv", _HUB, "en", "train", tsv(*_COLUMNS), language="en"),
    ),
)
