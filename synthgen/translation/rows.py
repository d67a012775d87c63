"""Translated texts back into rows: by path, with everything that is no text as it was."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from synthgen.corpora.readers.item import TOLERATED
from synthgen.formats import Format
from synthgen.formats.base import Row


def translatable(format_: Format, row: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts of a row that a translation replaces, by path, without the empty ones; none of a faulty row."""
    if source_fault(format_, row):
        return {}
    return {path: text for path, text in format_.translatable(row).items() if text.strip()}


def source_fault(format_: Format, row: Mapping[str, Any]) -> str | None:
    """Return why a row is not worth translating: a value is missing, or nothing could be trained on it.

    Faults that released corpora have, and that an import keeps, are none.
    """
    needed = (column for column in format_.columns if column not in ("id", "title"))
    if missing := next((column for column in needed if row.get(column) is None), None):
        return f"no {missing}"
    fault = format_.check(row)
    return None if fault is None or fault.startswith(TOLERATED) else fault


def with_texts(row: Mapping[str, Any], texts: Mapping[str, str]) -> Row:
    """Return a copy of a row with the texts at their paths; HellaSwag's `ctx` follows from its parts.

    >>> with_texts({"ctx_a": "A", "ctx_b": "B", "ctx": "A B", "endings": ["c", "d"]}, {"ctx_a": "X", "endings.1": "Y"})
    {'ctx_a': 'X', 'ctx_b': 'B', 'ctx': 'X B', 'endings': ['c', 'Y']}
    """
    new = copy.deepcopy(dict(row))
    for path, text in texts.items():
        *above, last = path.split(".")
        place: Any = new
        for step in above:
            place = place[step]
        place[int(last) if isinstance(place, list) else last] = text
    if "ctx" in new and "ctx_a" in new:
        new["ctx"] = f"{new['ctx_a']} {new['ctx_b']}".strip()
    return new


def with_answers(row: Mapping[str, Any], texts: Mapping[str, str], answers: Sequence[Mapping[str, Any]]) -> Row:
    """Return a copy of a row with new passage and question, and the answers projected into the passage.

    >>> row = {"context": "It is in Rome.", "question": "Where?", "answers": {"text": ["Rome"], "answer_start": [9]}}
    >>> new = {"context": "É em Roma.", "question": "Onde?", "answers.text.0": "Roma"}
    >>> with_answers(row, new, [{"text": "Roma", "start": 5}])["answers"]
    {'text': ['Roma'], 'answer_start': [5]}
    """
    kept = {path: text for path, text in texts.items() if not path.startswith("answers.")}
    places = dict.fromkeys((each["text"], each["start"]) for each in answers if "text" in each)
    projected = {"text": [text for text, _ in places], "answer_start": [start for _, start in places]}
    return with_texts(row, kept) | {"answers": projected}
