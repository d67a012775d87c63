"""The running text of a row of any format, also in lists of options, answers and tokens."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from synthgen.formats.base import Format, Row
from synthgen.formats.choice import ChoiceFormat
from synthgen.formats.span import SpanFormat
from synthgen.formats.tags import TagsFormat


def row_texts(format_: Format, row: Mapping[str, Any]) -> dict[str, str]:
    """Return every text of a row by path, e.g. `{"ctx_a": …, "endings.2": …}`; tokens are joined by spaces.

    >>> from synthgen.formats.pair import PairFormat
    >>> row_texts(PairFormat(("question1", "question2"), ("no", "yes")), {"question1": "A?", "question2": "B?"})
    {'question1': 'A?', 'question2': 'B?'}
    """
    if isinstance(format_, TagsFormat):
        return {format_.columns[0]: format_.sentence(row)}
    if isinstance(format_, ChoiceFormat | SpanFormat):
        return format_.translatable(row)
    return {column: str(row[column]) for column in format_.text_columns}


def shown_fields(row: Mapping[str, Any], format_: Format | None = None) -> dict[str, str]:
    """Return what a person reads of a row, sound or not, by path: labels by name, tokens as a line, without its id.

    >>> from synthgen.formats.pair import PairFormat
    >>> nli = PairFormat(("premise", "hypothesis"), ("entailment", "neutral", "contradiction"))
    >>> shown_fields({"premise": "It rains.", "hypothesis": "It is wet.", "label": 1, "id": "a-1"}, nli)
    {'premise': 'It rains.', 'hypothesis': 'It is wet.', 'label': 'neutral'}
    >>> shown_fields({"answers": {"text": ["tea", "hot tea"], "answer_start": [9, 5]}})
    {'answers.text.0': 'tea', 'answers.text.1': 'hot tea', 'answers.answer_start': '9 | 5'}
    """
    features = format_.features() if format_ else {}
    between = " " if isinstance(format_, TagsFormat) else " | "
    named = {column: _named(value, features.get(column, {})) for column, value in row.items() if column != "id"}
    return dict(field for column, value in named.items() for field in _fields(value, column, between))


def _named(value: object, feature: Mapping[str, Any]) -> object:
    """Return a value of a row with the names of its labels in place of their numbers."""
    if isinstance(value, list):
        return [_named(each, feature.get("feature", {})) for each in value]
    names = feature.get("names", ())
    return names[value] if type(value) is int and 0 <= value < len(names) else value


def _fields(value: object, path: str, between: str) -> Iterator[tuple[str, str]]:
    """Yield the texts and numbers of a value by path; a list of single words or numbers is one of them."""
    if isinstance(value, list) and all(isinstance(each, str | int) and " " not in str(each) for each in value):
        value = between.join(map(str, value)) or None
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        yield from (field for key, each in inner for field in _fields(each, f"{path}.{key}", between))
    else:
        yield path, "none" if value is None else str(value)


def texts_of_sound_rows(format_: Format, rows: Iterable[Row]) -> Iterator[dict[str, str]]:
    """Yield the `row_texts` of each row that lacks nothing but an id, which it may get later, and has no fault."""
    columns = [column for column in format_.columns if column != "id"]
    for row in rows:
        if not any(absent(row.get(column), column) for column in columns) and not format_.check(row):
            yield row_texts(format_, row)


def absent(value: object, name: str) -> str:
    """Return the path of the first null in a value, an empty string when there is none.

    >>> absent({"text": ["tea", None], "label": ["A", "B"]}, "choices"), absent(["tea"], "endings")
    ('choices.text.1', '')
    """
    if value is None:
        return name
    inner: Iterable[tuple[object, object]] = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    return next(filter(None, (absent(each, f"{name}.{key}") for key, each in inner)), "")
