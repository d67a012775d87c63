"""Pairs of texts with a label, as XNLI and PAWS-X have them on disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from evaluator.benchmark.target import Split
from synthgen.corpora.readers.pairs import OTHER_NAMES
from synthgen.errors import unknown
from synthgen.formats.pair import Pair


def pair_split(
    language: str, rows: Iterable[Sequence[str]], labels: tuple[str, ...], files: tuple[Path, ...], prefix: str = ""
) -> Split:
    """Return rows of two texts and a label's name as a split; ids are the prefix and the row's number."""
    records, gold = [], []
    for number, (text_a, text_b, name) in enumerate(rows, start=1):
        label = OTHER_NAMES.get(name, name)
        if label not in labels:
            raise unknown("label", label, labels, where=f"{files[-1]} line {number}")
        gold.append(label)
        records.append(Pair(text_a, text_b, labels.index(label)))
    ids = tuple(f"{prefix}{number}" for number in range(len(records)))
    return Split(language, ids, tuple(records), tuple(gold), files)
