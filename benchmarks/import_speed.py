"""Import of a million rows of JSON lines, CSV and Parquet beside reading the same columns by pyarrow, and by polars.

`python benchmarks/import_speed.py [ROWS]`: CPU seconds of ours, of pyarrow and of polars where it is installed, one
thread each, by turns, medians of five; then the whole command once a kind in a process of its own, with its peak
memory. `rows` reads, checks and maps every row; `command` also writes the folder, its statistics and its card.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from synthgen.corpora.corpus import open_corpus
from synthgen.corpora.row_stream import RowStream

COLUMNS = ["premise", "hypothesis", "label"]
REPEATS = 5
Peer = Callable[[Path], object]
PEERS: dict[str, dict[str, Peer]] = {
    "jsonl": {"pyarrow": lambda path: pa.json.read_json(path).select(COLUMNS)},
    "csv": {
        "pyarrow": lambda path: pa.csv.read_csv(path, convert_options=pa.csv.ConvertOptions(include_columns=COLUMNS))
    },
    "parquet": {"pyarrow": lambda path: pq.read_table(path, columns=COLUMNS)},
}
try:
    os.environ["POLARS_MAX_THREADS"] = "1"
    import polars as pl

    PEERS["jsonl"]["polars"] = lambda path: pl.read_ndjson(path).select(COLUMNS)
    PEERS["csv"]["polars"] = lambda path: pl.read_csv(path, columns=COLUMNS)
    PEERS["parquet"]["polars"] = lambda path: pl.read_parquet(path, columns=COLUMNS)
except ImportError:
    print("polars is not installed: pyarrow alone is compared")
COMMAND = """
import resource, sys
from synthgen.corpora.import_corpus import import_task
manifest = import_task("mnli", source=sys.argv[1], out=__import__("pathlib").Path(sys.argv[2]), language="en")
print(manifest.kept, manifest.seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def write(folder: Path, rows: int) -> None:
    """Write the same rows in each kind of file."""
    numbers = range(rows)
    table = pa.table(
        {
            "premise": [
                f"The ferry number {n} left the old harbour before noon, and nobody saw it go." for n in numbers
            ],
            "hypothesis": [f'Boat {n} was, as they "say", on its way.' for n in numbers],
            "label": [("entailment", "neutral", "contradiction")[n % 3] for n in numbers],
            "note": [f"row {n}" for n in numbers],
        }
    )
    pq.write_table(table, folder / "x.parquet", row_group_size=100_000)
    pa.csv.write_csv(table, folder / "x.csv")
    with (folder / "x.jsonl").open("w") as file:
        for batch in table.to_batches(10_000):
            file.writelines(json.dumps(row) + "\n" for row in batch.to_pylist())


def ours(path: Path) -> int:
    """Read every row as import does; return their number."""
    return sum(batch.table.num_rows for batch in RowStream(open_corpus("mnli", path)))


def timed(function: Callable[[Path], object], path: Path) -> float:
    """Return the CPU seconds that a call takes."""
    start = time.process_time()
    function(path)
    return time.process_time() - start


def main() -> None:
    """Print a line for each kind of file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int, nargs="?", default=1_000_000)
    rows = parser.parse_args().rows
    pa.set_cpu_count(1)
    with TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, rows)
        for kind, peers in PEERS.items():
            path = folder / f"x.{kind}"
            readers: dict[str, Peer] = {**peers, "rows": ours}
            turns = [[timed(reader, path) for reader in readers.values()] for _ in range(REPEATS)]
            seconds = dict(zip(readers, map(statistics.median, zip(*turns, strict=True)), strict=True))
            done = subprocess.run(
                [sys.executable, "-c", COMMAND, str(path), str(folder / kind)],
                capture_output=True,
                text=True,
                check=True,
            )
            kept, whole, peak = done.stdout.split()[-3:]
            print(f"{kind}: " + ", ".join(f"{name} {each:.2f} s" for name, each in seconds.items()), end="")
            print("".join(f", {seconds[name] / seconds['rows']:.2f} of {name}" for name in peers), end="")
            print(f"; command {whole} s, {kept} rows, peak {peak} MB")
    print(f"peak of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()
