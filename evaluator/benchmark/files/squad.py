"""Questions about paragraphs in SQuAD v1.1's JSON, as XQuAD, MLQA and TyDiQA have them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from evaluator.benchmark.files.writers import squad
from evaluator.benchmark.target import DataRoot, DataSource, HubFile, Split, UnlabelledError
from synthgen.corpora.readers.squad import questions
from synthgen.corpora.readers.text import read_json
from synthgen.errors import UserError
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
    empty = [question["id"] for _, question in pairs if not any(answer["text"] for answer in question["answers"])]
    if empty and len(empty) == len(pairs):
        raise UnlabelledError(path, len(pairs), "no question has an answer")
    if empty:
        raise UserError(f"{path}: question {empty[0]} and {len(empty) - 1} others have no answer")
    ids, records, gold, seen = [], [], [], Counter[str]()
    for paragraph, question in pairs:
        first, name = question["answers"][0], str(question["id"])
        seen[name] += 1
        ids.append(name if seen[name] == 1 else f"{name}.{seen[name]}")
        records.append(Span(paragraph["context"], question["question"], first["text"], first["answer_start"]))
        gold.append(tuple(answer["text"] for answer in question["answers"]))
    return Split(language, tuple(ids), tuple(records), tuple(gold), (path,))


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
