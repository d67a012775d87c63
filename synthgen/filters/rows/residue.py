"""Residue: traces of the machinery, not an example: refusals, remains of templates, broken characters, the prompt.

Refusals are recognised by their structure (a model speaking of itself, or an apology that declines a request), not by
single words, because people apologise in novels and phone calls too. The patterns stand in `residue.toml`.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from synthgen.filters.base import CACHED_TEXTS, Drop, FilterSpec, RowFilter
from synthgen.formats import Format
from synthgen.formats.base import Row
from synthgen.formats.texts import row_texts
from synthgen.text.toml_text import read_toml
from synthgen.text.words import running_words, words_long

_ASIDE = str.maketrans("’‘“”", "''\"\"")
MOST_READ, END_READ = 12_000, 2_000
"""Characters that are read of a text, and how many of them at its end."""
PASSAGE = 400
"""A text longer than this is a passage, which one broken character does not spoil: XQuAD's Arabic ones hold some."""
PROMPT_WORDS = 8
"""A row that shares this many words in a row with the prompt has copied from it."""


def _read_rules(path: Path) -> dict[str, tuple[tuple[str, ...], re.Pattern[str]]]:
    """Return the signs and the pattern of each reason, in which the names of parts stand for their alternatives."""
    tables = read_toml(path)
    rules = {}
    for reason, patterns in tables["patterns"].items():
        pattern = "|".join(f"(?:{each})" for each in patterns)
        for name, alternatives in tables["parts"].items():
            pattern = pattern.replace(name, f"(?:{'|'.join(alternatives)})")
        rules[reason] = tuple(tables["signs"][reason]), re.compile(pattern, re.IGNORECASE)
    return rules


_RULES = _read_rules(Path(__file__).with_name("residue.toml"))


class Residue(RowFilter):
    """Drops rows in which a model refuses or thinks aloud, text was decoded wrongly, or remains of a prompt stand."""

    name = "residue"
    VERSION = 4

    def __init__(self, format_: Format, prompt: str = "") -> None:
        """`prompt` is the text of the task's prompt file, where it is known."""
        super().__init__(format_)
        self._prompt = frozenset(_runs(prompt))

    def check(self, row_id: str, row: Row) -> Drop | None:
        """Return the first rule that a text breaks, with the words that show it."""
        for path, text in row_texts(self._format, row).items():
            if fault := _fault(text, self._prompt):
                reason, words = fault
                return Drop(reason, f"{path}: {words}")
        return None


SPEC = FilterSpec(Residue, builder=lambda context, _: Residue(context.format, context.prompt), place=30)


@lru_cache(CACHED_TEXTS)
def _fault(text: str, prompt: frozenset[str]) -> tuple[str, str] | None:
    text = _read(text)
    if fault := residue(text):
        return fault
    copied = next((run for run in _runs(text) if run in prompt), None)
    return ("prompt leakage", copied) if copied else None


def residue(text: str) -> tuple[str, str] | None:
    """Return the reason and the words of the first rule that a text breaks.

    >>> residue("I'm sorry, but I can't assist with that request.")
    ('refusal', "sorry, but I can't assist")
    >>> residue("Hypothesis: the man sleeps.")[0], residue("I'm sorry, but I can't stay for dinner.")
    ('template residue', None)
    """
    plain = _read(text).strip().translate(_ASIDE)
    shown = _small(plain).__contains__
    for reason, (signs, pattern) in _RULES.items():
        match = pattern.search(plain) if any(map(shown, signs)) else None
        if match and not (reason == "broken text" and len(plain) > PASSAGE):
            return reason, match[0].strip()
    return None


def _small(text: str) -> str:
    """Return a text in small letters, those that patterns without regard to case take for an ASCII letter as that."""
    return text.casefold().replace("\u0131", "i").replace("\u0307", "")


def _read(text: str) -> str:
    """Return what is read of a text: its beginning and its end when it is longer than any example."""
    return text if len(text) <= MOST_READ else f"{text[: MOST_READ - END_READ]} {text[-END_READ:]}"


def _runs(text: str) -> Iterator[str]:
    words = running_words(text)
    length = words_long(words, PROMPT_WORDS)
    for start in range(len(words) - length + 1):
        yield " ".join(words[start : start + length])
