"""The scores of a published target model in the hub's own format, `.eval_results/TARGET.yaml`.

https://huggingface.co/docs/hub/eval-results: an entry names a dataset of the hub, a task of it, and a value.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evaluator.benchmark.target import Target
from evaluator.store.kept_scores import KeptScore
from synthgen.errors import requires
from synthgen.text.languages import any_language

ENGLISH = "en"


def result_file(target: Target) -> str:
    """Return the name of a target's results in a model repository."""
    return f".eval_results/{target.name}.yaml"


def hub_results(target: Target, scores: Iterable[KeptScore], about: str) -> str:
    """Return the text of the file, an entry a language; empty for a target that is not on the hub or without scores.

    `about` is added to what each entry notes. The value is the target's first metric, in percent as its papers give it.
    """
    scores = list(scores)
    if not target.hub or not scores:
        return ""
    with requires("huggingface_hub", "hub", "the hub's .eval_results"):
        import yaml
        from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml
    entries = []
    for score in scores:
        dataset, task = hub_task(target, score.language, score.split)
        metric = target.metrics[0] if target.metrics[0] in score.metrics else next(iter(score.metrics))
        items = f"all {score.n} items" if score.cap is None else f"{score.n} items, drawn by --max-eval-examples"
        notes = f"language {score.language}, {metric} in %, split {score.split}, {items}, {about}"
        value = round(score.metrics[metric], 2)
        entries.append(EvalResultEntry(dataset, task, value, date=score.date, notes=notes))
    return str(yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True, width=1000))


def hub_task(target: Target, language: str, split: str) -> tuple[str, str]:
    """Return the dataset and the configuration that hold a language's items on the hub, else the language's code."""
    names = {"language": target.file_code(language), "name": any_language(language).name}
    paths = {path.format(**names) for path in target.split_sources(split)[0].paths}
    for file in target.hub_files:
        if file.path.format(**names) in paths and file.config:
            return file.repository, file.config.format(**names)
    dataset, _, task = target.hub.partition(" ")
    return dataset, task.replace("*", names["language"]) or names["language"]


def training_note(seed: int, most: int | None, trained_on: Sequence[Mapping[str, Any]]) -> str:
    """Return what an entry notes of the model: its seed, and of what languages its training data were.

    >>> training_note(0, None, [{"language": "en"}])
    'seed 0, zero-shot: trained on English'
    >>> training_note(1, 500, [{"language": "sw"}, {}])
    'seed 1, target data in English (at most 500 examples), intermediate data in sw, unknown'
    """
    others = sorted(
        {str(each.get("language", "unknown")) for each in trained_on} - {ENGLISH}, key=lambda x: (len(x), x)
    )
    capped = f" (at most {most} examples)" if most else ""
    if others:
        return f"seed {seed}, target data in English{capped}, intermediate data in {', '.join(others)}"
    return f"seed {seed}, zero-shot: trained on English{capped}"
