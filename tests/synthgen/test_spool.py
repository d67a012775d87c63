"""Tables kept for reading again are those of the source, whatever becomes of the file they are kept in."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from synthgen.dataset.table_cache import TableCache

SCHEMA = pa.schema([("text", pa.string()), ("tags", pa.list_(pa.int8()))], metadata={"kept": "too"})
ROWS: list[dict[str, Any]] = [
    {"text": "مرحبا", "tags": [1, 2]},
    {"text": None, "tags": []},
    {"text": "", "tags": None},
]


class Source:
    """Tables in several parts, with no rows, and cut from a larger one; it counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> Iterator[pa.Table]:
        self.asked += 1
        rows: list[dict[str, Any]] = [
            {"text": "مرحبا", "tags": [1, 2]},
            {"text": None, "tags": []},
            {"text": "", "tags": None},
        ]
        yield pa.concat_tables(pa.Table.from_pylist([row], schema=SCHEMA) for row in rows)
        yield SCHEMA.empty_table()
        yield pa.Table.from_pylist(rows[1:], schema=SCHEMA)
        yield pa.Table.from_pylist(rows[:2], schema=SCHEMA).slice(1)


def rows(tables: Iterator[pa.Table] | TableCache) -> list[list[dict[str, Any]]]:
    return [table.to_pylist() for table in tables if table.num_rows]


def test_a_source_read_to_its_end_is_not_asked_again() -> None:
    source = Source()
    spool, expected = TableCache(source), rows(Source()())
    assert [rows(spool) for _ in range(3)] == [expected] * 3
    assert source.asked == 1
    assert all(table.schema.equals(SCHEMA, check_metadata=True) for table in spool)


def test_a_source_read_in_part_is_asked_again_from_its_beginning() -> None:
    source = Source()
    spool = TableCache(source)
    assert len(list(islice(spool, 1))) == 1
    assert rows(spool) == rows(Source()())
    assert source.asked == 2


def test_two_may_read_at_once() -> None:
    spool = TableCache(Source())
    rows(spool)
    assert all(one.equals(other) for one, other in zip(spool, spool, strict=True))


def test_no_tables_are_none_again() -> None:
    spool = TableCache(lambda: ())
    assert [list(spool), list(spool)] == [[], []]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is always full is there on Linux alone")
def test_where_there_is_no_room_the_source_is_asked_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: open("/dev/full", "w+b"))  # noqa: SIM115
    source = Source()
    spool = TableCache(source)
    assert [rows(spool), rows(spool)] == [rows(Source()())] * 2
    assert source.asked == 2


def test_where_there_is_no_folder_for_temporary_files_the_source_is_asked_each_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    source = Source()
    spool = TableCache(source)
    assert [rows(spool), rows(spool)] == [rows(Source()())] * 2
    assert source.asked == 2


def test_at_most_half_of_the_room_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    size = sum(table.nbytes for table in Source()())
    for free, asked in ((2 * size, 1), (2 * size - 2, 2)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        source = Source()
        spool = TableCache(source)
        assert [rows(spool), rows(spool)] == [rows(Source()())] * 2
        assert source.asked == asked
