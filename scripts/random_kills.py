"""Commands killed at random moments: `python scripts/random_kills.py [--kills 100] [--rows 105000] [COMMAND ...]`.

Each command is started as a user does and killed by `kill -9`. Five seconds later none of its processes may be left;
the same command again has to end well and leave the files of an undisturbed run, with `card --verify` clean.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from synthgen.corpora.import_corpus import import_task  # noqa: E402
from synthgen.dataset.manifest import read_manifest  # noqa: E402
from synthgen.publishing.verify import verify  # noqa: E402
from synthgen.runtime.entry import carry_out  # noqa: E402
from synthgen.translation.command import translate  # noqa: E402
from tests.data import TINY_DATA_ROOT  # noqa: E402
from tests.evaluator.conftest import TINY_RECIPE, write_pairs, write_tiny_model  # noqa: E402
from tests.faults.harness import contents  # noqa: E402
from tests.synthgen.translators import Backwards  # noqa: E402

SECONDS_TO_END = 5.0
MARK = "SYNTHGEN_KILLED_BY"
LARGE, SMALL = 105_000, 2_000
WORDS = "river museum garden council winter doctor bridge station lawyer window market teacher harbour".split()  # noqa: SIM905


@dataclass(frozen=True, slots=True)
class Command:
    """A command line with `out` in it, what the folder it leaves must be, and whether the bytes are the same again."""

    words: list[str]
    is_set: bool = True
    same_bytes: bool = True


def commands(inputs: Path, rows: int) -> dict[str, Command]:
    """Return the commands; what they read is made in `inputs`: a set of so many rows, a small one, a model."""
    bins, draw = Path(sys.executable).parent, random.Random(0)
    synthgen, evaluator = str(bins / "synthgen"), str(bins / "evaluator")
    large, small = _corpus(inputs / "large", rows, draw), _corpus(inputs / "small", min(SMALL, rows), draw)
    replies = inputs / "replies.jsonl"
    replies.write_text("".join(f"{json.dumps({'text': _sentence(draw), 'seconds': 0.001})}\n" for _ in range(20_000)))
    recipe = inputs / "tiny.toml"
    recipe.write_text(TINY_RECIPE, encoding="utf-8")
    model, pairs = write_tiny_model(inputs / "tiny"), write_pairs(inputs / "pairs", 24)
    make = "make --task mnli --n 600 --engine scripted --decoding plain --out out --model".split()  # noqa: SIM905
    compare = "compare none=none --targets xnli,udpos --languages es,tr --seeds 2 --max-train-examples 16".split()  # noqa: SIM905
    compare += [f"real={pairs}", "--max-eval-examples", "10", "--data-root", str(TINY_DATA_ROOT)]
    compare += ["--model", str(model), "--recipe", str(recipe), "--store", "out/store", "--out", "out/report.html"]
    return {
        "make": Command([synthgen, *make, str(replies)], same_bytes=False),
        "filter": Command([synthgen, "filter", str(large), "--out", "out", "--processes", "3"]),
        "compare": Command([evaluator, *compare], is_set=False),
        "translate": Command([sys.executable, __file__, "--translate", str(small)]),
        "publish": Command([synthgen, "publish", str(large), "--to", "./out"]),
    }


def _sentence(draw: random.Random) -> str:
    return f"The {' '.join(draw.choice(WORDS) for _ in range(9))} {draw.randrange(10_000)}."


def _corpus(folder: Path, rows: int, draw: random.Random) -> Path:
    labels = ("entailment", "neutral", "contradiction")
    folder.mkdir(parents=True)
    with (folder / "multinli_1.0_train.jsonl").open("w", encoding="utf-8") as lines:
        for number in range(rows):
            pair = {"sentence1": _sentence(draw), "sentence2": _sentence(draw), "gold_label": labels[number % 3]}
            lines.write(json.dumps(pair) + "\n")
    import_task("mnli", source=folder / "multinli_1.0_train.jsonl", out=folder / "set")
    return folder / "set"


class Trial:
    """One command in a folder of its own, with its undisturbed result and the time that took."""

    def __init__(self, command: Command, folder: Path) -> None:
        """Run the command undisturbed; RuntimeError when it does not end well."""
        self.command, self.folder, start = command, folder, time.monotonic()
        self._empty_folder()
        if fault := self._ends_wrongly():
            raise RuntimeError(fault)
        self.seconds, self.expected = time.monotonic() - start, contents(folder)
        self.kept = read_manifest(folder / "out").kept if command.is_set else 0

    def faults_after(self, seconds: float) -> list[str]:
        """Kill the command after so many seconds, give it again, and return what is wrong."""
        self._empty_folder()
        process = self._start()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        faults = [f"process {pid} is left" for pid in _left(process.pid)]
        if fault := self._ends_wrongly():
            return [*faults, fault]
        found = contents(self.folder)
        faults += [f"{name} is lost" for name in self.expected.keys() - found.keys()]
        faults += [f"{name} is left over" for name in found.keys() - self.expected.keys()]
        if self.command.same_bytes:
            faults += [
                f"{name} differs" for name, content in self.expected.items() if found.get(name, content) != content
            ]
        if self.command.is_set:
            faults += verify(self.folder / "out").faults
            kept = read_manifest(self.folder / "out").kept
            faults += [f"{kept} rows, not {self.kept}"] if kept != self.kept else []
        return faults

    def _empty_folder(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in ("tmp", "cache"):
            (self.folder / name).mkdir(parents=True)

    def _start(self) -> subprocess.Popen[str]:
        places = {"TMPDIR": str(self.folder / "tmp"), "SYNTHGEN_CACHE": str(self.folder / "cache")}
        places |= {MARK: str(os.getpid()), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT), "SYNTHGEN_THREADS": "1"}
        quiet = partial(subprocess.Popen, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        return quiet(self.command.words, cwd=self.folder, env=os.environ | places)

    def _ends_wrongly(self) -> str:
        process = self._start()
        _, said = process.communicate()
        return f"the same command ends with {process.returncode}: {said[-500:]}" if process.returncode else ""


def _left(killed: int) -> list[int]:
    """Return the processes of this script's commands that have not ended after five seconds."""
    until, mark = time.monotonic() + SECONDS_TO_END, f"{MARK}={os.getpid()}".encode()
    while left := [pid for pid in _running() if pid != killed and _environment(pid).find(mark) >= 0]:
        if time.monotonic() > until:
            break
        time.sleep(0.05)
    return left


def _running() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def main() -> int:
    """Kill each command so many times, print a line for each, and return 1 when anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--rows", type=int, default=LARGE, help="of the set that is filtered and published")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--translate", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*", metavar="COMMAND")
    arguments = parser.parse_args()
    if arguments.translate:
        run: Callable[..., object] = partial(translate, arguments.translate, to="tlh", out=Path("out"), round_trip=50)
        carry_out(lambda **_: run(backend=Backwards()))  # type: ignore[arg-type]
    draw, wrong = random.Random(arguments.seed), 0
    with tempfile.TemporaryDirectory(prefix="kills-") as scratch:
        for name, command in commands(Path(scratch) / "inputs", arguments.rows).items():
            if name not in (arguments.names or [name]):
                continue
            trial = Trial(command, Path(scratch) / name)
            moments = [draw.uniform(0, trial.seconds) for _ in range(arguments.kills)]
            bad = {moment: faults for moment in moments if (faults := trial.faults_after(moment))}
            for moment, faults in bad.items():
                print(f"  {name}, killed after {moment:.2f} s: {'; '.join(faults[:4])}", flush=True)
            print(f"{name}: {len(moments)} kills in {trial.seconds:.1f} s, {len(bad)} bad", flush=True)
            wrong += len(bad)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
