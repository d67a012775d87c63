"""Duplicates at size: rows a second beside peers on the same rows, each with its recall; memory; growth.

    python benchmarks/filters_speed.py data --speed 1000000 --processes 2 --peers PYTHON --names rensa
    python benchmarks/filters_speed.py data --speed 100000 --peers PYTHON --rounds 3
    python benchmarks/filters_speed.py data --memory 1000000
    python benchmarks/filters_speed.py data --growth 1000000,3000000,10000000

Rows of any number are made from the 33,000 real MNLI and SNLI pairs at hand by recombination: each text is the first
half of one real text and the second half of another of the same field, both drawn at random, so that lengths and words
are those of real pairs and texts hardly repeat. One row in twenty is planted: an exact copy of an earlier one; another
one in twenty a copy with one word of the hypothesis replaced. A planted copy is found when it and its source are not
both kept; rows that go and are neither are counted too.

Ours is what `synthgen filter` does with the plan `[exact] [near]`: parquet in, parquet, rejections and fingerprints
out. Peers (`filters_peers.py`) run in an interpreter of their own on the same file, in one process. Seconds are those
of all processes' CPU, and the clock's; rounds are interleaved and medians shown. Memory is the greatest sum over all
processes of their proportional set size, looked at four times a second: pages of shared libraries count once.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.filters_duplicates import NLI, real_rows
from synthgen.corpora.any_folder import open_set
from synthgen.dataset import write_rejected, write_tables
from synthgen.filters.base import FilterContext
from synthgen.filters.config import read_config
from synthgen.filters.set_pipeline import filter_dataset, workers_for

ROWS_AT_ONCE = 50_000
LOOKS_A_SECOND = 4
KINDS = ("exact", "one word of six or more", "one word of fewer")
"""What is planted. Ours holds texts of less than six words that differ in one to be different."""

Planted = npt.NDArray[np.int64]


# Rows


def recombined(data: Path, count: int, seed: int = 0) -> Iterator[tuple[pa.Table, Planted]]:
    """Yield tables of recombined rows, each with (copy, source, kind) of those planted in it."""
    draw, rows = np.random.default_rng(seed), real_rows(data)
    halves = {f: [pa.array(side) for side in zip(*(halved(row[f]) for row in rows), strict=True)] for f in NLI.fields}
    vocabulary = [word for row in rows for word in row["premise"].split()]
    for first in range(0, count, ROWS_AT_ONCE):
        size = min(ROWS_AT_ONCE, count - first)
        chance = draw.random(size)
        copies, fresh = np.flatnonzero(chance < 0.1), np.flatnonzero(chance >= 0.1)
        before = np.searchsorted(fresh, copies)
        copies, before = copies[before > 0], before[before > 0]
        sources = fresh[(draw.random(len(copies)) * before).astype(np.int64)]
        said = np.arange(size)
        said[copies] = sources
        columns = {
            field: pc.binary_join_element_wise(*(draw_from(draw, side, size) for side in sides), " ").take(said)
            for field, sides in halves.items()
        }
        is_edited = chance < 0.05
        is_edited[np.setdiff1d(np.arange(size), copies)] = False
        edited = [edit.split() for edit in columns["hypothesis"].filter(is_edited).to_pylist()]
        for words in edited:
            words[draw.integers(len(words))] = vocabulary[draw.integers(len(vocabulary))]
        texts = pa.array([" ".join(words) for words in edited])
        columns["hypothesis"] = pc.replace_with_mask(columns["hypothesis"], is_edited, texts)
        kinds = np.zeros(size, dtype=np.int64)
        kinds[is_edited] = [1 + (len(words) < 6) for words in edited]
        columns |= {"label": pa.array(draw.integers(0, 3, size)[said]), "language": pa.array(["en"] * size)}
        columns["id"] = pa.array([f"n{number:09d}" for number in range(first, first + size)])
        yield pa.table(columns), np.stack((first + copies, first + sources, kinds[copies]), axis=1)


def draw_from(draw: np.random.Generator, texts: pa.Array, size: int) -> pa.Array:
    return texts.take(draw.integers(0, len(texts), size))


def halved(text: str) -> tuple[str, str]:
    words = text.split()
    return " ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])


def write_parquet(data: Path, count: int, folder: Path) -> Planted:
    folder.mkdir(parents=True)
    planted: list[Planted] = []
    writer = None
    for table, copies in recombined(data, count):
        writer = writer or pq.ParquetWriter(folder / "rows.parquet", table.schema)
        writer.write_table(table)
        planted.append(copies)
    if writer:
        writer.close()
    return np.concatenate(planted)


def recall(planted: Planted, kept: npt.NDArray[np.bool_]) -> str:
    """Return the share of planted copies that were found, by kind, and how many other rows went."""
    copies, sources, kinds = planted.T
    is_found = ~(kept[copies] & kept[sources])
    shares = [
        f"{name} {is_found[kinds == kind].mean():.4f}" for kind, name in enumerate(KINDS) if (kinds == kind).any()
    ]
    others = int((~kept).sum() - (~kept[np.union1d(copies, sources)]).sum())
    return f"recall: {', '.join(shares)}; {others} other rows dropped"


# One run


OURS = """
import sys
from pathlib import Path
from benchmarks.filters_speed import duplicates_only
if __name__ == "__main__":
    duplicates_only(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
"""


def duplicates_only(folder: Path, out: Path, processes: int) -> None:
    """Run exact and near over a folder and write what stays and what goes, as `synthgen filter` does; print seconds."""
    plan = out.parent / "plan.toml"
    plan.write_text("[exact]\n[near]\n")
    began, wall = time.process_time(), time.perf_counter()
    opened = open_set(folder, origin="real")
    out.mkdir()
    with workers_for(opened, processes) as workers:
        dataset = filter_dataset(opened, read_config(plan).build(FilterContext(opened.format)), (), workers)
        sifted = time.perf_counter() - wall
        write_tables(out, dataset.kept(Counter()), opened.schema, workers)
    write_rejected(out, dataset.rejections())
    wall = time.perf_counter() - wall
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = time.process_time() - began + children.ru_utime + children.ru_stime
    np.save(out.parent / "kept.npy", dataset.stays)
    print(json.dumps({"seconds": seconds, "wall": wall, "sifted": round(sifted, 2), **dataset.reasons()}))


def run(command: list[str], place: Path) -> tuple[dict[str, Any], npt.NDArray[np.bool_]]:
    """Run a command that prints its times and saves `kept.npy`, and add its memory; RuntimeError when it fails."""
    with (place / "stdout").open("w+") as printed, (place / "stderr").open("w+") as said:
        process = subprocess.Popen(command, stdout=printed, stderr=said)
        peak, ended = [0.0], threading.Event()
        watcher = threading.Thread(target=watch, args=(process.pid, peak, ended))
        watcher.start()
        process.wait()
        ended.set()
        watcher.join()
        for file in (printed, said):
            file.seek(0)
        if process.returncode:
            raise RuntimeError(said.read().strip().splitlines()[-1:])
        found = json.loads(printed.read().strip().splitlines()[-1])
    return {**found, "peak_gib": round(peak[0], 2)}, np.load(place / "kept.npy")


def watch(pid: int, peak: list[float], ended: threading.Event) -> None:
    """Note the greatest memory of a process and its descendants together, in GiB, until the end."""
    while not ended.wait(1 / LOOKS_A_SECOND):
        peak[0] = max(peak[0], sum(map(proportional_set_size, family(pid))) / 1024**2)


def family(pid: int) -> Iterator[int]:
    """Yield a process and its descendants."""
    yield pid
    try:
        children = [file.read_text().split() for file in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return
    for child in (int(each) for found in children for each in found):
        yield from family(child)


def proportional_set_size(pid: int) -> int:
    """Return a process's share of memory in KiB, 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def run_ours(folder: Path, processes: int) -> tuple[dict[str, Any], npt.NDArray[np.bool_]]:
    with tempfile.TemporaryDirectory() as place:
        script = Path(place) / "ours.py"
        script.write_text(OURS)
        return run([sys.executable, str(script), str(folder), f"{place}/out", str(processes)], Path(place))


def run_peer(python: str, name: str, folder: Path) -> tuple[dict[str, Any], npt.NDArray[np.bool_]]:
    script = Path(__file__).with_name("filters_peers.py")
    with tempfile.TemporaryDirectory() as place:
        command = [python, str(script), name, str(folder / "rows.parquet"), str(Path(place) / "kept.npy")]
        return run(command, Path(place))


# What is measured


def speed(data: Path, count: int, peers: str, names: list[str], processes: int, rounds: int) -> None:
    times: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as place:
        planted = write_parquet(data, count, folder := Path(place) / "in")
        print(f"{count:,} rows, {len(planted):,} planted; ours in {processes} processes, {rounds} rounds", flush=True)
        for turn in range(rounds):
            for name in ["ours", *names]:
                try:
                    found, kept = run_ours(folder, processes) if name == "ours" else run_peer(peers, name, folder)
                except RuntimeError as error:
                    print(f"{name}: failed: {error}", flush=True)
                    continue
                times[name].append(found)
                print(f"{turn + 1} {name}: {found}; {recall(planted, kept)}", flush=True)
    for name, found_ in times.items():
        cpu, wall = (median(each[key] for each in found_) for key in ("seconds", "wall"))
        ours_cpu, ours_wall = (median(each[key] for each in times["ours"]) for key in ("seconds", "wall"))
        print(
            f"{name}: {count / wall:,.0f} rows a second by the clock, {count / cpu:,.0f} a CPU second; "
            f"ours is {wall / ours_wall:.2f} x and {cpu / ours_cpu:.2f} x"
        )


def memory(data: Path, count: int) -> None:
    """Run the same rows in one process and in two: time, memory of all processes together, what stays."""
    with tempfile.TemporaryDirectory() as place:
        planted = write_parquet(data, count, folder := Path(place) / "in")
        kept = {}
        for processes in (1, 2):
            found, kept[processes] = run_ours(folder, processes)
            print(f"{count:,} rows, {processes} processes: {found}; {recall(planted, kept[processes])}", flush=True)
        print("the same rows stay" if (kept[1] == kept[2]).all() else "DIFFERENT ROWS STAY")


def growth(data: Path, counts: list[int], processes: int) -> None:
    for count in counts:
        with tempfile.TemporaryDirectory() as place:
            planted = write_parquet(data, count, folder := Path(place) / "in")
            found, kept = run_ours(folder, processes)
            print(
                f"{count:,} rows: {found['wall'] / count * 1e6:.2f} us a row by the clock, "
                f"{found['seconds'] / count * 1e6:.2f} of CPU, peak {found['peak_gib']} GiB; "
                f"{recall(planted, kept)}; {found}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--speed", type=int, metavar="ROWS")
    parser.add_argument("--memory", type=int, metavar="ROWS")
    parser.add_argument("--growth", type=lambda text: [int(each) for each in text.split(",")], metavar="ROWS,ROWS…")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--peers", default=sys.executable, help="an interpreter that has the peers")
    parser.add_argument("--names", default="rensa,rensa_matrix,semhash,datasketch,text_dedup,datatrove")
    given = parser.parse_args()
    if given.speed:
        speed(given.data, given.speed, given.peers, given.names.split(","), given.processes, given.rounds)
    if given.memory:
        memory(given.data, given.memory)
    if given.growth:
        growth(given.data, given.growth, given.processes)


if __name__ == "__main__":
    main()
