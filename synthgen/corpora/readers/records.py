"""Records of files of any kind, a batch at a time: Parquet, Arrow, JSON lines, JSON documents, CSV and TSV.

The kind is told by the content, the name does not matter; each may be packed. Batches are Arrow tables where the file
can be read so, else lists of objects; what is no record is a fault with its place.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.json as pj

from synthgen.corpora.readers.json_values import array_values, document_rows, has_several_values
from synthgen.corpora.readers.packed import open_seekable, open_unpacked, packing
from synthgen.corpora.readers.tables import Dialect, read_table_batches, refuse_spaced_quotes, sniff_dialect
from synthgen.corpora.readers.text import as_utf8, refuse_pointer, wide_encoding
from synthgen.errors import UserError, first_line, not_utf8, refuse_twice
from synthgen.formats.base import Row
from synthgen.text.arrow import lazy_rows
from synthgen.text.json_text import JsonFault, parse_json
from synthgen.text.parquet import open_parquet, read_batches

ROWS_AT_ONCE, ROWS_AT_FIRST = 20_000, 1_000
BLOCK = 1 << 22
"""Bytes of JSON lines that are read together."""
LONGEST_LINE = 1 << 26
_LEAST_TEXT = 20
_AROUND = " \t\r,\x1e"
"""What stands around the values of JSON lines, or of RFC 7464's sequences."""
HEAD = 1 << 20
_OTHERS = {
    b"SQLite format 3": "an SQLite database",
    b"%PDF": "a PDF file",
    b"\x89HDF": "an HDF5 file",
    b"\x80\x04": "a pickle, which is never opened",
    b"\x80\x05": "a pickle, which is never opened",
    b"7z\xbc\xaf": "a 7-Zip archive: unpack it",
    b"Rar!": "a RAR archive: unpack it",
    b"<": "markup (HTML or XML), no table",
}
_READ = "Parquet, Arrow, JSON, JSON lines, CSV and TSV are read"


@dataclass(frozen=True, slots=True)
class Fault:
    """What of a file is no record: where it stands, why it is none, and its text."""

    number: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Records:
    """Some records of a file: their numbers, and themselves as a table or as objects; and what between them is none."""

    numbers: npt.NDArray[np.int64]
    table: pa.Table | None = None
    objects: tuple[Row, ...] = ()
    faults: tuple[Fault, ...] = ()

    def rows(self) -> Iterator[Row]:
        """Yield the records as objects."""
        return iter(self.objects) if self.table is None else lazy_rows(self.table)


@dataclass(frozen=True, slots=True)
class RecordFile:
    """A file of records: its kind, and what a number of a record counts (a line, a row, an item)."""

    path: Path
    kind: str
    unit: str
    split: str | None = None
    dialect: Dialect | None = None

    def batches(self, columns: Iterable[str] = ()) -> Iterator[Records]:
        """Yield the records in order; a table may have only these columns. UserError names what cannot be read."""
        return _READERS[self.kind](self, tuple(columns))

    @property
    def has_names(self) -> bool:
        """Say whether the file names its columns, which a table may not."""
        return self.dialect is None or self.dialect.has_header

    @property
    def first(self) -> int:
        """The number of the first record: a header is the first row of a table."""
        return 2 if self.dialect and self.dialect.has_header else 1

    def place(self, number: int) -> str:
        """Return where a record stands, e.g. `train.jsonl line 7`."""
        return f"{self.path.name} {self.unit} {number}"


def open_records(path: Path, split: str | None = None) -> RecordFile:
    """Return a file of records, its kind told by its first bytes; UserError when it is of no kind that is read."""
    with open_unpacked(path, split) as file:
        head = file.read(HEAD)
    if head.startswith(b"PAR1"):
        return RecordFile(path, "parquet", "row", split)
    if head.startswith(b"ARROW1"):
        return RecordFile(path, "arrow file", "row", split)
    if head.startswith(b"\xff\xff\xff\xff"):
        return RecordFile(path, "arrow stream", "row", split)
    _refuse_others(head, path)
    text = decoded_head(head, path)
    if not text.strip():
        raise UserError(f"{path} is empty")
    if re.match(r"\s*(?:(?://|#)[^\n]*\n\s*)*(\{|\[\s*([\[{\"\]]|-?\d|null|$))", text):
        kind = _json_kind(text)
        return RecordFile(path, kind, "line" if kind == "JSON lines" else "item", split)
    refuse_spaced_quotes(text, dialect := sniff_dialect(text), path)
    return RecordFile(path, "table", "row", split, dialect)


