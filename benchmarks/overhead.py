"""What `make` costs beside the model: rows per second with a mock server, of ours, a bare client and other tools.

    python benchmarks/overhead.py --rows 2000 --repeats 5 --peers /tmp/peers

One row per request (MNLI with `--passages`: the premise is there, the hypothesis is asked for), replies after 5 ms,
default filters and ledger on. In turn, in an empty folder each time: `synthgen make`, a bare asyncio client that sends
requests of the same size and keeps nothing, distilabel and Data Designer. `ours` is until all rows and rejections are
written as parquet, as for the peers; `whole` is until the command ends, with the statistics, artefact baselines and
card that the peers do not make. The peers' environments are made by

    for peer in distilabel data-designer; do python -m venv /tmp/peers/$peer; done
    /tmp/peers/distilabel/bin/pip install 'distilabel[openai]==1.5.3' requests
    /tmp/peers/data-designer/bin/pip install 'data-designer==0.9.7'

A peer has as many requests in flight as the bare client (256). Printed: every rate, the CPU time a row of `make`, of
the bare client and of the server meanwhile, medians, ratios of medians, and for each repeat `whole` divided by `bare`:
on a busy machine only runs that follow each other directly can be compared.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import aiohttp

from synthgen.analysis.similarity_to_real import measure
from synthgen.dataset import Manifest
from synthgen.generation import make as generate
from synthgen.generation import write
from tests.mock_endpoint import WORDS

IN_FLIGHT = 256
"""Requests in flight of the bare client and of the peers."""
PEERS = ("distilabel", "data-designer")


def premises(path: Path, count: int) -> Path:
    draw = random.Random(0)
    lines = (f"The {' '.join(draw.choices(WORDS, k=10))} number {number}." for number in range(count))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@contextmanager
def cpu_time(name: str, rows: int, server: int) -> Iterator[None]:
    """Print the CPU time a row of this process and of the server with this process id."""

    def now() -> list[float]:
        fields = Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()
        return [time.process_time(), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")]

    before = now()
    yield
    own, of_server = (1000 * (after - then) / rows for then, after in zip(before, now(), strict=True))
    print(f"{name}: {own:.3f} ms of CPU time a row, the server {of_server:.3f}", flush=True)


def ours(url: str, rows: int, folder: Path, server: int, filters: Path | None = None) -> dict[str, float]:
    """Make a set and return rows a second until its rows are written, and until the command ends."""
    passages = premises(folder / "premises.txt", rows)
    written: list[float] = []

    def measured(*arguments: object) -> object:
        written.append(time.perf_counter())
        return measure(*arguments)  # type: ignore[arg-type]

    with (
        tempfile.TemporaryDirectory(dir=folder) as out,
        patch.object(write, "measure", measured),
        cpu_time("whole", rows, server),
    ):
        begin = time.perf_counter()
        given = {"passages": passages, "filters": filters, "out": Path(out) / "set"}
        manifest = generate.make("mnli", n=rows, engine="endpoint", model=url, **given)  # type: ignore[arg-type]
        end = time.perf_counter()
    assert isinstance(manifest, Manifest)
    assert manifest.kept == rows
    return {"ours": rows / (written[0] - begin), "whole": rows / (end - begin)}


def bare(url: str, rows: int, server: int) -> float:
    """Send the bodies that `make` sends, 256 at a time, and read the replies."""
    schema = {"type": "object", "properties": {"hypothesis": {"type": "string"}}, "required": ["hypothesis"]}
    shape = {"type": "json_schema", "json_schema": {"name": "reply", "strict": True, "schema": schema}}

    async def ask(session: aiohttp.ClientSession, numbers: list[int]) -> None:
        while numbers:
            prompt = "word " * 150 + str(numbers.pop())
            body = {"model": "m", "messages": [{"role": "user", "content": prompt}], "response_format": shape}
            async with session.post(f"{url}/chat/completions", json=body) as response:
                json.loads((await response.json())["choices"][0]["message"]["content"])

    async def all_rows() -> None:
        numbers = list(range(rows))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            await asyncio.gather(*(ask(session, numbers) for _ in range(IN_FLIGHT)))

    with cpu_time("bare", rows, server):
        begin = time.perf_counter()
        asyncio.run(all_rows())
        return rows / (time.perf_counter() - begin)


def peer(name: str, environments: Path, url: str, rows: int, folder: Path) -> float:
    script = Path(__file__).parent / "peers" / f"{name.replace('-', '_')}_rows.py"
    command: list[str | Path] = [environments / name / "bin" / "python", script, url, str(rows), str(IN_FLIGHT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, timeout=400)
    if done.returncode:
        sys.exit(f"{name} failed: {done.stderr[-2000:]}")
    return float(done.stdout.strip().splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--peer-rows", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peers", type=Path, help="folder of the peers' environments; without it they are left out")
    parser.add_argument("--filters", type=Path, help="other filters than the default ones, to see what those cost")
    parser.add_argument("--port", type=int, default=8123)
    arguments = parser.parse_args()
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.mock_endpoint", "--port", str(arguments.port), "--latency", "0.005"]
    )
    try:
        compare(f"http://127.0.0.1:{arguments.port}/v1", server.pid, arguments)
    finally:
        server.terminate()


def compare(url: str, server: int, arguments: argparse.Namespace) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{url}/models").close()
            break
        except OSError:
            time.sleep(0.1)
    rates: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        ours(url, 50, where, server)  # loads the filters' models

        def one_turn() -> Iterator[tuple[str, float]]:
            yield from ours(url, arguments.rows, where, server, arguments.filters).items()
            yield "bare", bare(url, arguments.rows, server)
            for name in PEERS if arguments.peers else ():
                yield name, peer(name, arguments.peers, url, arguments.peer_rows, where)

        for _ in range(arguments.repeats):
            for name, rate in one_turn():
                rates.setdefault(name, []).append(rate)
                print(f"{name}: {rate:.1f} rows/s", flush=True)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    others = [name for name in medians if name not in ("ours", "whole")]
    ratios = {f"{one} / {name}": round(medians[one] / medians[name], 3) for one in ("ours", "whole") for name in others}
    pairs = [round(own / other, 3) for own, other in zip(rates["whole"], rates["bare"], strict=True)]
    shown = {name: round(value, 1) for name, value in medians.items()}
    print(json.dumps({"medians": shown, **ratios, "whole / bare of each repeat": pairs}))


if __name__ == "__main__":
    main()
