"""Does answering again find wrong answers? Round-trip consistency with a checkpoint that `evaluator train` made.

    python benchmarks/filters_round_trip.py DATA_ROOT WORK_DIR [--train 1000] [--epochs 2]
    python benchmarks/filters_round_trip.py DATA_ROOT WORK_DIR --verifier CKPT --trained-on DATASET

Imports the SQuAD sample, keeps questions about passages of at most 120 words that the checkpoint never saw, and parts
them by passage: some to train on, unless a checkpoint is given (once; later calls reuse WORK_DIR/verifier-N-E), 300 to
calibrate with, 400 of which every fifth is given a wrong answer: other words of the same passage, as many. Then
`synthgen filter --verifier` over the 400, and what it found: how often the reader agrees with right and with wrong
answers, how many of the rows it drops are wrong, the noise estimate.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.filters_verifier import write_part
from synthgen.corpora.import_corpus import import_task
from synthgen.dataset import is_finished, read_rejected, read_rows
from synthgen.filters.command import filter as run_filters
from synthgen.formats.base import Row

LONGEST = 120
CALIBRATION, JUDGED = 300, 400
RECIPE = 'base = "small"\n[stages.intermediate]\nepochs = {epochs}\nlearning_rate = 2e-4\nmax_length = 256\n'


def parts(rows: list[Row], train: int, seen: set[str]) -> dict[str, list[Row]]:
    """Return rows to calibrate with, to judge and to train on, no passage in two of them and none that was seen."""
    by_passage: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if len(row["context"].split()) <= LONGEST and row["context"] not in seen:
            by_passage[row["context"]].append(row)
    passages = random.Random(0).sample(sorted(by_passage), len(by_passage))
    found: dict[str, list[Row]] = {"calibration": [], "judged": [], "train": []}
    wanted = {"calibration": CALIBRATION, "judged": JUDGED, "train": train}
    for passage in passages:
        part = next((name for name in found if len(found[name]) < wanted[name]), "")
        if part:
            found[part] += by_passage[passage]
    return found


def misled(row: Row, rng: random.Random) -> Row:
    """Return the row with other words of its passage for an answer, as many as it had, none of the old ones."""
    (answer,), (start,) = row["answers"]["text"], row["answers"]["answer_start"]
    words, at, places = row["context"].split(" "), 0, []
    for word in words:
        places.append((at, at + len(word)))
        at += len(word) + 1
    count = len(answer.split())
    spans = [(places[i][0], places[i + count - 1][1]) for i in range(len(places) - count + 1)]
    free = [(a, b) for a, b in spans if b <= start or a >= start + len(answer)]
    first, last = rng.choice([(a, b) for a, b in free if row["context"][a:b] != answer])
    return row | {"answers": {"text": [row["context"][first:last]], "answer_start": [first]}}


def report(facts: dict[str, Any], wrong: set[str], judged: list[Row], gone: set[str]) -> None:
    """Print agreement with right and wrong answers apart, and the manifest's own figures."""
    for name, ids in {"right": {row["id"] for row in judged} - wrong, "wrong": wrong}.items():
        dropped = len(ids & gone)
        print(f"{name} answers: {len(ids)}, of which {dropped} dropped ({dropped / len(ids):.3f})")
    share = len(wrong & gone) / len(gone)
    print(f"of {len(gone)} dropped rows {share:.3f} are wrong; by chance {len(wrong) / len(judged):.3f} would be")
    print(json.dumps({name: facts[name] for name in ("rows", "agreement", "em", "f1", "noise")}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--train", type=int, default=1_000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--verifier", type=Path, help="a checkpoint of `evaluator train`; none is trained then")
    parser.add_argument("--trained-on", type=Path, help="the dataset folder of --verifier")
    given = parser.parse_args()
    seen = {row["context"] for row in read_rows(given.trained_on)} if given.trained_on else set()
    whole = given.work / "squad"
    import_task("squad_v1", source=given.data / "squad/squad_sample.json", out=whole)
    found = parts(list(read_rows(whole)), 0 if given.verifier else given.train, seen)
    rng = random.Random(1)
    wrong = {row["id"] for row in found["judged"][::5]}
    found["judged"] = [misled(row, rng) if row["id"] in wrong else row for row in found["judged"]]
    folders = {name: write_part(whole, given.work / f"squad-{name}", rows) for name, rows in found.items() if rows}
    checkpoint = given.verifier or given.work / f"verifier-{given.train}-{given.epochs}"
    if not is_finished(checkpoint):
        from evaluator.training.train import train

        recipe = given.work / "recipe.toml"
        recipe.write_text(RECIPE.format(epochs=given.epochs), encoding="utf-8")
        made = train(folders["train"], out=checkpoint, model="pack:multilingual-e5-small", recipe=str(recipe))
        print(f"trained on {len(found['train'])} questions: {made['results']['training']}", flush=True)
    plan = given.work / "plan.toml"
    plan.write_text("[verify]\n", encoding="utf-8")
    out = given.work / f"kept-{checkpoint.name}"
    options = {"filters": plan, "verifier": checkpoint, "against": [folders["calibration"]]}
    manifest = run_filters(folders["judged"], out=out, **options)
    print(f"{manifest.kept} of {manifest.asked} kept, rejected {manifest.rejected}")
    gone = {each.row["id"] for each in read_rejected(out) if each.stage == "verify"}
    report(manifest.checks["verification"]["verify"], wrong, found["judged"], gone)


if __name__ == "__main__":
    main()
