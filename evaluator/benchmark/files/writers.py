"""Hub rows back to the official file formats, so that one reader serves both."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Rows = Iterable[Mapping[str, Any]]
Writer = Callable[[Rows], str]


def tsv(*columns: str, names: tuple[str, ...] = ()) -> Writer:
    r"""Return a writer of these columns, tab-separated; a column of numbers becomes `names` where they are given.

    >>> tsv("a", "label", names=("no", "yes"))([{"a": "x", "label": 1}])
    'x\tyes\n'
    """
    return lambda rows: "".join("\t".join(_text(row[column], names) for column in columns) + "\n" for row in rows)


def _text(value: Any, names: tuple[str, ...]) -> str:  # noqa: ANN401 - a cell
    if isinstance(value, int) and names:
        return names[value]
    return " ".join(str(value).replace("\t", " ").split("\n"))


def tagged(tokens: str, tags: str, labels: tuple[str, ...]) -> Writer:
    """Return a writer of token TAB tag with a blank line after each sentence; `labels` in the hub's order."""

    def sentence(row: Mapping[str, Any]) -> str:
        """Return the lines of a row."""
        pairs = zip(row[tokens], row[tags], strict=True)
        return "".join(f"{_text(token, ())}\t{_text(tag, labels)}\n" for token, tag in pairs)

    return lambda rows: "".join(f"{sentence(row)}\n" for row in rows)


def squad(rows: Rows) -> str:
    """Write SQuAD v1.1 JSON, questions of one context together."""
    paragraphs: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        answers = zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True)
        placed = [{"text": text, "answer_start": int(start)} for text, start in answers]
        question = {"id": row["id"], "question": row["question"], "answers": placed}
        paragraphs.setdefault(row["context"], []).append(question)
    blocks = [{"context": context, "qas": questions} for context, questions in paragraphs.items()]
    return json.dumps({"version": "1.1", "data": [{"title": "", "paragraphs": blocks}]}, ensure_ascii=False) + "\n"


def squad_of(prefix: str) -> Writer:
    """Return a writer of the questions whose id starts with `prefix` (TyDiQA keeps all languages in one split)."""
    return lambda rows: squad(row for row in rows if str(row["id"]).startswith(prefix))


def jsonl(change: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda row: row) -> Writer:
    """Return a writer of one JSON object a line, each row changed first."""
    return lambda rows: "".join(json.dumps(dict(change(row)), ensure_ascii=False) + "\n" for row in rows)
