"""BUCC 2018: mine the translation pairs of two comparable corpora, of the older XTREME; no training."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from evaluator.benchmark.files.predictions import pair_lines
from evaluator.benchmark.metrics.retrieval import Vectors, best_threshold, mine, score_pairs
from evaluator.benchmark.target import DataRoot, Split, Target, facts
from synthgen.corpora.readers.text import read_table
from synthgen.errors import UserError


def read(root: DataRoot, language: str, split: str) -> Split:
    """Return the foreign sentences with the ids of their English translations, the pool being the English side."""
    files = [root.find(source, language) for source in TARGET.split_sources(split)]
    foreign, english, pairs = (read_table(path, 2) for path in files)
    gold: dict[str, list[str]] = {}
    english_ids, foreign_ids = {row[0] for row in english}, {row[0] for row in foreign}
    for number, (source, target) in enumerate(pairs, start=1):
        if source not in foreign_ids or target not in english_ids:
            raise UserError(f"{files[2]} line {number} names {source} and {target}; at least one is in neither file")
        gold.setdefault(source, []).append(target)
    items = ((name, text.strip(), tuple(gold.get(name, ()))) for name, text in foreign)
    return Split.of(language, items, *files, pool=((name, text.strip()) for name, text in english))


def rank(split: Split, sources: Vectors, pool: Vectors) -> list[list[str]]:
    """Return for each foreign sentence the English ids mined for it; sentences that occur twice are never mined.

    Margin mining with four neighbours, of which a sentence that occurs twice is one (XT utils_retrieve.py,
    text_load_unify); the threshold is optimised on the gold pairs (bucc_eval).
    """
    foreign, english = _distinct(split.records), _distinct(split.pool)
    once = [{text for text, count in Counter(texts).items() if count == 1} for texts in (split.records, split.pool)]
    mined = [
        (foreign[pair.source], english[pair.target], pair.score)
        for pair in mine(sources[foreign], pool[english])
        if split.records[foreign[pair.source]] in once[0] and split.pool[english[pair.target]] in once[1]
    ]
    hits = [split.pool_ids[target] in split.gold[source] for source, target, _ in mined]
    threshold = best_threshold([score for *_, score in mined], hits, sum(len(gold) for gold in split.gold))
    ids: list[list[str]] = [[] for _ in split.ids]
    for source, target, score in mined:
        if score >= threshold:
            ids[source].append(split.pool_ids[target])
    return ids


def _distinct(texts: Sequence[str]) -> list[int]:
    """Return where each text stands last, in the order in which they stand first."""
    return list({text: index for index, text in enumerate(texts)}.values())


def cap(split: Split, indices: Sequence[int]) -> Split:
    """Return fewer foreign sentences; the English side shrinks in proportion but keeps every translation."""
    kept = Split.take(split, indices)
    translations = {target for gold in kept.gold for target in gold}
    share = len(indices) / len(split)
    chosen = [i for i, name in enumerate(split.pool_ids) if name in translations or i < share * len(split.pool)]
    return replace(kept, pool=tuple(split.pool[i] for i in chosen), pool_ids=tuple(split.pool_ids[i] for i in chosen))


TARGET = Target(
    **facts(__file__),
    read=read,
    score=score_pairs,
    parse=pair_lines,
    rank=rank,
    cap=cap,
)
