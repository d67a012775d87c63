"""One record of other people's files as one row of a task, whichever of the usual shapes its values have."""

import ast
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from synthgen.corpora.readers.columns import ANSWER, ANSWER_START, LabelMap, label_text
from synthgen.corpora.readers.item import UNKNOWN_LABEL, UNLABELLED, Item
from synthgen.corpora.readers.squad import NOWHERE, answer_start, character_start, occurrences, place_answer
from synthgen.errors import shorten
from synthgen.formats import Format
from synthgen.formats.base import Row, text_fault
from synthgen.formats.choice import ChoiceFormat


class UnusableError(Exception):
    """Why a record is no row, and what shows it."""

    def __init__(self, reason: str, evidence: str = "") -> None:
        super().__init__(reason)
        self.evidence = evidence


def _text(values: Mapping[str, Any], name: str) -> str:
    """Return a text; UnusableError where there is none that can be stored."""
    value = _only(values.get(name))
    if (fault := text_fault(value, name)) and not fault.startswith("empty"):
        raise UnusableError(fault, "" if value is None else shorten(ascii(value)))
    return str(value)


def _only(value: object) -> object:
    """Return what a list of one value holds, anything else as it is."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _label(value: object, labels: LabelMap, options: Sequence[str] = ()) -> int:
    """Return the position of a label, which may be the text of one of the options."""
    value = _only(_decoded(value))
    index = labels.index(value) if isinstance(value, str | int | float | None) else -1
    if index == -1 and options.count(value) == 1:
        return options.index(value)
    if index is None:
        raise UnusableError(UNLABELLED)
    if index < 0:
        raise UnusableError(UNKNOWN_LABEL, shorten(str(value) if isinstance(value, bool) else label_text(value), 60))
    return index


def _pair(format_: Format, values: Mapping[str, Any], _record: Row, labels: LabelMap) -> Item:
    first, second, label = format_.columns
    index = _label(values.get(label), labels)
    return Item({first: _text(values, first), second: _text(values, second), label: index})


def _choice(format_: ChoiceFormat, values: Mapping[str, Any], _record: Row, labels: LabelMap) -> Item:
    row: Row = {}
    values = _flattened(values)
    for name in format_.columns[:-1]:
        value = _decoded(values.get(name))
        if name in ("endings", "choices"):
            texts = value.get("text") if isinstance(value, dict) else value
            if not isinstance(texts, list):
                raise UnusableError(f"{name} is no list")
            options = [_text({name: each}, name) for each in texts]
            row[name] = {"label": list(format_.labels), "text": options} if name == "choices" else options
        else:
            is_optional = name in ("ctx", "ctx_b", "question_concept")
            row[name] = "" if is_optional and value is None else _text(values, name)
    lists = row.get("endings") or row.get("choices", {}).get("text")
    options = lists or [row[name] for name in format_.option_columns]
    index = _label(values.get(format_.columns[-1]), labels, options)
    has_name = format_.features()[format_.columns[-1]].get("dtype") == "string"
    return Item(row | {format_.columns[-1]: format_.labels[index] if has_name else index})


def _flattened(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the values with CommonsenseQA's question, which holds its choices, taken apart."""
    question = _decoded(values.get("question"))
    if isinstance(question, dict):
        values = {**values, "question_concept": question.get("question_concept", ""), "question": question.get("stem")}
        values["choices"] = question.get("choices")
    choices = _decoded(values.get("choices"))
    if isinstance(choices, list) and all(isinstance(each, dict) for each in choices):
        choices = sorted(choices, key=lambda each: str(each.get("label")))
        values = {**values, "choices": [each.get("text") for each in choices]}
    return values


def _span(_format: Format, values: Mapping[str, Any], record: Row, _labels: LabelMap) -> Item:
    context, question = _text(values, "context"), _text(values, "question")
    texts, starts, note = list[str](), list[int](), ""
    for answer, start in [] if record.get("is_impossible") in (True, "True", "true") else _answers(values):
        if not answer:
            raise UnusableError("empty answer")
        if start is None:
            places = occurrences(context, answer)
            if not places:
                raise UnusableError("answer not in context")
            start, note = place_answer(context, question, answer, places)
        elif (place := character_start(context, answer, start)) != start:
            start, note = place, "answer position given in bytes"
        texts.append(answer)
        starts.append(start)
    title = values.get("title")
    row = {"title": title if isinstance(title, str) else "", "context": context, "question": question}
    return Item(row | {"answers": {"text": texts, "answer_start": starts}}, note=note or None)


