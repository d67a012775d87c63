"""Whole items through a model that translates one text after the other: cut, sorted by length, put together again.

An item short enough goes through the model as one document, its texts joined by a separator that the model is known to
keep. Where the translation does not have the separators back, and where an item is too long, its texts are translated
sentence by sentence. Equal pieces of one call are translated once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol

from synthgen.text.sentences import Span, pieces
from synthgen.translation.backends.base import Item, Outcome, Piece, Translation, TranslationFailure


class TextModel(Protocol):
    """A model that translates one text at a time, or a batch of them."""

    @property
    def most(self) -> int:
        """The longest text it translates well, in its own units; longer ones are cut."""

    @property
    def separator(self) -> str:
        """What stands between the texts of one document; empty where the model keeps no separator."""

    def length(self, text: str) -> int:
        """Return the length of a text in the model's units."""

    def translate_texts(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Return one translation for each text, an empty one where it was cut off; they come longest first."""


class Documents:
    """Translates items through a text model; `counts` says how many went whole and how many apart."""

    def __init__(self, model: TextModel) -> None:
        """Use `model` for every text."""
        self._model = model
        self.counts: Counter[str] = Counter()

    def translate(self, items: Sequence[Item], source: str, target: str) -> list[Outcome]:
        """Return one outcome for each item: its texts in order, with their pieces."""
        whole = {number: joined for number, item in enumerate(items) if (joined := self._joined(item))}
        answers = self._unique(whole.values(), source, target)
        done = {
            number: parts for number, text in whole.items() if (parts := self._parted(items[number], answers[text]))
        }
        apart = {number: item for number, item in enumerate(items) if number not in done}
        spans = {text: pieces(text, self._model.length, self._model.most) for item in apart.values() for text in item}
        answers |= self._unique((text[slice(*span)] for text in spans for span in spans[text]), source, target)
        self.counts.update({"items translated as one document": len(done), "items translated by sentence": len(apart)})
        return [
            done[number]
            if number in done
            else _outcome(tuple(_from_pieces(text, spans[text], answers) for text in item))
            for number, item in enumerate(items)
        ]

    def _joined(self, item: Item) -> str:
        """Return an item as one document, or nothing when it cannot be one."""
        separator = self._model.separator
        if not separator or len(item) < 2 or any(separator.strip() in text or "\n" in text for text in item):
            return ""
        joined = separator.join(text.strip() for text in item)
        return joined if self._model.length(joined) <= self._model.most else ""

    def _parted(self, item: Item, answer: str) -> tuple[Translation, ...] | None:
        parts = [part.strip() for part in answer.split(self._model.separator.strip())]
        if len(parts) != len(item) or not all(parts):
            return None
        whole = zip(item, parts, strict=True)
        return tuple(Translation(part, (Piece((0, len(text)), (0, len(part))),)) for text, part in whole)

    def _unique(self, texts: Iterable[str], source: str, target: str) -> dict[str, str]:
        """Return text -> translation, each text asked once, the longest first so that batches have little padding."""
        ordered = sorted(dict.fromkeys(texts), key=lambda text: (-len(text), text))
        return dict(zip(ordered, self._model.translate_texts(ordered, source, target), strict=True)) if ordered else {}


def _from_pieces(text: str, spans: Sequence[Span], answers: dict[str, str]) -> Translation:
    return assemble(text, spans, [answers[text[slice(*span)]].strip() for span in spans])


def assemble(text: str, spans: Sequence[Span], parts: Sequence[str]) -> Translation:
    """Return the translation of a text from those of its pieces, in order; what stood between them stays."""
    built, found = "", []
    end = 0
    for (start, stop), part in zip(spans, parts, strict=True):
        built += (text[end:start] if built else "") + part
        found.append(Piece((start, stop), (len(built) - len(part), len(built))))
        end = stop
    return Translation(built, tuple(found))


def _outcome(translations: tuple[Translation, ...]) -> Outcome:
    if not all(piece.target[0] < piece.target[1] for each in translations for piece in each.pieces):
        return TranslationFailure("no whole translation")
    return translations
