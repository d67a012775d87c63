"""Sentences with tags, as UD-POS and PAN-X have them on disk."""

from __future__ import annotations

from pathlib import Path

from evaluator.benchmark.files.text import label_index, read_tagged
from evaluator.benchmark.target import Split
from synthgen.formats.tags import Tagged


def read_sentences(path: Path, language: str, labels: tuple[str, ...], *, token_prefix: str = "") -> Split:
    """Return the sentences of a file; `token_prefix` is stripped from every token that has it."""
    records, gold = [], []
    for number, (tokens, tags) in enumerate(read_tagged(path), start=1):
        where = f"{path} sentence {number}"
        words = tuple(token.removeprefix(token_prefix) for token in tokens)
        records.append(Tagged(words, tuple(label_index(tag, labels, where=where) for tag in tags)))
        gold.append(tags)
    ids = tuple(f"{language}-{number}" for number in range(len(records)))
    return Split(language, ids, tuple(records), tuple(gold), (path,))
