"""F1 of tag spans as seqeval computes it, and token accuracy."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

from evaluator.benchmark.metrics.classification import same_length
from evaluator.benchmark.target import Split, SplitScores
from synthgen.errors import UserError

Tags = Sequence[str]


def score_tags(split: Split, predictions: Sequence[Tags]) -> SplitScores:
    """Return `f1` (XT evaluate.py, f1: seqeval over the tags as they are) and `token_accuracy`, in percent.

    XTREME scores UPOS tags without BIO prefixes, so a run of equal tags counts as one entity: published POS F1 is this,
    and not token accuracy. Items of `f1` are the (true positive, predicted, gold) chunks that end in a sentence.
    """
    same_length(split, predictions)
    hits, shares = [], []
    for item, gold, predicted in zip(split.ids, split.gold, predictions, strict=True):
        if len(gold) != len(predicted):
            raise UserError(f"{len(predicted)} tags for the {len(gold)} tokens of item {item} in {split.files[0]}")
        hits.append(sum(p == g for p, g in zip(predicted, gold, strict=True)))
        shares.append(hits[-1] / len(gold))
    counts = chunk_counts(split.gold, predictions)
    totals = (sum(column) for column in zip(*counts, strict=True))
    metrics = {"f1": 100 * f1(*totals), "token_accuracy": 100 * sum(hits) / sum(map(len, split.gold))}
    return SplitScores(metrics, {"f1": counts, "token_accuracy": shares})


def f1(true_positive: float, predicted: float, gold: float) -> float:
    """Return 2PR / (P + R); 0 where a denominator is 0, as seqeval's zero_division."""
    precision = true_positive / predicted if predicted else 0.0
    recall = true_positive / gold if gold else 0.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def chunk_counts(gold: Sequence[Tags], predicted: Sequence[Tags]) -> list[list[int]]:
    """Return [true positive, predicted, gold] chunks per sentence; a chunk belongs to the sentence it ends in.

    As in seqeval all sentences stand in one list, an "O" after each.
    """
    ends = list(accumulate(len(sentence) + 1 for sentence in gold))
    flat = ([tag for sentence in sentences for tag in (*sentence, "O")] for sentences in (gold, predicted))
    gold_chunks, predicted_chunks = map(set, map(chunks, flat))
    counts = [[0, 0, 0] for _ in gold]
    for column, counted in enumerate((gold_chunks & predicted_chunks, predicted_chunks, gold_chunks)):
        for _, _, last in counted:
            counts[bisect_right(ends, last)][column] += 1
    return counts


def chunks(tags: Tags) -> Iterator[tuple[str, int, int]]:
    """Yield (type, first, last) of each chunk exactly as seqeval 1.2.2 `get_entities` finds them.

    The first letter is the prefix and the rest the type, also for UPOS tags: SCONJ and SYM start with S and never
    merge.
    The tag X has the empty type that "O" has too, so an X before an "O" is no chunk, and one after it keeps the start
    of an earlier chunk; both are kept as they are, or published numbers could not be met.

    >>> list(chunks(["NOUN", "NOUN", "SYM", "SYM", "B-PER", "I-PER", "X"]))
    [('OUN', 0, 1), ('YM', 2, 2), ('YM', 3, 3), ('PER', 4, 5)]
    """
    before, before_type, first = "O", "", 0
    for i, tag in enumerate([*tags, "O"]):
        prefix, type_ = tag[0], tag[1:].split("-", maxsplit=1)[-1] or "_"
        is_other = before_type != type_
        if before in "ES" or (before in "BI" and prefix in "BSO") or (before not in "O." and is_other):
            yield before_type, first, i - 1
        if (
            prefix in "BS"
            or (prefix in "EI" and before in "ESO" and before + prefix != "SS")
            or (prefix not in "O." and is_other)
        ):
            first = i
        before, before_type = prefix, type_
