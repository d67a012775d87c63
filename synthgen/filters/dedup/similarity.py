"""When two rows say the same: the texts that are compared, what their labels are, how alike two texts are.

Rows are near duplicates when every text of one is like the text of the other; texts that are equal always are, so rows
of one premise or passage are compared by the rest alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from typing import Any

import numpy as np
import pyarrow as pa
from rapidfuzz import fuzz
from rapidfuzz.distance import OSA

from synthgen.formats.base import Format
from synthgen.formats.choice import ChoiceFormat
from synthgen.formats.span import SpanFormat
from synthgen.formats.tags import TagsFormat
from synthgen.text.hashes import value_hashes
from synthgen.text.words import VERSION as WORDS_VERSION
from synthgen.text.words import Hashes, mixed, words

VERSION = 2
"""Raise it when other texts are compared, or ranked or measured otherwise."""
MOST_COMPARED = 10_000
"""Characters of a text by which near duplicates are found: more than examples have."""
VERSIONS = {"comparison": VERSION, "words": WORDS_VERSION}
"""What every filter that compares texts has in common."""


@dataclass(frozen=True, slots=True)
class NearSettings:
    """How alike two texts must be: by any one of the measures.

    `jaccard` of word and bigram sets, `edit` similarity of the characters (0-100, finds changes inside words), or, in
    texts of which the longer has at least `one_word_from` words, all words but one in place (0 for never).
    """

    jaccard: float = 0.7
    edit: float = 90.0
    one_word_from: int = 6

    def __post_init__(self) -> None:
        if not 0 < self.jaccard <= 1:
            raise ValueError(f"jaccard = {self.jaccard} is not above 0 and at most 1")
        if not 0 < self.edit <= 100:
            raise ValueError(f"edit = {self.edit} is not above 0 and at most 100")
        if self.one_word_from < 0:
            raise ValueError(f"one_word_from = {self.one_word_from} is negative")


def compared_texts(format_: Format, row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the texts by which a row is a duplicate: its running text, options as one text, tokens as one.

    >>> from synthgen.formats.span import Span
    >>> squad = SpanFormat(("answerable",))
    >>> compared_texts(squad, squad.to_row(Span("Tea is hot.", "What is hot?", "Tea", 0)))
    ('Tea is hot.', 'What is hot?')
    """
    if isinstance(format_, TagsFormat):
        return (format_.sentence(row),)
    if isinstance(format_, ChoiceFormat):
        stems = [row[column] for column in format_.text_columns if column not in format_.option_columns]
        return (*stems, "\n".join(format_.options(row)))
    return tuple(row[column] for column in format_.text_columns)


