"""What a filter is and the verdict it gives; what an edit is; what both may know of the set.

A filter keeps a row or drops it with a short reason and never changes it; an edit changes rows and is counted apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, Self, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synthgen.filters.labels.llm_judge import JudgeConfig
from synthgen.formats.base import Format, Row

TEXTS_HELD = 1024
"""How many texts a filter remembers what it found in: rows that share a text, as a premise, come close together."""

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Drop:
    """Why a row was dropped, and what shows it: the matching row, the score, the words."""

    reason: str
    evidence: str


@dataclass(frozen=True, slots=True)
class FilterContext:
    """The set that filters judge: the prompt it was made with, and what it may be compared with.

    `against` are evaluation sets to keep out, `like` is the real set whose rows it should resemble; a checkpoint
    (`verifier`) and an engine (`judging`) may read its rows again.
    """

    format: Format
    language: str = "en"
    prompt: str = ""
    against: tuple[Path, ...] = ()
    verifier: Path | None = None
    like: Path | None = None
    judging: JudgeConfig = field(default_factory=JudgeConfig)


@dataclass(frozen=True, slots=True)
class NoSettings:
    """The settings of a filter that has none."""


class Filter(Protocol):
    """One reason to drop rows."""

    @property
    def name(self) -> str:
        """The stage's name in manifests, rejections and configuration files."""

    def check(self, row_id: str, row: Row) -> Drop | None:
        """Return why the row must go, None when it may stay."""

    def check_batch(self, rows: Sequence[tuple[str, Row]]) -> list[Drop | None]:
        """Return the verdicts of several rows, each as if the others were not there."""

    def prepare(self, rows: Sequence[tuple[str, Row]]) -> None:
        """Work out for several rows at once what `judge` will need of each; they are judged one by one next."""

    def add_kept(self, row_id: str, row: Row) -> None:
        """Take note of a row that was kept."""

    @property
    def reconsiders(self) -> bool:
        """Whether a complete set must be shown to `recheck_set`."""

    def recheck_set(self, rows: Sequence[Row]) -> dict[int, Drop]:
        """Return which of all kept rows must go after all, by place, now that they are seen together."""

    @property
    def rows_at_once(self) -> int:
        """How many rows are worth waiting for, because judging several together costs less."""

    def facts(self) -> dict[str, Any]:
        """Return what the manifest says of this check: settings, counts, scores. Empty for nothing."""

    def files(self) -> dict[str, Any]:
        """Return reports to write beside the manifest, name to JSON value."""

    def close(self) -> None:
        """Free what the filter holds, e.g. an engine."""


class SetRows(Protocol):
    """The rows of a set that earlier filters left, readable again and again; a row's number is its place in the set."""

    @property
    def total(self) -> int:
        """One more than the largest number."""

    def numbers(self) -> npt.NDArray[np.int64]:
        """Return the numbers of all rows, ascending."""

    def batches(self) -> Iterator[tuple[npt.NDArray[np.int64], list[Row]]]:
        """Yield all rows, some thousands at a time, with their numbers."""

    def mapped(
        self, function: Callable[[pa.Table], Found], numbers: npt.NDArray[np.int64] | None = None
    ) -> Iterator[tuple[npt.NDArray[np.int64], Found]]:
        """Yield what the function returns for each table of rows, in order, with the rows' numbers.

        Given ascending `numbers`, the tables hold only these rows. They may be given to other processes: the function
        must be one that can be sent there.
        """


@runtime_checkable
class SetFilter(Filter, Protocol):
    """A filter that compares rows with one another, and can do it for a whole set, whatever its order."""

    def check_dataset(self, rows: SetRows) -> Iterator[tuple[int, Drop]]:
        """Yield number and verdict of each row to drop, once each; which rows stay must not depend on their order."""


class BaseFilter:
    """What most filters have in common; one that judges every row alone has only `judge` and `name` left to write."""

    def check(self, row_id: str, row: Row) -> Drop | None:
        """Return why the row must go."""
        raise NotImplementedError

    def check_batch(self, rows: Sequence[tuple[str, Row]]) -> list[Drop | None]:
        """Return one verdict after the other; a filter with a model judges them in one batch instead."""
        return [self.check(row_id, row) for row_id, row in rows]

    reconsiders = False
    rows_at_once = 1

    def prepare(self, rows: Sequence[tuple[str, Row]]) -> None:
        """Nothing is cheaper for several rows at once."""

    def recheck_set(self, rows: Sequence[Row]) -> dict[int, Drop]:
        """What was kept stays, whatever the others are."""
        return {}

    def add_kept(self, row_id: str, row: Row) -> None:
        """Take note of nothing."""

    def facts(self) -> dict[str, Any]:
        """Nothing to say beyond the count of rejections."""
        return {}

    def files(self) -> dict[str, Any]:
        """No report."""
        return {}

    def close(self) -> None:
        """Nothing to free."""


class RowFilter(BaseFilter):
    """A filter that knows its settings and the row, nothing else: copies of it may judge a set in several processes.

    What it counts beside its verdicts is in `counts`, which are added up.
    """

    name: str

    def __init__(self) -> None:
        """Count nothing yet."""
        self.counts: Counter[str] = Counter()

    def clears(self, table: pa.Table) -> npt.NDArray[np.bool_]:
        """Return which of a table's rows may stay for certain, so that `judge` need not be asked about them."""
        return np.zeros(table.num_rows, dtype=np.bool_)

    def copied(self) -> Self:
        """Return a copy that has counted nothing."""
        other = copy(self)
        other.counts = Counter()
        return other


class Edit(Protocol):
    """One change of rows, e.g. control characters removed; `VERSION` is raised when it changes rows otherwise."""

    VERSION: int

    @property
    def name(self) -> str:
        """The edit's name in manifests and configuration files."""

    def apply(self, row: Row) -> Row:
        """Return the changed row, or the very same object when there is nothing to change."""


@dataclass(frozen=True, slots=True)
class FilterSpec:
    """A filter's entry in the registry: its name, its place in the order, how it is built, and when it runs.

    `runs`: in every set (`always`), by default, when an evaluation set (`against`), a `verifier` or a `judge` is given,
    or only when a configuration file names it. `needs` is what has to be given then, `check` the key of its facts
    in the manifest's `checks`. `version` is raised when the filter gives the same rows other verdicts; `shared` are the
    versions, by name, of what it has in common with other filters.
    """

    name: str
    build: Callable[[FilterContext, Any], Filter]
    settings: type = NoSettings
    place: int = field(kw_only=True)
    runs: Literal["always", "default", "against", "verifier", "judge", "named"] = "default"
    check: str = ""
    needs: Literal["", "against", "verifier", "like"] = ""
    version: int = field(kw_only=True)
    shared: Mapping[str, int] = field(default_factory=dict, kw_only=True)

    def versions(self) -> dict[str, int]:
        """Return all that a verdict follows from beside settings and rows, by name."""
        return {self.name: self.version, **self.shared}
