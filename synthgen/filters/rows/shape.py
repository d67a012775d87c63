"""Format and length: what no reader would take for an example of the task.

Lengths are in words, two letters of a script without spaces counting as one, and where `max_tokens` is set in pieces of
the XLM-R vocabulary. Repetition follows Gopher's rules (Rae et al. 2021, appendix A.1.1), scaled to texts of a
sentence: one word, or one phrase, over and over. The limits are those that real rows keep:
benchmarks/filters_planted.py counts how many of 20,000 do not.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter

from synthgen.filters.base import CACHED_TEXTS, Drop, FilterSpec, RowFilter
from synthgen.formats import Format
from synthgen.formats.base import Row
from synthgen.formats.texts import row_texts
from synthgen.text.words import LETTERS_PER_WORD, words_and_letters, words_long

PHRASE_WORDS = 3
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Unicode's category Cc but for tab and line ends."""


@dataclass(frozen=True, slots=True)
class ShapeLimits:
    """The limits; `min_words` holds for texts of pairs and spans; options and stems may be one word.

    `max_tokens` (of a row's texts together, XLM-R pieces) and `max_length_ratio` (longest text of a pair to shortest,
    in characters) are 0 for no limit, as `max_characters` of one text may be.
    """

    min_words: int = 2
    max_words: int = 1_000
    max_characters: int = 20_000
    max_tokens: int = 0
    max_length_ratio: float = 25.0
    max_repeated_share: float = 0.34
    max_repeated_words: int = 5
    max_repeated_phrases: int = 3


class Shape(RowFilter):
    """Drops rows that break the format, are too short or long, hold control characters, or repeat themselves."""

    name = "shape"
    VERSION = 3

    def __init__(self, format_: Format, limits: ShapeLimits | None = None) -> None:
        super().__init__(format_)
        self._limits = limits or ShapeLimits()
        self._min_words = self._limits.min_words if format_.name in ("pair", "span") else 0

    def check(self, row_id: str, row: Row) -> Drop | None:
        """Return the first rule that the row or one of its texts breaks."""
        if fault := self._format.check(row):
            return Drop("format", fault)
        texts = row_texts(self._format, row)
        for path, text in texts.items():
            least = self._min_words if path in self._format.text_columns else 0
            if drop := _check_text(path, text, least, self._limits):
                return drop
        return self._check_lengths(texts)

    def _check_lengths(self, texts: Mapping[str, str]) -> Drop | None:
        limits, lengths = self._limits, [len(text) for text in texts.values()]
        if limits.max_length_ratio and self._format.name == "pair":
            ratio = max(lengths) / max(1, min(lengths))
            if ratio > limits.max_length_ratio:
                return Drop("length ratio", f"{ratio:.1f}")
        if limits.max_tokens:
            from synthgen.analysis.text_statistics import count_tokens

            tokens = sum(count_tokens(list(texts.values())))
            if tokens > limits.max_tokens:
                return Drop("too long", f"{tokens} tokens")
        return None


SPEC = FilterSpec(Shape, ShapeLimits, place=20)


@lru_cache(CACHED_TEXTS)
def _check_text(path: str, text: str, min_words: int, limits: ShapeLimits) -> Drop | None:
    if limits.max_characters and len(text) > limits.max_characters:
        return Drop("too long", f"{path}: {len(text)} characters")
    words, letters = words_and_letters(text)
    count = len(words) - letters // LETTERS_PER_WORD
    if _CONTROL.search(text):
        return Drop("control characters", path)
    if count < min_words:
        return Drop("too short", f"{path}: {count} words")
    if count > limits.max_words:
        return Drop("too long", f"{path}: {count} words")
    phrase_words = words_long(words, PHRASE_WORDS)
    if repetition := _repetition([word.casefold() for word in words], limits, phrase_words):
        return Drop("repetition", f"{path}: {repetition}")
    return None


def _repetition(words: list[str], limits: ShapeLimits, phrase_words: int = PHRASE_WORDS) -> str:
    """Return what is repeated too often, an empty string when nothing is.

    >>> _repetition("no no no no no no".split(), ShapeLimits())
    "'no' is 6 of 6 words"
    >>> _repetition("had had a day he had had before".split(), ShapeLimits())
    ''
    """
    if len(words) - len(set(words)) < min(limits.max_repeated_words, limits.max_repeated_phrases):
        return ""  # a phrase that stands there n + 1 times repeats its first word n times
    if not words:
        return ""
    word, count = Counter(words).most_common(1)[0]
    if count > limits.max_repeated_words and count / len(words) > limits.max_repeated_share:
        return f"'{word}' is {count} of {len(words)} words"
    phrases = Counter(zip(*(words[start:] for start in range(phrase_words)), strict=False))
    phrase, count = max(phrases.items(), key=itemgetter(1), default=((), 0))
    if count > limits.max_repeated_phrases and count * phrase_words / len(words) > limits.max_repeated_share:
        return f"'{' '.join(phrase)}' {count} times in {len(words)} words"
    return ""
