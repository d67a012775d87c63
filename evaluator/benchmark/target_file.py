"""A target file read: its text to the target that it defines, or to all that is wrong with it."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from evaluator.benchmark.files.predictions import Parser, answers_by_id, index_lines, label_lines, tag_lines
from evaluator.benchmark.files.records import RecordLayout
from evaluator.benchmark.files.writers import jsonl
from evaluator.benchmark.metrics.answers import score_squad
from evaluator.benchmark.metrics.classification import accuracy, macro_f1
from evaluator.benchmark.metrics.tags import score_tags
from evaluator.benchmark.target import DataRoot, HubFile, Split, SplitScores, Target, facts_of
from evaluator.benchmark.target_check import faults
from synthgen.errors import UserError
from synthgen.text.toml_text import Fault, TomlText, read_toml_text

Score = Callable[[Split, Sequence[Any]], SplitScores]
SCORES: dict[tuple[str, str], Score] = {
    ("pair", "accuracy"): accuracy,
    ("pair", "macro_f1"): macro_f1,
    ("choice", "accuracy"): accuracy,
    ("span", "f1"): score_squad,
    ("span", "em"): score_squad,
    ("tags", "f1"): score_tags,
    ("tags", "token_accuracy"): score_tags,
}
_READING = ("format", "columns", "train_columns", "labels", "train_labels", "is_parallel")
"""What of a target file decides which items its files give; the files themselves have hashes of their own.

The column of clusters does not: it says only what items share.
"""

_OF_FILES = ("columns", "train_columns", "train_labels", "hub_files", "rows")
"""What of a target file says how its files are read or fetched, and is no argument of `facts_of`."""


@cache
def parse_target(name: str, text: str, *, where: str = "") -> Target:
    """Return the target that a file's text defines; UserError lists every fault with its line."""
    toml = read_toml_text(text)
    if wrong := _faults(toml):
        place = where or f"{name}.toml"
        raise UserError("; ".join(f"{place}:{fault.line}: {fault.message}" for fault in wrong))
    return _build(name, toml.values, text)


def check_target_text(text: str) -> tuple[Fault, ...]:
    """Return all faults of a target file by their lines."""
    return _faults(read_toml_text(text))


def _faults(toml: TomlText) -> tuple[Fault, ...]:
    located = {Fault(toml.line(place), message): None for place, message in faults(toml.values, toml.left_out)}
    return tuple(sorted([*toml.faults, *located], key=lambda fault: fault.line))


@cache
def reading_hash(definition: str) -> str:
    """Return a hash of what decides which items a target's files give; an empty text for a target of the package."""
    if not definition:
        return ""
    table = read_toml_text(definition).values
    read = {key: table.get(key) for key in _READING}
    read |= {key: _without_clusters(columns) for key in ("columns", "train_columns") if (columns := table.get(key))}
    text = json.dumps(read, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _without_clusters(columns: Mapping[str, Any]) -> dict[str, Any]:
    return {role: column for role, column in columns.items() if role != "cluster"}


def _build(name: str, table: Mapping[str, Any], text: str) -> Target:
    values = {key: value for key, value in table.items() if key not in _OF_FILES}
    paths = values["train_sources"][0]["paths"]
    values = {"train_source": str(paths[0]), "hub": "", "is_parallel": False, "origin": f"{name}.toml"} | values
    facts = facts_of(name, values, where=f"{name}.toml")
    labels, sources, trained = facts.get("labels", ()), facts["sources"], facts["train_sources"][0]
    file_code, is_parallel = facts.get("file_code", str), facts["is_parallel"]
    layout = RecordLayout(facts["head"], table.get("columns", {}), labels)
    trained_columns = _without_clusters(table.get("train_columns", layout.columns))
    training = RecordLayout(facts["head"], trained_columns, labels, tuple(table.get("train_labels", ())))

    def read(root: DataRoot, language: str, split: str) -> Split:
        """Return the items of a language."""
        path = root.find(sources[split][0], file_code(language))
        return layout.read(path, language, "" if is_parallel else f"{language}-")

    return Target(
        **facts,
        read=read,
        train=lambda root: training.read(root.find(trained), "en", drops_unlabelled=True),
        score=_scorer(facts["head"], facts["metrics"]),
        parse=_parser(facts["head"], labels),
        scores_missing=facts["head"] == "span",
        hub_files=tuple(_hub_file(each, facts["hub"]) for each in table.get("hub_files", ())),
        clusters=layout.source or ("" if layout.columns or facts["head"] != "span" else "paragraph"),
        definition=text,
    )


def _scorer(format_: str, metrics: Sequence[str]) -> Score:
    """Return the function that computes the metrics in their order."""

    def score(split: Split, predictions: Sequence[Any]) -> SplitScores:
        """Return the metrics of predictions."""
        scored = [SCORES[format_, metric](split, predictions) for metric in metrics]
        pairs = list(zip(metrics, scored, strict=True))
        return SplitScores(
            {name: each.metrics[name] for name, each in pairs}, {name: each.items[name] for name, each in pairs}
        )

    return score


def _parser(format_: str, labels: tuple[str, ...]) -> Parser:
    parsers: dict[str, Parser] = {
        "pair": label_lines(labels),
        "choice": index_lines(len(labels)),
        "span": answers_by_id,
        "tags": tag_lines(labels),
    }
    return parsers[format_]


def _hub_file(table: Mapping[str, str], hub: str) -> HubFile:
    return HubFile(
        table["path"],
        table.get("repository", hub),
        table.get("config", ""),
        table["split"],
        jsonl(),
        table.get("language"),
    )
