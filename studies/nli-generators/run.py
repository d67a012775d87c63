"""Run the study: `python studies/nli-generators/run.py DATA`, where DATA is the folder of the official files.

Runs that another machine has finished are in `runs.tar.gz` beside this file and are not done again; those of this
machine are added to it at the end, also when it is stopped.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORK = Path("runs/nli-generators")
FOLDERS = ("mnli", "snli", "llm", "tatoeba")
PIECES = ("study.toml", "second/study.toml", "sizes/study.toml", "mixtures/study.toml")
TRAINING_ROWS = "mnli/dev_matched_1-5000.jsonl"
"""XNLI's training rows: pairs that no arm holds."""


def link(target: Path, source: Path) -> None:
    """Make a link to a file or folder, where there is none."""
    if not source.exists():
        sys.exit(f"{source}: not there; the study needs the files that docs/studies/nli-generators.md lists")
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.is_symlink():
        target.symlink_to(source.resolve())


def official(data: Path) -> None:
    """Lay out the data root: the official files, but for XNLI's training rows."""
    for name in FOLDERS:
        link(WORK / "official" / name, data / name)
    for path in sorted((data / "xnli").glob("*")):
        if path.name != "train-en.tsv":
            link(WORK / "official/xnli" / path.name, path)
    link(WORK / "official/xnli/train-en.tsv", data / TRAINING_ROWS)


def main(data: Path) -> None:
    """Make the data, train and score what is not finished, and write the report."""
    os.environ.update(SYNTHGEN_DEVICE="cpu", SYNTHGEN_THREADS="1", SYNTHGEN_BFLOAT16="1")  # parts of each run's key
    import evaluator

    official(data)
    archive, store = HERE / "runs.tar.gz", WORK / "store"
    if archive.exists():
        evaluator.store_unpack(archive, store=store)
    try:
        for piece in PIECES:
            evaluator.run(HERE / piece)
    finally:
        if (store / "predictions").is_dir():
            evaluator.store_pack(store, out=archive)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("give the folder of the official files: make study DATA=DIR")
    main(Path(sys.argv[1]))
