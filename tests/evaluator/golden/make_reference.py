"""Run the reference implementations on our noisy predictions and record their numbers in reference.json.

    git clone https://github.com/google-research/xtreme /tmp/xtreme    # 838c13b
    PYTHONPATH=.:/tmp/xtreme:/tmp/xtreme/third_party python tests/evaluator/golden/make_reference.py DATA_ROOT

Needs seqeval 1.2.2. The originals are run as they are; nothing of theirs is in this repository.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import evaluate as xtreme  # XTREME's evaluate.py
import utils_lareqa

from evaluator.targets import find
from evaluator.targets.base import DataRoot, Split, Target
from evaluator.targets.files import read_json
from tests.evaluator.noise import noisy

CELLS = {
    "xnli": ("test", "en sw zh"),
    "xcopa": ("test", "et th zh"),
    "udpos": ("test", "en ar tr yo zh"),
    "panx": ("dev", "de sw yo zh"),
    "xquad": ("test", "en ar hi zh"),
    "mlqa": ("dev", "en de es"),
    "tydiqa": ("test", "en ko sw"),
    "tatoeba": ("test", "de ka zh"),
    "pawsx": ("dev", "en zh"),
    "bucc2018": ("dev", "zh"),
    "lareqa": ("test", "de en zh"),
}
MLQA_BY_LANGUAGE = "ar hi vi zh"
"""MLQA languages that the data root has no file for: their normaliser runs on XQuAD's questions."""


def reference(target: Target, split: Split, predictions: list[Any]) -> dict[str, float]:
    """Return the numbers of the original for one split."""
    if target.head == "span":
        gold = xtreme.read_squad(str(split.files[0]))
        answers = {item: answer for item, answer in zip(split.ids, predictions, strict=True) if answer is not None}
        return dict(xtreme.METRIC_FUNCTION[target.name](gold, answers, split.language))
    if target.head == "tags":
        return dict(xtreme.f1([list(tags) for tags in split.gold], predictions))
    if target.name == "lareqa":
        scores = [
            utils_lareqa.average_precision_at_k(list(gold), ranked, 20)
            for gold, ranked in zip(split.gold, predictions, strict=True)
        ]
        return {"map20": 100 * sum(scores) / len(scores)}
    if target.name == "bucc2018":
        flat = [
            [f"{i}\t{t}" for i, names in zip(split.ids, rows, strict=True) for t in names]
            for rows in (split.gold, predictions)
        ]
        return dict(xtreme.bucc_f1(*flat))
    return dict(xtreme.accuracy(list(split.gold), predictions))


def main(root: DataRoot) -> None:
    """Write reference.json beside this file."""
    warnings.simplefilter("ignore")
    found: dict[str, Any] = {}
    for name, (split_name, codes) in CELLS.items():
        target = find(name)
        splits = [target.load(root, code, split_name) for code in codes.split()]
        for split in target.join(splits) if target.join else splits:
            key = f"{name}/{split_name}/{split.language}"
            found[key] = reference(target, split, noisy(target, split))
    mlqa, xquad = find("mlqa"), find("xquad")
    for code in MLQA_BY_LANGUAGE.split():
        split = xquad.load(root, code, "test")
        found[f"mlqa-normaliser/test/{code}"] = reference(mlqa, split, noisy(xquad, split))
    for path in sorted((root.path / "xtreme_mock" / "labels" / "mewslix").glob("test-*.json")):
        predictions = read_json(root.path / "xtreme_mock" / "predictions" / "mewslix" / path.name)
        found[f"mewslix-mock/test/{path.stem.removeprefix('test-')}"] = dict(
            xtreme.mewslix_map20(read_json(path), predictions)
        )
    out = Path(__file__).with_name("reference.json")
    out.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(DataRoot(Path(sys.argv[1])))
