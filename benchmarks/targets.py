"""Every target trained and scored from end to end with the bundled encoder on real files, small budgets.

    python benchmarks/targets.py --data-root DIR                     # all, about an hour and a half on one core
    python benchmarks/targets.py --data-root DIR --targets udpos     # one

Arm `none`: the encoder goes straight to the target's English training data and is tested in the languages that the data
root has. The `small` recipe; test items are drawn as `--max-eval-examples` draws them. The same command again
continues, since finished runs are in the store.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import evaluator
from evaluator.results import read_results


@dataclass(frozen=True)
class Budget:
    """How much of a target is trained on and scored; None is everything. `split` is dev where no test file is here."""

    train: int | None
    test: int | None
    languages: tuple[str, ...]
    split: str = "test"


BUDGETS = {
    "udpos": Budget(1_000, 400, ("en", "es", "hi", "tr", "zh", "yo")),
    "xnli": Budget(6_000, 600, ("en", "de", "es", "sw", "zh")),
    "tatoeba": Budget(None, None, ("de", "es", "fr", "hi", "ru", "sw", "tr", "zh")),
    "panx": Budget(1_500, 300, ("en", "de", "hi", "sw", "zh"), split="dev"),
    "xquad": Budget(1_000, 200, ("en", "de", "es", "hi", "zh")),
    "tydiqa": Budget(1_000, 200, ("sw",), split="dev"),
    "mlqa": Budget(1_000, 200, ("en", "de", "es"), split="dev"),
    "xcopa": Budget(1_000, 300, ("et", "id", "sw", "th", "zh")),
    "pawsx": Budget(1_500, 300, ("zh",)),  # trained on the English dev pairs, whose translations the others are
    "lareqa": Budget(1_000, None, ("en", "de", "zh")),
    "bucc2018": Budget(None, None, ("zh",), split="dev"),
}


def run(target: str, budget: Budget, arguments: argparse.Namespace) -> None:
    """Train, score and print one line a metric."""
    began = time.monotonic()
    out = arguments.folder / target
    evaluator.compare(
        ["none=none"],
        targets=[target],
        languages=list(budget.languages),
        split=budget.split,
        seeds=1,
        model=arguments.model,
        recipe="small",
        data_root=arguments.data_root,
        store=arguments.folder / "store",
        out=out / "report.html",
        max_train_examples=budget.train,
        max_eval_examples=budget.test,
    )
    values: dict[str, dict[str, float]] = {}
    for row in read_results(out / "results.jsonl").rows:
        values.setdefault(row.metric, {})[row.language] = row.value
    seconds = time.monotonic() - began
    for metric, found in values.items():
        shown = "  ".join(f"{language} {value:.1f}" for language, value in found.items())
        print(f"{target:<9} {metric:<15} {shown}  ({budget.train or 0} trained, {seconds:.0f} s)", flush=True)


def main() -> None:
    """Run the targets asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, default=Path("../shared/data"))
    parser.add_argument("--targets", nargs="+", choices=BUDGETS, default=list(BUDGETS))
    parser.add_argument("--model", default="pack:multilingual-e5-small")
    parser.add_argument("--folder", type=Path, default=Path("runs/targets"))
    arguments = parser.parse_args()
    for target in arguments.targets:
        run(target, BUDGETS[target], arguments)


if __name__ == "__main__":
    main()
