"""Residue: words of the machinery instead of an example: refusals, remains of templates, sentences of the prompt.

Refusals are recognised by their structure (a model speaking of itself, or an apology that declines a request), not by
single words, because people apologise in novels and phone calls too; the phrases follow the published lists of Zou et
al. 2023 (GCG), Qi et al. 2023 and garak, less their entries that ordinary text has ("illegal", "however").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from synthgen.filters.base import CACHED_TEXTS, Drop, FilterSpec, RowFilter
from synthgen.formats import Format
from synthgen.formats.base import Row
from synthgen.formats.texts import row_texts

_CANNOT = (
    r"(?:can(?:no|')?t|can ?not|could ?n(?:o|')t|will not|won't|(?:do|must|should) not|don't|(?:do not|don't) have the"
    r" ability to|(?:am|'m) (?:not|un)\s?able to|(?:am|'m) not (?:allowed|going|designed|programmed|permitted) to)"
)
_DECLINED = (
    r"(?:assist|help you|help with|fulfil+|comply|provid\w+|creat\w+|generat\w+|produc\w+|writ\w+|engag\w+ in|offer"
    r"|support or|promot\w+|participat\w+|discuss\w*|accommodat\w+|give you"
    r"|(?:answer|process|complet\w+|continue with) (?:this|that|your|the))"
)
_REFUSALS = (
    r"\bas an? (?:(?:large|responsible|text-based|helpful|harmless|digital) )*"
    r"(?:ai\b|artificial intelligence|language model|digital assistant|virtual assistant|chat ?bot)",
    r"\b(?:i am|i'm|being) (?:just |only |merely )?an? (?:(?:large|text-based) )?"
    r"(?:ai\b(?! (?:research|engineer|student|expert|startup))|language model|chat ?bot|virtual assistant)",
    r"\b(?:large|ai) language models?\b[^.?]*\bi\b",
    rf"\b(?:sorry|apologi[sz]e|apologies|unfortunately|afraid|regret)\b[^.!?]{{0,60}}\b(?:i|we) ?{_CANNOT} {_DECLINED}",
    rf"\bi ?{_CANNOT} (?:assist|help|fulfil+|comply|accommodate|complete|answer|process|support)"
    r" (?:you )?(?:with )?(?:this|that|your|the|such|any)\b[^.?!]{0,30}\b(?:request|prompt|query|content|topic)",
    rf"\bi ?{_CANNOT} (?:assist|help (?:you )?with|comply with|fulfil+) (?:this|that|your|such)\b(?: request)?[.,!]?$",
    rf"\bi ?{_CANNOT} (?:provid\w+|creat\w+|generat\w+|writ\w+|produc\w+|engag\w+ in|discuss)\b[^.?!]{{0,40}}"
    r"\b(?:content|material|guidance|instructions|discussions?|information (?:on|about|that)"
    r"|harmful|illegal|unethical|explicit|offensive|inappropriate)",
    r"\b(?:against|violates?|outside) (?:my|the|openai's) "
    r"(?:programming|(?:content |usage |ethical |safety )*(?:guidelines|polic(?:y|ies)))",
    r"\bmy (?:programming (?:prohibits|forbids|does)|training data|knowledge cut-?off)\b",
    r"\bmy (?:ethical |safety )?guidelines\b",
    r"\bi ?(?:am|'m) (?:unable|not able) to (?:offer assistance|(?:assist|help) with|fulfil+ (?:that|this|your))\b",
    r"\bprogramming prohibits\b",
)
_TEMPLATES = (
    r"\{\{ ?[a-z]|\{%|%\}|\$\{\w+\}|(?<![\w{\\}^])\{[a-z_]{3,}[0-9]?\}(?![\w}])",
    r"<\|[a-z_]+\|>|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|\[/?(?:PAD|MASK|CLS|SEP|UNK)\]"
    r"|<(?:pad|unk|mask)>",
    r"^\s*(?:#{1,4} |\*{2})?(?:premise|hypothesis|sentence ?[ab12]|question ?[12]?|answer ?[0-4a-d]?|context|passage"
    r"|label|output|input|response|instructions?|explanation|ending ?[0-4a-d]?|option ?[0-4a-d]|distractor ?[1-4]?"
    r"|assistant|user|system|example ?\d*)\*{0,2} ?:",
    r"\b(?:premise|hypothesis|sentence ?[ab12]|label)\*{0,2} ?: ",
    r"\b(?:entailment|contradiction|neutral|not_duplicate)\)?[.:]?\s*$",
    r"^\s*(?:sure|certainly|of course|absolutely)[,!.]+ (?:here(?:'s| is| are)|i'd be happy|below)",
    r"\bhere(?:'s| is| are) (?:an?|the|your|\w+) (?:\w+ ){0,3}(?:example|hypothesis|premise|sentence|question|rewrite"
    r"|paraphrase|pair|response)s?\b[^.?!]*:",
    r"\[(?:insert|your|name of|placeholder|fill|city|date|company|product|context|topic)\b[^\]]*\]",
    r"<(?:insert|your)\b[^>]*>",
    r"\blorem ipsum\b|_{4,}|\bTODO\b:|```|\"(?:premise|hypothesis|question|label|answer)\" *:",
)
_ASIDE = str.maketrans("’‘“”", "''\"\"")
PROMPT_WORDS = 8
"""A row that shares this many words in a row with the prompt has copied from it."""

_RULES = {
    reason: re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)
    for reason, patterns in (("refusal", _REFUSALS), ("template residue", _TEMPLATES))
}


class Residue(RowFilter):
    """Drops rows in which a model refuses, remains of a template stand, or the prompt's own sentences come back."""

    name = "residue"
    VERSION = 1

    def __init__(self, format_: Format, prompt: str = "") -> None:
        """`prompt` is the text of the task's prompt file, where it is known."""
        super().__init__(format_)
        self._prompt = frozenset(_runs(prompt))

    def check(self, row_id: str, row: Row) -> Drop | None:
        """Return the first rule that a text breaks, with the words that show it."""
        for path, text in row_texts(self._format, row).items():
            if fault := _fault(text, self._prompt):
                return Drop(fault[0], f"{path}: {fault[1]}")
        return None


SPEC = FilterSpec(Residue, builder=lambda context, _: Residue(context.format, context.prompt), place=30)


@lru_cache(CACHED_TEXTS)
def _fault(text: str, prompt: frozenset[str]) -> tuple[str, str] | None:
    copied = next((run for run in _runs(text) if run in prompt), None)
    return residue(text) or (("prompt leakage", copied) if copied else None)


def residue(text: str) -> tuple[str, str] | None:
    """Return the reason and the words of the first rule that a text breaks.

    >>> residue("I'm sorry, but I can't assist with that request.")
    ('refusal', "sorry, but I can't assist")
    >>> residue("Hypothesis: the man sleeps.")[0], residue("I'm sorry, but I can't stay for dinner.")
    ('template residue', None)
    """
    plain = text.strip().translate(_ASIDE)
    for reason, pattern in _RULES.items():
        if match := pattern.search(plain):
            return reason, match[0].strip()
    return None


def _runs(text: str) -> Iterator[str]:
    words = re.findall(r"\w+", text.casefold())
    for start in range(len(words) - PROMPT_WORDS + 1):
        yield " ".join(words[start : start + PROMPT_WORDS])
