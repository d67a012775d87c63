"""Answer matching: SQuAD's normaliser and token F1, for scores and for answers checked again."""

import re
import string
from collections import Counter
from collections.abc import Sequence

_ENGLISH_ARTICLES = re.compile(r"\b(a|an|the)\b")
_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)


def token_f1(prediction: Sequence[str], gold: Sequence[str]) -> float:
    """Return the F1 of two bags of tokens; 0 when they share none, also when both are empty.

    >>> round(token_f1(["the", "cat"], ["cat"]), 3)
    0.667
    """
    same = sum((Counter(prediction) & Counter(gold)).values())
    if not same:
        return 0.0
    precision, recall = same / len(prediction), same / len(gold)
    return 2 * precision * recall / (precision + recall)


def squad_normalise(text: str) -> str:
    """Return the text lower-cased, without ASCII punctuation and English articles, white space as single spaces.

    >>> squad_normalise("The U.S. team")
    'us team'
    """
    return " ".join(_ENGLISH_ARTICLES.sub(" ", text.lower().translate(_ASCII_PUNCTUATION)).split())
