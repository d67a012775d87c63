"""`evaluator score`: the metrics of a prediction file."""

import os
from pathlib import Path
from typing import Any

from evaluator import options
from evaluator.benchmark.data_root import default_root
from evaluator.benchmark.registry import find
from evaluator.benchmark.splits import evaluation_splits
from evaluator.benchmark.target import Split, SplitScores, Target
from synthgen.corpora.readers.text import read_text
from synthgen.errors import UserError

NAMED = 10
"""How many missing or extra predictions are named."""


def score(
    target: options.TargetName,
    *,
    language: options.Language,
    predictions: options.Predictions,
    data_root: options.DataRoot = None,
    split: options.ScoreSplit = "test",
) -> dict[str, Any]:
    """Print the metrics of a prediction file, in percent, and the number of items without a prediction.

    Example: `evaluator score udpos --language es --predictions tags.txt --data-root DIR`

    Returns {target, language, split, n, missing, extra, missing_ids, extra_ids, gold, metrics}. Items without a
    prediction and predictions without an item are counted, the first ten of each named; an item that no answer is right
    for may lack one. `gold` names the files in the data root. Raises UserError for predictions by position that do not
    match the items, and for what the target cannot predict.
    """
    spec, path = find(target), Path(predictions)
    spec.check_language(language)
    source, text, root = spec.split_sources(split)[0], _text(path), default_root(data_root)
    shared = spec.languages if spec.join else ()  # the pool of such a target is that of all languages that are there
    codes = [code for code in shared if code == language or root.has(source, spec.file_code(code))] or [language]
    items = evaluation_splits(spec, root, codes, split, None)[codes.index(language)]
    values = spec.parse(text, items)
    missing = [i for i, gold in zip(items.ids, items.gold, strict=True) if i not in values and gold != ()]
    extra = sorted(values.keys() - set(items.ids))
    scored = _scored(spec, items, values, missing, extra, path)
    return {
        "target": spec.name,
        "language": language,
        "split": split,
        "n": len(items),
        "missing": len(missing),
        "extra": len(extra),
        "missing_ids": missing[:NAMED],
        "extra_ids": extra[:NAMED],
        "gold": [Path(os.path.relpath(file, root.path)).as_posix() for file in items.files],
        "metrics": scored.metrics,
    }


def _text(path: Path) -> str:
    if not path.exists():
        raise UserError(f"no prediction file at {path}")
    return read_text(path)


def _scored(
    target: Target, items: Split, values: dict[str, Any], missing: list[str], extra: list[str], path: Path
) -> SplitScores:
    if (missing or extra) and not target.scores_missing:
        counted = f"{len(values)} predictions for {len(items)} items"
        which = f"missing: {', '.join(missing[:3]) or 'none'}; extra: {', '.join(extra[:3]) or 'none'}"
        raise UserError(f"{path} has {counted} of {items.files[0]} ({which}); give one per item, in order")
    return target.score(items, [values.get(item) for item in items.ids])
