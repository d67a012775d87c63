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
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return next(filter(None, (absent(each, f"{name}.{key}") for key, each in inner)), "")
