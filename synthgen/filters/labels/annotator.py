"""Second readers: who labels a row again, or answers its question again, without having seen label or answer.

A reader is a checkpoint (`verifiers`) or an engine as judge (`judges`). `filters.verify` compares what it says with
what the row has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from synthgen.formats.base import Row


@dataclass(frozen=True, slots=True)
class Annotation:
    """A label, or the answer to a row's question ("" for none); `shares` are a classifier's probabilities by label."""

    text: str
    shares: Mapping[str, float] = field(default_factory=dict)


class Annotator(Protocol):
    """Somebody who reads the texts of rows and nothing else of them."""

    def read(self, rows: Sequence[Row]) -> list[Annotation | None]:
        """Return what is said of each row, None where no sense can be made of it."""

    def facts(self) -> dict[str, Any]:
        """Return what a manifest says of the reader."""

    def trained_on(self) -> frozenset[str]:
        """Return the content hashes of sets whose rows prove nothing, because the reader was trained on them."""

    def close(self) -> None:
        """Free what the reader holds."""
