"""`make demo`: the main job on a small scale, as the commands a user would type, each shown and timed.

generate 100 NLI examples → import real and published synthetic rows of the same number → compare them on two targets.
All data ship with the package (`synthgen/dataset/samples/README.md`); neither a hub nor a data root is needed.
"""

import argparse
import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from synthgen.console import note, print_lines
from synthgen.dataset.samples import SAMPLES
from synthgen.runtime.files import write_atomically
from synthgen.runtime.workers import usable_cores

ROWS = 100
TEST_ITEMS = 200
FOLDER = Path("runs/demo")
STUDY = Path(__file__).resolve().parents[1] / "studies" / "nli-generators" / "results.jsonl"
RUNS_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Command:
    """A command as a user would type it, and the environment variables before it."""

    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([*(f"{name}={value}" for name, value in self.environment.items()), shlex.join(self.words)])

    def run(self) -> dict[str, object]:
        """Show and run the command, and return what it took; raises CalledProcessError when it fails."""
        print_lines(["", f"$ {self}"])
        begin, spent = time.monotonic(), _cpu_seconds()
        program = Path(sys.executable).with_name(self.words[0])
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **self.environment}
        subprocess.run([str(program), *self.words[1:]], check=True, env=environment)
        seconds, cpu_seconds = time.monotonic() - begin, _cpu_seconds() - spent
        return {"command": str(self), "seconds": round(seconds, 1), "cpu_seconds": round(cpu_seconds, 1)}


def commands(folder: Path, data_root: Path | None = None) -> list[Command]:
    """Return the steps in order; each resumes, or returns at once when it is finished."""
    arms = {"synthetic": _synthetic(), "real": _real(data_root), "wanli": _wanli()}
    steps = [Command(("synthgen", "packs", "pull"))]
    steps += [Command((*words, "--out", str(folder / name))) for name, words in arms.items()]
    steps.append(_comparison(folder, tuple(arms), data_root))
    if STUDY.is_file():
        page = folder / "study" / "report.html"  # its tables lie beside it, apart from those of the demo
        steps.append(Command(("evaluator", "report", os.path.relpath(STUDY), "--out", str(page))))
    return steps


def _synthetic() -> tuple[str, ...]:
    """Rows generated here, through vLLM."""
    return ("synthgen", "make", "--task", "mnli", "--n", str(ROWS), "--model", "pack:smollm2-135m-instruct")


def _real(data_root: Path | None) -> tuple[str, ...]:
    """Rows that people wrote: of the user's MultiNLI, else of the SNLI rows that ship."""
    corpus, source = ("snli", "sample") if data_root is None else ("mnli", str(_raw_mnli(data_root)))
    return ("synthgen", "import", corpus, "--from", source, "--n", str(ROWS))


def _wanli() -> tuple[str, ...]:
    """Published rows of a large language model, imported as anybody's files are."""
    return (
        *("synthgen", "import", "mnli", "--from", os.path.relpath(SAMPLES / "wanli"), "--n", str(ROWS)),
        *("--origin", "synthetic", "--generator", "GPT-3 Curie, labels by people"),
        *("--licence", "CC-BY-4.0", "--citation", "Liu et al. 2022"),
    )


def _comparison(folder: Path, arms: Sequence[str], data_root: Path | None) -> Command:
    """Two runs at once with half of the cores each: small runs gain little from more."""
    words = (
        *("evaluator", "compare", "none=none", *(f"{name}={folder / name}" for name in arms)),
        *("--targets", "udpos,tatoeba", "--languages", "en,es,tr,zh", "--data-root", str(data_root or "sample")),
        *("--model", "pack:multilingual-e5-small", "--recipe", "small", "--seeds", "2", "--ray", "local"),
        *("--max-train-examples", "150", "--max-eval-examples", str(TEST_ITEMS)),
        *("--store", str(folder / "store"), "--out", str(folder / "report.html")),
    )
    return Command(words, {"SYNTHGEN_THREADS": str(max(1, usable_cores() // RUNS_AT_ONCE))})


def _raw_mnli(root: Path) -> Path:
    """Return the raw text where the root has it: some distributions of MNLI are word-tokenised, the other arms not."""
    raw = root / "mnli" / "train_9k.json"
    return raw if raw.is_file() else root


def _cpu_seconds() -> float:
    """Return the processor time of all finished commands."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    """Run the demo, write `timing.json`, and say where the pages are and what to do next."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--data-root", type=Path, help="real XTREME-R files; default: the rows that ship")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--install-facts", type=Path, help="JSON that the installation wrote")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    try:
        steps = [command.run() for command in commands(arguments.folder, arguments.data_root)]
    except subprocess.CalledProcessError as error:
        note(f"the demo stopped; what is finished is kept in {arguments.folder}, and `make demo` continues from there")
        return int(error.returncode)
    seconds, timing = round(time.monotonic() - begin, 1), arguments.folder / "timing.json"
    installed = json.loads(arguments.install_facts.read_text()) if arguments.install_facts else {}
    facts = {**installed, "cores": os.cpu_count(), "seconds": seconds, "steps": steps}
    first = json.loads(timing.read_text()).get("first") if timing.is_file() else None  # the run that did the work
    write_atomically(timing, json.dumps({**facts, "first": first or facts}, indent=2) + "\n")
    print_lines(["", f"done in {seconds:.0f} s", *_end(arguments.folder)])
    return 0


def _end(folder: Path) -> list[str]:
    """Return what the terminal says last: the pages, and what to do next."""
    lines = [
        f"{folder / 'report.html'}  a small comparison: {ROWS} rows per arm show large effects only; the page has the "
        "minimum detectable effects"
    ]
    if STUDY.is_file():
        shutil.copy(folder / "study" / "report.html", folder / "study.html")
        lines.append(f"{folder / 'study.html'}  the same commands with more rows, from their stored results")
    return [*lines, "next: docs/tutorials/first-comparison.md, or evaluator init experiment.toml"]


if __name__ == "__main__":
    sys.exit(main())
