"""`make demo`: the main job on a small scale, as the commands a user would type, each shown and timed.

generate 200 MNLI examples → import a real arm of the same size → compare none, real and synthetic on three targets.
With no data root the official files come from the hub; where no hub answers, from the samples in this package.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from synthgen.console import note, print_lines
from synthgen.dataset.manifest import read_manifest
from synthgen.dataset.samples import XTREME_R_SAMPLES
from synthgen.errors import IncompleteError
from synthgen.runtime.files import write_atomically

ROWS = 200
FOLDER = Path("runs/demo")
TARGETS = ("xnli", "udpos", "tatoeba")


@dataclass
class Demo:
    """Runs the steps in order; every step is a command that resumes or returns at once when it is finished."""

    data_root: Path | None
    folder: Path
    steps: list[dict[str, object]] = field(default_factory=list)

    def run(self) -> None:
        """Run all steps; raises CalledProcessError when one of them fails."""
        self.command("synthgen", "packs", "pull")
        synthetic, real = self.folder / "synthetic", self.folder / "real"
        self.command(
            *("synthgen", "make", "--task", "mnli", "--n", str(ROWS), "--model", "pack:smollm2-135m-instruct"),
            *("--out", str(synthetic)),
        )
        data_root, source = self.sources()
        self.command("synthgen", "import", "mnli", *source, "--out", str(real))
        rows = min(ROWS, read_manifest(real).n)
        sized = "" if rows == ROWS else f":{rows}"
        self.command(
            *("evaluator", "compare", "none=none", f"real={real}{sized}", f"synthetic={synthetic}{sized}"),
            *("--targets", ",".join(TARGETS), "--languages", "en,es,hi,tr,zh", "--data-root", str(data_root)),
            *("--model", "pack:multilingual-e5-small", "--recipe", "small", "--seeds", "2"),
            *("--max-train-examples", "150", "--max-eval-examples", "80"),
            *("--store", str(self.folder / "store"), "--out", str(self.folder / "report.html")),
        )

    def sources(self) -> tuple[Path, tuple[str, ...]]:
        """Return the data root and the import options of the real arm: the user's files, the hub, or the samples."""
        if self.data_root is not None:
            # The raw text where the root has it: some distributions of MNLI are word-tokenised, the other arm is not.
            raw = self.data_root / "mnli" / "train_9k.json"
            return self.data_root, ("--from", str(raw if raw.is_file() else self.data_root), "--n", str(ROWS))
        fetched = self.folder / "data"
        try:
            self.command("evaluator", "data", "fetch", "--data-root", str(fetched), "--targets", ",".join(TARGETS))
        except subprocess.CalledProcessError as error:
            if error.returncode != IncompleteError.exit_code:
                raise
            note("no hub answers: using the samples of this package, from which nothing can be concluded")
            return XTREME_R_SAMPLES, ("--from", "sample")
        return fetched, ("--from", "hub", "--n", str(ROWS))

    def command(self, *words: str) -> None:
        """Show, run and time one command."""
        line = shlex.join(words)
        print_lines(["", f"$ {line}"])
        begin = time.monotonic()
        program = Path(sys.executable).with_name(words[0])
        subprocess.run([str(program), *words[1:]], check=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})
        self.steps.append({"command": line, "seconds": round(time.monotonic() - begin, 1)})


def main() -> int:
    """Run the demo, write `timing.json`, and say where the report is."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--data-root", type=Path, help="real XTREME-R files; default: the hub, else samples")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--install-facts", type=Path, help="JSON that the installation wrote")
    arguments = parser.parse_args()
    demo = Demo(arguments.data_root, arguments.folder)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    try:
        demo.run()
    except subprocess.CalledProcessError as error:
        note(f"the demo stopped; what is finished is kept in {arguments.folder}, and `make demo` goes on from there")
        return int(error.returncode)
    seconds, timing = round(time.monotonic() - begin, 1), arguments.folder / "timing.json"
    installed = json.loads(arguments.install_facts.read_text()) if arguments.install_facts else {}
    facts = {**installed, "cores": os.cpu_count(), "seconds": seconds, "steps": demo.steps}
    first = json.loads(timing.read_text()).get("first") if timing.is_file() else None  # the run that did the work
    write_atomically(timing, json.dumps({**facts, "first": first or facts}, indent=2) + "\n")
    print_lines(["", f"done in {seconds:.0f} s; open {arguments.folder / 'report.html'}"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
