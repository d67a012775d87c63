"""What a translator is: items in, the same items in another language out, or the reason why not.

An item is all the texts of one row, in the order of its format. It is handed over whole, so that what its texts have in
common can stay in common: a premise and a hypothesis translated apart lose part of their lexical overlap, and models
trained on them learn from the loss (Artetxe, Labaka and Agirre, EMNLP 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

Item = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text and the stretch of its translation, as character offsets [start, end)."""

    source: tuple[int, int]
    target: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Translation:
    """A translated text; `pieces` say which part came from which, in order."""

    text: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class TranslationFailure:
    """Why an item has no translation: `failed` when nothing came back, else a rejection."""

    reason: str
    evidence: str = ""
    failed: bool = False


Outcome = tuple[Translation, ...] | TranslationFailure


class Backend(Protocol):
    """A translator of whole items. `items_at_once` is how many it wants to see together, and what a crash may cost."""

    @property
    def name(self) -> str:
        """The kind of backend: bergamot, apertium, seq2seq, ctranslate2 or llm."""

    @property
    def ref(self) -> str:
        """The model as it is named on the command line."""

    @property
    def revision(self) -> str:
        """What identifies the weights."""

    @property
    def licence(self) -> str:
        """The model's licence, of which the licence of its translations is derived."""

    @property
    def note(self) -> str:
        """What else a reader must know about the model; empty for nothing."""

    @property
    def versions(self) -> dict[str, str]:
        """Package versions that determine the translations."""

    @property
    def settings(self) -> dict[str, str | int | bool]:
        """How it translates: part of what says whether two runs are the same."""

    @property
    def items_at_once(self) -> int:
        """How many items one call takes."""

    def check(self, source: str, target: str) -> None:
        """Raise UserError with the languages there are when the pair cannot be translated."""

    def translate(self, items: Sequence[Item], source: str, target: str) -> list[Outcome]:
        """Return one outcome for each item, in order."""

    def spent(self) -> tuple[int, int]:
        """Return the prompt and output tokens of the replies since the last call; zeros where none are counted."""

    def close(self) -> None:
        """Free processes and memory."""
