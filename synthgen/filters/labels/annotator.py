"""Annotators: who labels a row again, or answers its question again, without having seen label or answer.

An annotator is a trained checkpoint (`checkpoint`) or an LLM judge (`llm_judge`); `filter` compares it with the row.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from synthgen.formats.base import Row


@dataclass(frozen=True, slots=True)
class Annotation:
    """A label, or the answer to a row's question ("" for none); `shares` are a classifier's probabilities by label.

    `unread` is what came instead when no sense can be made of it.
    """

    text: str
    shares: Mapping[str, float] = field(default_factory=dict)
    unread: str = ""


class Annotator(ABC):
    """A reader of the texts of rows and nothing else of them."""

    rows_at_once = 64
    """How many rows are worth reading together."""
    asks_engine = False
    """Whether it uses an engine, which may be that of the run."""

    @property
    def progress(self) -> str:
        """What a line of progress says of the annotator; empty for nothing."""
        return ""

    @abstractmethod
    def read(self, rows: Sequence[Row]) -> list[Annotation]:
        """Return the annotation of each row."""

    @abstractmethod
    def metadata(self) -> dict[str, Any]:
        """Return what a manifest records of the annotator: name, revision, licence."""

    def trained_on(self) -> frozenset[str]:
        """Return the content hashes of sets that it is known to be trained on: their rows prove nothing."""
        return frozenset()

    def close(self) -> None:  # noqa: B027 - nothing by default
        """Free what the annotator holds."""
