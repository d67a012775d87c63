"""Exact match and token F1 of answers, with each task's own normaliser; the best over all gold answers counts."""

import re
import string
import sys
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from evaluator.benchmark.metrics.classification import same_length
from evaluator.benchmark.target import Split, SplitScores
from synthgen.errors import unknown
from synthgen.formats.answer_match import squad_normalise, token_f1
from synthgen.text.toml_text import read_toml

_ARTICLES: dict[str, str] = read_toml(Path(__file__).with_name("mlqa_articles.toml"))
MLQA_ARTICLES = {language: re.compile(pattern) if pattern else None for language, pattern in _ARTICLES.items()}
"""Articles by language (mlqa_evaluation_v1.py, remove_articles); Hindi and Chinese have none."""

_HAN = re.compile("[\u4e00-\u9fa5]")


def score_squad(split: Split, predictions: Sequence[str | None]) -> SplitScores:
    """Return `f1` and `em` with SQuAD v1.1's English normaliser, which XQuAD and TyDiQA use for every language.

    Source: XT third_party/evaluate_squad.py. An item without a prediction counts 0.
    """
    return _score(split, predictions, squad_normalise)


def score_mlqa(split: Split, predictions: Sequence[str | None]) -> SplitScores:
    """Return `f1` and `em` with MLQA's normaliser of the answer's language (XT third_party/evaluate_mlqa.py)."""
    if split.language not in MLQA_ARTICLES:
        raise unknown("language", split.language, MLQA_ARTICLES, where="MLQA's normaliser")
    return _score(split, predictions, lambda text: mlqa_normalise(text, split.language))


def _score(split: Split, predictions: Sequence[str | None], normalise: Callable[[str], str]) -> SplitScores:
    same_length(split, predictions)
    exact, overlap = [], []
    for prediction, answers in zip(predictions, split.gold, strict=True):
        guess = None if prediction is None else normalise(prediction)
        golds = [normalise(answer) for answer in answers]
        exact.append(0.0 if guess is None else float(guess in golds))
        overlap.append(0.0 if guess is None else max(token_f1(guess.split(), gold.split()) for gold in golds))
    n = len(split)
    return SplitScores({"f1": 100 * sum(overlap) / n, "em": 100 * sum(exact) / n}, {"f1": overlap, "em": exact})


def mlqa_normalise(text: str, language: str) -> str:
    """Return the text lower-cased, without Unicode punctuation and the language's articles; Chinese per character.

    >>> mlqa_normalise("¿Los gatos?", "es"), mlqa_normalise("在1990年", "zh")
    ('gatos', '在 1990 年')
    """
    plain = text.lower().translate(_unicode_punctuation())
    articles = MLQA_ARTICLES[language]
    plain = articles.sub(" ", plain) if articles else plain
    return " ".join(_HAN.sub(r" \g<0> ", plain).split() if language == "zh" else plain.split())


@cache
def _unicode_punctuation() -> dict[int, None]:
    marks = (i for i in range(sys.maxunicode) if unicodedata.category(chr(i)).startswith("P"))
    return dict.fromkeys([*marks, *map(ord, string.punctuation)])
