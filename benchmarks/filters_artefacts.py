"""Does the artefact radar see what is known of SNLI, and a planted give-away word?

    python benchmarks/filters_artefacts.py DATA_ROOT

Hypothesis-only accuracy on real SNLI (train extract alone, and with dev), its growth with the number of rows, on MNLI,
and radar verdicts for SNLI with the word "indeed" in a share of the entailed hypotheses. Published for the 550,152 rows
of SNLI: 63 to 69 % (three studies).
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from synthgen.artefacts import baselines, radar
from synthgen.formats.base import Row
from synthgen.formats.pair import PairFormat

NLI = PairFormat(("premise", "hypothesis"), ("entailment", "neutral", "contradiction"))


def extract(path: Path) -> list[Row]:
    items = json.loads(path.read_text(encoding="utf-8")).values()
    return [_row(item["text_a"], item["text_b"], item["label"]) for item in items]


def _row(premise: str, hypothesis: str, label: str) -> Row:
    return {"premise": premise, "hypothesis": hypothesis, "label": NLI.labels.index(label)}


def main() -> None:
    root = Path(sys.argv[1])
    snli, mnli = (extract(root / name / "train_9k.json") for name in ("snli", "mnli"))
    lines = (root / "snli/dev.jsonl").read_text(encoding="utf-8").split("\n")
    dev = [_row(item["premise"], item["hypothesis"], item["label"]) for item in map(json.loads, filter(None, lines))]
    for name, rows in {"SNLI 9k": snli, "SNLI 9k + dev": snli + dev, "MNLI 9k": mnli}.items():
        began = time.process_time()
        found = baselines(NLI, rows)
        print(f"{name} ({len(rows)} rows, {time.process_time() - began:.1f} CPU s)", flush=True)
        for view, baseline in found.items():
            low, high = baseline.ci95
            print(f"    {view}: {baseline.accuracy} ({low} to {high}), guessing {baseline.majority}", flush=True)
    together = snli + dev
    random.Random(0).shuffle(together)
    for size in (2_355, 4_710, 9_420, len(together)):
        found = baselines(NLI, together[:size])["hypothesis-only"]
        print(f"SNLI, {size} rows: hypothesis-only {found.accuracy} {found.ci95}", flush=True)
    for share in (0.02, 0.05, 0.2):
        rng = random.Random(0)
        planted = [
            row | {"hypothesis": f"{row['hypothesis']} indeed"} if row["label"] == 0 and rng.random() < share else row
            for row in snli
        ]
        found = radar(NLI, planted, snli)
        print(f"'indeed' in {share:.0%} of entailed: {found['verdict']}, {found['excess']}, {found['new_give_aways']}")


if __name__ == "__main__":
    main()
