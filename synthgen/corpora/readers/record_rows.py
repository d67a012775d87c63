"""Rows of a task from other people's records: usable ones as tables, the others with the reason that they are not."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synthgen.corpora.readers.columns import (
    ColumnPlan,
    LabelMap,
    Names,
    RecordOptions,
    is_value,
    plan_columns,
    value_of,
)
from synthgen.corpora.readers.item import TOLERATED, TOLERATED_ELSEWHERE, Item, row_faults
from synthgen.corpora.readers.packed import open_seekable
from synthgen.corpora.readers.record_makers import UnusableError, make_row
from synthgen.corpora.readers.records import Fault, RecordFile, Records, open_records
from synthgen.dataset.shards import arrow_schema
from synthgen.errors import UserError, excerpt
from synthgen.formats import Format
from synthgen.formats.base import Row
from synthgen.runtime.hub import class_names
from synthgen.text.arrow import is_ascii, is_text, lazy_rows, whole

_FIRST = 1_000
"""Records by which columns are told."""
Numbers = npt.NDArray[np.int64]
_NONE = np.array([], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class UnusableRecord:
    """A record, or part of a file, that is no row: its number, the reason, what shows it, and what was read."""

    number: int
    reason: str
    evidence: str
    row: Row
    id: str | None = None


@dataclass(slots=True)
class RowBatch:
    """Rows in the columns of a format with their numbers in the file, their own ids where they are kept, and what is
    not usable; `notes` say what was decided where the file is silent, `check` counts what our checks say of kept rows.
    """

    table: pa.Table
    numbers: Numbers = field(default_factory=lambda: _NONE)
    ids: list[str | None] | None = None
    unusable: list[UnusableRecord] = field(default_factory=list)
    notes: list[str | None] | None = None
    check: Counter[str] = field(default_factory=Counter)


class RecordReader:
    """Reads the rows of one file by a plan of its columns; `tolerated` are beginnings of faults that rows may have."""

    def __init__(self, file: RecordFile, format_: Format, plan: ColumnPlan, tolerated: tuple[str, ...]) -> None:
        self.file, self.plan, self._format, self._tolerated = file, plan, format_, tolerated
        self.labels = LabelMap(format_.labels, plan)
        self._schema = arrow_schema({name: each for name, each in format_.features().items() if name != "id"})

    def rows(self) -> Iterator[Row]:
        """Yield the usable rows one by one."""
        return (row for batch in self.batches() for row in lazy_rows(batch.table))

    def batches(self) -> Iterator[RowBatch]:
        """Yield the rows in order."""
        for records in self.file.batches(self.plan.read()):
            faults = [UnusableRecord(each.number, each.reason, "", {"line": each.text}) for each in records.faults]
            batch = None if records.table is None else self._columns(records.table, records.numbers)
            batch = batch or self._rows(records)
            batch.unusable = sorted([*faults, *batch.unusable], key=lambda each: each.number)
            yield batch

    def _columns(self, table: pa.Table, numbers: Numbers) -> RowBatch | None:
        """Return the rows of a table of two texts and a label, column by column; None where that cannot be done."""
        names = [self.plan.columns.get(name, "") for name in self._format.columns]
        is_wide = bool(self.plan.options.hypotheses or self.plan.options.where or "id" in self.plan.columns)
        if self._format.name != "pair" or is_wide or not set(names) <= set(table.column_names):
            return None
        first, second, label = (whole(table[name]) for name in names)
        if not (is_text(first.type) and is_text(second.type) and _is_label(label.type)):
            return None
        distinct = label.dictionary_encode(null_encoding="encode")
        places = [self.labels.index(value) for value in distinct.dictionary.to_pylist()]
        known = pa.array([None if place is None or place < 0 else place for place in places], pa.int64())
        indices = pc.take(known, distinct.indices)
        rows = pa.Table.from_arrays([first.cast(pa.string()), second.cast(pa.string()), indices], schema=self._schema)
        has_texts = pc.and_(_has_text(rows[0]), _has_text(rows[1]))
        usable = pc.fill_null(pc.and_(pc.is_valid(indices), has_texts), False)
        if pc.all(usable).as_py():
            return RowBatch(rows, numbers, check=_equal_texts(rows))
        if "empty " in self._tolerated:
            return None
        left = np.flatnonzero(~usable.to_numpy())
        others = zip(numbers[left].tolist(), table.take(left).to_pylist(), strict=True)
        unusable = [self._row(number, record) for number, record in others]
        if any(isinstance(each, Item) for each in unusable):
            return None
        kept = rows.filter(usable)
        batch = RowBatch(kept, np.delete(numbers, left), check=_equal_texts(kept))
        batch.unusable = [each for each in unusable if isinstance(each, UnusableRecord)]
        return batch

    def _rows(self, records: Records) -> RowBatch:
        rows, numbers, ids, notes = list[Row](), list[int](), list[str | None](), list[str | None]()
        batch = RowBatch(self._schema.empty_table())
        for number, record in zip(records.numbers.tolist(), records.rows(), strict=True):
            for result in self._expanded(number, record):
                if isinstance(result, UnusableRecord):
                    batch.unusable.append(result)
                    continue
                rows.append(result.row)
                numbers.append(number)
                ids.append(result.id)
                notes.append(result.note)
                batch.check.update([result.odd] if result.odd else [])
        batch.table = pa.Table.from_pylist(rows, schema=self._schema)
        batch.numbers = np.array(numbers, dtype=np.int64)
        batch.ids = ids if any(each is not None for each in ids) else None
        batch.notes = notes if any(notes) else None
        return batch

    def _expanded(self, number: int, record: Row) -> Iterator[Item | UnusableRecord]:
        """Yield the rows of a record: one, or one for each hypothesis that it holds."""
        first, second, *_ = self._format.columns
        if not self.plan.options.hypotheses:
            yield self._row(number, record)
        for columns, label in self.plan.options.hypotheses:
            name = columns[number % len(columns)]
            yield self._row(number, record, {first: self.plan.columns[first], second: name}, label)

    def _row(self, number: int, record: Row, columns: Names | None = None, label: str = "") -> Item | UnusableRecord:
        """Return the row of a record, by other `columns` and with a `label` where it holds several."""
        values = {ours: value_of(record, theirs) for ours, theirs in (columns or self.plan.columns).items()}
        values |= {"label": label} if label else {}
        own = None if values.get("id") in (None, "") else str(values["id"])
        try:
            for name, value in self.plan.options.where.items():
                if not is_value(own_value := value_of(record, name), value):
                    raise UnusableError(f"not {name}={value}", excerpt(str(own_value), 100))
            item = make_row(self._format, values, record, self.labels)
        except UnusableError as error:
            return UnusableRecord(number, str(error), error.evidence, _storable(record), own)
        worse, odd = row_faults(self._format, {"id": "", **item.row}, self._tolerated)
        if worse:
            return UnusableRecord(number, worse, "", _storable(record), own)
        return replace(item, id=own, odd=odd)


def _equal_texts(rows: pa.Table) -> Counter[str]:
    first, second = whole(rows[0]), whole(rows[1])
    if is_ascii(first) and is_ascii(second):  # equal ones are as long, whatever their case
        as_long = pc.equal(pc.binary_length(first), pc.binary_length(second))
        first, second = first.filter(as_long), second.filter(as_long)
    equal = pc.sum(pc.equal(pc.utf8_lower(first), pc.utf8_lower(second))).as_py()
    return Counter({"both texts equal": equal} if equal else {})


def _is_label(kind: pa.DataType) -> bool:
    return bool(is_text(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _has_text(texts: pa.Array) -> pa.Array:
    return pc.invert(pc.or_(pc.equal(texts, ""), pc.utf8_is_space(texts)))


def _storable(record: Row) -> Row:
    """Return a record as a rejection keeps it, what cannot be stored as text of itself."""
    try:
        text = json.dumps(record, ensure_ascii=False, default=str)
        text.encode()
        return record if json.loads(text) == record else json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return {"record": ascii(record)[:1_000]}


def read_records(path: Path, format_: Format) -> Iterator[Item]:
    """Yield the rows of an official release whose records are the format's, in any kind of file, one by one."""
    for batch in open_reader(path, format_, tolerated=TOLERATED).batches():
        none = [None] * len(batch.numbers)
        facts = (batch.table.to_pylist(), batch.ids or none, batch.notes or none)
        items = [
            (number, Item(row, own, note=note)) for number, row, own, note in zip(batch.numbers, *facts, strict=True)
        ]
        items += [(each.number, Item(each.row, each.id, fault=each.reason)) for each in batch.unusable]
        yield from (item for _, item in sorted(items, key=lambda each: each[0]))


