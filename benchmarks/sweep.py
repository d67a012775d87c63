"""A sweep that is killed: 3 arms, 2 sizes, 2 seeds, 4 targets, on a tiny model; `python -m benchmarks.sweep`.

Run to the end once, and once with `kill -9` in the middle and other workers afterwards: the result files must be equal
to the byte, and the logs must say that each intermediate model was trained once. Then one seed is added.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import evaluator
from tests.evaluator.conftest import TINY_RECIPE, write_pairs, write_tiny_model

TARGETS = ("xnli", "xcopa", "udpos", "tatoeba")


def arguments(folder: Path, model: Path, data_root: Path) -> dict[str, Any]:
    """Return what all comparisons share."""
    recipe = folder / "tiny.toml"
    recipe.write_text(TINY_RECIPE, encoding="utf-8")
    return {
        "targets": TARGETS,
        "languages": ("en", "zh"),
        "sizes": (16, 32),
        "seeds": 2,
        "model": str(model),
        "recipe": str(recipe),
        "data_root": str(data_root),
        "max_train_examples": 32,
        "max_eval_examples": 16,
    }


def times_logged(store: Path, kind: str, event: str) -> list[int]:
    """Return how often each run of a kind says that it was started, or done."""
    return [path.read_text().count(f"  {event}  ") for path in (store / "logs").glob(f"{kind}-*.log")]


def killed(arms: list[str], options: dict[str, Any], runs: int) -> int:
    """Start a comparison in a process of its own, kill it when it has trained some targets, and return how many."""
    code = f"import evaluator; evaluator.compare({arms!r}, **{options!r})"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    targets = Path(options["store"]) / "target"
    while len(list(targets.glob("[!.]*"))) < runs and process.poll() is None:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return len(list(targets.glob("[!.]*")))


def main() -> None:
    """Print what was found as JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-root", type=Path, default=Path(os.environ.get("SYNTHGEN_DATA", "data")))
    parser.add_argument("--workers", type=int, default=2, help="after the kill; more than one runs on Ray")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        arms = ["none=none", *(f"{n}={write_pairs(folder / n, 32, first=100 * i)}" for i, n in enumerate(("a", "b")))]
        common = arguments(folder, write_tiny_model(folder / "model"), given.data_root)

        def at(name: str) -> dict[str, Any]:
            return {**common, "store": str(folder / name / "store"), "out": str(folder / name / "report.html")}

        started = time.monotonic()
        evaluator.compare(arms, **at("whole"))
        seconds = time.monotonic() - started
        plan = json.loads((folder / "whole" / "plan.json").read_text())
        before_kill = killed(arms, at("killed"), runs=14)
        evaluator.compare(arms, **at("killed"), workers=given.workers)
        whole, resumed = ((folder / name / "results.jsonl").read_bytes() for name in ("whole", "killed"))
        trained = times_logged(folder / "killed" / "store", "intermediate", "done")
        print(json.dumps({"targets_before_kill": before_kill, "equal_bytes": whole == resumed, "rows": len(whole)}))
        print(json.dumps({"intermediate_models": len(trained), "times_trained": sorted(set(trained))}))
        print(json.dumps({"planned": plan["planned"], "real": plan["real"], "wall_seconds": round(seconds, 1)}))
        evaluator.compare(arms, **{**at("whole"), "seeds": 3})
        again = times_logged(folder / "whole" / "store", "intermediate", "done")
        print(json.dumps({"intermediate_models_with_a_seed_more": len(again), "times_trained": sorted(set(again))}))


if __name__ == "__main__":
    main()
