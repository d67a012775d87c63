"""How long does `card --verify` take on a large set, and in how much memory?

    python benchmarks/card_scale.py --data-root DIR --rows 1000000

The set is made of real MNLI pairs (data root), each premise with the hypotheses of other rows, so that lengths and
alphabets are real; the rows mean nothing and only their number matters here. Each size is verified in a process of its
own; peak memory is that process's.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from synthgen.analysis.text_statistics import describe
from synthgen.cards.card import write_card
from synthgen.corpora.import_corpus import import_task
from synthgen.dataset import dataset_format, finish, read_manifest, read_rows, row_features, write_rows
from synthgen.formats.base import Row
from synthgen.publishing.verify import verify


def build(folder: Path, data_root: Path, rows: int) -> Path:
    """Write a finished set of so many rows from real pairs, hypotheses shifted by one more row in each round."""
    folder.mkdir(parents=True)
    source = folder / "real"
    import_task("mnli", source=data_root, out=source)
    real, manifest = list(read_rows(source)), read_manifest(source)
    format_ = dataset_format(manifest)

    def recombined() -> Iterator[Row]:
        for number in range(rows):
            place, shift = number % len(real), number // len(real)
            other = real[(place + shift) % len(real)]
            yield {**real[place], "hypothesis": other["hypothesis"], "label": number % 3, "id": f"m{number:08d}"}

    out = folder / f"set-{rows}"
    out.mkdir()
    counts = {name: len(range(i, rows, 3)) for i, name in enumerate(format_.labels)}
    files = write_rows(out, recombined(), row_features(format_))
    facts: dict[str, Any] = {
        "n": rows,
        "kept": rows,
        "asked": rows,
        "rejected": {},
        "files": files,
        "label_counts": counts,
    }
    made = replace(manifest, **facts, statistics=describe(format_, read_rows(out)))
    write_card(out, made)
    finish(out, made)
    return out


def measure(folder: Path) -> dict[str, float]:
    """Verify a folder in this process and return seconds and peak memory in MB."""
    started, used = time.monotonic(), time.process_time()
    report = verify(folder)
    if not report.is_true:
        raise SystemExit(f"the set is not what it says: {report.faults[:3]}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(time.process_time() - used, 1),
        "peak_mb": round(peak),
        "checked": len(report.recomputed),
    }


def main() -> None:
    """Build, verify and print one line a size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, default=Path(os.environ.get("SYNTHGEN_DATA", "data")))
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure)))
        return
    with tempfile.TemporaryDirectory() as folder:
        for rows in arguments.rows:
            started = time.monotonic()
            built = build(Path(folder) / str(rows), arguments.data_root, rows)
            print(f"{rows:,} rows written with fingerprints, statistics and card in {time.monotonic() - started:.0f} s")
            command = [sys.executable, __file__, "--measure", str(built)]
            print(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip(), flush=True)


if __name__ == "__main__":
    main()