def open_reader(
    path: Path,
    format_: Format,
    options: RecordOptions | None = None,
    split: str | None = None,
    tolerated: tuple[str, ...] = TOLERATED_ELSEWHERE,
) -> RecordReader:
    """Return the reader of a file of records; UserError when it is of no kind that is read, or of other columns."""
    if "placeholder" in path.name:  # the English test file of XCOPA's data root
        raise UserError(f"{path} holds placeholder labels, not gold ones: import the train or val file")
    file = open_records(path, split)
    rows, faults = list[Row](), list[Fault]()
    for records in file.batches():
        rows += list(islice(records.rows(), _FIRST))
        faults += records.faults[:1]
        if len(rows) >= _FIRST:
            break
    if not rows:
        first = "".join(f"; {file.place(each.number)}: {each.reason}: {excerpt(each.text, 100)}" for each in faults[:1])
        raise UserError(f"{path} holds no record ({file.kind}){first}")
    plan = plan_columns(
        format_, rows[:_FIRST], options or RecordOptions(), _class_names(file), str(path), has_names=file.has_names
    )
    return RecordReader(file, format_, plan, tolerated)


def _class_names(file: RecordFile) -> dict[str, list[str]]:
    """Return the names that a file's metadata gives the numbers in its columns, as `datasets` writes it."""
    if file.kind not in ("parquet", "arrow file", "arrow stream"):
        return {}
    try:
        with open_seekable(file.path, file.split) as content:
            if file.kind == "parquet":
                schema = pq.read_schema(content)
            else:
                schema = (pa.ipc.open_file if file.kind == "arrow file" else pa.ipc.open_stream)(content).schema
        names = class_names(schema.metadata)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {column: each for column, each in names.items() if not all(map(str.isdecimal, map(str, each)))}
