"""Peak memory of commands with decompression bombs, endless replies and replies of 50 MB, beside ordinary input.

    python benchmarks/hostile_memory.py [--only make,import]

Hostile input may add at most 150 MB. A command ends by itself or is stopped after two minutes; its peak is that of its
process.
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import json
import lzma
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, suppress
from itertools import chain
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
from aiohttp import web

from tests.mock_endpoint import Faults, answering, serving

SYNTHGEN = Path(sys.executable).with_name("synthgen")
SECONDS = 120
_ZEROS = gzip.compress(bytes(2_000_000_000), 9)
Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]
Peaks = Iterator[tuple[str, tuple[float, int]]]
LABELS = ("entailment", "neutral", "contradiction")


async def bomb(_: web.Request) -> web.Response:
    return web.Response(body=_ZEROS, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})


async def large(_: web.Request) -> web.Response:
    return web.json_response({"choices": [{"message": {"content": "word " * 10_000_000}}], "usage": None})


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    with suppress(ConnectionError):  # the client has had enough
        await response.prepare(request)
        while True:
            await response.write(b" " * 65_536)
    return response


_MEASURED = """
import resource, subprocess, sys
process = subprocess.Popen(sys.argv[2:], stdout=2, stderr=2)
try:
    process.wait(float(sys.argv[1]))
except subprocess.TimeoutExpired:
    process.kill()
code = process.wait()
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, code)
"""


def peak(words: list[str], folder: Path) -> tuple[float, int]:
    """Return the peak of a command in MB, and how it ended.

    A process of its own starts it: the peak of a process begins with that of the one that it was started from.
    """
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", _MEASURED, str(SECONDS), str(SYNTHGEN), *words]
    done = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, check=True
    )
    kilobytes, code = done.stdout.split()
    return int(kilobytes) / 1000, int(code)


def rows(path: Path, premise: Callable[[int], str], count: int = 9) -> Path:
    lines = (
        {"premise": premise(i), "hypothesis": f"Somebody came in with {i} plates.", "label": LABELS[i % 3]}
        for i in range(count)
    )
    with (gzip.open if path.suffix == ".gz" else open)(path, "wt") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    return path


def servers(words: Callable[[str], list[str]], folder: Path, says: str = "") -> Peaks:
    """Return the peaks of a command that asks a server, by what the server does; in peace it says this."""
    with ExitStack() as stack:
        faults = Faults(say=(lambda _: says) if says else None)
        yield "peace", peak(words(stack.enter_context(serving(faults))[0] + "#mock-7b"), folder)
    for name, reply in (("gzip bomb", bomb), ("50 MB", large), ("endless", endless)):

        async def answer(request: web.Request, reply: Reply = reply) -> web.StreamResponse:
            is_list = request.path.endswith("/models")
            return web.json_response({"data": [{"id": "mock-7b"}]}) if is_list else await reply(request)

        with answering(answer) as address:  # type: ignore[arg-type]
            yield name, peak(words(f"http://{address}/v1#mock-7b"), folder)


def make(folder: Path) -> Peaks:
    number = iter(range(9))
    return servers(
        lambda url: ["make", "--task", "mnli", "--n", "40", "--engine", "endpoint", "--model", url, "--timeout", "10",
                     "--max-requests", "300", "--out", f"m{next(number)}"], folder,
    )  # fmt: skip


def judge(folder: Path) -> Peaks:
    number = iter(range(9))
    words = ["filter", "real", "--judge"]
    return servers(lambda url: [*words, url, "--out", f"f{next(number)}"], folder, '{"label": "neutral"}')


def llm(folder: Path) -> Peaks:
    number = iter(range(9))
    return servers(
        lambda url: ["translate", "real", "--to", "de", "--mt", f"llm:{url}", "--round-trip", "0", "--out",
                     f"t{next(number)}"], folder, GERMAN,
    )  # fmt: skip


GERMAN = json.dumps({"text0": "Der Kellner kam mit den Tellern in das Zimmer.", "text1": "Jemand kam mit Tellern."})
ESTIMATORS = {
    "peace": """for line in sys.stdin: print(json.dumps({"id": json.loads(line)["id"], "score": 0.9}), flush=True)""",
    "endless": """while True: sys.stdout.write("x" * 65536)""",
    "endless numbers": """print('{"id": "', end='')
while True: sys.stdout.write("1" * 65536)""",
    "50 MB": """print('{"id": "' + "word " * 10_000_000 + '", "score": 1}')""",
    "errors of 2 GB": """for _ in range(20_000): sys.stderr.write("x" * 100_000)
