"""Whole items through a model that translates one text after the other: cut, sorted by length, put together again.

An item short enough goes through the model as one document, its texts joined by a separator that the model is known to
keep. Where the translation does not have the separators back, and where an item is too long, its texts are translated
sentence by sentence. Equal pieces of one call are translated once.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

from synthgen.dataset.ledger import Ledger
from synthgen.engines.budget import Budget
from synthgen.text.sentences import Span, pieces
from synthgen.translation.backends.base import Item, Outcome, Piece, Translation, TranslationFailure, whole


class DocumentBackend(ABC):
    """A backend over a model of single texts.

    `most` is the longest text the model translates well, in the units of `length`; longer ones are cut. `separator`
    stands between the texts of one document; it is empty where the model keeps none.
    """

    most: int
    separator = ""
    note = ""
    items_at_once = 256
    budget = Budget()

    @abstractmethod
    def translate_texts(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Return one translation for each text, an empty one where it was cut off; they come longest first."""

    def length(self, text: str) -> int:
        """Return the length of a text in the model's units, characters unless a backend says otherwise."""
        return len(text)

    def use(self, ledger: Ledger) -> None:  # noqa: B027 - a default, for most backends
        """Keep nothing: what is lost costs time alone."""

    def spent(self) -> tuple[int, int]:
        """Return zeros: nothing is paid by the token."""
        return 0, 0

    def close(self) -> None:  # noqa: B027 - a default, for most backends
        """Nothing outlives the object."""

    def translate(self, items: Sequence[Item], source: str, target: str) -> list[Outcome]:
        """Return one outcome for each item: its texts in order, with their pieces."""
        documents = {number: joined for number, item in enumerate(items) if (joined := self._joined(item))}
        answers = self._unique(documents.values(), source, target)
        done: dict[int, Outcome] = {
            number: parts for number, text in documents.items() if (parts := self._parted(items[number], answers[text]))
        }
        apart = [item for number, item in enumerate(items) if number not in done]
        spans = {text: pieces(text, self.length, self.most) for item in apart for text in item}
        answers |= self._unique((text[slice(*span)] for text in spans for span in spans[text]), source, target)
        return [done.get(number) or _from_pieces(item, spans, answers) for number, item in enumerate(items)]

    def _joined(self, item: Item) -> str:
        separator = self.separator
        if not separator or len(item) < 2 or any(separator.strip() in text or "\n" in text for text in item):
            return ""
        joined = separator.join(text.strip() for text in item)
        return joined if self.length(joined) <= self.most else ""

    def _parted(self, item: Item, answer: str) -> tuple[Translation, ...] | None:
        """Return the texts of a translated document, None where they are not as many as the item's."""
        parts = [part.strip() for part in answer.split(self.separator.strip())]
        return tuple(map(whole, item, parts)) if len(parts) == len(item) and all(parts) else None

    def _unique(self, texts: Iterable[str], source: str, target: str) -> dict[str, str]:
        """Return text -> translation, each text once, the longest first so that batches have little padding."""
        ordered = sorted(dict.fromkeys(texts), key=lambda text: (-len(text), text))
        return dict(zip(ordered, self.translate_texts(ordered, source, target), strict=True)) if ordered else {}


def _from_pieces(item: Item, spans: dict[str, list[Span]], answers: dict[str, str]) -> Outcome:
    parts = {text: [answers[text[slice(*span)]].strip() for span in spans[text]] for text in item}
    if not all(part for text in item for part in parts[text]):
        return TranslationFailure("no whole translation")
    return tuple(assemble(text, spans[text], parts[text]) for text in item)


def assemble(text: str, spans: Sequence[Span], parts: Sequence[str]) -> Translation:
    """Return the translation of a text from those of its pieces, in order; what stood between them stays."""
    built, places = "", []
    end = 0
    for (start, stop), part in zip(spans, parts, strict=True):
        built += (text[end:start] if built else "") + part
        places.append(Piece((start, stop), (len(built) - len(part), len(built))))
        end = stop
    return Translation(built, tuple(places))
