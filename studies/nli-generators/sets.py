"""What the sets of the study are like: `python studies/nli-generators/sets.py`, after `make study`.

Writes `sets.json` beside this file: how well a hypothesis alone gives the label, by each set's own card, and which
share of a set's labels the checkpoints trained on people's pairs give, on rows that no seed was trained on.
"""

import json
from pathlib import Path

import numpy as np

from evaluator.benchmark.splits import draw
from synthgen.dataset.manifest import dataset_format, read_manifest
from synthgen.dataset.shards import read_rows
from synthgen.filters.labels.checkpoint import open_verifier
from synthgen.formats.base import Row

HERE = Path(__file__).resolve().parent
WORK = Path("runs/nli-generators")
SETS = ("real", "snli", "wanli", "inli", "fewgen")
BY_PEOPLE = ("real", "snli")
SEEDS, TRAINED, TESTED = 3, 4500, 600


def unseen(folder: Path) -> list[Row]:
    """Return rows of a set that no seed drew."""
    rows = list(read_rows(folder))
    seen = {place for seed in range(SEEDS) for place in draw(len(rows), TRAINED, seed).tolist()}
    left = [row for place, row in enumerate(rows) if place not in seen]
    return [left[place] for place in draw(len(left), TESTED, seed=0)]


def checkpoints(hashes: dict[str, str]) -> dict[str, list[Path]]:
    """Return the intermediate checkpoints of each set by seed."""
    found: dict[str, dict[int, Path]] = {name: {} for name in hashes.values()}
    for path in sorted((WORK / "store/intermediate").glob("*/synthgen.json")):
        inputs = json.loads(path.read_text(encoding="utf-8"))["inputs"]
        ((content, _, size),) = inputs["parts"]
        if content in hashes and size == TRAINED:
            found[hashes[content]][inputs["seed"]] = path.parent
    return {name: [folders[seed] for seed in range(SEEDS)] for name, folders in found.items()}


def main() -> None:
    """Read every set with every checkpoint and write the figures."""
    manifests = {name: read_manifest(WORK / name) for name in SETS}
    tested = {name: unseen(WORK / name) for name in SETS}
    accuracy: dict[str, dict[str, list[float]]] = {}
    for name, folders in checkpoints({manifests[name].content_hash: name for name in BY_PEOPLE}).items():
        accuracy[name] = {other: [] for other in SETS}
        for folder in folders:
            for other, rows in tested.items():
                format_ = dataset_format(manifests[other])
                said = open_verifier(folder, format_).read(rows)
                right = [each.text == format_.cell(row) for each, row in zip(said, rows, strict=True)]
                accuracy[name][other].append(round(100 * float(np.mean(right)), 2))
    artefacts = {name: manifest.checks["artefacts"]["baselines"] for name, manifest in manifests.items()}
    figures = {"tested_rows": TESTED, "artefacts": artefacts, "accuracy": accuracy}
    (HERE / "sets.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
