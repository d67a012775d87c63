"""What the controller, filters and ledger cost: rows a second against one mock endpoint, ours beside the peers.

    python benchmarks/overhead.py --rows 2000 --repeats 5 --peers /tmp/peers

One row per request (MNLI with `--passages`: the premise is there, the hypothesis is asked for), replies after 5 ms,
default filters and ledger on. In turn, from nothing each time: `synthgen make`, a bare asyncio client that sends the
same bodies and keeps nothing, distilabel and Data Designer from environments of their own, which are made by
(`ours` is until all rows and rejections are written as parquet, as for the peers; `whole` is until the command ends,
with the statistics, artefact baselines and card that the peers do not make)

    for peer in distilabel data-designer; do python -m venv /tmp/peers/$peer; done
    /tmp/peers/distilabel/bin/pip install 'distilabel[openai]==1.5.3'
    /tmp/peers/data-designer/bin/pip install 'data-designer==0.9.7'

A peer has as many requests in flight as we have at most (256). Printed: every rate, medians, ratios of medians.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from unittest.mock import patch

import aiohttp

from synthgen.analysis.similarity_to_real import measure
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


def ours(url: str, rows: int, folder: Path, filters: Path | None = None) -> dict[str, float]:
    """Make a set and return rows a second until its rows are written, and until the command ends."""
    passages = premises(folder / "premises.txt", rows)
    written: list[float] = []

    def measured(*arguments: object) -> object:
        written.append(time.perf_counter())
        return measure(*arguments)  # type: ignore[arg-type]

    with tempfile.TemporaryDirectory(dir=folder) as out, patch.object(write, "measure", measured):
        begin, used = time.perf_counter(), time.process_time()
        given = {"passages": passages, "filters": filters, "out": Path(out) / "set"}
        manifest = generate.make("mnli", n=rows, engine="endpoint", model=url, **given)  # type: ignore[arg-type]
        end = time.perf_counter()
    assert manifest.kept == rows
    print(f"whole: {1000 * (time.process_time() - used) / rows:.2f} ms of CPU time a row", flush=True)
    return {"ours": rows / (written[0] - begin), "whole": rows / (end - begin)}


def bare(url: str, rows: int, folder: Path) -> float:
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

    begin = time.perf_counter()
    asyncio.run(all_rows())
    return rows / (time.perf_counter() - begin)


def peer(name: str, environments: Path, url: str, rows: int, folder: Path) -> float:
    script = Path(__file__).parent / "peers" / f"{name.replace('-', '_')}_rows.py"
    command = [environments / name / "bin" / "python", script, url, str(rows), str(IN_FLIGHT)]
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
        compare(f"http://127.0.0.1:{arguments.port}/v1", arguments)
    finally:
        server.terminate()


def compare(url: str, arguments: argparse.Namespace) -> None:
    for _ in range(100):
        try:
            urllib.request.urlopen(f"{url}/models").close()
            break
        except OSError:
            time.sleep(0.1)
    rates: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        ours(url, 50, where)  # loads the filters' models
        runs = [
            lambda: ours(url, arguments.rows, where, arguments.filters),
            lambda: {"bare": bare(url, arguments.rows, where)},
        ]
        for name in PEERS if arguments.peers else ():
            runs.append(lambda name=name: {name: peer(name, arguments.peers, url, arguments.peer_rows, where)})
        for _ in range(arguments.repeats):
            for name, rate in (item for run in runs for item in run().items()):
                rates.setdefault(name, []).append(rate)
                print(f"{name}: {rate:.1f} rows/s", flush=True)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    ratios = {f"ours / {name}": round(medians["ours"] / value, 3) for name, value in medians.items() if name != "ours"}
    print(json.dumps({"medians": {name: round(value, 1) for name, value in medians.items()}, **ratios}))


if __name__ == "__main__":
    main()
