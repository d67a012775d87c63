"""Are the known artefacts of SNLI found, and a planted word that gives the label away?

    python benchmarks/filters_artefacts.py DATA_ROOT

First the words: how often is a word wrongly reported to give a label away? 20 random halves of each corpus, and of
parts of it, are compared with each other, and so are released splits (`--words`: this alone). Then the accuracy of a
classifier that sees the hypothesis only, on SNLI (part of the training split, alone and with dev) and MNLI, and how it
grows with the number of rows; published for the 550,152 rows of SNLI: 63 to 69 % (three studies). Last what is said of
SNLI with the word "indeed" in a share of the entailed hypotheses.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from dataclasses import asdict
from itertools import permutations
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from synthgen.analysis.artefacts import baselines, count_words, find_artefacts, new_give_aways
from synthgen.formats.base import Row
from synthgen.formats.pair import PairFormat

NLI = PairFormat(("premise", "hypothesis"), ("entailment", "neutral", "contradiction"))


def extract(path: Path) -> list[Row]:
    items = json.loads(path.read_text(encoding="utf-8")).values()
    return [_row(item["text_a"], item["text_b"], item["label"]) for item in items]


def _row(premise: str, hypothesis: str, label: str) -> Row:
    return {"premise": premise, "hypothesis": hypothesis, "label": NLI.labels.index(label)}


def plant(rows: list[Row], share: float) -> list[Row]:
    """Return the rows with "indeed" at the end of a share of the entailed hypotheses."""
    rng = random.Random(0)
    return [
        row | {"hypothesis": f"{row['hypothesis']} indeed"} if row["label"] == 0 and rng.random() < share else row
        for row in rows
    ]


def released(path: Path) -> list[Row]:
    lines = filter(None, path.read_text(encoding="utf-8").split("\n"))
    return [_row(item["premise"], item["hypothesis"], item["label"]) for item in map(json.loads, lines)]


def false_alarms(name: str, rows: list[Row], halves: int = 20) -> None:
    """Print in how many random halves a word is a new give-away against the other half."""
    alarms: list[str] = []
    for seed in range(halves):
        drawn = random.Random(seed).sample(rows, len(rows))
        one, two = (count_words(NLI, part) for part in (drawn[::2], drawn[1::2]))
        alarms += [f"{word.text} ({word.rows}, {word.real_rows})" for word in new_give_aways(one, two)]
    print(f"{name}, {halves} halves of {len(rows) // 2}: {len(alarms)} new give-aways {alarms[:5]}", flush=True)


def words(snli: list[Row], dev: list[Row], mnli: list[Row], mnli_dev: list[Row]) -> None:
    """Print new give-away words: of halves, where there should be none; of released splits; of planted words."""
    for name, rows in {"SNLI train": snli, "SNLI train and dev": snli + dev, "MNLI": mnli}.items():
        false_alarms(name, rows)
        false_alarms(f"{name}, a tenth", rows[: len(rows) // 10])
    sets = {"SNLI train": snli, "SNLI dev": dev, "MNLI train": mnli, "MNLI dev": mnli_dev}
    for one, two in permutations(sets, 2):
        size = min(len(sets[one]), len(sets[two]))
        own, real = (count_words(NLI, random.Random(0).sample(sets[name], size)) for name in (one, two))
        found = [f"{word.text} {word.rows}/{word.real_rows}" for word in new_give_aways(own, real)]
        print(f"{one} against {two}, {size} rows each: {found or 'none'}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="data root with snli and mnli")
    parser.add_argument("--words", action="store_true", help="only the words that give a label away")
    given = parser.parse_args()
    root: Path = given.data
    snli, mnli = (extract(root / name / "train_9k.json") for name in ("snli", "mnli"))
    dev, mnli_dev = (released(root / name) for name in ("snli/dev.jsonl", "mnli/dev_matched_1-5000.jsonl"))
    words(snli, dev, mnli, mnli_dev)
    for share in (0.005, 0.01, 0.02, 0.05):
        planted = plant(snli, share)
        own, real = (count_words(NLI, rows) for rows in (planted, snli))
        found = [asdict(word) for word in new_give_aways(own, real)]
        print(f"'indeed' in {share:.1%} of entailed: {found}", flush=True)
    if given.words:
        return
    for name, rows in {"SNLI 9k": snli, "SNLI 9k + dev": snli + dev, "MNLI 9k": mnli}.items():
        began = time.process_time()
        by_view = baselines(NLI, rows)
        print(f"{name} ({len(rows)} rows, {time.process_time() - began:.1f} CPU s)", flush=True)
        for view, baseline in by_view.items():
            low, high = baseline.ci95
            print(f"    {view}: {baseline.accuracy} ({low} to {high}), guessing {baseline.majority}", flush=True)
    together = snli + dev
    random.Random(0).shuffle(together)
    for size in (2_355, 4_710, 9_420, len(together)):
        only = baselines(NLI, together[:size])["hypothesis-only"]
        print(f"SNLI, {size} rows: hypothesis-only {only.accuracy} {only.ci95}", flush=True)
    for share in (0.02, 0.05, 0.2):
        all_found = find_artefacts(NLI, plant(snli, share), snli)
        facts = ", ".join(str(all_found[name]) for name in ("verdict", "excess", "new_give_aways"))
        print(f"'indeed' in {share:.0%} of entailed: {facts}")


if __name__ == "__main__":
    main()
