"""Files of extractive question answering: SQuAD's JSON (v1.1, v2.0) and a list of answers without positions."""

import re
from collections.abc import Iterator
from typing import Any

from synthgen.corpora.readers.text import require
from synthgen.errors import UserError, shorten
from synthgen.formats.base import text_fault
from synthgen.formats.span import is_whole
from synthgen.text.digits import whole_number
from synthgen.text.words import letter_runs

NOWHERE = -1
NEIGHBOURHOOD = 60
"""Characters on each side of an occurrence that are compared with the question. Of the answers that occur more than
once this finds the annotated position for 80 % in XQuAD and 75 % in MLQA (English); the first one is it for 69 and
55 %."""


def questions(document: Any, where: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:  # noqa: ANN401 - JSON
    """Yield (paragraph, question) of a document of SQuAD's, as `paragraphs` gives the former."""
    for paragraph in paragraphs(document, where):
        yield from ((paragraph, question) for question in _list(paragraph, "qas", where))


def paragraphs(document: Any, where: str) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - a JSON document
    """Yield the paragraphs of SQuAD's JSON with the title of their article; UserError when it is of another format."""
    require(document, ("data",), where)
    for article in _list(document, "data", where):
        require(article, ("paragraphs",), where)
        for paragraph in _list(article, "paragraphs", where):
            require(paragraph, ("context", "qas"), where)
            yield {"title": article.get("title", ""), **paragraph}


def gold_answers(question: Any, where: str) -> list[dict[str, Any]]:  # noqa: ANN401 - a JSON value
    """Return the answers of a question; UserError names one that lacks its id, its text or the texts of its answers.

    >>> gold_answers({"id": "q1", "question": "Who?", "answers": [{"text": "Ann"}]}, "dev.json")
    [{'text': 'Ann'}]
    """
    require(question, ("id",), f"{where}: a question")
    name = f"{where} question {question['id']}"
    require(question, ("question", "answers"), name)
    answers = _list(question, "answers", name)
    for answer in answers:
        require(answer, ("text",), f"{name}: an answer")
    for field, value in (("question", question["question"]), *(("text", answer["text"]) for answer in answers)):
        if not isinstance(value, str):
            raise UserError(f"{name}: {text_fault(value, field)}")
    return answers


def _list(values: dict[str, Any], name: str, where: str) -> list[Any]:
    if not isinstance(value := values[name], list):
        raise UserError(f"{where}: '{name}' is not a list but {shorten(repr(value), 40)}")
    return value


def answer_start(answer: dict[str, Any]) -> int:
    """Return where an answer stands; releases of translations have some without a place, which no check accepts.

    >>> [answer_start({"answer_start": start}) for start in (171, "171", 42.0, "?", None)]
    [171, 171, 42, -1, -1]
    """
    start = answer.get("answer_start")
    if isinstance(start, str):
        return NOWHERE if (number := whole_number(start)) is None else number
    if isinstance(start, float) and start.is_integer():
        return int(start)
    return start if isinstance(start, int) else NOWHERE


def character_start(context: str, answer: str, start: int) -> int:
    """Return where an answer stands that is at `start` as bytes of UTF-8 are counted; `start` as it is for others.

    >>> character_start("Ää, ja", "ja", 4), character_start("Ää, ja", "ja", 6), character_start("Ää, ja", "ja", 1)
    (4, 4, 1)
    """
    if context.isascii() or context.startswith(answer, start):
        return start
    text, encoded_answer = context.encode(errors="surrogatepass"), answer.encode(errors="surrogatepass")
    return len(text[:start].decode(errors="ignore")) if text.startswith(encoded_answer, start) else start


def occurrences(context: str, answer: str) -> list[int]:
    """Return where an answer occurs: as whole words if it does so anywhere, else also inside words.

    >>> occurrences("An ant in an antique", "ant")
    [3]
    >>> occurrences("An ant in an antique", "que")
    [17]
    """
    if not answer:
        raise UserError("an answer is empty")
    starts = [match.start() for match in re.finditer(f"(?={re.escape(answer)})", context)]
    return [start for start in starts if is_whole(context, start, start + len(answer))] or starts


def place_answer(context: str, question: str, answer: str, starts: list[int]) -> tuple[int, str]:
    """Return the occurrence whose surroundings share most words with the question, and how sure that is.

    >>> context = "Ann met Bo in May, years before their two families came to know of each other. Cy left in May."
    >>> place_answer(context, "When did Cy leave?", "May", occurrences(context, "May"))
    (90, 'answer position by question')
    """
    if len(starts) == 1:
        return starts[0], "answer position unique"
    around = [context[max(0, start - NEIGHBOURHOOD) : start + len(answer) + NEIGHBOURHOOD] for start in starts]
    shared = [len(letter_runs(question) & letter_runs(text)) for text in around]
    is_tied = shared.count(max(shared)) > 1
    best = starts[shared.index(max(shared))]
    return best, "answer position first of equals" if is_tied else "answer position by question"
