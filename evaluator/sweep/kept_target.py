"""What is published of a target model that a comparison kept: its checkpoint, its card, its scores, `.eval_results`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluator.benchmark.registry import find, of_run, target_names
from evaluator.benchmark.target import DataRoot, Target, revision
from evaluator.benchmark.target_file import reading_hash
from evaluator.reporting.hub_results import hub_results, result_file, training_note
from evaluator.store.kept_scores import KeptScore, kept_scores
from evaluator.store.tables import RECORD_NAME, check_tables
from evaluator.training.model_card import CARD_NAME, target_card
from synthgen.dataset.layout import MANIFEST_NAME
from synthgen.dataset.samples import SAMPLES
from synthgen.errors import UserError
from synthgen.runtime.files import write_atomically
from synthgen.text.json_text import read_json_object

KIND, SCORES = "target", "scores.json"


def stage_target(folder: Path, node: Mapping[str, Any], staging: Path) -> list[str]:
    """Put what is published of a whole node into an empty folder, its files as links; return names, the scores last.

    UserError for a score that is not as it was finished, and for a target whose definition is not here.
    """
    root, inputs = folder.resolve().parent.parent, node["inputs"]
    target, scores = _target(inputs, root), kept_scores(root, node["key"])
    for name in (*node["files"], MANIFEST_NAME):
        (staging / name).parent.mkdir(parents=True, exist_ok=True)
        (staging / name).symlink_to(folder.resolve() / name)
    trained_on = node["results"].get("encoder", {}).get("trained_on", [{}])
    note = training_note(inputs["seed"], inputs["max_train_examples"], trained_on)
    of_release = [score for score in scores if not _is_sample(target, score)]
    document = {"target": target.name, "model": node["key"], "scores": [score.document() for score in scores]}
    written = {
        CARD_NAME: target_card(target, node, scores),
        result_file(target): hub_results(target, of_release, note),
        SCORES: json.dumps(document, ensure_ascii=False, indent=2) + "\n",
    }
    written = {name: text for name, text in written.items() if text}
    for name, text in written.items():
        (staging / name).parent.mkdir(exist_ok=True)
        write_atomically(staging / name, text)
    return [*dict.fromkeys([CARD_NAME, *node["files"], MANIFEST_NAME, *written])]


def _target(inputs: Mapping[str, Any], root: Path) -> Target:
    """Return the target of a node as it was for this model: as it is known here, or as the record of the store has it.

    UserError where neither is.
    """
    name = inputs["target"]
    known = [find(name)] if name in target_names() else []
    for target in [*known, *_recorded_targets(name, root)]:
        if reading_hash(target.definition) == inputs.get("definition", ""):
            return target
    fault = "has another definition here than when this model was trained" if known else "is not known here"
    raise UserError(f"not published: the target {name} {fault}; set SYNTHGEN_TARGETS to the folder of its file")


def _recorded_targets(name: str, root: Path) -> list[Target]:
    """Return the target of one's own that experiment.json of a store defines by this name, if it does."""
    if not (root / RECORD_NAME).is_file():
        return []
    check_tables(root)
    definitions = read_json_object(root / RECORD_NAME).get("definitions")
    definition = definitions.get(name) if isinstance(definitions, dict) else None
    return [of_run(name, definition)] if isinstance(definition, str) else []


def _is_sample(target: Target, score: KeptScore) -> bool:
    """Say whether a score is of the rows that ship with this package, which are not the release's."""
    root, code = DataRoot(SAMPLES), target.file_code(score.language)
    sources = target.split_sources(score.split)
    if not all(root.has(source, code) for source in sources):
        return False
    return revision([root.find(source, code) for source in sources]) == score.data_revision
