"""Statistics of a set's texts for its manifest and card: lengths, overlap, distinctness, self-BLEU.

Lengths are counted with the XLM-R vocabulary, through the tokenizer of the encoder pack (its 250,002 pieces are the
sentencepiece model's own, in tokenizers' format).
"""

from __future__ import annotations

import random
import statistics as stats
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthgen.errors import UserError
from synthgen.formats import Format
from synthgen.formats.base import Row
from synthgen.models.packs import find_pack, pack_fault
from synthgen.text.words import LONGEST_EXAMPLE, bare_words

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER_PACK = "multilingual-e5-small"
SELF_BLEU_ROWS = 100
MAX_ROWS = 100_000
_TEXTS_AT_ONCE, _TOKENISED = 1_000, 20_000
"""Texts that are read at once, and characters of one that are."""


def describe(format_: Format, rows: Iterable[Row]) -> dict[str, Any]:
    """Return the statistics of up to 100,000 rows; what could not be computed says why."""
    sample = [row for row, _ in zip(rows, range(MAX_ROWS), strict=False)]
    columns = {column: [str(row[column]) for row in sample] for column in format_.text_columns}
    facts: dict[str, Any] = {"rows_described": len(sample)}
    try:
        facts["xlmr_tokens"] = {column: _summary(count_tokens(texts)) for column, texts in columns.items()}
    except UserError as error:
        facts["xlmr_tokens"] = f"not done: {error}"
    facts["distinct_share"] = {
        column: round(len(set(map(str.casefold, texts))) / len(sample), 4) for column, texts in columns.items()
    }
    facts["self_bleu"] = {column: self_bleu(texts) for column, texts in columns.items()}
    if len(format_.text_columns) == 2:
        facts["word_overlap"] = word_overlap(sample, *format_.text_columns)
    return facts


def count_tokens(texts: list[str]) -> list[int]:
    """Return the length of each text in XLM-R pieces without special tokens; UserError without the tokenizer.

    Of a text longer than the filters let pass, it is estimated from the beginning.
    """
    tokenizer, counts = _tokenizer(xlmr_tokenizer()), list[int]()
    for start in range(0, len(texts), _TEXTS_AT_ONCE):  # an encoding holds its text's offsets: far more than its length
        some = texts[start : start + _TEXTS_AT_ONCE]
        encoded = tokenizer.encode_batch_fast([text[:_TOKENISED] for text in some], add_special_tokens=False)
        counts += [
            round(len(item.ids) * max(1, len(text) / _TOKENISED)) for item, text in zip(encoded, some, strict=True)
        ]
    return counts


@cache
def _tokenizer(path: Path) -> Tokenizer:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise UserError("the package 'tokenizers' is not installed") from None
    return Tokenizer.from_file(str(path))


def xlmr_tokenizer() -> Path:
    """Return the path of the encoder pack's tokenizer.json; UserError when the pack is not in the cache as it was made.

    It is not fetched here: a card must not start a download.
    """
    folder = find_pack(TOKENIZER_PACK).folder
    if not (folder / "tokenizer.json").is_file() or pack_fault(folder, "tokenizer.json"):
        raise UserError(f"pack:{TOKENIZER_PACK} is not in the cache; synthgen packs pull {TOKENIZER_PACK}")
    return folder / "tokenizer.json"


def _summary(values: list[int]) -> dict[str, float]:
    ordered = sorted(values)
    at = {f"p{share:02d}": ordered[min(len(ordered) - 1, share * len(ordered) // 100)] for share in (5, 25, 75, 95)}
    return {"mean": round(stats.fmean(ordered), 2), "median": stats.median(ordered), **at, "max": ordered[-1]}


def self_bleu(texts: list[str], *, seed: int = 0) -> dict[str, Any]:
    """Return the mean BLEU (0-100) of sampled texts against the others: 100 means all alike (Zhu et al. 2018).

    At most 100 texts are drawn, so values are comparable between sets only at equal sample size, which is returned.
    """
    from sacrebleu.metrics import BLEU

    drawn = [text[:LONGEST_EXAMPLE] for text in random.Random(seed).sample(texts, min(SELF_BLEU_ROWS, len(texts)))]
    if len(drawn) < 2:
        return {"rows": len(drawn), "value": "not done: fewer than two rows"}
    bleu = BLEU(effective_order=True)
    bleu.sentence_score(drawn[0], drawn[1:])  # a signature names the number of references, known after a score
    scores = _leave_one_out(bleu, [bleu.tokenizer(text.rstrip()).split() for text in drawn])
    return {"value": round(stats.fmean(scores), 2), "rows": len(drawn), "signature": str(bleu.get_signature())}


def _leave_one_out(bleu: Any, texts: list[list[str]]) -> list[float]:  # noqa: ANN401 - untyped package
    """Return each text's sentence BLEU against all others, as `bleu.sentence_score` gives it, without its n² work.

    Of every n-gram the two largest counts are kept, so that each text can be taken out of the references.
    """
    grams = [Counter(gram for n in range(bleu.max_ngram_order) for gram in ngrams(text, n + 1)) for text in texts]
    most: dict[tuple[str, ...], list[int]] = {}
    for counts in grams:
        for gram, count in counts.items():
            most[gram] = sorted((*most.get(gram, (0, 0)), count), reverse=True)[:2]
    scores = []
    for number, (text, counts) in enumerate(zip(texts, grams, strict=True)):
        correct, total = [0] * bleu.max_ngram_order, [0] * bleu.max_ngram_order
        for gram, count in counts.items():
            best, second = most[gram]
            total[len(gram) - 1] += count
            correct[len(gram) - 1] += min(count, second if count == best else best)
        lengths = (len(other) for place, other in enumerate(texts) if place != number)
        closest = min(lengths, key=lambda length: (abs(length - len(text)), length))
        options = {"smooth_method": bleu.smooth_method, "effective_order": bleu.effective_order}
        scores.append(bleu.compute_bleu(correct, total, len(text), closest, **options).score)
    return scores


def ngrams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """Return the runs of `n` words, in order."""
    return list(zip(*(words[start:] for start in range(n)), strict=False))


def word_overlap(rows: list[Row], first: str, second: str, *, seed: int = 0) -> dict[str, float]:
    """Return the mean share of the second text's words that occur in the first, and in a shuffled row's first.

    The first 5,000 characters of each text are read.
    """
    firsts, seconds = ([row[column][:LONGEST_EXAMPLE] for row in rows] for column in (first, second))
    shuffled = list(firsts)
    random.Random(seed).shuffle(shuffled)
    return {"paired": round(_mean_share(firsts, seconds), 4), "shuffled": round(_mean_share(shuffled, seconds), 4)}


def _mean_share(firsts: Iterable[str], seconds: Iterable[str]) -> float:
    # One pair at a time: the words of a hundred thousand texts, held as sets, take more memory than all else.
    pairs = ((bare_words(a), bare_words(b)) for a, b in zip(firsts, seconds, strict=True))
    shares = [len(a & b) / len(b) for a, b in pairs if b]
    return stats.fmean(shares) if shares else 0.0
