"""CSV text as rows of cells."""

import csv
import io
import re
from collections.abc import Iterator
from typing import TextIO

_HEAD = 10_000
LONGEST_CELL = 1 << 24
"""Characters; `csv` by itself takes 131,072. A longer cell, or line, is a quote that nothing closes, or no table."""

csv.field_size_limit(LONGEST_CELL)


def csv_rows(text: str, delimiter: str = ",") -> list[list[str]]:
    r"""Return the rows of a CSV text. Raises csv.Error for a text that is no CSV.

    >>> csv_rows('a,"b\nc"\n')
    [['a', 'b\nc']]
    """
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def csv_lines(file: TextIO) -> Iterator[str]:
    r"""Yield the lines of an open CSV file as `csv.reader` takes them, cut at CR too; csv.Error for an endless one."""
    while line := file.readline(LONGEST_CELL + 1):
        if len(line) > LONGEST_CELL:
            raise csv.Error(f"it has a line of more than {LONGEST_CELL >> 20} MB")
        yield from io.StringIO(line, newline="") if "\r" in line[:-2] else [line]


def delimiter_of(text: str) -> str:
    r"""Return what parts the cells of a table's first row; signs before a space and between quotes do so least.

    >>> [delimiter_of(text) for text in ("Well, yes, it is;No, it is not", '"a;b",c', "a\tb", "a; b", "a|b")]
    [';', ',', '\t', ';', '|']
    """
    row = re.split("[\r\n]", re.sub('"[^"]*"', "", text[:_HEAD].lstrip()))[0]
    return max(",;\t|", key=lambda sign: (len(re.findall(f"[{sign}](?! )", row)), row.count(sign)))
