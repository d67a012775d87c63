"""Every task once with the bundled generator through vLLM: acceptance by label, rejections, overlap, a sample.

    python benchmarks/nine_tasks.py --data-root data --out runs/nine [--rows 60] [--tasks qqp ccg]

A teacher for ccg is trained first, on 600 English UD sentences (`evaluator train`): universal
parts of speech replace supertags, whose corpus needs a licence. One engine serves all tasks. Sets that are finished
are not made again. `--sample K` prints K rows of each.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path

from evaluator import train
from synthgen.corpora.import_corpus import import_task
from synthgen.dataset import Manifest, read_rejected, read_rows
from synthgen.engines import open_engine
from synthgen.errors import IncompleteError
from synthgen.generation.make import make
from synthgen.models.packs import resolve
from synthgen.task.registry import load_task, task_names

GENERATOR, ENCODER = "pack:smollm2-135m-instruct", "pack:multilingual-e5-small"
TEACHER_SENTENCES = 600
TEACHER_RECIPE = """base = "small"
[stages.intermediate]
learning_rate = 3e-4
epochs = 3
examples_per_step = 16
warmup = 0.1
"""
"""The `small` recipe's intermediate stage is for sentence pairs; these are its values for udpos."""


def teacher(out: Path, data_root: Path) -> Path:
    """Return the folder of the UPOS teacher, trained if it is not there."""
    folder = out / "teacher"
    if not (folder / "config.json").is_file():
        sentences = out / "udpos"
        import_task("udpos", source=data_root, out=sentences, n=TEACHER_SENTENCES)
        recipe = out / "teacher.toml"
        recipe.write_text(TEACHER_RECIPE, encoding="utf-8")
        train(sentences, out=folder, model=ENCODER, recipe=str(recipe))
    return folder


def report(task: str, folder: Path, manifest: Manifest, seconds: float, sample: int) -> None:
    """Print what a set took and what it looks like."""
    asked, reasons = Counter(manifest.label_counts), Counter(manifest.rejected)
    surplus = reasons.pop("surplus", 0)
    rows = list(read_rows(folder))
    texts = {repr(sorted((k, str(v)) for k, v in row.items() if k != "id")) for row in rows}
    judged = manifest.asked - surplus
    print(f"\n## {task}: kept {manifest.kept} of {judged} judged ({manifest.kept / judged:.0%}), {surplus} surplus,")
    print(f"   {seconds:.0f} s, {manifest.tokens['output']} tokens written; labels {dict(asked)}")
    print(f"   acceptance by label, surplus counted as refused: {manifest.statistics['acceptance']}")
    print(f"   commonest rejections: {reasons.most_common(4)}")
    print(f"   distinct {len(texts) / len(rows):.0%}; {manifest.statistics['distinct_share']}")
    print(f"   word overlap {manifest.statistics.get('word_overlap', 'one text')}")
    for row in rows[:: max(1, len(rows) // sample)][:sample] if sample else ():
        print("   -", {key: value for key, value in row.items() if key not in ("id", "language")})
    for rejection in list(read_rejected(folder))[:2] if sample else ():
        print("   x", rejection.reason, rejection.evidence[:120])


def main() -> None:
    """Make the sets and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--sample", type=int, default=6)
    parser.add_argument("--tasks", nargs="*", default=task_names())
    options = parser.parse_args()
    tagger = teacher(options.out, options.data_root) if "ccg" in options.tasks else None
    engine = open_engine("vllm", resolve(GENERATOR), seed=0)
    try:
        for task in options.tasks:
            began, folder = time.monotonic(), options.out / task
            needs = tagger if load_task(task).format.name == "tags" else None
            try:
                manifest = make(task, n=options.rows, model=GENERATOR, out=folder, teacher=needs, started_engine=engine)
            except IncompleteError as error:
                print(f"\n## {task}: {error}")
                continue
            assert isinstance(manifest, Manifest)
            report(task, folder, manifest, time.monotonic() - began, options.sample)
    finally:
        engine.close()


if __name__ == "__main__":
    main()
