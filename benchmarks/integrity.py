"""What comparing files with their hashes costs: `filter` of a million rows and `compare`, with and without.

    python -m benchmarks.integrity --rows 1000000 --repeats 5 --page integrity.md

Each run is a process of its own with an empty cache, so that every hash is computed; with and without take turns.
Without means that no file is read for its hash. Printed, and written as a page: medians of CPU seconds of each, their
ratio, and the CPU seconds spent on hashes with their share of the run, which a busy machine distorts less.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

from synthgen.runtime import integrity
from synthgen.runtime.files import file_sha256
from tests.data import TINY_DATA_ROOT
from tests.synthgen.conftest import NLI, dataset_folder, random_rows

WITH, WITHOUT = "with", "without"


def main() -> None:
    """Run the commands in turn, print the figures and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows to filter")
    parser.add_argument("--model", default="pack:multilingual-e5-small", help="encoder of compare")
    parser.add_argument("--examples", type=int, default=256, help="training rows of compare's arm and target")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--commands", default="filter,compare")
    parser.add_argument("--page", type=Path)
    parser.add_argument("--one", nargs=2, metavar=("COMMAND", "MODE"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.one[0], given.one[1], given.folder, given.model, given.examples)))
        return
    lines = [
        "| command | CPU s with | CPU s without | ratio | CPU s of the hashes | share |",
        "|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as name:
        rows = [{**row, "id": f"row-{i}", "language": "en"} for i, row in enumerate(random_rows(given.rows))]
        for command in given.commands.split(","):
            folder = Path(name) / command
            dataset_folder(folder / "set", rows if command == "filter" else rows[: given.examples], NLI, origin="real")
            lines.append(table_line(command, folder, given))
            print("\n".join(lines), flush=True)
    if given.page:
        given.page.write_text("\n".join(lines) + "\n", encoding="utf-8")


def table_line(command: str, folder: Path, given: argparse.Namespace) -> str:
    """Return the line of a command's medians."""
    runs: dict[str, list[dict[str, float]]] = {WITH: [], WITHOUT: []}
    for number in range(given.repeats):
        for mode in (WITH, WITHOUT) if number % 2 else (WITHOUT, WITH):
            words = [sys.executable, "-m", "benchmarks.integrity", "--one", command, mode, "--folder", str(folder)]
            words += ["--model", given.model, "--examples", str(given.examples)]
            done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
            runs[mode].append(json.loads(done.stdout.splitlines()[-1]))
    cpu = {mode: statistics.median(run["cpu"] for run in found) for mode, found in runs.items()}
    hashed = statistics.median(run["hashed"] for run in runs[WITH])
    share = statistics.median(run["hashed"] / run["cpu"] for run in runs[WITH])
    ratio = cpu[WITH] / cpu[WITHOUT]
    return f"| {command} | {cpu[WITH]:.1f} | {cpu[WITHOUT]:.1f} | {ratio:.3f} | {hashed:.2f} | {100 * share:.2f} % |"


def one(command: str, mode: str, folder: Path, model: str, examples: int) -> dict[str, float]:
    """Run a command once, in a new folder, and return its CPU seconds and those in which files were hashed."""
    spent, read = 0.0, file_sha256

    def timed(path: Path) -> str:
        nonlocal spent
        started = time.thread_time()
        digest = read(path)
        spent += time.thread_time() - started
        return digest

    with tempfile.TemporaryDirectory(dir=folder) as name:
        run = {"filter": run_filter, "compare": run_compare}[command]
        out, packs = Path(name), Path(os.environ.get("SYNTHGEN_CACHE", Path.home() / ".cache" / "synthgen")) / "packs"
        (out / "cache").mkdir()
        if packs.is_dir():
            (out / "cache" / "packs").symlink_to(packs)
        os.environ["SYNTHGEN_CACHE"] = str(out / "cache")
        hashes = timed if mode == WITH else lambda _: "0" * 64
        faults = integrity.file_fault if mode == WITH else lambda *_, **__: ""
        with patch.object(integrity, "file_sha256", hashes), patch.object(integrity, "file_fault", faults):
            run(folder / "set", out, model, examples)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {"cpu": sum(each.ru_utime + each.ru_stime for each in used), "hashed": spent}


def run_filter(source: Path, out: Path, _model: str, _examples: int) -> None:
    """Filter the set with the default filters."""
    import synthgen

    synthgen.filter(source, out=out / "out")


def run_compare(source: Path, out: Path, model: str, examples: int) -> None:
    """Train and score the set and none on one target."""
    import evaluator

    asked: dict[str, Any] = {"targets": ["xnli"], "languages": ["en", "de"], "seeds": 1, "recipe": "small"}
    asked |= {"data_root": TINY_DATA_ROOT, "model": model, "max_train_examples": examples}
    evaluator.compare(["none=none", f"set={source}"], **asked, store=out / "store", out=out / "report.html")


if __name__ == "__main__":
    main()
