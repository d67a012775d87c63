"""Tatoeba: find the translation of an English sentence among up to 1,000 sentences, 41 languages, no training."""

from collections.abc import Sequence

import numpy as np

from evaluator.benchmark.files.predictions import number_lines
from evaluator.benchmark.files.writers import tsv
from evaluator.benchmark.metrics.classification import accuracy
from evaluator.benchmark.metrics.retrieval import Vectors, nearest
from evaluator.benchmark.target import DataRoot, HubFile, Split, Target, facts
from synthgen.corpora.readers.text import read_lines
from synthgen.errors import UserError
from synthgen.text.languages import NLLB

_FACTS = facts(__file__)
_MACROLANGUAGES = {"ar": "ara", "az": "aze", "zh": "cmn"}
ISO_639_3 = {code: NLLB[code].partition("_")[0] for code in _FACTS["languages"]} | _MACROLANGUAGES


def read(root: DataRoot, language: str, split: str) -> Split:
    """Return English queries with their line numbers, the pool being the other language's file.

    Line i translates line i. XTREME sorts the English side of its copy to hide that; ids here are the lines of the
    unsorted file.
    """
    code = ISO_639_3[language]
    foreign, english = (root.find(source, code) for source in TARGET.split_sources(split))
    pool, queries = list(read_lines(foreign)), list(read_lines(english))
    if len(pool) != len(queries):
        raise UserError(f"{foreign} has {len(pool)} lines and {english} {len(queries)}; line i translates line i")
    items = ((str(number), query, number) for number, query in enumerate(queries))
    return Split.of(language, items, foreign, english, pool=((str(number), text) for number, text in enumerate(pool)))


def cap(split: Split, indices: Sequence[int]) -> Split:
    """Return a smaller test set: the chosen lines of both files, renumbered, so the pool shrinks with the queries."""
    items = ((split.ids[i], split.records[i], number) for number, i in enumerate(indices))
    return Split.of(split.language, items, *split.files, pool=((split.ids[i], split.pool[i]) for i in indices))


def rank(split: Split, queries: Vectors, pool: Vectors) -> list[int]:
    """Return the pool index nearest to each English query by cosine: the other language is indexed (XT, JI)."""
    return np.ravel(nearest(queries, pool, 1)).tolist()


TARGET = Target(
    **_FACTS,
    read=read,
    score=accuracy,
    parse=number_lines,
    rank=rank,
    cap=cap,
    file_code=ISO_639_3.__getitem__,
    hub_files=(
        HubFile("tatoeba/tatoeba.{language}-eng.{language}", _FACTS["hub"], "{language}-eng", "test", tsv("sentence1")),
        HubFile("tatoeba/tatoeba.{language}-eng.eng", _FACTS["hub"], "{language}-eng", "test", tsv("sentence2")),
    ),
)
