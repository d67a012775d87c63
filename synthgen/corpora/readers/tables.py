"""Tables as text: which sign parts the cells of a file, whether they are quoted, whether a header names them."""

import codecs
import csv
import io
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pcsv

from synthgen.corpora.readers.columns import LABEL, TEXT_A, TEXT_B
from synthgen.corpora.readers.item import MALFORMED
from synthgen.errors import UserError, not_utf8, refuse_twice
from synthgen.text.csv import csv_rows, delimiter_of

_LINES_TRIED = 20
_BLOCK = 1 << 21
"""Bytes that pyarrow parses together, and of which it reads 32 ahead."""
SECONDS_TO_END = 0.5
_NEVER_FREED: list[pcsv.CSVStreamingReader] = []
"""Readers that stopped before the end of their file: pyarrow's thread may wait for ever when one is freed."""
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_PREAMBLE = re.compile(r"sep=([,;\t|:^~])(?:\r\n|\n|\r)", re.IGNORECASE)
_NAME = re.compile(r"[^\W\d][\w .()/#*-]{0,39}")
_LABELS = re.compile(r"-?\d+(\.0+)?|entailment|neutral|contradict\w+|(not_)?duplicate", re.IGNORECASE)


class TableFault(NamedTuple):
    """A row of a table that is none: its number, why, and its text."""

    number: int
    reason: str
    evidence: str


class TableBatch(NamedTuple):
    """Some rows of a table: their numbers, themselves as an Arrow table or as objects, and what among them is none."""

    numbers: npt.NDArray[np.int64]
    table: pa.Table | None
    objects: tuple[dict[str, str], ...] = ()
    faults: tuple[TableFault, ...] = ()


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a table is written: its delimiter, whether cells are quoted, and the columns' names, which it may lack.

    `preamble` is the line in which Excel says the delimiter, `escape` what stands before a quote inside a cell where
    that is no second quote.
    """

    delimiter: str
    is_quoted: bool
    names: tuple[str, ...]
    has_header: bool
    preamble: str = ""
    escape: str = ""


def sniff_dialect(head: str) -> Dialect:
    r"""Return how the table is written that begins so.

    In a tab-separated file quotes are signs like others, unless every cell that begins with one is rightly quoted and
    one needed to be. Columns without a header are called 1, 2, 3, ….

    >>> sniff_dialect("premise,hypothesis\n\"a, b\",c\n")
    Dialect(delimiter=',', is_quoted=True, names=('premise', 'hypothesis'), has_header=True, preamble='', escape='')
    >>> sniff_dialect('"Hi," he said.\tHe spoke.\tentailment\n').names
    ('1', '2', '3')
    """
    preamble = _PREAMBLE.match(head)
    head = head[preamble.end() :] if preamble else head
    delimiter = preamble[1] if preamble else delimiter_of(head)
    is_quoted = delimiter != "\t" or _needs_quotes(head)
    first = next((line for line in re.split("[\r\n]+", head) if line.strip()), "")
    cells = next(iter(csv_rows(_first_row(head), delimiter)), []) if is_quoted else first.split(delimiter)
    names = tuple(cell.strip() for cell in cells)
    has_header = bool(names) and all(map(_NAME.fullmatch, filter(None, names))) and not _is_row(names)
    names = names if has_header else tuple(map(str, range(1, len(names) + 1)))
    escape = "\\" if is_quoted and _has_escapes(head, delimiter) else ""
    return Dialect(delimiter, is_quoted, names, has_header, preamble[0] if preamble else "", escape)


def _has_escapes(head: str, delimiter: str) -> bool:
    """Say whether quotes inside cells have a backslash before them, and none is doubled."""
    edge = rf"[{re.escape(delimiter)}\r\n]"
    return bool(re.search(rf'\\"(?!{edge}|$|")', head)) and not re.search(rf'(?<!{edge})""(?!{edge}|$)', head)


def refuse_spaced_quotes(head: str, dialect: Dialect, path: Path) -> None:
    """Raise UserError for a table with a space before the quotes of its cells: both would become part of the texts."""
    lines = head.removeprefix(dialect.preamble).split("\n")[1:_LINES_TRIED]
    rows = csv_rows("\n".join(lines), dialect.delimiter) if dialect.is_quoted else []
    if 2 * sum(any(cell.startswith(' "') for cell in row) for row in rows) > len(rows):
        raise UserError(
            f"{path} has a space between '{dialect.delimiter}' and the quote of the next cell, which no reader of CSV "
            "takes for one: write it again without, e.g. by Python's csv.reader(…, skipinitialspace=True)"
        )


def _first_row(head: str) -> str:
    """Return the text up to the first line end outside quotes, blank lines before it left out."""
    match = re.match(r'(?:[ \t]*[\r\n])*((?:[^"\r\n]|"(?:[^"]|"")*")*)', head)
    return match[1] if match else ""


def _needs_quotes(head: str) -> bool:
    rows = head.split("\n")[:-1] or [head]
    cells = [cell.strip("\r") for cell in re.split("[\t\n]", "\n".join(rows)) if cell.startswith('"')]
    if cells and all(map(_QUOTED.fullmatch, cells)):
        return any('""' in cell[1:-1] for cell in cells) or rows[0].startswith('"')
    # Cells with a tab or a line end inside fall apart when they are cut at every one.
    table = re.sub(r'(?:(?<=[\t\n])|^)"(?:[^"]|"")*"(?=[\t\r\n]|$)', "", "\n".join(rows))
    return bool(cells) and '""' in "".join(cells) and not re.search(r'(?:[\t\n]|^)"', table)


def _is_row(names: tuple[str, ...]) -> bool:
    """Say whether the first row of a table is one of its examples: running text, or a label beside other texts."""
    texts = [name for name in names if len(name.split()) > 3 or (len(name) > 8 and not name.isascii())]
    is_labelled = bool(_LABELS.fullmatch(names[-1])) and any(" " in name for name in names)
    is_repeated = len(set(names)) < len(names) and not {*TEXT_A, *TEXT_B, *LABEL} & {name.casefold() for name in names}
    return bool(texts) or is_labelled or is_repeated


def read_table_batches(file: BinaryIO, dialect: Dialect, path: Path, columns: tuple[str, ...]) -> Iterator[TableBatch]:
    """Yield the rows of a table as Arrow reads them; those with surplus empty cells as objects.

    UserError where the file is no such table, or not UTF-8.
    """
    bad: list[tuple[int, str]] = []

    def _skip(row: Any) -> str:  # noqa: ANN401 - pyarrow.csv.InvalidRow
        bad.append((row.number, row.text))
        return "skip"

    refuse_twice(path, filter(None, dialect.names))
    file.read(len(dialect.preamble.encode()))
    wanted = [name for name in dialect.names if name in columns or not columns]
    options = pcsv.ConvertOptions(
        column_types=dict.fromkeys(wanted, pa.string()),
        include_columns=wanted,
        strings_can_be_null=False,
        check_utf8=False,
    )
    first = 1 + dialect.has_header
    stream, reader = _Utf8(file, path), None
    try:
        reader = _open(stream, dialect, _skip, options)
        for batch in reader:
            here = first + np.arange(batch.num_rows + len(bad))
            odd = [number for number, _ in bad]
            numbers = here[np.isin(here, odd, invert=True)][: batch.num_rows]
            first = int(numbers[-1]) + 1 if len(numbers) else first
            yield TableBatch(numbers, pa.Table.from_batches([batch]))
            if bad:
                yield _odd_rows(bad, dialect)
                bad.clear()
        if bad:
            yield _odd_rows(bad, dialect)
    except pa.ArrowException as error:
        raise UserError(f"cannot read {path} after row {first - 1}: {_reason(error)}") from None
    finally:
        if not stream.end() and reader:
            _NEVER_FREED.append(reader)


def _reason(error: pa.ArrowException) -> str:
    text = " ".join(str(error).split())[:300]
    return f"a row is longer than {_BLOCK >> 20} MB" if "straddling object" in text else text


class _Utf8(io.RawIOBase):
    """A stream that refuses what is not UTF-8; pyarrow's handler of malformed rows can only complain of it."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._is_over, self._has_ended = False, Event()

    def readable(self) -> bool:
        """Say that it is there to be read, as pyarrow asks."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; UserError where they are not UTF-8."""
        data = b"" if self._is_over else self._file.read(size)
        if not data:
            self._has_ended.set()
            if self._is_over:
                return b""
        if len(data) == _BLOCK and b"\n" not in data and b"\r" not in data:
            raise UserError(f"{self._path} has a row of more than {_BLOCK >> 20} MB; is it a table?")
        try:
            if not data.isascii() or not data or self._decoder.getstate()[0]:
                self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise not_utf8(self._path, error) from None
        return data

    def end(self) -> bool:
        """Let nothing more be read, wait for a thread of pyarrow's that reads ahead, and say whether all was read.

        One that still reads when Python ends aborts the process. One that has read enough for now does not come back.
        """
        was_read, self._is_over = self._has_ended.is_set(), True
        if not was_read:
            self._has_ended.wait(SECONDS_TO_END)
            time.sleep(SECONDS_TO_END / 5)  # for what pyarrow's threads do with the end
        return was_read


