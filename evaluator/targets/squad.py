"""Questions about paragraphs in SQuAD v1.1's JSON, as XQuAD, MLQA and TyDiQA have them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evaluator.targets.base import DataRoot, Source, Split
from evaluator.targets.files import read_json
from evaluator.targets.writers import HubFile, squad
from synthgen.errors import UserError
from synthgen.formats.span import Span

TRAIN = Source(
    ("squad/train-v1.1.json", "squad/squad_sample.json"),
    "SQuAD v1.1 (https://rajpurkar.github.io/SQuAD-explorer/dataset/train-v1.1.json), or the hub",
)


TRAIN_FROM_HUB = HubFile("squad/train-v1.1.json", "rajpurkar/squad", "plain_text", "train", squad, language="en")


def read_questions(path: Path, language: str) -> Split:
    """Return the questions of a file with all their gold answers; the record has the first answer."""
    ids, records, gold = [], [], []
    for paragraph in paragraphs(path):
        for question in paragraph["qas"]:
            answers = question["answers"]
            if not answers:
                raise UserError(f"{path}: question {question['id']} has no answer: the file is not labelled")
            first = answers[0]
            ids.append(str(question["id"]))
            records.append(Span(paragraph["context"], question["question"], first["text"], first["answer_start"]))
            gold.append(tuple(answer["text"] for answer in answers))
    return Split(language, tuple(ids), tuple(records), tuple(gold), (path,))


def paragraphs(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the paragraphs of a SQuAD file."""
    document = read_json(path)
    for article in document["data"] if isinstance(document, dict) else document:
        yield from article["paragraphs"]


def train(root: DataRoot) -> Split:
    """Return SQuAD v1.1's English training questions.

    A plain list of {context, question, answer} is read too; its answers are taken at their first occurrence, which may
    not be the annotated one.
    """
    path = root.find(TRAIN)
    if path.name == "train-v1.1.json":
        return read_questions(path, "en")
    rows = read_json(path)
    records = tuple(
        Span(row["context"], row["question"], row["answer"], row["context"].index(row["answer"])) for row in rows
    )
    ids = tuple(str(number) for number in range(len(rows)))
    return Split("en", ids, records, tuple((row["answer"],) for row in rows), (path,))
