"""Does label verification find wrong labels, and does its interval hold the true share of them?

    python benchmarks/filters_verifier.py DATA_ROOT WORK_DIR

Imports real QQP, trains a verifier with `evaluator train` on 6,000 rows (once; later calls reuse WORK_DIR/verifier),
flips the labels of 20 % of another 2,000 rows, ten times with ten seeds, and prints for each draw the noise estimate
with its interval and how enriched the flagged rows are. The remaining 999 rows calibrate the verifier. The bar: the
interval contains 20 % in at least 9 of 10 draws.
"""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from evaluator.training import train
from synthgen.dataset import dataset_format, finish, is_finished, read_manifest, read_rows, row_features, write_rows
from synthgen.formats.base import Row
from synthgen.real import import_task

RECIPE = 'base = "small"\n[stages.intermediate]\nepochs = 1\nlearning_rate = 1e-4\nmax_length = 64\n'
"""One pass: enough to see whether the estimate is honest; a better verifier only makes the interval narrower."""

PARTS = {"train": 6_000, "flipped": 2_000, "calibration": 999}


def split(data_root: Path, work: Path) -> dict[str, Path]:
    """Return the folders of three disjoint random parts of QQP's real rows."""
    whole = work / "qqp"
    import_task("qqp", source=data_root / "qqp/train_9k.json", out=whole)
    rows = list(read_rows(whole))
    random.Random(0).shuffle(rows)
    folders, start = {}, 0
    for name, size in PARTS.items():
        folders[name] = write_part(whole, work / f"qqp-{name}", rows[start : start + size])
        start += size
    return folders


def write_part(whole: Path, folder: Path, rows: list[Row]) -> Path:
    """Write some rows of a folder as a folder of their own."""
    if is_finished(folder):
        return folder
    manifest = read_manifest(whole)
    format_ = dataset_format(manifest)
    cells = [format_.cell(row) for row in rows]
    counts = {label: cells.count(label) for label in format_.labels}
    files = write_rows(folder, rows, row_features(format_))
    size = len(rows)
    part = replace(manifest, n=size, asked=size, kept=size, rejected={}, label_counts=counts, files=files)
    finish(folder, part)
    return folder


def main() -> None:
    data_root, work = map(Path, sys.argv[1:3])
    folders = split(data_root, work)
    recipe = work / "recipe.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    train(folders["train"], out=work / "verifier", model="pack:multilingual-e5-small", recipe=str(recipe))


if __name__ == "__main__":
    main()
