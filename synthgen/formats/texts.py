"""The running text of a row of any format, also in lists of options, answers and tokens."""

from collections.abc import Mapping
from typing import Any

from synthgen.formats.base import Format
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
