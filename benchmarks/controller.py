"""`synthgen make` at full size: are counts right after kills and server faults? Memory and speed with many rows.

    python benchmarks/controller.py endpoint --n 20000            killed with SIGKILL twice and resumed
    python benchmarks/controller.py endpoint --n 20000 --faults   with 20 % malformed, 5 % HTTP 500, 1 % timeouts
    python benchmarks/controller.py scale --n 10000               scripted engine: rows/s and peak memory
    python benchmarks/controller.py scale --n 1000000
    python benchmarks/controller.py refilter --n 100000           the same run with other filters: no model call

Each prints one JSON line; an `endpoint` run ends with an AssertionError when a count is wrong.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from synthgen.dataset import Manifest, read_manifest, read_rows
from synthgen.engines import Request
from synthgen.engines.scripted import ScriptedEngine
from synthgen.generation.make import make
from tests.mock_endpoint import WORDS, Faults, serving

TIMEOUT = 10.0


def endpoint(n: int, faulty: bool, kills: int) -> None:
    """Make a set over HTTP, killing the process when a third and two thirds are there."""
    faults = Faults(malformed=0.2, http_500=0.05, timeouts=0.01) if faulty else Faults()
    with serving(faults) as (url, server), tempfile.TemporaryDirectory() as folder:
        out, began = Path(folder) / "set", time.perf_counter()
        made = ["make", "--task", "mnli", "--n", str(n), "--engine", "endpoint", "--model", url, "--out", str(out)]
        command = [
            sys.executable,
            "-c",
            "from synthgen.cli.commands import main; main()",
            *made,
            "--timeout",
            str(TIMEOUT),
        ]
        for kill in range(kills):
            process = subprocess.Popen(command)
            while sum(server.counters.values()) < n * (kill + 1) * 0.4:
                assert process.poll() is None, "the run ended before it could be killed"
                time.sleep(0.05)
            process.kill()
            process.wait()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        manifest, rows = read_manifest(out), list(read_rows(out))
        counted = {name: server.counters[name] for name in manifest.attempts}
        lost = sum(counted.values()) - sum(manifest.attempts.values())
        labels = Counter(manifest.labels[row["label"]] for row in rows)
        assert len(rows) == len({row["id"] for row in rows}) == manifest.kept == n
        assert labels == manifest.label_counts
        assert manifest.asked == manifest.kept + sum(manifest.rejected.values()) + manifest.failed
        assert manifest.attempts == counted if not kills else 0 <= lost <= kills * (64 + 256)
        facts = {"n": n, "kills": kills, "labels": labels, "attempts": manifest.attempts, "server": counted}
        print(json.dumps({**facts, "failed": manifest.failed, "seconds": round(time.perf_counter() - began)}))


def sentence(request: Request) -> str:
    """Answer with a sentence that is the same for the same request."""
    draw = random.Random(request.nonce * 2 + request.tag[1])
    return "The " + " ".join(draw.choices(WORDS, k=9)) + "."


def refilter(n: int) -> None:
    """Make a set with the scripted engine, then judge its replies by other filters, and count the calls of both."""
    with tempfile.TemporaryDirectory() as folder:
        model, other = Path(folder) / "model", Path(folder) / "filters.toml"
        model.mkdir()
        (model / "config.json").write_text("{}")
        other.write_text("[residue]\n[shape]\nmin_words = 3\n[exact]\n")
        engine = ScriptedEngine(sentence)
        settings = {"model": str(model), "engine": "scripted", "decoding": "plain", "started_engine": engine}
        for filters in (None, other):
            asked, began = engine.requests, time.perf_counter()
            made = make("mnli", n=n, out=Path(folder) / "set", filters=filters, **settings)  # type: ignore[arg-type]
            assert isinstance(made, Manifest)
            facts = {"n": n, "filters": "default" if filters is None else "others", "calls": engine.requests - asked}
            print(
                json.dumps({**facts, "kept": made.kept, "seconds": round(time.perf_counter() - began, 1)}), flush=True
            )


def scale(n: int, filters: Path | None) -> None:
    """Make a set with the scripted engine and print rows a second and this process's peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        model.mkdir()
        (model / "config.json").write_text("{}")
        began = time.perf_counter()
        settings = {"model": str(model), "engine": "scripted", "decoding": "plain", "filters": filters}
        made = make("mnli", n=n, out=Path(folder) / "set", started_engine=ScriptedEngine(sentence), **settings)  # type: ignore[arg-type]
        seconds = time.perf_counter() - began
    assert isinstance(made, Manifest)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    facts = {"n": n, "rows_per_second": round(n / seconds, 1), "peak_gib": round(peak, 3)}
    print(json.dumps({**facts, "rejected": made.rejected}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["endpoint", "scale", "refilter"])
    parser.add_argument("--n", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("--filters", type=Path)
    arguments = parser.parse_args()
    if arguments.what == "scale":
        scale(arguments.n, arguments.filters)
    elif arguments.what == "refilter":
        refilter(arguments.n)
    else:
        endpoint(arguments.n, arguments.faults, arguments.kills)


if __name__ == "__main__":
    main()