def _refuse_others(head: bytes, path: Path) -> None:
    """Raise UserError for a file of another kind, which its first bytes say."""
    if other := next((name for start, name in _OTHERS.items() if head.startswith(start)), ""):
        raise UserError(f"{path} is {other}" + ("" if ":" in other or "," in other else f"; {_READ}"))
    if packing(head):
        raise UserError(f"{path} is packed twice: unpack it once")
    if head[257:262] == b"ustar":
        raise UserError(f"{path} is a tar archive: unpack it and give the folder")


def decoded_head(head: bytes, path: Path) -> str:
    """Return the text that a file begins with; UserError for one that is no text."""
    if encoding := wide_encoding(head):
        return head[: len(head) // 4 * 4].decode(encoding, "ignore")
    if b"\0" in head:
        halves = [kind for start, kind in enumerate(("be", "le")) if 4 * head[start::2].count(0) > len(head)]
        if halves:
            convert = f"convert it with `iconv -f utf-16{halves[0]} -t utf-8`"
            raise UserError(f"{path} is UTF-16 without a byte order mark: {convert}")
        if head.count(0) * _LEAST_TEXT < len(head) and head.isascii():
            raise UserError(f"{path} has NUL characters in its text: take them out, e.g. with `tr -d '\\000'`")
        raise UserError(f"{path} is of no kind that is known: {_READ}")
    text = head.decode("utf-8-sig", "ignore")
    refuse_pointer(path, text)
    return text


def _json_kind(text: str) -> str:
    """Return which kind of JSON a text begins: an array, objects line by line, or one document."""
    if text.lstrip().startswith("["):
        return "JSON array"
    lines = [line for line in text.split("\n")[:20] if line.strip()]
    whole = sum(map(_is_object, lines[:-1] or lines))
    if len(lines) > 1 and (whole * 2 > len(lines[:-1] or lines) or _is_object(lines[0])):
        return "JSON lines"
    return "JSON values" if has_several_values(text) else "JSON document"


def _is_object(line: str) -> bool:
    try:
        return isinstance(parse_json(_of_line(line), nan=True), dict)
    except JsonFault:
        return False


@contextmanager
def _utf8(source: RecordFile) -> Iterator[BinaryIO]:
    with open_unpacked(source.path, source.split) as file:
        yield as_utf8(file, source.path)


def _parquet(source: RecordFile, columns: tuple[str, ...]) -> Iterator[Records]:
    with open_seekable(source.path, source.split) as file:
        with open_parquet(source.path, file) as parquet:
            names = [name for name in parquet.schema_arrow.names if name in columns or not columns]
        at_once = ROWS_AT_ONCE if columns else ROWS_AT_FIRST  # who asks for all columns wants to see what there is
        yield from _numbered(read_batches(source.path, names, at_once, content=file), source)


def _arrow(source: RecordFile, columns: tuple[str, ...]) -> Iterator[Records]:
    def _batches(file: BinaryIO) -> Iterator[pa.RecordBatch]:
        if source.kind == "arrow stream":
            yield from pa.ipc.open_stream(file)
            return
        reader = pa.ipc.open_file(file)
        yield from (reader.get_batch(number) for number in range(reader.num_record_batches))

    try:
        with open_seekable(source.path, source.split) as file:
            yield from _numbered(_checked(_batches(file)), source, columns)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {source.path}: {first_line(error)}") from None


def _checked(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        batch.validate(full=True)
        batch.slice(0, 1).to_pylist()  # names that are not UTF-8 show when they are asked for
        yield batch


def _numbered(
    batches: Iterable[pa.RecordBatch], source: RecordFile, columns: tuple[str, ...] = ()
) -> Iterator[Records]:
    first = 1
    for batch in batches:
        names = batch.schema.names
        refuse_twice(source.path, names)
        table = pa.Table.from_batches([batch])
        kept = [name for name in names if name in columns]
        table = table.select(kept) if kept else table
        yield Records(np.arange(first, first + batch.num_rows), table)
        first += batch.num_rows


def _table(source: RecordFile, columns: tuple[str, ...]) -> Iterator[Records]:
    assert source.dialect is not None
    with _utf8(source) as file:
        for batch in read_table_batches(file, source.dialect, source.path, columns):
            faults = tuple(Fault(*fault) for fault in batch.faults)
            yield Records(batch.numbers, batch.table, batch.objects, faults)


def _json_array(source: RecordFile, _columns: tuple[str, ...]) -> Iterator[Records]:
    with _utf8(source) as file:
        yield from _objects(array_values(file, source.path, is_array=source.kind == "JSON array"))


def _json_document(source: RecordFile, _columns: tuple[str, ...]) -> Iterator[Records]:
    with _utf8(source) as file:
        text = _text(file.read(), source.path)
    try:
        document = parse_json(text, nan=True)
    except JsonFault as fault:
        raise UserError(f"{source.path} is not JSON: {fault}") from None
    yield from _objects(document_rows(document, source.path, source.split))


def _objects(values: Iterable[Any]) -> Iterator[Records]:
    iterator = enumerate(values, start=1)
    while batch := list(islice(iterator, ROWS_AT_ONCE)):
        rows = [(number, value) for number, value in batch if isinstance(value, dict)]
        faults = [_no_object(number, value) for number, value in batch if not isinstance(value, dict)]
        numbers = np.array([number for number, _ in rows], dtype=np.int64)
        yield Records(numbers, None, tuple(row for _, row in rows), tuple(faults))


def _no_object(number: int, value: object) -> Fault:
    return Fault(number, "not a JSON object", repr(value)[:1_000])


def _json_lines(source: RecordFile, columns: tuple[str, ...]) -> Iterator[Records]:
    """Yield the objects of JSON lines by blocks: through Arrow where a block's values are of one type a column."""
    schema: pa.Schema | None = None
    with _utf8(source) as file:
        number = 1
        for block in _blocks(file, source.path):
            lines = block.count(b"\n")
            table = _arrow_block(block, schema, columns)
            if table is None:
                yield _lines(block, number, source.path)
            else:
                schema = schema or table.schema
                yield Records(np.arange(number, number + lines), table)
            number += lines


def _blocks(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """Yield a file in pieces that end with a line, a line end added to its last."""
    rest = b""
    while data := file.read(BLOCK):
        block = rest + data
        end = block.rfind(b"\n") + 1
        rest = block[end:]
        if len(rest) > LONGEST_LINE:
            raise UserError(f"{path} has a line of more than {LONGEST_LINE >> 20} MB")
        if end:
            yield block[:end]
    if rest:
        yield rest + b"\n"


def _arrow_block(block: bytes, schema: pa.Schema | None, columns: tuple[str, ...]) -> pa.Table | None:
    """Return the table of a block, None where Arrow cannot read it, or reads other rows than there are lines."""
    read = pj.ReadOptions(use_threads=True, block_size=1 << 20)
    wanted = [field for field in schema or () if field.name in columns]
    parse = pj.ParseOptions(
        explicit_schema=pa.schema(wanted) if wanted else None,
        unexpected_field_behavior="ignore" if wanted else "infer",
    )
    try:
        table = pj.read_json(pa.BufferReader(block), read, parse)
        table.validate(full=True)
    except (pa.ArrowException, OverflowError, UnicodeDecodeError):
        return None
    is_dated = any(pa.types.is_temporal(field.type) for field in table.schema)
    return None if is_dated or table.num_rows != block.count(b"\n") else table


def _lines(block: bytes, first: int, path: Path) -> Records:
    rows, numbers, faults = list[Row](), list[int](), list[Fault]()
    for number, line in enumerate(_text(block, path).split("\n"), start=first):
        if not line.strip():
            continue
        try:
            value = parse_json(_of_line(line), nan=True)
        except JsonFault as fault:
            faults.append(Fault(number, "not JSON", f"{fault}: {line[:1_000]}"))
            continue
        if isinstance(value, dict):
            rows.append(value)
            numbers.append(number)
        else:
            faults.append(_no_object(number, value))
    return Records(np.array(numbers, dtype=np.int64), None, tuple(rows), tuple(faults))


def _of_line(line: str) -> str:
    """Return the JSON of a line: without the comma that parts it from the next, and the sign that begins a record."""
    return line.strip(_AROUND)


def _text(data: bytes, path: Path) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise not_utf8(path, error) from None


_READERS: dict[str, Callable[[RecordFile, tuple[str, ...]], Iterator[Records]]] = {
    "parquet": _parquet,
    "arrow file": _arrow,
    "arrow stream": _arrow,
    "JSON lines": _json_lines,
    "JSON array": _json_array,
    "JSON values": _json_array,
    "JSON document": _json_document,
    "table": _table,
}
