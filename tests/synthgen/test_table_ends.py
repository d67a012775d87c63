"""Tables that are not read to their end: pyarrow reads ahead in a thread, which must not outlive the reading."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from pathlib import Path

import pytest

from synthgen.corpora.readers.tables import Dialect, read_table_batches

DIALECT = Dialect(",", is_quoted=True, names=("premise", "label"), has_header=True)
ROW = b"Somebody walks home through the rain.,neutral\n"


class Counted(io.BytesIO):
    """A file that counts how often it is read."""

    reads = 0

    def read(self, size: int | None = -1) -> bytes:
        self.reads += 1
        return super().read(size)


def test_nothing_is_read_after_a_table_is_left() -> None:
    file = Counted(b"premise,label\n" + ROW * 4_000_000)
    batches = read_table_batches(file, DIALECT, Path("long.csv"), ())
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    reads = file.reads
    time.sleep(0.1)
    assert file.reads == reads < 80


@pytest.mark.parametrize("row", [b"x" * 70_000_000, b'"' + b"a line\n" * 10_000_000])
@pytest.mark.parametrize("before", [0, 100_000])
def test_a_row_without_an_end_is_refused_and_the_process_ends(row: bytes, before: int, tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_bytes(b"premise,label\n" + before * ROW + row)
    code = (
        "import sys; from pathlib import Path; from synthgen.errors import UserError\n"
        "from tests.synthgen.test_table_ends import *\n"
        "try: list(read_table_batches(open(sys.argv[1], 'rb'), DIALECT, Path('long.csv'), ()))\n"
        "except UserError as error: print(error); sys.exit(2)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (2, "")
    assert "2 MB" in done.stdout