def _answers(values: Mapping[str, Any]) -> list[tuple[str, int | None]]:
    """Return the answers of a record, each with its place where the record gives one."""
    answers = values.get("answers") if "answers" in values else None
    if answers is None and ANSWER in values:
        answers = values[ANSWER]
    answers = _decoded(answers)
    if isinstance(answers, dict):
        if answers.get("text") is None and any(answers.values()):
            raise UnusableError("answers hold no text", shorten(", ".join(map(str, answers)) or "nothing"))
        texts, given = _listed(answers.get("text")), answers.get("answer_start")
        starts = [None] * len(texts) if given is None else _listed(given)
        if len(starts) != len(texts):
            raise UnusableError("answers and offsets differ in number")
        pairs: list[tuple[Any, Any]] = list(zip(texts, starts, strict=True))
    else:
        starts = _listed(_decoded(values.get(ANSWER_START)))
        texts = _listed(answers)
        pairs = [
            (each.get("text"), each.get("answer_start")) if isinstance(each, dict) else (each, None) for each in texts
        ]
        if starts and len(starts) == len(pairs):
            pairs = [(text, start) for (text, _), start in zip(pairs, starts, strict=True)]
    return [(_text({ANSWER: text}, ANSWER), None if start is None else _place(start)) for text, start in pairs]


def _place(value: object) -> int | None:
    if str(value) in ("-1", "-1.0"):  # some write it where they do not know the place
        return None
    place = answer_start({"answer_start": value})
    if place == NOWHERE:
        raise UnusableError("answer_start is no number", shorten(repr(value)))
    return place


def _listed(value: object) -> list[Any]:
    if isinstance(value, list):
        return value
    return [] if value in (None, "") else [value]


_ARRAY = re.compile(r"array\((\[[^\[\]]*\])(?:, dtype=\w+)?\)")
_WITHOUT_COMMAS = re.compile(r"""'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+"|-?\d++""")


def _decoded(value: object) -> object:
    r"""Return the list or object that a cell of a table holds as text, as JSON or as Python and numpy write it.

    >>> _decoded("['It' \"isn't\"]"), _decoded("[0 1]"), _decoded("{'text': array(['a'], dtype=object)}")
    (['It', "isn't"], [0, 1], {'text': ['a']})
    """
    if not isinstance(value, str) or value.strip()[:1] not in ("[", "{"):
        return value
    inner = value.strip()[1:-1]
    if not _WITHOUT_COMMAS.sub("", inner).strip():
        value = f"[{','.join(_WITHOUT_COMMAS.findall(inner))}]"
    value = _ARRAY.sub(r"\1", value)
    for read in (json.loads, ast.literal_eval):
        try:
            decoded = read(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return decoded if isinstance(decoded, list | dict) else value
    return value


def _tags(format_: Format, values: Mapping[str, Any], _record: Row, labels: LabelMap) -> Item:
    first, second = format_.columns
    tokens, tags = (_decoded(values.get(name)) for name in (first, second))
    if isinstance(tokens, str) and isinstance(tags, str):
        tokens, tags = tokens.split(), tags.split()
    if not isinstance(tokens, list) or not isinstance(tags, list):
        raise UnusableError(f"{first if not isinstance(tokens, list) else second} is no list")
    return Item(
        {first: [_text({"token": each}, "token") for each in tokens], second: [_label(tag, labels) for tag in tags]}
    )


def make_row(format_: Format, values: Mapping[str, Any], record: Row, labels: LabelMap) -> Item:
    """Return the row of a record: its `values` by our columns, all that it has; UnusableError for no row."""
    return _MAKERS[format_.name](format_, values, record, labels)


_MAKERS: dict[str, Callable[[Any, Mapping[str, Any], Row, LabelMap], Item]] = {
    "pair": _pair,
    "choice": _choice,
    "span": _span,
    "tags": _tags,
}
