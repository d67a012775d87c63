"""Does label verification find wrong labels, and does its confidence interval contain their true share?

    python benchmarks/filters_verifier.py DATA_ROOT WORK_DIR [--quick]

Imports real QQP, trains a verifier with `evaluator train` on 6,000 rows (once; later calls reuse WORK_DIR/verifier),
flips the labels of 20 % of another 2,000 rows, ten times with ten seeds, and prints for each draw the noise estimate
with its interval and the share of wrong labels among the flagged rows. The remaining 999 rows calibrate the verifier.
The goal: the interval contains 20 % in at least 9 of 10 draws. `--quick` uses a classifier of words in place of the
trained verifier and takes seconds.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from synthgen.analysis import bow_classifier
from synthgen.analysis.bow_classifier import featurise
from synthgen.analysis.label_noise import confusion, estimate
from synthgen.corpora.import_corpus import import_task
from synthgen.dataset import dataset_format, finish, is_finished, read_manifest, read_rows, row_features, write_rows
from synthgen.filters.labels.annotator import Annotation, Annotator
from synthgen.filters.labels.checkpoint import open_verifier
from synthgen.formats import Format
from synthgen.formats.base import Row
from synthgen.text.words import tokens

NOISE = 0.2

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


class Lexical(Annotator):
    """A verifier for `--quick`: which words two questions share and which they do not, by logistic regression."""

    def __init__(self, rows: list[Row], format_: Format) -> None:
        self._format, self._rows = format_, rows

    def read(self, rows: Sequence[Row]) -> list[Annotation]:
        texts = featurise([self._compared(row) for row in [*self._rows, *rows]])
        labels = np.array([self._format.labels.index(self._format.cell(row)) for row in self._rows])
        known, asked = np.arange(len(self._rows)), np.arange(len(self._rows), texts.items)
        weights = bow_classifier.fit(texts, labels, known, len(self._format.labels), seed=0)
        shares = bow_classifier.probabilities(texts, asked, weights, len(self._format.labels))
        return [Annotation(self._format.labels[best]) for best in shares.argmax(axis=1)]

    def metadata(self) -> dict[str, Any]:
        return {"name": "bag of words"}

    def _compared(self, row: Row) -> str:
        first, second = (set(tokens(row[column])) for column in self._format.text_columns)
        share = round(10 * len(first & second) / len(first | second))
        return " ".join([f"share{share}", *(f"only{word}" for word in sorted(first ^ second))])


def draws(reader: Annotator, rows: dict[str, list[Row]], format_: Format) -> None:
    """Flip 20 % of the labels ten times, predict once, print what is estimated and how flagged rows are enriched."""
    classes = len(format_.labels)
    truth = {
        name: [format_.labels.index(format_.cell(row)) for row in rows[name]] for name in ("flipped", "calibration")
    }
    said = {name: [each.text if each else "" for each in reader.read(rows[name])] for name in truth}
    predicted = {name: np.array([format_.labels.index(each) for each in said[name]]) for name in truth}
    calibration = confusion(truth["calibration"], list(predicted["calibration"]), classes)
    right = np.trace(calibration) / calibration.sum()
    print(f"verifier right on {len(rows['calibration'])} calibration rows: {right:.3f}")
    print(f"{'draw':>4} {'estimate':>9} {'interval':>16} {'holds 20 %':>11} {'flagged':>8} {'wrong among them':>17}")
    held = 0
    for draw in range(10):
        wrong = set(random.Random(draw).sample(range(len(rows["flipped"])), round(NOISE * len(rows["flipped"]))))
        given = np.array([(label + (i in wrong)) % classes for i, label in enumerate(truth["flipped"])])
        noise = estimate(confusion(list(given), list(predicted["flipped"]), classes), calibration, seed=draw)
        low, high = noise.ci95
        held += low <= NOISE <= high
        flagged = np.flatnonzero(given != predicted["flipped"])
        share, holds = np.mean([int(i) in wrong for i in flagged]), str(low <= NOISE <= high)
        print(f"{draw:4} {noise.share:9.3f} {low:8.3f}-{high:.3f} {holds:>10} {len(flagged):8} {share:17.3f}")
    print(f"the interval holds {NOISE:.0%} in {held} of 10 draws; by chance {NOISE:.0%} of flagged rows would be wrong")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="data root with qqp/train_9k.json")
    parser.add_argument("work", type=Path, help="folder of the rows and the verifier")
    parser.add_argument("--quick", action="store_true", help="a classifier of words in place of a trained verifier")
    given = parser.parse_args()
    work: Path = given.work
    folders = split(given.data, work)
    format_ = dataset_format(read_manifest(folders["train"]))
    rows = {name: list(read_rows(folder)) for name, folder in folders.items()}
    if given.quick:
        draws(Lexical(rows["train"], format_), rows, format_)
        return
    from evaluator.training.train import train

    recipe = work / "recipe.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    train(folders["train"], out=work / "verifier", model="pack:multilingual-e5-small", recipe=str(recipe))
    draws(open_verifier(work / "verifier", format_), rows, format_)


if __name__ == "__main__":
    main()
