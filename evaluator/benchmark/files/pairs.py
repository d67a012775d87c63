"""Pairs of texts with a label, as XNLI and PAWS-X have them on disk."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from evaluator.benchmark.target import Split
from synthgen.corpora.readers.columns import OTHER_NAMES
from synthgen.errors import unknown
from synthgen.formats.pair import Pair


def pair_split(
    language: str,
    rows: Iterable[Sequence[str]],
    labels: tuple[str, ...],
    files: tuple[Path, ...],
    prefix: str = "",
    sources: Iterable[str] = (),
) -> Split:
    """Return rows of two texts and a label's name as a split; ids are the prefix and the row's number.

    `sources` are what rows share with others.
    """
    items = []
    for number, (text_a, text_b, name) in enumerate(rows):
        label = OTHER_NAMES.get(name, name)
        if label not in labels:
            raise unknown("label", label, labels, where=f"{files[-1]} line {number + 1}")
        items.append((f"{prefix}{number}", Pair(text_a, text_b, labels.index(label)), label))
    return Split.of(language, items, *files, sources=sources)
