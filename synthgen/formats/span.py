"""A question about a passage, answered by a piece of that passage or not at all: extractive question answering."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from synthgen.formats.base import Features, ParseError, Row, clean_text, integer, listed, string, text_fault
from synthgen.text.digits import whole_number

ANSWERABLE, UNANSWERABLE = "answerable", "unanswerable"
_JOINER = "\u200d"
_MODIFIERS = {chr(code) for code in range(0x1F3FB, 0x1F400)}  # emoji skin tones
COLUMNS = ("id", "title", "context", "question", "answers")


@dataclass(frozen=True, slots=True)
class Span:
    """One example; the answer is `context[start : start + len(answer)]`, `start` is None when there is none.

    >>> Span("The cat sat on the mat.", "Where did it sit?", "on the mat", 12).end
    22
    """

    context: str
    question: str
    answer: str = ""
    start: int | None = None
    title: str = ""

    @property
    def end(self) -> int | None:
        """Character offset just after the answer."""
        return None if self.start is None else self.start + len(self.answer)


@dataclass(frozen=True, slots=True)
class SpanFormat:
    """SQuAD's columns; `labels` are the quota cells, `("answerable",)` for v1.1 and both for v2.0.

    Offsets count Unicode code points of the stored context, as in SQuAD's own files.

    >>> squad = SpanFormat(("answerable", "unanswerable"))
    >>> squad.to_row(Span("Tea is hot.", "What is hot?", "Tea", 0))["answers"]
    {'text': ['Tea'], 'answer_start': [0]}
    >>> squad.to_row(Span("Tea is hot.", "What is cold?"))["answers"]
    {'text': [], 'answer_start': []}
    """

    VERSION: ClassVar[int] = 1
    text_columns: ClassVar[tuple[str, ...]] = ("context", "question")

    labels: tuple[str, ...]
    columns: tuple[str, ...] = COLUMNS
    name: str = "span"

    def features(self) -> Features:
        """Return the Hugging Face features of a row; `answers` holds two lists of equal length."""
        answers = {"text": listed(string()), "answer_start": listed(integer())}
        return {column: string() for column in COLUMNS[:-1]} | {"answers": answers}

    def to_row(self, record: Span) -> Row:
        """Return the row that the real set would have for this record; its `id` is left to the writer."""
        answers: dict[str, list[Any]] = {"text": [], "answer_start": []}
        if record.start is not None:
            answers = {"text": [record.answer], "answer_start": [record.start]}
        texts = {"title": record.title, "context": record.context, "question": record.question}
        return {"id": "", **texts, "answers": answers}

    def from_row(self, row: Mapping[str, Any]) -> Span:
        """Return the record of a row, with the first of its answers; a missing column raises KeyError with its name."""
        answers = row["answers"]
        answer, start = (answers["text"][0], answers["answer_start"][0]) if answers["text"] else ("", None)
        return Span(row["context"], row["question"], answer, start, row["title"])

    def cell(self, row: Mapping[str, Any]) -> str:
        """Return the name of the quota cell a row belongs to: whether its question has an answer."""
        return ANSWERABLE if row["answers"]["text"] else UNANSWERABLE

    def assemble(self, texts: Mapping[str, str], cell: str) -> Row:
        """Return the row made of a context, a question and, in the cell `answerable`, the answer; ParseError if not.

        The answer is located in the context as it is; `answer_start` in `texts`, where given, says which of several
        occurrences is meant. Cleaning the context would move the offsets, so an unclean context is cleaned first and
        the offset then has to point into the clean text.
        """
        context, question = clean_text(texts.get("context", "")), clean_text(texts.get("question", ""))
        record = Span(context, question, title=texts.get("title", ""))
        if cell == ANSWERABLE:
            answer = clean_text(texts.get("answer", ""))
            start = locate(context, answer, texts.get("answer_start"))
            record = Span(context, question, answer, start, record.title)
        return self.to_row(record)

    def texts_of(self, row: Mapping[str, Any]) -> dict[str, str]:
        """Return title, context, question and, where there is one, the answer."""
        texts = {name: row[name] for name in ("title", "context", "question")}
        return texts | ({"answer": row["answers"]["text"][0]} if row["answers"]["text"] else {})

    def check(self, row: Mapping[str, Any]) -> str | None:
        """Return the first reason that a row breaks the format, None when it is well-formed."""
        return next(self.faults(row), None)

    def faults(self, row: Mapping[str, Any]) -> Iterator[str]:
        """Yield every reason that a row breaks the format."""
        yield from filter(None, (text_fault(row.get(field), field) for field in self.text_columns))
        if self.cell(row) not in self.labels:
            yield "no answer"
        texts, starts = row["answers"]["text"], row["answers"]["answer_start"]
        if len(texts) != len(starts):
            yield "answers and offsets differ in number"
        elif not all(_stands_at(row["context"], text, start) for text, start in zip(texts, starts, strict=True)):
            yield "answer is not at its offset"

    def translatable(self, row: Mapping[str, Any]) -> dict[str, str]:
        """Return the texts a translation replaces, by path; the offsets must be found again in the new context."""
        answers = {f"answers.text.{index}": text for index, text in enumerate(row["answers"]["text"])}
        return {"context": row["context"], "question": row["question"], **answers}


def _stands_at(context: object, text: object, start: int) -> bool:
    is_text = isinstance(context, str) and isinstance(text, str) and bool(text) and start >= 0
    return is_text and str(context)[start : start + len(str(text))] == text


def locate(context: str, answer: str, start: str | None = None) -> int:
    """Return the character offset of an answer; ParseError when it is absent, part of a word, or repeated with no
    `start` to choose.

    >>> locate("Rome, not rome", "rome")
    10
    """
    if start is not None:
        if (number := whole_number(start)) is None or context[number : number + len(answer)] != answer:
            raise ParseError("answer is not at its offset")
        return number
    starts = [match.start() for match in re.finditer(f"(?={re.escape(answer)})", context)]
    if not starts:
        raise ParseError("answer not in context")
    whole = [start for start in starts if is_whole(context, start, start + len(answer))]
    if not whole:
        raise ParseError("answer cuts a word")
    if len(whole) > 1:
        raise ParseError("answer occurs more than once")
    return whole[0]


def is_whole(context: str, start: int, end: int) -> bool:
    """Return whether no word, letter with its marks, or joined emoji runs across the borders of `context[start:end]`.

    >>> is_whole("An antique", 0, 2), is_whole("An antique", 3, 6)
    (True, False)
    """
    return not (_runs_on(context, start) or _runs_on(context, end))


def _runs_on(context: str, border: int) -> bool:
    if not 0 < border < len(context):
        return False
    before, after = context[border - 1], context[border]
    joins = unicodedata.category(after) in ("Mn", "Me", "Mc") or _JOINER in (before, after) or after in _MODIFIERS
    return joins or (before.isalnum() and after.isalnum())
