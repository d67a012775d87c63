"""XNLI: natural language inference in 15 languages, 5,010 parallel test pairs each, trained on MultiNLI."""

from evaluator.benchmark.files.pairs import pair_split
from evaluator.benchmark.files.predictions import label_lines
from evaluator.benchmark.files.writers import tsv
from evaluator.benchmark.metrics.classification import accuracy
from evaluator.benchmark.target import DataRoot, HubFile, Split, Target, UnlabelledError, facts
from synthgen.corpora.readers.item import UNLABELLED
from synthgen.corpora.readers.record_rows import read_records
from synthgen.corpora.readers.text import read_lines, read_table
from synthgen.errors import UserError
from synthgen.formats.pair import PairFormat

LABELS = ("entailment", "neutral", "contradiction")


def read(root: DataRoot, language: str, split: str) -> Split:
    """Return the pairs of a language; the test labels stand in a file of their own, line by line."""
    sources = TARGET.split_sources(split)
    path = root.find(sources[0], language)
    if split == "dev":
        rows = list(read_table(path, 3))
        return pair_split(language, rows, LABELS, (path,), sources=[row[0] for row in rows])
    pairs = read_table(path, 2)
    if not root.has(sources[1]):
        raise UnlabelledError(path, len(pairs), f"there is no {sources[1].paths[0]} in the data root")
    labels = root.find(sources[1])
    gold = list(read_lines(labels))
    if len(pairs) != len(gold):
        raise UserError(f"{path} has {len(pairs)} rows and {labels} {len(gold)}; line i belongs to line i")
    rows = [[*pair, label] for pair, label in zip(pairs, gold, strict=True)]
    return pair_split(language, rows, LABELS, (path, labels), sources=[row[0] for row in rows])


def train(root: DataRoot) -> Split:
    """Return MultiNLI's English training pairs, of a file in any of its released forms."""
    path = root.find(TARGET.train_sources[0])
    items = list(read_records(path, PairFormat(("premise", "hypothesis"), LABELS)))
    for number, item in enumerate(items, start=1):
        if item.fault not in (None, UNLABELLED):
            raise UserError(f"{path} row {number}: {item.fault}")
    rows = (item.row for item in items if not item.fault)
    pairs = ([row["premise"], row["hypothesis"], LABELS[row["label"]]] for row in rows)
    return pair_split("en", pairs, LABELS, (path,))


_LABELLED = tsv("premise", "hypothesis", "label", names=LABELS)

TARGET = Target(
    **facts(__file__),
    labels=LABELS,
    read=read,
    train=train,
    score=accuracy,
    parse=label_lines(LABELS),
    hub_files=(
        HubFile("xnli/test-{language}.tsv", "facebook/xnli", "{language}", "test", tsv("premise", "hypothesis")),
        HubFile("xnli/test.labels.txt", "facebook/xnli", "en", "test", tsv("label", names=LABELS), language="en"),
        HubFile("xnli/dev-{language}.tsv", "facebook/xnli", "{language}", "validation", _LABELLED),
        HubFile("xnli/train-en.tsv", "facebook/xnli", "en", "train", _LABELLED, language="en"),
    ),
)
