"""Language: rows with a text that `synthgen.text.language_id` does not find to be in the set's language."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from synthgen.filters.base import Drop, FilterSpec, RowFilter
from synthgen.formats import Format
from synthgen.formats.base import Row
from synthgen.formats.texts import row_texts
from synthgen.text import language_id

SHORT_WORDS = 3
"""Words from which a short text is identified where a language was asked for. On XNLI's hypotheses of three and four
words in de, sw and zh, 2 of 1,103 would go; of English ones in their place 417 of 426. All texts of a row together
have to be confirmed from the same number on: 98.8 % of XNLI's pairs in sw are, 99.9 % in de, 100 % in zh."""


@dataclass(frozen=True, slots=True)
class LanguageSettings:
    """How long a text must be to be identified, and below which probabilities the two models reject it."""

    min_words: int = language_id.MIN_WORDS
    doubt_below: float = language_id.DOUBT_BELOW
    confirm_below: float = language_id.CONFIRM_BELOW

    def __post_init__(self) -> None:
        if self.min_words < 1:
            raise ValueError(f"min_words = {self.min_words} is less than 1")
        if not 0 < self.doubt_below <= 1:
            raise ValueError(f"doubt_below = {self.doubt_below} is not above 0 and at most 1")
        if self.confirm_below <= 0:
            raise ValueError(f"confirm_below = {self.confirm_below} is not above 0 (above 1 the first model decides)")


class Language(RowFilter):
    """Drops a row one of whose texts is in another language than the set's.

    Texts of less than five words are identified together, as one. `is_asked` sets were written in a language that a
    model was asked for and may not have kept to: their short texts too must not be surely in another language, and one
    model must be sure of the language in all texts of a row together, or they may be names or invented words.
    `metadata` counts the rows that could be checked.
    """

    name = "language"
    VERSION = language_id.VERSION

    def __init__(
        self, format_: Format, language: str, settings: LanguageSettings | None = None, *, is_asked: bool = False
    ) -> None:
        """Expect `language`, unless a row names its own."""
        super().__init__(format_)
        self._language, self._settings, self._is_asked = language, settings or LanguageSettings(), is_asked

    def check(self, row_id: str, row: Row) -> Drop | None:
        """Return a drop with the text's language as the first model has it, and both models' probabilities."""
        language, limits = language_id.row_language(row, self._language), self._settings
        texts = row_texts(self._format, row)
        long_enough = language_id.identifiable_texts(texts, limits.min_words)
        if not language_id.is_known(language):
            self.counts["unknown"] += 1
            return None
        self.counts["judged" if long_enough else "too short"] += 1
        for path, text in long_enough.items():
            if guess := language_id.foreign(text, language, limits.doubt_below, limits.confirm_below):
                return Drop("language", f"{path}: {guess}")
        return self._check_asked(texts, long_enough, language) if self._is_asked else None

    def _check_asked(self, texts: Mapping[str, str], long_enough: Collection[str], language: str) -> Drop | None:
        """Return a drop for a short text that is surely in another language, or for texts that may be in none."""
        words = {path: language_id.count_words(text) for path, text in texts.items() if path not in long_enough}
        for path, count in words.items():
            if count >= SHORT_WORDS and (guess := language_id.surely_foreign(texts[path], language)):
                return Drop("language", f"{path}: {guess}")
        together = " ".join(texts.values())
        is_enough = bool(long_enough) or sum(words.values()) >= SHORT_WORDS
        if is_enough and (guess := language_id.unconfirmed(together, language)):
            return Drop("language", f"{' + '.join(texts)}: {guess}")
        return None

    def metadata(self) -> dict[str, Any]:
        """Return the languages, the models, and how many rows could be checked."""
        return {
            "expected": self._language,
            "models": list(language_id.MODELS),
            "rows_judged": self.counts["judged"],
            "rows_too_short": self.counts["too short"],
            "rows_in_unknown_languages": self.counts["unknown"],
        }


SPEC = FilterSpec(
    Language,
    LanguageSettings,
    builder=lambda context, settings: Language(context.format, context.language, settings, is_asked=context.is_asked),
    runs="asked",
    check="language",
    place=40,
)
