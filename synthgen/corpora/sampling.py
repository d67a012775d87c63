"""Which rows of a corpus to keep: a first reading that counts them by quota cell, and a draw of n from the cells."""

import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synthgen.corpora.corpus import Corpus
from synthgen.corpora.readers.item import UNKNOWN_LABEL
from synthgen.corpora.row_stream import RowStream
from synthgen.dataset.manifest import scale_counts
from synthgen.dataset.shards import Rejection, cell_counts, draw_key
from synthgen.dataset.table_cache import TableCache
from synthgen.errors import UserError
from synthgen.task.registry import is_task, load_task

STRAY_SHARE = 0.01
"""More rows with labels that are not the task's are a class of their own, and no slips."""
MOST_HELD = 10_000
"""Rejections that are kept in memory; of more, the corpus is read once more when they are written."""
_SPARE = 1_000
"""Keys that are kept of a cell before those that cannot be drawn are taken out."""
_PLACE = re.compile(r"(.*? (?:line|row|item) \d+): ", re.DOTALL)


class Survey:
    """The usable rows of a corpus, counted by cell when they are first read; and all that is odd.

    For a draw of `n`, the rows of each cell that may be drawn are kept: those with the smallest keys.
    """

    def __init__(self, corpus: Corpus, n: int | None = None, seed: int = 0) -> None:
        self.corpus, self.stream = corpus, RowStream(corpus)
        self._n, self._seed = n, seed
        self.cells, self.reasons = Counter[str](), Counter[str]()
        self._held, self._stray, self._first_stray = list[Rejection](), Counter[str](), ""
        self.check, self.notes = Counter[str](), Counter[str]()
        self.keys: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        self._cache = TableCache(self._read)
        for _ in self._cache:
            pass

    def tables(self, chosen: npt.NDArray[np.bool_] | None = None) -> Iterator[pa.Table]:
        """Yield the usable rows, all or those chosen."""
        first = 0
        for table in self._cache:
            yield table if chosen is None else table.filter(pa.array(chosen[first : first + table.num_rows]))
            first += table.num_rows

    def rejected(self) -> Iterator[Rejection]:
        """Yield the rows that cannot be used."""
        if self.reasons.total() == len(self._held):
            yield from self._held
        else:
            for batch in self.stream:
                yield from batch.rejected

    @property
    def first_evidence(self) -> str:
        """Why and where the first row that cannot be used is so; nothing where none says."""
        return next((each.evidence for each in self._held if each.evidence), "")

    def _read(self) -> Iterator[pa.Table]:
        for counted in (self.cells, self.reasons, self._held, self._stray, self.check, self.notes, self.keys):
            counted.clear()
        rows = 0
        for batch in self.stream:
            self._count_rejected(batch.rejected)
            self.notes += batch.notes
            self.check += batch.check
            self.cells += cell_counts(self.corpus.format, batch.table)
            if self._n is not None:
                self._add_keys(self._n, batch.table, rows)
            rows += batch.table.num_rows
            if batch.table.num_rows:
                yield batch.table

    def _count_rejected(self, rejected: list[Rejection]) -> None:
        self.reasons.update(each.reason for each in rejected)
        self._held += rejected[: MOST_HELD - len(self._held)]
        for each in rejected:
            if each.reason == UNKNOWN_LABEL and each.evidence:
                place, label = _label_of(each)
                self._first_stray = self._first_stray if self._stray else place
                self._stray[label] += 1

    def _add_keys(self, n: int, table: pa.Table, first: int) -> None:
        for number, row in enumerate(table.to_pylist(), start=first):
            self.keys[self.corpus.format.cell(row)].append((draw_key(self._seed, row["id"]), number))
        for keys in self.keys.values():
            if len(keys) > 2 * n + _SPARE:
                keys[:] = heapq.nsmallest(n, keys)

    def refuse_other_labels(self) -> None:
        """Raise UserError where so many rows have a label that is not the task's that it is no slip."""
        others = self._stray
        if others.total() > STRAY_SHARE * (self.cells.total() + others.total()):
            named = ", ".join(f"'{label}' ({count})" for label, count in others.most_common(6))
            labels = self.corpus.format.labels
            parts = (part.records for part in self.corpus.parts if part.records)
            names = sorted({*others, *(str(number) for part in parts for number in part.labels.numbers)})
            targets = labels if len(names) == len(labels) and all(map(str.isdecimal, names)) else ["…"] * 3
            example = ",".join(f"{name}={label}" for name, label in zip(names, targets, strict=False))
            way_out = f"Say what they mean: --labels '{example}' ('{next(iter(others))}=-' drops the rows)"
            if any("," in name for name in others):
                way_out = "Make them a column of names or numbers"
            raise UserError(
                f"unknown labels {named}, first in {self._first_stray}; known: {', '.join(labels)}. {way_out}"
            )


def _label_of(stray: Rejection) -> tuple[str, str]:
    """Return the place of a row and its label, by the evidence."""
    match = _PLACE.match(stray.evidence)
    return (match[1], stray.evidence[match.end() :]) if match else ("", stray.evidence)


def quotas(task: str, available: dict[str, int], n: int) -> dict[str, int]:
    """Return how many rows each cell gives to a set of n: the real set's proportions, else those of the rows at hand.

    Raises UserError, with what is short and the largest n that would do, when a cell has too few rows.
    """
    real = load_task(task).label_counts if is_task(task) else {}
    proportions = real if set(available) <= set(real) else dict(sorted(available.items()))
    counts = scale_counts(proportions, n)
    short = {cell: count for cell, count in counts.items() if count > available.get(cell, 0)}
    if short:
        lacking = ", ".join(f"{cell} {available.get(cell, 0)} of {count}" for cell, count in short.items())
        most = _largest_draw(proportions, available)
        raise UserError(f"--n {n} needs more rows than there are: {lacking}; allowed: at most {most}")
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


def draw(survey: Survey, counts: dict[str, int]) -> npt.NDArray[np.bool_]:
    """Return which rows are drawn: in each cell so many, those with the smallest keys."""
    chosen = np.zeros(survey.cells.total(), dtype=np.bool_)
    for cell, count in counts.items():
        chosen[[number for _, number in heapq.nsmallest(count, survey.keys[cell])]] = True
    return chosen
