"""Overlap of texts: which rows of a dataset stand in another, in test items or in training items, by kind.

A row counts once, by the first that fits: it is another's as a whole, one of its longer texts (a premise, a paragraph)
is, or it shares a run of 13 words, the n-gram of GPT-3 (Brown et al. 2020, appendix C). Words are compared casefolded
and without punctuation, in any script; two letters of a script without spaces are a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from synthgen.formats.choice import Choice
from synthgen.formats.pair import Pair
from synthgen.formats.span import Span
from synthgen.formats.tags import TaggedSentence
from synthgen.text.words import LETTERS_PER_WORD, Hashes, Places, hashes_of_words, mixed, words, words_long

VERSION = 2
"""Raise it when other rows count as shared."""

LEAST_WORDS = 6
"""Of a text that counts by itself: a stock sentence proves nothing."""

RUN = 13


@dataclass(frozen=True, slots=True)
class OverlapCounts:
    """Rows of a dataset that another set shares: the whole row, one whole text, or a run of words; each row once."""

    rows: int
    whole: int = 0
    text: int = 0
    run: int = 0

    @property
    def share(self) -> float:
        """All of them in percent of the rows."""
        return 100 * (self.whole + self.text + self.run) / max(self.rows, 1)

    def __add__(self, other: OverlapCounts) -> OverlapCounts:
        return OverlapCounts(
            self.rows + other.rows, self.whole + other.whole, self.text + other.text, self.run + other.run
        )


@dataclass(frozen=True)
class Texts:
    """The hashes of rows, of their different texts and of runs of words; `row_of` and `text_of` say which has which."""

    rows: int
    row_of: Places
    text_of: Places
    text_hashes: Hashes
    lengths: Places
    run_hashes: Hashes
    text_of_run: Places

    @classmethod
    def of(cls, records: Iterable[Any]) -> Texts:
        """Read the texts of records of any format, or of plain texts."""
        places: dict[str, int] = {}
        row_of, text_of, rows = list[int](), list[int](), 0
        for rows, record in enumerate(records, start=1):
            for text in texts_of(record):
                row_of.append(rows - 1)
                text_of.append(places.setdefault(text, len(places)))
        texts = [text if text.isascii() else words(text) for text in places]
        hashes, ends = hashes_of_words(texts) if texts else (np.empty(0, np.uint64), np.empty(0, np.int64))
        a_word = [1 if text.isascii() else words_long(text.split(), 1) for text in texts]
        hashed = _hashed_texts(hashes, ends, np.array(a_word, np.int64))
        return cls(rows, np.array(row_of, np.int64), np.array(text_of, np.int64), *hashed)

    @classmethod
    def joined(cls, several: Sequence[Texts]) -> Texts:
        """Return the texts of several sets as of one."""
        texts, rows = (
            np.cumsum([0, *(len(each.lengths) for each in several)]),
            np.cumsum([0, *(e.rows for e in several)]),
        )

        def shifted(name: str, by: Places) -> Places:
            """Return numbers of rows or texts in all sets together."""
            return np.concatenate([getattr(each, name) + start for each, start in zip(several, by, strict=False)])

        return cls(
            int(rows[-1]),
            shifted("row_of", rows),
            shifted("text_of", texts),
            np.concatenate([each.text_hashes for each in several]),
            np.concatenate([each.lengths for each in several]),
            np.concatenate([each.run_hashes for each in several]),
            shifted("text_of_run", texts),
        )

    @cached_property
    def row_hashes(self) -> Hashes:
        """A hash of the texts of each row, in whatever order."""
        sums = np.zeros(self.rows, dtype=np.uint64)
        np.add.at(sums, self.row_of, mixed(self.text_hashes[self.text_of]))
        return mixed(sums)

    @cached_property
    def is_long(self) -> npt.NDArray[np.bool_]:
        """Which texts count by themselves."""
        return self.lengths >= LEAST_WORDS

    @cached_property
    def long_texts(self) -> Hashes:
        """The hashes of texts that count by themselves."""
        return np.unique(self.text_hashes[self.is_long])

    @cached_property
    def runs(self) -> Hashes:
        """The hashes of all runs."""
        return np.unique(self.run_hashes)

    def shared_with(self, other: Texts) -> OverlapCounts:
        """Return how many rows stand in other rows, by kind."""
        row_words = np.bincount(self.row_of, self.lengths[self.text_of], minlength=self.rows)
        whole = np.isin(self.row_hashes, other.row_hashes) & (row_words >= LEAST_WORDS)
        text = self._rows_with(self.is_long & np.isin(self.text_hashes, other.long_texts))
        of_runs = np.zeros(len(self.text_hashes), dtype=np.bool_)
        of_runs[self.text_of_run[np.isin(self.run_hashes, other.runs)]] = True
        run = self._rows_with(of_runs)
        return OverlapCounts(self.rows, int(whole.sum()), int((text & ~whole).sum()), int((run & ~text & ~whole).sum()))

    def _rows_with(self, texts: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        mask = np.zeros(self.rows, dtype=np.bool_)
        mask[self.row_of[texts[self.text_of]]] = True
        return mask


def _hashed_texts(parts: Hashes, ends: Places, a_word: Places) -> tuple[Hashes, Places, Hashes, Places]:
    """Return the hash of each text, how many words it has, and its runs.

    Texts end at `ends` of their parts, of which `a_word` make a word: two where they are letters.
    """
    lengths = np.diff(ends, prepend=0)
    text_of_part = np.repeat(np.arange(len(ends)), lengths)
    place = (np.arange(len(parts)) - (ends - lengths)[text_of_part]).astype(np.uint64)
    sums = np.zeros(len(ends), dtype=np.uint64)
    np.add.at(sums, text_of_part, mixed(parts + mixed(place)))
    runs = [_runs(parts, text_of_part, RUN * each, a_word == each) for each in (1, LETTERS_PER_WORD)]
    hashes, text_of_run = (np.concatenate(each) for each in zip(*runs, strict=True))
    return mixed(sums), lengths // a_word, hashes, text_of_run


def _runs(parts: Hashes, text_of_part: Places, length: int, of_these: npt.NDArray[np.bool_]) -> tuple[Hashes, Places]:
    """Return the hashes of the runs of so many parts in these texts, and in which of them each is."""
    first = np.flatnonzero(text_of_part[: max(len(parts) - length + 1, 0)] == text_of_part[length - 1 :])
    first = first[of_these[text_of_part[first]]]
    runs = np.zeros(len(first), dtype=np.uint64)
    for at in range(length):
        runs = runs * np.uint64(3) + parts[first + at]
    return mixed(runs), text_of_part[first]


def texts_of(record: Any) -> tuple[str, ...]:  # noqa: ANN401 - a record of any format
    """Return the texts of a record that say what it is about; answers are part of their paragraph."""
    match record:
        case Pair():
            texts: tuple[str, ...] = record.text_a, record.text_b
        case Choice():
            texts = record.context, record.question, *record.options
        case Span():
            texts = record.context, record.question
        case TaggedSentence():
            texts = (" ".join(record.tokens),)
        case str():
            texts = (record,)
        case _:
            texts = tuple(filter(lambda part: isinstance(part, str), record))
    return tuple(filter(None, texts))
