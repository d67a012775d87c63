"""How the models of a comparison were trained, from experiment.json beside the results."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evaluator.reporting.inputs import amount, whole
from synthgen.runtime.files import json_sha256

UNKNOWN = "Not recorded: there is no experiment.json beside the results."
_COLUMNS = {
    "learning_rate": "learning rate",
    "epochs": "epochs",
    "examples_per_step": "examples per step",
    "max_length": "sub-words",
    "stride": "stride",
    "warmup": "warm-up share",
    "warmup_steps": "warm-up steps",
    "weight_decay": "weight decay",
}

_CHECKPOINTS = {
    "last": "the last checkpoint",
    "recipe": "the best checkpoint on English development items if the target's reference does so, else the last",
}


def training_hash(record: Mapping[str, Any]) -> str:
    """Return the hash of all that training depends on, for the signature; "unknown" without a record."""
    if not record:
        return "unknown"
    fixed = {name: value for name, value in record.items() if name != "environment"}
    return json_sha256(fixed)[:12]


def setup_line(record: Mapping[str, Any]) -> str:
    """Return encoder, recipe, seeds and caps in one line; "" without a record."""
    if not record:
        return ""
    recipe, seeds = _dict(record.get("recipe")), _list(record.get("seeds"))
    encoder = _dict(_dict(record.get("encoders")).get(""))
    parts = [f"encoder {encoder.get('ref', '?')}", f"recipe “{recipe.get('name', '?')}”", f"{len(seeds)} seeds"]
    if (train := record.get("max_train_examples")) is not None:
        parts.append(
            f"at most {train:,} training examples per target" if isinstance(train, int) else "limited training examples"
        )
    if (items := record.get("max_eval_examples")) is not None:
        parts.append(f"at most {items:,} test items per language" if isinstance(items, int) else "limited test items")
    return ", ".join(parts)


def quick_look(record: Mapping[str, Any]) -> bool:
    """Say whether training or test examples were capped, which makes a comparison a quick look."""
    return any(record.get(name) is not None for name in ("max_train_examples", "max_eval_examples"))


def training_paragraph(record: Mapping[str, Any]) -> str:
    """Return the paragraph that a paper needs to say how models were trained."""
    if not record:
        return UNKNOWN
    recipe, encoder = _dict(record.get("recipe")), _dict(_dict(record.get("encoders")).get(""))
    checkpoint = _CHECKPOINTS.get(str(record.get("select")), "the best checkpoint on English development items")
    stages = "; ".join(f"{name}: {_stage(_dict(stage))}" for name, stage in _dict(recipe.get("stages")).items())
    environment = _dict(record.get("environment"))
    versions = ", ".join(f"{name} {value}" for name, value in _dict(environment.get("versions")).items() if value)
    return (
        f"Every arm starts from {encoder.get('ref', '?')} (revision {encoder.get('revision', '?')}), trains on its "
        f"intermediate data, then on the English training set of each target, with AdamW, linear warm-up and decay, "
        f"recipe “{recipe.get('name', '?')}” ({recipe.get('source', '?')}), and uses {checkpoint}. Intermediate models "
        f"are matched by {record.get('match', '?')}. Seeds {', '.join(map(str, _list(record.get('seeds'))))}. "
        f"Stages: {stages}. Software: {versions}."
    )


def stage_rows(record: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table of stages."""
    stages = _dict(_dict(record.get("recipe")).get("stages"))
    rows = [[name, *(str(_dict(stage).get(key, "")) for key in _COLUMNS)] for name, stage in stages.items()]
    return ["stage", *_COLUMNS.values()], rows


COUNTS = "Intermediate training of each arm (mean over its runs; blank if unknown)"
_COUNTS = ("epochs", "updates", "tokens")


def read_counts(arms: Mapping[str, Any], trained: Iterable[tuple[str, int]]) -> list[dict[str, Any]]:
    """Return what arms.json says of the intermediate training of each arm at each size, None for what it does not.

    Nothing where it says nothing of any.
    """
    counts = [
        {
            "arm": arm,
            "size": size,
            "runs": whole(entry.get("runs")),
            **{name: amount(entry.get(name)) for name in _COUNTS},
        }
        for arm, size in trained
        for entry in [_dict(_dict(_dict(arms.get(arm)).get("training")).get(str(size)))]
    ]
    return counts if any(count["runs"] for count in counts) else []


def count_rows(counts: Iterable[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table of epochs, updates and tokens."""
    rows = [
        [count["arm"], str(count["size"]), str(count["runs"] or ""), *(_shown(count[name]) for name in _COUNTS)]
        for count in counts
    ]
    return ["arm", "size", "runs", *_COUNTS], rows


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:,.12g}"


def _stage(stage: Mapping[str, Any]) -> str:
    share = stage.get("warmup")
    warmup = f"{share:.0%}" if isinstance(share, int | float) else "unknown"
    warmup = f"{stage['warmup_steps']} steps" if stage.get("warmup_steps") else warmup
    return (
        f"learning rate {stage.get('learning_rate')}, {stage.get('epochs')} epochs, "
        f"{stage.get('examples_per_step')} examples per step, {stage.get('max_length')} sub-words, warm-up {warmup}, "
        f"weight decay {stage.get('weight_decay')}"
    )


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else []
