"""LAReQA (XQuAD-R): retrieve the sentences that answer a question from a pool of 11 languages."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from evaluator.benchmark.files import squad
from evaluator.benchmark.files.predictions import rankings_by_id
from evaluator.benchmark.metrics.retrieval import nearest_ids, score_ranking
from evaluator.benchmark.target import DataRoot, Split, Target, facts
from synthgen.corpora.readers.squad import answer_start, paragraphs
from synthgen.corpora.readers.text import read_json


def read(root: DataRoot, language: str, split: str) -> Split:
    """Return the questions of a language; the pool is its sentences, each followed by its paragraph.

    Source: XT utils_lareqa.py, generate_examples. A question whose answer lies in no sentence is left out, as there.
    """
    path = root.find(TARGET.split_sources(split)[0], language)
    items, pool, sources = [], list[tuple[str, str]](), []
    for number, paragraph in enumerate(paragraphs(read_json(path), str(path)), start=1):
        context, breaks = paragraph["context"], paragraph["sentence_breaks"]
        names = [f"{language}_{number}_{place}" for place in range(len(breaks))]
        texts = (candidate_text(context[start:end], context) for start, end in breaks)
        pool += zip(names, texts, strict=True)
        for question in paragraph["qas"]:
            place = _sentence(breaks, answer_start(question["answers"][0]))
            if place is not None:
                items.append((question["id"], question["question"], (names[place],)))
                sources.append(context)
    return Split.of(language, items, path, pool=pool, sources=sources)


def join(splits: Sequence[Split]) -> list[Split]:
    """Return the splits with one pool of all languages, and as gold the answers to a question in each of them."""
    pool, names = (tuple(chain.from_iterable(getattr(s, field) for s in splits)) for field in ("pool", "pool_ids"))
    answers: dict[str, tuple[str, ...]] = {}
    for split in splits:
        for item, gold in zip(split.ids, split.gold, strict=True):
            answers[item] = (*answers.get(item, ()), *gold)
    return [replace(s, pool=pool, pool_ids=names, gold=tuple(answers[item] for item in s.ids)) for s in splits]


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
    return replace(questions, records=tuple(records))


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
