"""Translation quality without a reference: language, length, copied words, the round trip.

Each item gets scores; a threshold on each rejects the worst. The scores of all items, before any is rejected, go to the
manifest as a histogram, so that a threshold can be chosen.
"""

import math
import statistics as stats
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from synthgen.text.language_id import MIN_WORDS, foreign, identifiable_texts, is_known
from synthgen.text.words import lower_case_words

LIMITS = {"most_copied": 0.7, "shortest": 0.4, "longest": 2.5}
"""Limits of an item's scores. Length ratios are relative to the set's median, to suit any two languages."""
FIRST_MODEL_ALONE = 1.1
"""No second model rescues a text: the plain rate of texts that lid.176 finds to be in the language."""


class Fault(NamedTuple):
    """Why an item is rejected, and what shows it."""

    reason: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Scores:
    """One item's scores.

    `foreign` names the text in another language and what it seems to be, or is empty; `lost` shows the first text of
    letters whose translation has none; `is_identifiable` says whether any text was long enough to identify.
    """

    foreign: str
    passes_first_model: bool
    is_identifiable: bool
    copied: float
    length_ratio: float
    lost: str = ""


def score(source: Mapping[str, str], target: Mapping[str, str], language: str) -> Scores:
    """Return the scores of an item's texts, by path, against their translations."""
    texts = identifiable_texts(dict(target), MIN_WORDS) if is_known(language) else {}
    guesses = [f"{path}: {guess}" for path, text in texts.items() if (guess := foreign(text, language))]
    strict = all(not foreign(text, language, confirm_below=FIRST_MODEL_ALONE) for text in texts.values())
    length = sum(map(len, target.values())) / max(1, sum(map(len, source.values())))
    worded = (path for path, text in source.items() if path in target and any(map(str.isalpha, text)))
    lost = (f"{path}: {target[path]!r}" for path in worded if not any(map(str.isalpha, target[path])))
    return Scores("; ".join(guesses), strict, bool(texts), copied(source, target), round(length, 4), next(lost, ""))


def count_in_target(items: Sequence[Mapping[str, str]], source: str, target: str) -> tuple[int, int]:
    """Return how many texts of items are in `target` and not in `source`, and how many were long enough to say."""
    if not (is_known(source) and is_known(target)):
        return 0, 0
    texts = [text for item in items for text in identifiable_texts(dict(item), MIN_WORDS).values()]
    return sum(not foreign(text, target) and bool(foreign(text, source)) for text in texts), len(texts)


def copied(source: Mapping[str, str], target: Mapping[str, str]) -> float:
    """Return the share of a translation's lower-case words that its source has too: names and numbers do not count.

    >>> copied({"a": "The big dog saw Rome"}, {"a": "O big cachorro viu Rome"})
    0.3333
    """
    known = {word for text in source.values() for word in lower_case_words(text)}
    words = sum(map(lower_case_words, target.values()), Counter[str]())
    shared = sum(count for word, count in words.items() if word in known)
    return round(shared / words.total(), 4) if words.total() > 1 else 0.0


def fault(scores: Scores, median_ratio: float) -> Fault | None:
    """Return reason and evidence when an item's scores are beyond a limit."""
    if scores.foreign:
        return Fault("language", scores.foreign)
    if scores.lost:
        return Fault("no words left", scores.lost)
    if scores.copied > LIMITS["most_copied"]:
        return Fault("not translated", f"{scores.copied:.2f} of the words are the source's")
    relative = scores.length_ratio / median_ratio
    if not LIMITS["shortest"] <= relative <= LIMITS["longest"]:
        return Fault("length", f"{scores.length_ratio:.2f} times the source, the median is {median_ratio:.2f}")
    return None


def summary(scores: Sequence[Scores]) -> dict[str, Any]:
    """Return what the manifest says of all items that were translated, before filtering."""
    identifiable = [each for each in scores if each.is_identifiable]
    ratios, shares = [each.length_ratio for each in scores], [each.copied for each in scores]
    return {
        "language_pass_rate": _share(not each.foreign for each in identifiable),
        "language_pass_rate_first_model_alone": _share(each.passes_first_model for each in identifiable),
        "items_judged_for_language": len(identifiable),
        "length_ratio": {"median": round(stats.median(ratios), 4), "histogram": histogram(ratios)} if ratios else {},
        "copied_words": {"mean": round(stats.fmean(shares), 4), "histogram": histogram(shares)} if shares else {},
    }


def round_trip(sources: Sequence[str], returned: Sequence[str]) -> dict[str, Any]:
    """Return chrF and BLEU (0-100) of texts translated there and back against themselves, with their signatures."""
    from sacrebleu.metrics import BLEU, CHRF

    facts: dict[str, Any] = {"texts": len(sources)}
    for name, metric in (("chrf", CHRF()), ("bleu", BLEU())):
        facts[name] = round(metric.corpus_score(list(returned), [list(sources)]).score, 2)
        facts[f"{name}_signature"] = str(metric.get_signature())
    chrf = CHRF()
    single = [chrf.sentence_score(back, [text]).score / 100 for text, back in zip(sources, returned, strict=True)]
    return facts | {"chrf_histogram": histogram(single)}


def estimate_facts(scores: Sequence[float]) -> dict[str, Any]:
    """Return what the manifest says of an estimator's scores of all texts, before filtering; scales differ, so bins do.

    >>> estimate_facts([2.0, 3.0, 24.0])["histogram"]
    {'2': 2, '24': 1}
    """
    span = max(scores) - min(scores)
    power = 10.0 ** math.floor(math.log10(span / 10)) if span else 1.0
    width = next(step * power for step in (1, 2, 5, 10) if span <= 20 * step * power)
    bins = Counter(math.floor(score / width + 1e-9) for score in scores)
    counts = {f"{edge * width:g}": bins[edge] for edge in sorted(bins)}
    middle, mean = stats.median(scores), stats.fmean(scores)
    return {"texts": len(scores), "mean": round(mean, 4), "median": round(middle, 4), "histogram": counts}


def histogram(values: Iterable[float], *, width: float = 0.1) -> dict[str, int]:
    """Return counts by lower edge of bins of one width; 2 and above are one bin.

    >>> histogram([0.05, 0.11, 0.19, 7.0])
    {'0.0': 1, '0.1': 2, '2.0': 1}
    """
    return dict(Counter(f"{min(2.0, int(value / width + 1e-9) * width):.1f}" for value in sorted(values)))


def _share(claims: Iterable[bool]) -> float | None:
    values = list(claims)
    return round(sum(values) / len(values), 4) if values else None
