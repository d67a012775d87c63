"""Near duplicates: MinHash candidates, each verified by exact Jaccard similarity or edit similarity.

Sketches are Broder's MinHash (1997) in rensa's R-MinHash variant over words and word bigrams; the bands are chosen for
short texts, where a one-word edit leaves a Jaccard similarity of 0.7-0.85 and web-scale defaults find almost none.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from rapidfuzz import fuzz
from rensa import RMinHash, RMinHashLSH

from synthgen.filters.base import BaseFilter, Verdict
from synthgen.filters.exact import normalised
from synthgen.formats import Format
from synthgen.formats.base import Row

PERMUTATIONS = 128
BANDS = 32  # of 4 rows: recall 1 - (1 - s^4)^32 is 1.00 at s = 0.7 and 0.87 at s = 0.5
JACCARD = 0.7
EDIT_SIMILARITY = 90.0  # rapidfuzz ratio, 0-100: catches edits inside words, which word shingles miss


def shingles(text: str) -> list[str]:
    """Return the words and word bigrams of a text.

    >>> shingles("a b c")
    ['a', 'b', 'c', 'a b', 'b c']
    """
    words = text.split()
    return words + [f"{a} {b}" for a, b in pairwise(words)]


@dataclass(frozen=True, slots=True)
class _Kept:
    row_id: str
    text: str
    first: str
    rest: str
    cell: str


class NearDuplicates(BaseFilter):
    """Drops a row nearly equal to a kept row with the same label.

    Equal first texts (one premise, one passage) are compared by the rest alone, and a near match with another label is
    the contrast a set should have: both are kept, and `contrasts` counts the second.
    """

    name = "near"

    def __init__(self, format_: Format) -> None:
        """Compare the format's text columns."""
        self._format = format_
        self._lsh = RMinHashLSH(JACCARD, PERMUTATIONS, BANDS)
        self._kept: list[_Kept] = []
        self.contrasts = 0

    def judge(self, row_id: str, row: Row) -> Verdict | None:
        """Return a verdict with the nearest kept row, how near it is, and by which measure."""
        new = self._view(row_id, row)
        for index in sorted(self._lsh.query(_sketch(new.text))):
            old = self._kept[index]
            measure, score = _similarity(new, old)
            if measure and old.cell != new.cell:
                self.contrasts += 1
            elif measure:
                evidence = {"row": old.row_id, "measure": measure, "score": round(score, 3), "text": old.text}
                return Verdict("near duplicate", json.dumps(evidence, ensure_ascii=False).replace("\\u001f", " | "))
        return None

    def remember(self, row_id: str, row: Row) -> None:
        """Index the row."""
        new = self._view(row_id, row)
        self._lsh.insert(len(self._kept), _sketch(new.text))
        self._kept.append(new)

    def facts(self) -> dict[str, Any]:
        """Return how many near matches with another label were kept."""
        return {"contrasts_kept": self.contrasts}

    def _view(self, row_id: str, row: Row) -> _Kept:
        text = normalised(row, self._format.text_columns)
        first, _, rest = text.partition("\x1f")
        return _Kept(row_id, text, first, rest, self._format.cell(row))


def _similarity(new: _Kept, old: _Kept) -> tuple[str, float]:
    """Return the measure by which two rows are near duplicates and its value, or an empty name."""
    shared_first = bool(new.rest) and new.first == old.first
    a, b = (new.rest, old.rest) if shared_first else (new.text, old.text)
    left, right = set(shingles(a)), set(shingles(b))
    jaccard = len(left & right) / len(left | right) if left | right else 1.0
    if jaccard >= JACCARD:
        return "jaccard", jaccard
    edit = fuzz.ratio(a, b, score_cutoff=EDIT_SIMILARITY)
    return ("edit", edit) if edit >= EDIT_SIMILARITY else ("", 0.0)


def _sketch(text: str) -> RMinHash:
    sketch = RMinHash(PERMUTATIONS, 42)
    sketch.update(shingles(text))
    return sketch
