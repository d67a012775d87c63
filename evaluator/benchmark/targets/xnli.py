"""XNLI: natural language inference in 15 languages, 5,010 parallel test pairs each, trained on MultiNLI."""

from __future__ import annotations

from evaluator.benchmark.files.pairs import pair_split
from evaluator.benchmark.files.predictions import label_lines
from evaluator.benchmark.files.writers import tsv
from evaluator.benchmark.metrics.classification import accuracy
from evaluator.benchmark.target import DataRoot, DataSource, HubFile, Split, Target, UnlabelledError
from synthgen.corpora.readers.text import read_json, read_lines, read_table
from synthgen.errors import UserError

LABELS = ("entailment", "neutral", "contradiction")

_XNLI = "XNLI 1.0 (https://dl.fbaipublicfiles.com/XNLI/XNLI-1.0.zip), one file per language as XTREME makes them"
_PAIRS = DataSource(("xnli/test-{language}.tsv",), _XNLI)
_GOLD = DataSource(("xnli/test.labels.txt",), f"the label column of the test file of {_XNLI}, one label per line")
_DEV = DataSource(("xnli/dev-{language}.tsv",), _XNLI)
_TRAIN = DataSource(
    ("xnli/train-en.tsv", "mnli/train_9k.json", "mnli/train_sample.json"),
    "MultiNLI (multinli.train.en.tsv of https://dl.fbaipublicfiles.com/XNLI/XNLI-MT-1.0.zip), or the hub",
)


def read(root: DataRoot, language: str, split: str) -> Split:
    """Return the pairs of a language; the test labels stand in a file of their own, line by line."""
    if split == "dev":
        path = root.find(_DEV, language)
        return pair_split(language, read_table(path, 3), LABELS, (path,))
    path = root.find(_PAIRS, language)
    pairs = read_table(path, 2)
    if not root.has(_GOLD):
        raise UnlabelledError(path, len(pairs), f"there is no {_GOLD.paths[0]} in the data root")
    labels = root.find(_GOLD)
    gold = list(read_lines(labels))
    if len(pairs) != len(gold):
        raise UserError(f"{path} has {len(pairs)} rows and {labels} {len(gold)}; line i belongs to line i")
    rows = ([*pair, label] for pair, label in zip(pairs, gold, strict=True))
    return pair_split(language, rows, LABELS, (path, labels))


def train(root: DataRoot) -> Split:
    """Return MultiNLI's English training pairs."""
    path = root.find(_TRAIN)
    if path.suffix == ".tsv":
        return pair_split("en", read_table(path, 3), LABELS, (path,))
    rows = read_json(path).values()
    return pair_split("en", ([row["text_a"], row["text_b"], row["label"]] for row in rows), LABELS, (path,))


_LABELLED = tsv("premise", "hypothesis", "label", names=LABELS)

TARGET = Target(
    name="xnli",
    title="XNLI",
    head="pair",
    languages=("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh"),
    labels=LABELS,
    metrics=("accuracy",),
    train_source="MNLI, 392,702 English pairs",
    hub="facebook/xnli",
    licence="CC BY-NC 4.0",
    citation="Conneau et al., XNLI: Evaluating Cross-lingual Sentence Representations, EMNLP 2018",
    is_parallel=True,
    sources={"test": (_PAIRS, _GOLD), "dev": (_DEV,)},
    train_sources=(_TRAIN,),
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
