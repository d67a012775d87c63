"""LAReQA (XQuAD-R): retrieve the sentences that answer a question from a pool of 11 languages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from evaluator.benchmark.files import squad
from evaluator.benchmark.files.predictions import rankings_by_id
from evaluator.benchmark.metrics.retrieval import nearest_ids, score_ranking
from evaluator.benchmark.target import DataRoot, Split, Target, facts
from synthgen.corpora.readers.squad import paragraphs
from synthgen.corpora.readers.text import read_json


def read(root: DataRoot, language: str, split: str) -> Split:
    """Return the questions of a language; the pool is its sentences, each followed by its paragraph.

    Source: XT utils_lareqa.py, generate_examples. A question whose answer lies in no sentence is left out, as there.
    """
    path = root.find(TARGET.split_sources(split)[0], language)
    ids, records, gold, pool, pool_ids = [], [], [], [], []
    for number, paragraph in enumerate(paragraphs(read_json(path), str(path)), start=1):
        context, breaks = paragraph["context"], paragraph["sentence_breaks"]
        names = [f"{language}_{number}_{place}" for place in range(len(breaks))]
        for name, (start, end) in zip(names, breaks, strict=True):
            pool.append(candidate_text(context[start:end], context))
            pool_ids.append(name)
        for question in paragraph["qas"]:
            place = _sentence(breaks, question["answers"][0]["answer_start"])
            if place is not None:
                ids.append(question["id"])
                records.append(question["question"])
                gold.append((names[place],))
    return Split(language, tuple(ids), tuple(records), tuple(gold), (path,), tuple(pool), tuple(pool_ids))


def join(splits: Sequence[Split]) -> list[Split]:
    """Return the splits with one pool of all languages, and as gold the answers to a question in each of them."""
    pool, names = (
        tuple(chain.from_iterable(column)) for column in zip(*((s.pool, s.pool_ids) for s in splits), strict=True)
    )
    answers: dict[str, list[str]] = {}
    for split in splits:
        for item, gold in zip(split.ids, split.gold, strict=True):
            answers.setdefault(item, []).extend(gold)
    return [replace(s, pool=pool, pool_ids=names, gold=tuple(tuple(answers[item]) for item in s.ids)) for s in splits]


def train(root: DataRoot) -> Split:
    """Return SQuAD's questions with the sentence of the answer and its paragraph.

    XTREME breaks sentences with a tool of its own; here a sentence ends at ". ", "? ", "! " or a line end.
    """
    questions = squad.train(root)
    records = []
    for record in questions.records:
        breaks = sentence_breaks(record.context)
        place = _sentence(breaks, record.start)
        start, end = breaks[place] if place is not None else (0, len(record.context))
        records.append((record.question, candidate_text(record.context[start:end], record.context)))
    return Split("en", questions.ids, tuple(records), questions.gold, questions.files)


def candidate_text(sentence: str, paragraph: str) -> str:
    """Return a candidate as one text (XT processors/lareqa.py: sentence and paragraph joined, newlines dropped)."""
    return (sentence + paragraph).replace("\n", "")


def sentence_breaks(text: str) -> list[tuple[int, int]]:
    """Return the [start, end) offsets of the sentences of an English text.

    >>> sentence_breaks("One. Two? Three")
    [(0, 4), (5, 9), (10, 15)]
    """
    breaks, start = [], 0
    for i in range(1, len(text)):
        if text[i] in " \n" and (text[i - 1] in ".?!" or text[i] == "\n"):
            if i > start:
                breaks.append((start, i))
            start = i + 1
    return [*breaks, (start, len(text))] if start < len(text) else breaks


def _sentence(breaks: Sequence[Sequence[int]], offset: int) -> int | None:
    return next((place for place, (start, end) in enumerate(breaks) if start <= offset < end), None)


TARGET = Target(
    **facts(__file__),
    train_sources=(squad.TRAIN,),
    read=read,
    train=train,
    score=score_ranking,
    parse=rankings_by_id,
    rank=nearest_ids,
    join=join,
)
