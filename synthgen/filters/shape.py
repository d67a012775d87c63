"""Format and length: what no reader would take for an example of the task.

The rules are those that generated text breaks: a text of one word, a text that runs on, words of the prompt left in
the text, one word or phrase over and over (after Gopher's repetition rules, Rae et al. 2021, appendix A.1.1).
"""

from __future__ import annotations

import re
from collections import Counter

from synthgen.filters.base import Verdict
from synthgen.formats import Format
from synthgen.formats.base import Row

MIN_WORDS = 3
MAX_WORDS = 400
MAX_REPEATED_SHARE = 0.34
MAX_REPEATED_WORDS = 3  # three of one word are ordinary in a short sentence

_RESIDUE = re.compile(
    r"\b(premise|hypothesis|sentence [ab12])\s*:|\bfrom an? [a-z ]+, about\b|<\|im_|\[[a-z ]+\]|_{3,}|\{\{",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"\bas an ai\b|\bi(?:'m| am) sorry, but\b|\bi can(?:no|')t (?:help|assist)\b|\blanguage model\b", re.IGNORECASE
)


class Shape:
    """Drops rows that break the format, are too short or long, repeat themselves, or show the prompt."""

    name = "shape"

    def __init__(self, format_: Format) -> None:
        """Judge the format's text columns."""
        self._format = format_

    def judge(self, row_id: str, row: Row) -> Verdict | None:
        """Return the first rule that a text of the row breaks."""
        if fault := self._format.check(row):
            return Verdict("format", fault)
        for column in self._format.text_columns:
            if verdict := _judge_text(column, str(row[column])):
                return verdict
        return None

    def remember(self, row_id: str, row: Row) -> None:
        """Nothing to note: every row is judged alone."""


def _judge_text(column: str, text: str) -> Verdict | None:
    words = text.split()
    if len(words) < MIN_WORDS:
        return Verdict("too short", f"{column}: {len(words)} words")
    if len(words) > MAX_WORDS:
        return Verdict("too long", f"{column}: {len(words)} words")
    for reason, pattern in (("prompt residue", _RESIDUE), ("refusal", _REFUSAL)):
        if found := pattern.search(text):
            return Verdict(reason, f"{column}: {found[0]}")
    word, count = Counter(word.casefold() for word in words).most_common(1)[0]
    if count > MAX_REPEATED_WORDS and count / len(words) > MAX_REPEATED_SHARE:
        return Verdict("repetition", f"{column}: '{word}' is {count} of {len(words)} words")
    return None
