"""The formats an intermediate task can have; a dataset's manifest names its format, columns and labels."""

from collections.abc import Callable, Sequence

from synthgen.errors import UserError, listed, unknown
from synthgen.formats.base import Format, ParseError
from synthgen.formats.choice import ChoiceFormat
from synthgen.formats.pair import PairFormat
from synthgen.formats.span import SpanFormat
from synthgen.formats.tags import TagsFormat

FORMATS: dict[str, Callable[[Sequence[str], Sequence[str]], Format]] = {
    "pair": lambda columns, labels: PairFormat((columns[0], columns[1]), tuple(labels)),
    "choice": lambda columns, labels: ChoiceFormat(tuple(columns), tuple(labels)),
    "span": lambda _columns, labels: SpanFormat(tuple(labels)),
    "tags": lambda columns, labels: TagsFormat((columns[0], columns[1]), tuple(labels)),
}


def format_from_manifest(name: str, columns: Sequence[str], labels: Sequence[str]) -> Format:
    """Return the format object for a format name, the real set's column names and the label names.

    UserError for an unknown format, and for names that are no texts or too few.
    """
    if not isinstance(name, str) or name not in FORMATS:
        raise unknown("format", str(name), FORMATS)
    if len(columns) < 2 or not all(isinstance(each, str) for each in (*columns, *labels)):
        raise UserError(f"a {name} set has no columns or labels such as {listed(columns, 6)} and {listed(labels, 6)}")
    return FORMATS[name](columns, labels)


__all__ = ["FORMATS", "Format", "ParseError", "format_from_manifest"]
