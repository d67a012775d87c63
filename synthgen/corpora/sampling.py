"""Which rows of a corpus to keep: a first reading that sorts them into quota cells, and a draw of n from the cells."""

import hashlib
import heapq
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from synthgen.corpora.corpus import Corpus
from synthgen.corpora.readers.item import Item
from synthgen.dataset.manifest import scale_counts
from synthgen.dataset.shards import Rejection
from synthgen.errors import UserError
from synthgen.task.definition import load_task, prompt_files

STAGE = "import"
TOLERATED = ("both texts equal", "two options equal", "empty ")
"""Beginnings of the check reasons that released corpora give cause for, and that we keep."""
TOLERATED_TRANSLATED = TOLERATED[:2]
"""An empty text is a translation that was lost."""


@dataclass(slots=True)
class Survey:
    """What a first reading finds: the usable rows of each quota cell as (draw key, row number), and all that is odd."""

    cells: defaultdict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    rejected: list[Rejection] = field(default_factory=list)
    check: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)

    def counts(self) -> dict[str, int]:
        """Return the number of usable rows in each cell."""
        return {cell: len(rows) for cell, rows in self.cells.items()}


def survey_corpus(corpus: Corpus, seed: int) -> Survey:
    """Read the corpus once and return where its usable rows are; rows that cannot be kept are rejections."""
    survey = Survey()
    tolerated = TOLERATED_TRANSLATED if corpus.translation else TOLERATED
    for number, item in enumerate(corpus.items()):
        if item.note:
            survey.notes[item.note] += 1
        reason = item.fault or corpus.format.check(item.row)
        if item.fault or (reason and not reason.startswith(tolerated)):
            survey.rejected.append(Rejection(str(item.id), str(reason), STAGE, "", item.row))
            continue
        if reason:
            survey.check[reason] += 1
        survey.cells[corpus.format.cell(item.row)].append((_draw_key(seed, item), number))
    return survey


def quotas(task: str, available: dict[str, int], n: int) -> dict[str, int]:
    """Return how many rows each cell gives to a set of n: the real set's proportions, else those of the rows at hand.

    Raises UserError, with what is short and the largest n that would do, when a cell has too few rows.
    """
    real = load_task(task).label_counts if task in prompt_files() else {}
    proportions = real if set(available) <= set(real) else dict(sorted(available.items()))
    counts = scale_counts(proportions, n)
    short = {cell: count for cell, count in counts.items() if count > available.get(cell, 0)}
    if short:
        lacking = ", ".join(f"{cell} {available.get(cell, 0)} of {count}" for cell, count in short.items())
        most = _largest_draw(proportions, available)
        raise UserError(f"--n {n} needs more rows than there are: {lacking}; allowed is at most {most}")
    return counts


def _largest_draw(proportions: dict[str, int], available: dict[str, int]) -> int:
    """Return the largest n whose quotas the available rows can fill."""
    total = sum(proportions.values())
    limits = (available.get(cell, 0) * total // count for cell, count in proportions.items() if count)
    # Rounding may take one row less from a cell than its share.
    for n in range(min(limits) + len(proportions), 0, -1):
        if all(count <= available.get(cell, 0) for cell, count in scale_counts(proportions, n).items()):
            return n
    return 0


def draw(survey: Survey, counts: dict[str, int]) -> frozenset[int]:
    """Return the numbers of the rows drawn: in each cell so many, those with the smallest keys."""
    cells = {cell: (survey.cells[cell], count) for cell, count in counts.items() if count}
    drawn = (rows if count == len(rows) else heapq.nsmallest(count, rows) for rows, count in cells.values())
    return frozenset(number for rows in drawn for _, number in rows)


def _draw_key(seed: int, item: Item) -> int:
    """Return a number that depends on the seed and the row's id alone, so that draws nest and survive re-ordering."""
    return int.from_bytes(hashlib.blake2b(f"{seed}:{item.id}".encode(), digest_size=8).digest(), "big")
