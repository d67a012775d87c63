"""The `[conditions]` of a prompt file: what a task demands of its rows beyond their format.

They are about the craft of one task (negatives that share words, options of one length); a filter is about any text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from synthgen.formats import Format
from synthgen.formats.base import ParseError, Row
from synthgen.formats.choice import ChoiceFormat
from synthgen.formats.pair import PairFormat
from synthgen.text.words import bare_words


@dataclass(frozen=True, slots=True)
class Conditions:
    """Word limits by generated text; least overlap by label; longest to shortest option, in characters."""

    min_words: dict[str, int] = field(default_factory=dict)
    max_words: dict[str, int] = field(default_factory=dict)
    min_word_overlap: dict[str, float] = field(default_factory=dict)
    max_option_ratio: float = 0.0

    def check_texts(self, texts: Mapping[str, str]) -> None:
        """Raise ParseError when a text of a reply has too few or too many words."""
        for name, text in texts.items():
            count = len(text.split())
            if count < self.min_words.get(name, 0):
                raise ParseError(f"{name} too short")
            if name in self.max_words and count > self.max_words[name]:
                raise ParseError(f"{name} too long")

    def check_row(self, format_: Format, row: Row) -> None:
        """Raise ParseError when texts share too few words, or options differ too much in length."""
        if isinstance(format_, PairFormat):
            least = self.min_word_overlap.get(format_.cell(row), 0.0)
            if least and overlap(*(row[name] for name in format_.fields)) < least:
                raise ParseError("too few shared words")
        if isinstance(format_, ChoiceFormat) and self.max_option_ratio:
            lengths = [len(option) for option in format_.options(row)]
            if max(lengths) > self.max_option_ratio * min(lengths):
                raise ParseError("options differ in length")


def overlap(first: str, second: str) -> float:
    """Return the share of the second text's words that occur in the first.

    >>> overlap("Is tea hot?", "Is iced tea hot too?")
    0.6
    """
    types = bare_words(second)
    return len(types & bare_words(first)) / len(types) if types else 0.0