def texts_apart(format_: Format, row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the `compared_texts` with each option as a text of its own."""
    texts = compared_texts(format_, row)
    return (*texts[:-1], *format_.options(row)) if isinstance(format_, ChoiceFormat) else texts


def columns_of_texts(format_: Format, table: pa.Table) -> list[pa.Array]:
    """Return the `compared_texts` of a table's rows as columns."""
    if isinstance(format_, TagsFormat | ChoiceFormat):
        columns = zip(*(compared_texts(format_, row) for row in table.to_pylist()), strict=True)
        return [pa.array(column, pa.string()) for column in columns]
    return [table[column].combine_chunks() for column in format_.text_columns]


def ranks(table: pa.Table) -> Hashes:
    """Return a hash of what each row says, its id apart: of several duplicates the least stays, wherever it stood."""
    hashes = np.zeros(table.num_rows, dtype=np.uint64)
    for name in sorted(set(table.column_names) - {"id"}):
        hashes = mixed(hashes + value_hashes(table[name]))
    return hashes


def answers(format_: Format, row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what the row's label says, one or two ways; rows that agree in one have the same label.

    A span's label is its answer, not its offset; a choice's the right option's place or its text.
    """
    if isinstance(format_, SpanFormat):
        return (words(" ".join(row["answers"]["text"][:1])),)
    if isinstance(format_, ChoiceFormat):
        cell = format_.cell(row)
        return (cell, words(format_.options(row)[format_.labels.index(cell)]))
    return (format_.cell(row),)


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """A row as it is compared: its id, the `words` of its texts, its answers."""

    row_id: str
    texts: tuple[str, ...]
    answers: tuple[str, ...]

    @classmethod
    def of(cls, format_: Format, row_id: str, row: Mapping[str, Any]) -> ComparedRow:
        """Return the entry of a row."""
        return cls(
            row_id, tuple(words(text[:MOST_COMPARED]) for text in compared_texts(format_, row)), answers(format_, row)
        )

    def pack(self) -> bytes:
        """Return the entry as bytes."""
        parts = ("\x1f".join(self.texts), "\x1f".join(self.answers), self.row_id)
        return "\x1e".join(parts).encode("utf-8", "surrogatepass")

    @classmethod
    def unpack(cls, packed: bytes) -> ComparedRow:
        """Return the entry of `pack`."""
        texts, labels, row_id = packed.decode("utf-8", "surrogatepass").split("\x1e", 2)
        return cls(row_id, tuple(texts.split("\x1f")), tuple(labels.split("\x1f")))

    def agrees(self, other: ComparedRow) -> bool:
        """Say whether two rows have the same label."""
        return any(one == two for one, two in zip(self.answers, other.answers, strict=True))


def row_likeness(new: ComparedRow, old: ComparedRow, settings: NearSettings) -> tuple[str, float] | None:
    """Return the measure and value (0-1) by which two rows are near duplicates, of their least alike texts."""
    least = ("words", 1.0)
    for a, b in zip(new.texts, old.texts, strict=True):
        if a == b:
            continue
        match = likeness(a, b, settings)
        if match is None:
            return None
        least = min(least, match, key=itemgetter(1))
    return least


def likeness(a: str, b: str, settings: NearSettings) -> tuple[str, float] | None:
    """Return the measure by which two texts of `words` are alike and its value (0-1), None when they are not.

    >>> likeness("a man in a red coat runs", "a man in a red hat runs", NearSettings())
    ('one word', 0.857)
    >>> likeness("a man in a red coat runs", "a dog in a red hat runs", NearSettings()) is None
    True
    """
    left, right = a.split(), b.split()
    if _may_share_words(left, right, settings.jaccard) and (match := _shared_words(left, right, settings)):
        return match
    edit = fuzz.ratio(a[:MOST_COMPARED], b[:MOST_COMPARED], score_cutoff=settings.edit)
    return ("edit", round(edit / 100, 3)) if edit >= settings.edit else None


def _may_share_words(left: list[str], right: list[str], jaccard: float) -> bool:
    """Return False only where `_shared_words` finds nothing: most rows that meet by chance end here, at half the cost.

    Of n words that the other text has not, each begins a bigram that it has not either, but for a last one; these are
    at least 2n - 1 elements. Texts that differ by one word, or one for two, have no more than two such words each.
    """
    one, two = {*left}, {*right}
    shared = len(one & two)
    missing, extra = len(one) - shared, len(two) - shared
    if missing <= 2 and extra <= 2:
        return True
    apart = max(0, 2 * missing - 1), max(0, 2 * extra - 1)
    common = min(len(one) + len(left) - apart[0], len(two) + len(right) - apart[1]) - 1
    return common >= jaccard * (common + sum(apart))


def _shared_words(left: list[str], right: list[str], settings: NearSettings) -> tuple[str, float] | None:
    """Return the measure of words by which two texts are alike and its value, None when they are not."""
    jaccard = _jaccard(left, right)
    if jaccard >= settings.jaccard:
        return "jaccard", round(jaccard, 3)
    longest = max(len(left), len(right))
    if settings.one_word_from and longest >= settings.one_word_from:
        if sorted(left) == sorted(right):
            return "same words", round(jaccard, 3)
        if OSA.distance(left, right, score_cutoff=1) <= 1 or _is_one_for_two(left, right):
            return "one word", round(1 - 1 / longest, 3)
    return None


def _is_one_for_two(left: list[str], right: list[str]) -> bool:
    """Say whether one word stands for two in the same place: a written word like "it's" or "well-known" is two here."""
    shorter, longer = sorted((left, right), key=len)
    if len(longer) != len(shorter) + 1:
        return False
    differing = (place for place, (one, two) in enumerate(zip(shorter, longer, strict=False)) if one != two)
    at = next(differing, len(shorter))
    return shorter[at + 1 :] == longer[at + 2 :]


def _jaccard(left: list[str], right: list[str]) -> float:
    one, two = {*left, *pairwise(left)}, {*right, *pairwise(right)}
    return len(one & two) / len(one | two) if one or two else 1.0
