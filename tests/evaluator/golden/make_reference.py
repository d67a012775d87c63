"""Run the reference implementations on our noisy predictions and record their numbers in reference.json.

    git clone https://github.com/google-research/xtreme /tmp/xtreme              # 838c13b
    git clone https://github.com/facebookresearch/MLQA /tmp/mlqa                 # 24bf470
    git clone https://github.com/allenai/bi-att-flow /tmp/bidaf                  # SQuAD's evaluate-v1.1.py
    PYTHONPATH=.:/tmp/xtreme:/tmp/xtreme/third_party python tests/evaluator/golden/make_reference.py DATA_ROOT \
        /tmp/bidaf/squad/evaluate-v1.1.py /tmp/mlqa/mlqa_evaluation_v1.py

Needs seqeval 1.2.2. The originals are run as they are; nothing of theirs is in this repository.
"""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import evaluate as xtreme  # XTREME's evaluate.py
import utils_lareqa
from seqeval.metrics import accuracy_score

from evaluator.benchmark.registry import find
from evaluator.benchmark.target import DataRoot, Split, Target
from synthgen.corpora.readers.text import read_json
from tests.evaluator.noise import noisy

CELLS = {
    "xnli": ("test", "en sw zh"),
    "xcopa": ("test", "et th zh"),
    "udpos": ("test", "en ar tr yo zh"),
    "panx": ("dev", "de sw yo zh"),
    "xquad": ("test", "en ar hi zh"),
    "mlqa": ("dev", "en de es"),
    "tydiqa": ("dev", "sw"),
    "tatoeba": ("test", "de ka zh"),
    "pawsx": ("dev", "en zh"),
    "bucc2018": ("dev", "zh"),
    "lareqa": ("test", "de en zh"),
}
MLQA_BY_LANGUAGE = "ar hi vi zh"
"""MLQA languages that the data root has no file for: their normaliser runs on XQuAD's questions."""
OFFICIAL = {"xquad": ("test", "en ar zh"), "mlqa": ("dev", "en de es")}
"""Cells that the official scripts of SQuAD and of MLQA score too, where XTREME has copies of its own."""


def reference(target: Target, split: Split, predictions: list[Any]) -> dict[str, float]:
    """Return the numbers of the original for one split."""
    if target.head == "span":
        gold = xtreme.read_squad(str(split.files[0]))
        if target.name == "tydiqa":  # ids repeat in the file
            golds = zip(split.ids, split.gold, strict=True)
            questions = [{"id": item, "answers": [{"text": text} for text in answers]} for item, answers in golds]
            gold = [{"paragraphs": [{"qas": questions}]}]
        answers = {item: answer for item, answer in zip(split.ids, predictions, strict=True) if answer is not None}
        return dict(xtreme.METRIC_FUNCTION[target.name](gold, answers, split.language))
    if target.head == "tags":
        gold = [list(tags) for tags in split.gold]
        return {**xtreme.f1(gold, predictions), "token_accuracy": 100 * accuracy_score(gold, predictions)}
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


def official(root: DataRoot, name: str, script: str) -> dict[str, Any]:
    """Return what the official script of a task says of its cells."""
    evaluate = runpy.run_path(script)["evaluate"]
    target, found = find(name), {}
    split_name, codes = OFFICIAL[name]
    for code in codes.split():
        split = target.load(root, code, split_name)
        guesses = zip(split.ids, noisy(target, split), strict=True)
        answers = {item: answer for item, answer in guesses if answer is not None}
        language = (code,) if name == "mlqa" else ()
        gold = xtreme.read_squad(str(split.files[0]))
        # SQuAD's script writes a file into the working folder, and both one line a question without an answer.
        with (
            tempfile.TemporaryDirectory() as scratch,
            contextlib.chdir(scratch),
            Path(os.devnull).open("w") as null,
            contextlib.redirect_stderr(null),
        ):
            found[f"official-{name}/{split_name}/{code}"] = evaluate(gold, answers, *language)
    return found


def main(root: DataRoot, squad_script: str, mlqa_script: str) -> None:
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
    found |= official(root, "xquad", squad_script) | official(root, "mlqa", mlqa_script)
    out = Path(__file__).with_name("reference.json")
    out.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(DataRoot(Path(sys.argv[1]).resolve()), *sys.argv[2:])
