"""Questions about paragraphs in SQuAD v1.1's JSON, as XQuAD, MLQA and TyDiQA have them."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from evaluator.benchmark.files.predictions import answers_by_id
from evaluator.benchmark.files.writers import squad
from evaluator.benchmark.target import (
    DataRoot,
    DataSource,
    HubFile,
    Split,
    SplitScores,
    Target,
    UnlabelledError,
    facts,
    one_file,
)
from synthgen.corpora.readers.squad import NOWHERE, answer_start, gold_answers, questions
from synthgen.corpora.readers.text import read_json
from synthgen.errors import UserError
from synthgen.formats.base import text_fault
from synthgen.formats.span import Span

TRAIN = DataSource(
    ("squad/train-v1.1.json", "squad/squad_sample.json"),
    "SQuAD v1.1 (https://rajpurkar.github.io/SQuAD-explorer/dataset/train-v1.1.json), or the hub",
)


TRAIN_FROM_HUB = HubFile("squad/train-v1.1.json", "rajpurkar/squad", "plain_text", "train", squad, language="en")


def read_questions(path: Path, language: str) -> Split:
    """Return the questions of a file with all their gold answers; the record has the first answer.

    Copies of TyDiQA's dev files are around in which every answer is "" at 0 (as XTREME hides its test labels): such a
    file is not labelled. Every question of these targets has an answer, so one without is an error. Copies of its train
    files number their questions anew in every article; a repeated id gets its occurrence behind it.
    """
    pairs = list(questions(read_json(path), str(path)))
    answers = [gold_answers(question, str(path)) for _, question in pairs]
    empty = [question["id"] for (_, question), each in zip(pairs, answers, strict=True) if not _texts(each)]
    if empty and len(empty) == len(pairs):
        raise UnlabelledError(path, len(pairs), "no question has an answer")
    if empty:
        raise UserError(f"{path}: question {empty[0]} and {len(empty) - 1} others have no answer")
    items, seen = [], Counter[str]()
    for (paragraph, question), each in zip(pairs, answers, strict=True):
        first, name = each[0], str(question["id"])
        if fault := text_fault(paragraph["context"], "context"):
            raise UserError(f"{path} question {name}: {fault}")
        seen[name] += 1
        if (start := answer_start(first)) == NOWHERE:
            raise UserError(f"{path}: the answer_start of question {name} is {first.get('answer_start')!r}, no place")
        record = Span(paragraph["context"], question["question"], first["text"], start)
        gold = tuple(answer["text"] for answer in each)
        items.append((name if seen[name] == 1 else f"{name}.{seen[name]}", record, gold))
    return Split.of(language, items, path, sources=[paragraph["context"] for paragraph, _ in pairs])


def _texts(answers: Sequence[dict[str, Any]]) -> list[str]:
    return [answer["text"] for answer in answers if answer["text"]]


def train(root: DataRoot, source: DataSource = TRAIN) -> Split:
    """Return English training questions, by default those of SQuAD v1.1.

    A plain list of {context, question, answer} is read too; its answers are taken at their first occurrence, which may
    not be the annotated one.
    """
    path = root.find(source)
    if path != root.path / TRAIN.paths[1]:
        return read_questions(path, "en")
    rows = ((row["context"], row["question"], row["answer"]) for row in read_json(path))
    spans = (Span(context, question, answer, context.index(answer)) for context, question, answer in rows)
    return Split.of("en", ((str(number), span, (span.answer,)) for number, span in enumerate(spans)), path)


def span_target(module: str, score: Callable[[Split, Sequence[Any]], SplitScores], *hub_files: HubFile) -> Target:
    """Return a target of questions about paragraphs, trained on SQuAD unless it says otherwise."""
    table: dict[str, Any] = {"train_sources": (TRAIN,), "clusters": "paragraph"} | facts(module)
    read, train_ = one_file(read_questions, table["sources"]), partial(train, source=table["train_sources"][0])
    return Target(**table, read=read, train=train_, score=score, parse=answers_by_id, hub_files=hub_files)
