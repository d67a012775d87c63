"""CSV text as rows of cells, whatever their length."""

import csv
import io


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
