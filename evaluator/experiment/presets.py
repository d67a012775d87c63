"""Presets: the experiment files of `evaluator/presets/`, each by its name, with the data given in place of theirs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluator.experiment.arms import MLM
from evaluator.experiment.file import parse_experiment
from synthgen.console import note
from synthgen.errors import UserError, unknown

FOLDER = Path(__file__).parents[1] / "presets"
PLAIN = ("none", "own")


def preset_path(name: str) -> Path:
    """Return the file of a preset; UserError for a name that is none."""
    known = sorted(path.stem for path in FOLDER.glob("*.toml"))
    if name not in known:
        raise unknown("--preset", name, known)
    return FOLDER / f"{name}.toml"


def expand(name: str, data: Mapping[str, str]) -> tuple[list[str], dict[str, Any]]:
    """Return the arms and options of a preset with these data; UserError for data it has no use for, or needs."""
    own = parse_experiment(preset_path(name))
    optional = own.optional
    known = dict.fromkeys([*own.places, *optional])
    for each, value in data.items():
        if each not in known:
            raise unknown("dataset name", each, known, where=f"preset {name}")
        if value in PLAIN or value.startswith("model:") or value.startswith(MLM) != (each == "mlm"):
            raise UserError(f"preset {name}: {each} must be {'mlm:CORPUS' if each == 'mlm' else 'a dataset folder'}")
    if lacking := [each for each in known if each not in data and each not in optional]:
        raise UserError(f"preset {name} needs {lacking[0]}=DATASET")
    if not data:
        raise UserError(f"preset {name} needs at least one NAME=DATASET of {', '.join(known)}")
    if absent := [each for each in own.places if each not in data]:
        note(f"preset {name} without {', '.join(absent)}: no dataset given")
    file = parse_experiment(own.path, data=data)
    options = {key: value for key, value in file.options.items() if key not in ("out", "store")}
    return file.arm_texts(), options
