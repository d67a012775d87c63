"""CSV text as rows of cells, whatever their length."""

import csv
import io
import re

_HEAD = 10_000


def csv_rows(text: str, delimiter: str = ",") -> list[list[str]]:
    r"""Return the rows of a CSV text; a cell may be longer than the 131,072 characters that `csv` reads by itself.

    Raises csv.Error for a text that is no CSV.

    >>> csv_rows('a,"b\nc"\n')
    [['a', 'b\nc']]
    """
    limit = csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    finally:
        csv.field_size_limit(limit)


def delimiter_of(text: str) -> str:
    r"""Return what parts the cells of a table's first row; signs before a space and between quotes do so least.

    >>> [delimiter_of(text) for text in ("Well, yes, it is;No, it is not", '"a;b",c', "a\tb", "a; b")]
    [';', ',', '\t', ';']
    """
    row = re.split("[\r\n]", re.sub('"[^"]*"', "", text[:_HEAD].lstrip()))[0]
    return max(",;\t", key=lambda sign: (len(re.findall(f"{sign}(?! )", row)), row.count(sign)))
