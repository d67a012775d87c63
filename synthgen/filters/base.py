"""What a filter is, why it drops a row, and what it may know of the set; a filter never changes a row."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synthgen.dataset.ledger import Ledger
from synthgen.dataset.shards import SoftLabel
from synthgen.engines.budget import Budget
from synthgen.engines.config import RequestOptions, StartEngine
from synthgen.formats.base import Format, Row
from synthgen.models.packs import ResolvedModel

CACHED_TEXTS = 1024
"""How many texts a filter remembers its result for: rows that share a text, as a premise, come close together."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Drop:
    """Why a row was dropped, and what shows it: the matching row, the score, the words."""

    reason: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Generator:
    """The model that writes the rows of a run, and what of the run a judge shares.

    `start` gives the engine, which a judge with the same model uses; None where the run sends batches, since a judge is
    asked about some rows at a time. In `budget` the cost of a judge counts too.
    """

    model: ResolvedModel
    start: StartEngine | None
    budget: Budget


@dataclass(frozen=True, slots=True)
class JudgeConfig:
    """The model of an LLM judge, what the labels mean, where its replies are kept.

    `replies` is an open ledger, the folder of a new one, or None for nothing that lasts. `generator` is that of the run
    whose rows are judged, None where the rows are there already.
    """

    model: str = ""
    definitions: Mapping[str, str] = field(default_factory=dict)
    replies: Ledger | Path | None = None
    generator: Generator | None = None
    options: RequestOptions = field(default_factory=RequestOptions)


@dataclass(frozen=True, slots=True)
class FilterContext:
    """The set to filter: the prompt that it was generated with, and what it may be compared with.

    `against` are evaluation sets to keep out, `like` is the real set whose rows it should resemble; a checkpoint
    (`verifier`) and an LLM judge (`judge`) may label its rows again. `is_asked` says that a model was asked for this
    language where prompts are in another, so that rows in neither are to be expected.
    """

    format: Format
    language: str = "en"
    prompt: str = ""
    against: tuple[Path, ...] = ()
    verifier: Path | None = None
    like: Path | None = None
    judge: JudgeConfig = field(default_factory=JudgeConfig)
    is_asked: bool = False


@dataclass(frozen=True, slots=True)
class NoSettings:
    """The settings of a filter that has none."""


class Filter(ABC):
    """One reason to drop rows. A filter that checks every row alone has only `name` and `check` to define."""

    name: str
    """The stage's name in manifests, rejections and configuration files."""
    VERSION: ClassVar[int]
    """Raised when the filter drops other rows of the same set."""
    rechecks_set = False
    """Whether a complete set must be shown to `recheck_set`."""
    rows_at_once = 1
    """How many rows are worth waiting for, because checking several together costs less."""
    is_slow = False
    """Whether a model reads the rows, which takes so long that the engine should not wait for it."""
    needs_loop = False
    """Whether it uses an engine or a ledger, which belong to the thread that they were opened in."""

    @property
    def progress(self) -> str:
        """What a line of progress says of this filter; empty for nothing."""
        return ""

    @abstractmethod
    def check(self, row_id: str, row: Row) -> Drop | None:
        """Return why the row must go, None when it may stay."""

    def check_batch(self, rows: Sequence[tuple[str, Row]]) -> list[Drop | None]:
        """Return the results of `check` for several rows, each as if the others were not there."""
        return [self.check(row_id, row) for row_id, row in rows]

    def precompute(self, rows: Sequence[tuple[str, Row]]) -> None:  # noqa: B027 - nothing by default
        """Compute for several rows at once what `check` will need of each; they are checked one by one next."""

    def add_kept(self, row_id: str, row: Row) -> None:  # noqa: B027 - nothing by default
        """Take note of a row that was kept."""

    def recheck_set(self, rows: Sequence[Row]) -> dict[int, Drop]:
        """Return which of all kept rows must go after all, by place, now that they are seen together."""
        return {}

    def metadata(self) -> dict[str, Any]:
        """Return what the manifest records of this check: settings, counts, scores. Empty for nothing."""
        return {}

    def soft_labels(self) -> Mapping[str, SoftLabel]:
        """Return, by id, the probabilities of the labels of rows that stay, and of their own; empty for none."""
        return {}

    def files(self) -> dict[str, Any]:
        """Return reports to write beside the manifest, name to JSON value."""
        return {}

    def close(self) -> None:  # noqa: B027 - nothing by default
        """Free what the filter holds, e.g. an engine."""


