"""Every target trained and scored from end to end with the bundled encoder on real files, small budgets.

    python benchmarks/targets.py --data-root DIR                     # all, about an hour and a half on one core
    python benchmarks/targets.py --data-root DIR --targets udpos     # one

Arm `none`: the encoder goes straight to the target's English training data and is tested in the languages that the data
root has. The `small` recipe; test items are drawn as `--max-eval-examples` draws them. The same command again
continues, since finished runs are in the store.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

import evaluator
from evaluator.stats.results import read_results


@dataclass(frozen=True)
class Budget:
    """How much of a target is trained on and scored; None is everything. `split` is dev where no test file is here."""

    train: int | None
    test: int | None
    languages: tuple[str, ...]
    split: str = "test"

    def scaled(self, share: float) -> Budget:
        """Return the budget with this share of its examples."""
        train, test = (None if number is None else round(share * number) for number in (self.train, self.test))
        return replace(self, train=train, test=test)


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
    "lareqa": Budget(1_000, 300, ("en", "de", "zh")),
    "bucc2018": Budget(None, None, ("zh",), split="dev"),
    "mewslix": Budget(None, None, ("de", "es")),  # on files of our own: its texts must be rebuilt from dumps
}

ENTITIES = {
    "Berlin": "capital of Germany, on the river Spree",
    "Madrid": "capital of Spain, in the middle of the country",
    "Amazon": "river in South America, the largest by water",
    "Everest": "highest mountain of the world, in Nepal and China",
    "Mozart": "composer from Salzburg who wrote The Magic Flute",
    "Einstein": "physicist who found the theory of relativity",
    "Sahara": "desert in the north of Africa",
    "Titanic": "passenger ship that sank after striking an iceberg",
    "Olympia": "place in Greece where the ancient games were held",
    "Nobel": "Swedish chemist who invented dynamite and left the prizes",
}
CONTEXTS = {
    "en": ("A book about {} came out.", "We read of {} at school.", "She spoke about {}.", "Why is {} so well known?",
           "The film shows {} as nobody had."),
    "de": ("In der Schule lasen wir über {}.", "Sie sprach gestern über {}."),
    "es": ("En la escuela leímos sobre {}.", "Ella habló ayer de {}."),
}  # fmt: skip
"""Fifty English mentions to train on, twenty a language to test on: enough to see the head work, not to compare."""


def write_mewslix(folder: Path) -> Path:
    """Write Mewsli-X files of the mentions and entities above; return the data root."""
    ids = {name: f"Q{number}" for number, name in enumerate(ENTITIES)}

    def spans(text: str) -> list[dict[str, int]]:
        return [{"start": 0, "end": len(text)}]

    def mention(language: str, pattern: str, name: str) -> tuple[dict[str, object], dict[str, object]]:
        text, start = pattern.format(name), pattern.index("{")
        span = {"start": start, "end": start + len(name), "text": name}
        found: dict[str, object] = {
            "example_id": f"{language}-{pattern}-{name}",
            "mention_span": span,
            "entity_id": ids[name],
        }
        return {"text": text, "sentence_spans": spans(text), "language": language}, found

    entities = {
        name: {"entity_id": ids[name], "description": f"{name}: {text}", "sentence_spans": spans(f"{name}: {text}")}
        for name, text in ENTITIES.items()
    }
    files: dict[str, list[object]] = {"candidate_set_entities": list(entities.values())}
    for language, patterns in CONTEXTS.items():
        pairs = [(name, *mention(language, pattern, name)) for pattern in patterns for name in ENTITIES]
        if language == "en":
            files["wikipedia_pairs-train"] = [
                {"contextual_mention": {"context": context, "mention": found}, "entity": entities[name]}
                for name, context, found in pairs
            ]
        else:
            files[f"wikinews_mentions-test-{language}"] = [
                {"context": context, "mentions": [found]} for _, context, found in pairs
            ]
    (folder / "mewslix").mkdir(parents=True, exist_ok=True)
    for name, rows in files.items():
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / "mewslix" / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    return folder


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
        data_root=write_mewslix(arguments.folder / "own") if target == "mewslix" else arguments.data_root,
        store=arguments.folder / "store",
        out=out / "report.html",
        max_train_examples=budget.train,
        max_eval_examples=budget.test,
    )
    values: dict[str, dict[str, float | None]] = {}
    for row in read_results(out / "results.jsonl").rows:
        values.setdefault(row.metric, {})[row.language] = row.value
    seconds = time.monotonic() - began
    for metric, found in values.items():
        shown = "  ".join(
            f"{language} {'failed' if value is None else f'{value:.1f}'}" for language, value in found.items()
        )
        print(f"{target:<9} {metric:<15} {shown}  ({budget.train or 0} trained, {seconds:.0f} s)", flush=True)


def main() -> None:
    """Run the targets asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, default=Path(os.environ.get("SYNTHGEN_DATA", "data")))
    parser.add_argument("--targets", nargs="+", choices=BUDGETS, default=list(BUDGETS))
    parser.add_argument("--model", default="pack:multilingual-e5-small")
    parser.add_argument("--folder", type=Path, default=Path("runs/targets"))
    parser.add_argument("--share", type=float, default=1.0, help="of the examples trained on and scored, where limited")
    arguments = parser.parse_args()
    for target in arguments.targets:
        run(target, BUDGETS[target].scaled(arguments.share), arguments)


if __name__ == "__main__":
    main()