def _open(file: io.RawIOBase, dialect: Dialect, skip: Any, options: pcsv.ConvertOptions) -> pcsv.CSVStreamingReader:  # noqa: ANN401
    parse = pcsv.ParseOptions(
        delimiter=dialect.delimiter,
        quote_char='"' if dialect.is_quoted else False,
        escape_char=dialect.escape or False,
        newlines_in_values=dialect.is_quoted,
        invalid_row_handler=skip,
    )
    read = pcsv.ReadOptions(
        use_threads=False,
        block_size=_BLOCK,
        column_names=list(dialect.names),
        skip_rows_after_names=1 if dialect.has_header else 0,
    )
    return pcsv.open_csv(pa.PythonFile(file, mode="r"), read_options=read, parse_options=parse, convert_options=options)


def _odd_rows(bad: list[tuple[int, str]], dialect: Dialect) -> TableBatch:
    """Return the rows with too few or too many cells: malformed, but for those that only have empty ones more."""
    faults, objects, numbers = list[TableFault](), list[dict[str, str]](), list[int]()
    for number, text in bad:
        if not text.strip(" \t\r\n" + dialect.delimiter):
            continue
        try:
            cells = csv_rows(text, dialect.delimiter)[0] if dialect.is_quoted else text.split(dialect.delimiter)
        except (csv.Error, IndexError):
            cells = []
        if len(cells) > len(dialect.names) and not any(cells[len(dialect.names) :]):
            objects.append(dict(zip(dialect.names, cells, strict=False)))
            numbers.append(number)
        else:
            faults.append(TableFault(number, MALFORMED, text[:1_000]))
    return TableBatch(np.array(numbers, dtype=np.int64), None, tuple(objects), tuple(faults))
