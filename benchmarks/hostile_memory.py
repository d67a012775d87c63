"""Peak memory of commands under bombs, endless bodies and replies of 50 MB, beside that of the same command in peace.

    python benchmarks/hostile_memory.py [--only make,import]

At most 150 MB may be added. A command ends by itself or is stopped after two minutes; its peak is that of its process.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from aiohttp import web

from tests.mock_endpoint import Faults, answering, serving

SYNTHGEN = Path(sys.executable).with_name("synthgen")
SECONDS = 120
_ZEROS = gzip.compress(bytes(2_000_000_000), 9)
Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]
LABELS = ("entailment", "neutral", "contradiction")


async def bomb(_: web.Request) -> web.Response:
    return web.Response(body=_ZEROS, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})


async def large(_: web.Request) -> web.Response:
    return web.json_response({"choices": [{"message": {"content": "word " * 10_000_000}}], "usage": None})


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" " * 65_536)


def peak(words: list[str], folder: Path) -> tuple[float, int]:
    """Return the peak of a command in MB, and how it ended."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [str(SYNTHGEN), *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        killer = subprocess.Popen(["sh", "-c", f"sleep {SECONDS}; kill -9 {process.pid}"])
        _, status, usage = os.wait4(process.pid, 0)
        killer.kill()
        process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss / 1000, process.returncode


def rows(path: Path, premise: Callable[[int], str], count: int = 9) -> Path:
    lines = (
        {"premise": premise(i), "hypothesis": f"Somebody came in with {i} plates.", "label": LABELS[i % 3]}
        for i in range(count)
    )
    with (gzip.open if path.suffix == ".gz" else open)(path, "wt") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    return path


def servers(words: Callable[[str], list[str]], folder: Path) -> dict[str, tuple[float, int]]:
    """Return the peaks of a command that asks a server, by what the server does."""
    found = {}
    with ExitStack() as stack:
        found["peace"] = peak(words(stack.enter_context(serving(Faults()))[0] + "#mock-7b"), folder)
    for name, reply in (("gzip bomb", bomb), ("50 MB", large), ("endless", endless)):

        async def answer(request: web.Request, reply: Reply = reply) -> web.StreamResponse:
            is_list = request.path.endswith("/models")
            return web.json_response({"data": [{"id": "mock-7b"}]}) if is_list else await reply(request)

        with answering(answer) as address:  # type: ignore[arg-type]
            found[name] = peak(words(f"http://{address}/v1#mock-7b"), folder)
    return found


def make(folder: Path) -> dict[str, tuple[float, int]]:
    number = iter(range(9))
    return servers(
        lambda url: ["make", "--task", "mnli", "--n", "40", "--engine", "endpoint", "--model", url, "--timeout", "10",
                     "--max-requests", "300", "--out", f"m{next(number)}"], folder,
    )  # fmt: skip


def judge(folder: Path) -> dict[str, tuple[float, int]]:
    number = iter(range(9))
    return servers(lambda url: ["filter", "real", "--judge", url, "--out", f"f{next(number)}"], folder)


def llm(folder: Path) -> dict[str, tuple[float, int]]:
    number = iter(range(9))
    return servers(
        lambda url: ["translate", "real", "--to", "de", "--mt", f"llm:{url}", "--round-trip", "0", "--out",
                     f"t{next(number)}"], folder,
    )  # fmt: skip


def against(folder: Path) -> dict[str, tuple[float, int]]:
    (folder / "quiet").mkdir()
    (folder / "bombs").mkdir()
    rows(folder / "quiet" / "test.jsonl", lambda i: f"The waiter {i} came in.")
    pq.write_table(pa.table({"premise": ["x y " * 300_000] * 3000}), folder / "bombs" / "test.parquet")
    words = ["filter", "real", "--against"]
    return {
        "peace": peak([*words, "quiet", "--out", "a0"], folder),
        "parquet bomb": peak([*words, "bombs", "--out", "a1"], folder),
    }


def imported(folder: Path) -> dict[str, tuple[float, int]]:
    rows(folder / "quiet.train.jsonl", lambda i: f"The waiter {i} came in.")
    rows(folder / "bomb.train.jsonl.gz", lambda i: f"The waiter {i} " + "0" * 100_000_000, count=12)
    pq.write_table(pa.table({"premise": ["x y " * 300_000] * 3000, "hypothesis": ["a"] * 3000, "label": [0] * 3000}),
                   folder / "bomb.train.parquet")  # fmt: skip
    found = {}
    for name, file in (("peace", "quiet.train.jsonl"), ("gzip bomb", "bomb.train.jsonl.gz"),
                       ("parquet bomb", "bomb.train.parquet")):  # fmt: skip
        found[name] = peak(["import", "mnli", "--from", file, "--out", f"i-{name.replace(' ', '-')}"], folder)
    return found


COMMANDS = {"make": make, "filter --judge": judge, "translate --mt llm:": llm, "--against": against, "import": imported}


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
            for state, (megabytes, code) in measure(Path(folder)).items():
                quiet = quiet or megabytes
                print(f"{name:22} {state:14} {megabytes:6.0f} MB  {megabytes - quiet:+6.0f}  exit {code}", flush=True)


if __name__ == "__main__":
    main()