sys.exit(1)""",
}


def estimator(folder: Path) -> Peaks:
    for number, (name, program) in enumerate(ESTIMATORS.items()):
        (folder / "qe.py").write_text(f"import json, sys\n{program}\n")
        with serving(Faults(say=lambda _: GERMAN)) as (url, _):
            words = ["translate", "real", "--to", "de", "--mt", f"llm:{url}#mock-7b", "--round-trip", "0"]
            yield name, peak([*words, "--qe", f"{sys.executable} qe.py", "--out", f"q{number}"], folder)


def zeros(file: IO[bytes] | gzip.GzipFile, head: bytes = b'{"premise": "', megabytes: int = 1000) -> None:
    """Write some bytes and very many zeros after them."""
    file.write(head)
    for _ in range(megabytes):
        file.write(b"0" * 1_000_000)


def bombs(folder: Path) -> Iterator[tuple[str, Path]]:
    """Write files of a few kilobytes that unpack to gigabytes, and files of one endless text, one after another."""
    with gzip.open(path := folder / "gzip.train.jsonl.gz", "wb") as packed:
        zeros(packed)
    yield "gzip bomb", path
    with pa.CompressedOutputStream(str(path := folder / "zstd.train.jsonl.zst"), "zstd") as stream:
        zeros(stream)
    yield "zstd bomb", path
    with lzma.open(path := folder / "xz.train.jsonl.xz", "wb", preset=0) as file:
        zeros(file)
    yield "xz bomb", path
    with bz2.open(path := folder / "bz2.train.jsonl.bz2", "wb") as file:
        zeros(file, megabytes=400)
    yield "bz2 bomb", path
    with (
        zipfile.ZipFile(path := folder / "zip.train.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.train.jsonl", "w", force_zip64=True) as member,
    ):
        zeros(member)
    yield "zip bomb", path
    with (path := folder / "csv.train.csv").open("wb") as plain:
        zeros(plain, b"premise,hypothesis,label\n")
    yield "CSV of one line", path
    yield "gzip of long rows", rows(folder / "rows.train.jsonl.gz", lambda i: f"{i} " + "0" * 100_000_000, count=12)
    yield "texts of 50 MB", rows(folder / "texts.train.jsonl", lambda i: f"{i} " + "word " * 10_000_000, count=4)
    yield from tables(folder)


def tables(folder: Path) -> Iterator[tuple[str, Path]]:
    """Write Parquet files, one row group each, as pyarrow packs them: small by what is repeated."""
    text, count = "x y " * 300_000, 3000
    premises: dict[str, Callable[[], Any]] = {
        "long texts": lambda: [text] * count,
        "a dictionary": lambda: pa.array([text] * count).dictionary_encode(),
        "one row group": lambda: ["x y"] * 9_000_000,
        "lists": lambda: [[text] * 1000] * 3,
        "deep lists": lambda: deep(200),
    }
    for name, premise in premises.items():
        column = premise()
        sides = {"hypothesis": ["a"] * len(column), "label": [0] * len(column)}
        table = pa.table({"premise": column, **sides})
        path = folder / f"{name.replace(' ', '-')}.train.parquet"
        pq.write_table(table, path, row_group_size=table.num_rows, compression="zstd")
        del column, sides, table
        yield f"Parquet, {name}", path


def deep(levels: int) -> pa.Array:
    """Return one value within so many lists."""
    value: pa.Array = pa.array(["x"])
    for _ in range(levels):
        value = pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), value)
    return value


def against(folder: Path) -> Peaks:
    (folder / "quiet").mkdir()
    rows(folder / "quiet" / "test.jsonl", lambda i: f"The waiter {i} came in.")
    yield "peace", peak(["filter", "real", "--against", "quiet", "--out", "a"], folder)
    for number, (name, path) in enumerate(bombs(folder)):
        place = folder / f"held-out-{number}"
        place.mkdir()
        path.rename(place / path.name.replace(".train", ""))
        yield name, peak(["filter", "real", "--against", place.name, "--out", f"a{number}"], folder)


def imported(folder: Path) -> Peaks:
    quiet = rows(folder / "quiet.train.jsonl", lambda i: f"The waiter {i} came in.")
    for number, (name, path) in enumerate(chain([("peace", quiet)], bombs(folder))):
        yield name, peak(["import", "mnli", "--from", path.name, "--out", f"i{number}"], folder)


COMMANDS = {
    "make": make, "filter --judge": judge, "translate --mt llm:": llm, "translate --qe": estimator,
    "--against": against, "import": imported,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    for name, measure in COMMANDS.items():
        if arguments.only and not any(part in name for part in arguments.only.split(",")):
            continue
        with tempfile.TemporaryDirectory() as folder:
            real = rows(Path(folder) / "real.train.jsonl", lambda i: f"The waiter {i} came into the room with plates.")
            peak(["import", "mnli", "--from", real.name, "--out", "real"], Path(folder))
            quiet = 0.0
            for state, (megabytes, code) in measure(Path(folder)):
                quiet = quiet or megabytes
                print(f"{name:22} {state:14} {megabytes:6.0f} MB  {megabytes - quiet:+6.0f}  exit {code}", flush=True)


if __name__ == "__main__":
    main()
