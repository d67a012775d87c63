"""Files of multiple choice: HellaSwag, Cosmos QA, CommonsenseQA, SocialIQA and COPA."""

import csv
import re
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

from synthgen.corpora.readers.item import UNLABELLED, Item, is_labelled
from synthgen.corpora.readers.text import open_text, read_json_lines, read_lines, require
from synthgen.errors import UserError, unknown
from synthgen.formats.choice import Choice, ChoiceFormat

HELLASWAG_LINES = 6
_LAST_SENTENCE_END = re.compile(r".*[.!?][\"')\]]*\s+(?=\S)", re.DOTALL)


def read_hellaswag_jsonl(path: Path, format_: ChoiceFormat) -> Iterator[Item]:
    """Yield the items of HellaSwag's own JSON lines: ind, ctx_a, ctx_b, ctx, endings, label (absent in test)."""
    for values in read_json_lines(path, ("ctx_a", "ctx_b", "endings")):
        position = values.get("label", "")
        row = format_.to_row(Choice(values["ctx_a"], values["ctx_b"], tuple(values["endings"]), 0))
        row |= {"ctx": values.get("ctx", row["ctx"]), "label": str(position)}
        yield _labelled(Item(row, id=f"hellaswag-{path.stem}-{values['ind']}" if "ind" in values else None), format_)


def read_hellaswag_text(path: Path, format_: ChoiceFormat) -> Iterator[Item]:
    """Yield the items of a text file of six lines each: "activity: context", label, four endings.

    The release's split into `ctx_a` and `ctx_b` is not in such a file; the sentence begun at the end of the context is
    taken for `ctx_b`, so that `ctx_a`, `ctx_b` and an ending still read in a row.
    """
    lines = [line for line in read_lines(path) if line]
    if len(lines) % HELLASWAG_LINES:
        raise UserError(f"{path} has {len(lines)} lines; six lines an item are expected")
    for start in range(0, len(lines), HELLASWAG_LINES):
        heading, label, *endings = lines[start : start + HELLASWAG_LINES]
        context = heading.partition(": ")[2]
        if not label.isdecimal() or int(label) >= len(endings):
            raise UserError(f"{path}: label '{label}' after '{heading[:40]}…'; expected 0 to {len(endings) - 1}")
        row = format_.to_row(Choice(*split_begun_sentence(context), tuple(endings), int(label)))
        yield Item(row | {"ctx": context})


def split_begun_sentence(context: str) -> tuple[str, str]:
    """Return the finished sentences of a context and the one it breaks off in, which may be empty.

    >>> split_begun_sentence("A man sits on a roof. he")
    ('A man sits on a roof.', 'he')
    >>> split_begun_sentence("[header] How to swim [title] Breathe. [step] Breathe in.")
    ('[header] How to swim [title] Breathe. [step] Breathe in.', '')
    """
    match = _LAST_SENTENCE_END.match(context)
    if match is None or context.startswith("[header]") or context.rstrip().endswith((".", "!", "?")):
        return context, ""
    return match.group().rstrip(), context[match.end() :]


def read_cosmosqa(path: Path, format_: ChoiceFormat) -> Iterator[Item]:
    """Yield the items of Cosmos QA: id, context, question, answer0 … answer3, label.

    The file is quoted CSV, or JSON lines, the form of its test set (which has no label).
    """
    with open_text(path) as file:
        for values in csv.DictReader(file) if path.suffix == ".csv" else read_json_lines(path):
            require(values, ("id", *format_.columns[:-1]), str(path))
            row = {column: values[column] for column in format_.columns[:-1]}
            row["label"] = -1 if (label := values.get("label")) in (None, "") else int(label)
            yield _labelled(Item(row, id=values["id"]), format_)


def read_commonsenseqa_jsonl(path: Path, format_: ChoiceFormat) -> Iterator[Item]:
    """Yield the items of CommonsenseQA's JSON lines: answerKey, id, question {stem, question_concept, choices}."""
    for values in read_json_lines(path, ("id", "question")):
        question = values["question"]
        options = sorted(question["choices"], key=lambda choice: str(choice["label"]))
        row = format_.to_row(Choice("", question["stem"], tuple(option["text"] for option in options), 0))
        # The test release has neither concept nor key.
        row |= {"question_concept": question.get("question_concept", ""), "answerKey": values.get("answerKey", "")}
        yield _labelled(Item(row, id=values["id"]), format_)


def read_socialiqa_jsonl(path: Path, format_: ChoiceFormat) -> Iterator[Item]:
    """Yield SocialIQA's items: answerA … answerC with labels 1 to 3 in `<name>-labels.lst` as released, or `options`
    with the right one repeated in `answer`.
    """
    beside = path.with_name(f"{path.stem}-labels.lst")
    labels = read_lines(beside) if beside.is_file() else repeat("")
    for values, label in zip(read_json_lines(path, ("context", "question")), labels, strict=beside.is_file()):
        if "options" in values:
            options = values["options"]
            label = format_.labels[options.index(values["answer"])] if values["answer"] in options else ""
        else:
            require(values, format_.option_columns, str(path))
            options = [values[column] for column in format_.option_columns]
            label = str(values.get("label", label))
        row = format_.to_row(Choice(values["context"], values["question"], tuple(options), 0))
        yield _labelled(Item(row | {"label": label.strip()}), format_)


def read_copa_jsonl(path: Path, format_: ChoiceFormat) -> Iterator[Item]:
    """Yield COPA's items in SuperGLUE's JSON lines: premise, choice1, choice2, question, label 0 or 1."""
    if "placeholder" in path.name:
        raise UserError(f"{path} holds placeholder labels, not gold ones: import the train or val file")
    for number, values in enumerate(read_json_lines(path, ("premise", "choice1", "choice2", "question")), start=1):
        row: dict[str, Any] = {column: values[column] for column in format_.columns[:-1]}
        if (label := str(values.get("label", -1))) not in (allowed := ("0", "1", "-1")):
            raise unknown("label", label, allowed, where=f"{path} line {number}")
        yield _labelled(Item(row | {"label": int(label)}), format_)


def _labelled(item: Item, format_: ChoiceFormat) -> Item:
    """Return the item, marked unlabelled when its answer is none of the format's labels."""
    return item if is_labelled(item.row, format_) else Item(item.row, item.id, fault=UNLABELLED)
