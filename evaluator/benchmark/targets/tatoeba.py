"""Tatoeba: find the translation of an English sentence among up to 1,000 sentences, 41 languages, no training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evaluator.benchmark.files.predictions import number_lines
from evaluator.benchmark.files.writers import tsv
from evaluator.benchmark.metrics.classification import accuracy
from evaluator.benchmark.metrics.retrieval import Vectors, nearest
from evaluator.benchmark.target import DataRoot, DataSource, HubFile, Split, Target, codes
from synthgen.corpora.readers.text import read_lines
from synthgen.errors import UserError

ISO_639_3 = {
    "af": "afr", "ar": "ara", "az": "aze", "bg": "bul", "bn": "ben", "de": "deu", "el": "ell", "es": "spa", "et": "est",
    "eu": "eus", "fa": "pes", "fi": "fin", "fr": "fra", "he": "heb", "hi": "hin", "hu": "hun", "id": "ind", "it": "ita",
    "ja": "jpn", "jv": "jav", "ka": "kat", "kk": "kaz", "ko": "kor", "lt": "lit", "ml": "mal", "mr": "mar", "nl": "nld",
    "pl": "pol", "pt": "por", "ro": "ron", "ru": "rus", "sw": "swh", "ta": "tam", "te": "tel", "th": "tha", "tl": "tgl",
    "tr": "tur", "uk": "ukr", "ur": "urd", "vi": "vie", "zh": "cmn",
}  # fmt: skip

_ORIGIN = "https://github.com/facebookresearch/LASER, data/tatoeba/v1, or `evaluator data fetch`"
_FOREIGN = DataSource(("tatoeba/tatoeba.{language}-eng.{language}",), _ORIGIN)
_ENGLISH = DataSource(("tatoeba/tatoeba.{language}-eng.eng",), _ORIGIN)


def read(root: DataRoot, language: str, split: str) -> Split:
    """Return English queries with their line numbers, the pool being the other language's file.

    Line i translates line i. XTREME sorts the English side of its copy to hide that; ids here are the lines of the
    unsorted file.
    """
    code = ISO_639_3[language]
    foreign, english = root.find(_FOREIGN, code), root.find(_ENGLISH, code)
    pool, queries = list(read_lines(foreign)), list(read_lines(english))
    if len(pool) != len(queries):
        raise UserError(f"{foreign} has {len(pool)} lines and {english} {len(queries)}; line i translates line i")
    ids = tuple(str(number) for number in range(len(queries)))
    gold = tuple(range(len(queries)))
    return Split(language, ids, tuple(queries), gold, (foreign, english), tuple(pool), ids)


def cap(split: Split, indices: Sequence[int]) -> Split:
    """Return a smaller test set: the chosen lines of both files, renumbered, so the pool shrinks with the queries."""
    queries, pool = tuple(split.records[i] for i in indices), tuple(split.pool[i] for i in indices)
    ids = tuple(split.ids[i] for i in indices)
    return Split(split.language, ids, queries, tuple(range(len(ids))), split.files, pool, ids)


def rank(split: Split, queries: Vectors, pool: Vectors) -> list[int]:
    """Return the pool index nearest to each English query by cosine: the other language is indexed (XT, JI)."""
    return [int(index) for index in np.ravel(nearest(queries, pool, 1))]


TARGET = Target(
    name="tatoeba",
    title="Tatoeba",
    head="retrieval",
    languages=tuple(sorted(ISO_639_3)),
    metrics=("accuracy",),
    train_source="none: the intermediate encoder as it is",
    hub="mteb/tatoeba-bitext-mining",
    licence="CC BY 2.0 FR",
    citation="Artetxe and Schwenk, Massively Multilingual Sentence Embeddings, TACL 2019",
    is_parallel=False,
    sources={"test": (_FOREIGN, _ENGLISH)},
    read=read,
    score=accuracy,
    parse=number_lines,
    new_in_xtreme_r=codes("az lt pl ro uk"),
    rank=rank,
    cap=cap,
    file_code=ISO_639_3.__getitem__,
    hub_files=(
        HubFile(_FOREIGN.paths[0], "mteb/tatoeba-bitext-mining", "{language}-eng", "test", tsv("sentence1")),
        HubFile(_ENGLISH.paths[0], "mteb/tatoeba-bitext-mining", "{language}-eng", "test", tsv("sentence2")),
    ),
)