class SetRows(Protocol):
    """The rows of a set that earlier filters left, readable again and again; a row's number is its place in the set."""

    def batches(self) -> Iterator[tuple[npt.NDArray[np.int64], list[Row]]]:
        """Yield all rows, some thousands at a time, with their numbers."""

    def mapped(
        self, function: Callable[[pa.Table], Result], numbers: npt.NDArray[np.int64] | None = None
    ) -> Iterator[tuple[npt.NDArray[np.int64], Result]]:
        """Yield what the function returns for each table of rows, in order, with the rows' numbers.

        With ascending `numbers`, the tables hold only these rows. The function may be sent to other processes.
        """


class SetFilter(Filter):
    """A filter that compares rows with one another, and can do it for a whole set, whatever its order."""

    @abstractmethod
    def check_dataset(self, rows: SetRows) -> Iterator[tuple[int, Drop]]:
        """Yield number and reason of each row to drop, once each; which rows stay must not depend on their order."""


class RowFilter(Filter):
    """A filter that knows its settings and the row, nothing else: copies of it may check a set in several processes.

    What it counts beside its drops is in `counts`, which are added up.
    """

    def __init__(self, format_: Format) -> None:
        self._format = format_
        self.counts: Counter[str] = Counter()

    def passes_fast(self, table: pa.Table) -> npt.NDArray[np.bool_]:
        """Return which of a table's rows may stay for certain, so that `check` need not see them."""
        return np.zeros(table.num_rows, dtype=np.bool_)

    def copied(self) -> Self:
        """Return a copy that has counted nothing."""
        other = copy(self)
        other.counts = Counter()
        return other

    def take_counts(self) -> dict[str, int]:
        """Return what was counted, and begin anew."""
        counts = dict(self.counts)
        self.counts.clear()
        return counts


@dataclass(frozen=True, slots=True)
class FilterSpec:
    """A filter's entry in the registry: its class, its place in the order, how it is built, and when it runs.

    `runs`: in every set (`always`), by default, by default and where a language is `asked` for, when an evaluation set
    (`against`), a `verifier` or a `judge` is given, or only when a configuration file names it. `needs` is what has to
    be given then, `check` the key of its metadata in the manifest's `checks`. `shared` are the versions, by name, of
    what it has in common with other filters. `builder` is for a filter that takes more of the context than the format;
    `name` for a class with several entries.
    """

    filter_class: type[Filter]
    settings: type = NoSettings
    place: int = field(kw_only=True)
    runs: Literal["always", "default", "asked", "against", "verifier", "judge", "named"] = "default"
    check: str = ""
    needs: Literal["", "against", "verifier", "like"] = ""
    shared: Mapping[str, int] = field(default_factory=dict)
    builder: Callable[[FilterContext, Any], Filter] | None = None
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or self.filter_class.name)

    def build(self, context: FilterContext, settings: Any) -> Filter:  # noqa: ANN401 - each filter has its own
        """Return a fresh filter for a set."""
        if self.builder is not None:
            return self.builder(context, settings)
        constructor: Callable[..., Filter] = self.filter_class
        return constructor(context.format) if self.settings is NoSettings else constructor(context.format, settings)

    def versions(self) -> dict[str, int]:
        """Return all that its results follow from beside settings and rows, by name."""
        return {self.name: self.filter_class.VERSION, **self.shared}
