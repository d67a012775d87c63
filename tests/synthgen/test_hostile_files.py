"""Files that are broken, or unpack to far more than they are: one line that names the file, in little memory."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthgen.corpora.any_folder import open_set
from synthgen.dataset.shards import read_rejected, sample_rows
from synthgen.errors import UserError
from synthgen.filters.decontamination.evaluation_sets import read_evaluation_sets
from synthgen.publishing.secrets import leaks, secret_patterns
from synthgen.runtime.hub import named_rows
from synthgen.text.parquet import LARGEST_BATCH, count_rows, read_batches
from synthgen.translation.quality_estimation import Estimator

ROWS = {"premise": ["The cook left."] * 300, "hypothesis": ["Someone left."] * 300, "label": [0] * 300}
BOMB = 1_000_000


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def zeros(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[20:120] = bytes(100)
    path.write_bytes(content)


def not_utf8(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"The cook", b"The \xff\xfeok"))


def other(path: Path) -> None:
    path.write_text("broken")


@pytest.mark.parametrize("damage", [cut, zeros, not_utf8, other])
@pytest.mark.parametrize(
    "read",
    [
        lambda path: list(read_batches(path)),
        lambda path: list(named_rows(path)),
        lambda path: list(open_set(path.parent.parent, origin="real").tables()),
        lambda path: sample_rows(path.parent.parent, 9),
        lambda path: list(read_rejected(path.parent.parent)),
        lambda path: leaks(path.parent.parent, ["data/train-0.parquet"], secret_patterns()),
    ],
    ids=["batches", "hub", "folder", "sample", "rejected", "secrets"],
)
def test_a_parquet_file_that_is_damaged_is_one_line_that_names_it(
    tmp_path: Path, read: Callable[[Path], object], damage: Callable[[Path], None]
) -> None:
    for folder in ("data", "rejected"):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "train-0.parquet"
        pq.write_table(pa.table(ROWS), path, compression="none", use_dictionary=False)
        damage(path)
    with pytest.raises(UserError, match=r"train-0\.parquet") as raised:
        read(tmp_path / "data" / "train-0.parquet")
    assert "\n" not in str(raised.value)


def test_a_pipe_is_no_parquet_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.parquet")
    with pytest.raises(UserError, match=r"pipe\.parquet: it is not a file"):
        count_rows(tmp_path / "pipe.parquet")


def test_a_dictionary_of_one_long_text_is_unpacked_a_few_rows_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "bomb.parquet"
    long_after_short = ["A cook left."] * 5000 + ["x" * BOMB] * 60
    pq.write_table(
        pa.table({"premise": long_after_short, "nested": [{"texts": [each]} for each in long_after_short]}), path
    )
    assert path.stat().st_size < BOMB / 2
    sizes = [(batch.num_rows, batch.nbytes) for batch in read_batches(path, ["nested"])]
    assert sum(rows for rows, _ in sizes) == count_rows(path) == 5060
    assert max(size for _, size in sizes) < LARGEST_BATCH + 17 * BOMB


@pytest.mark.parametrize("stores_categories", [False, True])
def test_a_dictionary_that_unpacks_to_far_more_than_its_file_is_refused_as_it_is_read(
    tmp_path: Path, stores_categories: bool
) -> None:
    path = tmp_path / "bomb.parquet"
    texts = pa.DictionaryArray.from_arrays([0] * 5000 + [1] * 5000, ["A cook left.", "x" * BOMB])
    pq.write_table(pa.table({"premise": texts}), path, store_schema=stores_categories)
    before = pa.total_allocated_bytes()
    allocated = (pa.total_allocated_bytes() - before for _ in read_batches(path))
    with pytest.raises(UserError, match=r"bomb\.parquet: it unpacks to \d\d,\d\d\d,\d\d\d bytes from"):
        assert max(allocated) < 6 * LARGEST_BATCH


def test_texts_written_by_what_they_share_with_the_one_before_are_read_few_at_a_time(tmp_path):
    path, texts = tmp_path / "x.parquet", pa.table({"text": ["x"] * 300 + ["y" * 100_000] * 100, "n": range(400)})
    pq.write_table(texts, path, use_dictionary=False, column_encoding={"text": "DELTA_BYTE_ARRAY", "n": "PLAIN"})
    batches = list(read_batches(path))
    assert pa.Table.from_batches(batches) == texts
    assert max(batch.nbytes for batch in batches) < 2 * LARGEST_BATCH


def test_batches_are_as_many_rows_as_asked_for_where_texts_are_short(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": range(25_000)}), tmp_path / "x.parquet", row_group_size=10_000)
    assert [batch.num_rows for batch in read_batches(tmp_path / "x.parquet")] == [10_000, 10_000, 5000]
    assert {batch.num_rows for batch in read_batches(tmp_path / "x.parquet", rows=7)} <= {7, 4, 3}


def test_a_column_that_unpacks_to_far_more_than_it_is_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"premise": ["0" * 70_000_000]}), path, compression="zstd", use_dictionary=False)
    with pytest.raises(UserError, match=r"it unpacks to 70,0\d\d,\d\d\d bytes from"):
        count_rows(path)


@pytest.mark.parametrize(
    "metadata", [b"[" * 5000, b"\xff", b'{"info": 3}', b'{"info": {"features": {"label": {"_type": "ClassLabel"}}}}']
)
def test_a_description_of_columns_that_cannot_be_read_describes_none(tmp_path: Path, metadata: bytes) -> None:
    table = pa.table({"label": [1]}).replace_schema_metadata({"huggingface": metadata})
    pq.write_table(table, tmp_path / "x.parquet")
    assert list(named_rows(tmp_path / "x.parquet")) == [{"label": 1}]


@pytest.mark.parametrize("content", ['{"a": 1, "a": 2}', '{"a": ' + "9" * 30 + "}", "[" * 9000])
def test_an_evaluation_file_with_json_that_is_refused_is_one_line_that_names_it(tmp_path: Path, content: str) -> None:
    (tmp_path / "bad.json").write_text(content)
    with pytest.raises(UserError, match=r"--against: cannot read .*bad\.json") as raised:
        read_evaluation_sets(tmp_path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("a.csv", "abc def," * (3 << 20), "a line of more than 16 MB"),
        ("a.csv", 'a,b\n"' + "x y\n" * (5 << 20), "field limit"),
        ("a.jsonl", f'{{"text": "{"two words " * 500_000}"}}\n', "an item of more than 4,194,304 characters"),
    ],
)
def test_an_evaluation_file_with_an_endless_line_cell_or_text_is_refused(
    tmp_path: Path, name: str, content: str, fault: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=rf"--against: cannot read .*{name}: .*{fault}"):
        read_evaluation_sets(tmp_path)


def test_an_evaluation_file_of_csv_may_end_its_lines_in_any_way(tmp_path: Path) -> None:
    for number, end in enumerate(("\n", "\r\n", "\r")):
        (tmp_path / f"{number}.csv").write_bytes(
            end.join(["id;text", '1;"A cook, leaving"', "2;The cook left", ""]).encode()
        )
    sets = read_evaluation_sets(tmp_path)
    assert [each.items for each in sets] == [(("A cook, leaving",), ("The cook left",))] * 3


def test_an_estimator_that_prints_no_line_ends_is_refused_before_it_fills_the_memory() -> None:
    program = "import sys\nwhile True: sys.stdout.write('0' * 100000)"
    estimator = Estimator(f'{sys.executable} -c "{program}"', None, None, 20.0)
    with pytest.raises(UserError, match="--qe printed '0000"):
        list(estimator.scores({"a": ("One.", "Eins.")}))
