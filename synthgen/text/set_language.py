"""The language of a set: what says so, and how many of its texts agree."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from types import MappingProxyType
from typing import Any

from synthgen.text.language_id import MIN_WORDS, best_guess, foreign, identifiable_texts, is_known
from synthgen.text.languages import SEVERAL_LANGUAGES, UNKNOWN_LANGUAGE, language_code

TEXTS = 200
"""Texts that are identified of a set."""
_ROWS = 1000
OPTION, IDENTIFIED, CORPUS, TASK = "--language", "identification of its texts", "the corpus", "the task"
"""What says the language of a set; a task says it of files that are no official release."""
_IN_NAME = re.compile(
    r"(?<![A-Za-z0-9])([a-z]{2}(?:[-_](?:[A-Z][a-z]{3}|[A-Z]{2}))?|[a-z]{3}_[A-Z][a-z]{3})(?![A-Za-z0-9])"
)


@dataclass(frozen=True, slots=True)
class SetLanguage:
    """The language of a set: its code, what says so, how many texts could be identified and how many of them agree."""

    code: str
    said_by: str
    identified: int = 0
    agree: int = 0

    @property
    def is_doubtful(self) -> bool:
        """Whether most of the texts read as another language."""
        return 2 * self.agree < self.identified

    def facts(self) -> dict[str, Any]:
        """Return what the manifest says under `checks.set_language`."""
        return {"said_by": self.said_by, "texts_identified": self.identified, "texts_that_agree": self.agree}


def set_language(
    items: Iterable[Mapping[str, str]], *, option: str | None = None, stated: Mapping[str, str] = MappingProxyType({})
) -> SetLanguage:
    """Return the language of a set of items (their texts by path; the first few hundred are read).

    It is that of the option, else the first one `stated` (code by what says it, such as the file's name) that most of
    the texts do not contradict: other people's files may be called anything. Else it is that of the texts, and `und`
    where these do not tell. UserError for an option that is no language.

    >>> item = {"question": "Wo ist der Hund geblieben?"}
    >>> set_language([item], stated={"the corpus": "en"})
    SetLanguage(code='de', said_by='identification of its texts', identified=1, agree=1)
    """
    code = language_code(option) if option else ""
    identifiable = (identifiable_texts(item, MIN_WORDS).values() for item in islice(items, _ROWS))
    texts = list(islice(chain.from_iterable(identifiable), TEXTS))
    if code:
        return _with_agreement(code, OPTION, texts)
    for said_by, name in stated.items():
        if name and not (language := _with_agreement(language_code(name), said_by, texts)).is_doubtful:
            return language
    return _identified(texts)


def together(parts: Sequence[SetLanguage]) -> SetLanguage:
    """Return the language of a set of parts; `mul` for several.

    >>> together([SetLanguage("de", "the corpus", 9, 9), SetLanguage("sw", "the file's name", 9, 8)])
    SetLanguage(code='mul', said_by="the corpus, the file's name", identified=18, agree=17)
    """
    codes = {part.code for part in parts}
    said_by = ", ".join(dict.fromkeys(part.said_by for part in parts))
    counts = (sum(part.identified for part in parts), sum(part.agree for part in parts))
    return SetLanguage(codes.pop() if len(codes) == 1 else SEVERAL_LANGUAGES, said_by, *counts)


def language_of_name(name: str) -> str:
    """Return the one language that a file's name states, empty for none or several.

    >>> names = "train-en.tsv", "zh_pud-ud-test.conllu", "val.pt-BR.jsonl", "eng_Latn.dev", "en-de.tsv", "ccg.train.tsv"
    >>> [language_of_name(name) for name in names]
    ['en', 'zh', 'pt-BR', 'en', '', '']
    """
    codes = {language_code(each) for each in _IN_NAME.findall(name) if is_known(each)}
    return codes.pop() if len(codes) == 1 else ""


def _with_agreement(code: str, said_by: str, texts: list[str]) -> SetLanguage:
    if not is_known(code):
        return SetLanguage(code, said_by)
    return SetLanguage(code, said_by, len(texts), sum(not foreign(text, code) for text in texts))


def _identified(texts: list[str]) -> SetLanguage:
    """Return the language that most texts are surely in."""
    guesses = Counter(filter(None, map(best_guess, texts)))
    code, count = guesses.most_common(1)[0] if guesses else (UNKNOWN_LANGUAGE, 0)
    if 2 * count <= guesses.total():
        return SetLanguage(UNKNOWN_LANGUAGE, "nothing", len(texts))
    return _with_agreement(code, IDENTIFIED, texts)
