"""`evaluator init`: an experiment file to begin with."""

import json
import textwrap
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import get_type_hints

from evaluator import options
from evaluator.experiment.arguments import CompareArguments
from evaluator.experiment.file import known_keys
from evaluator.experiment.presets import preset_path
from synthgen.errors import UserError
from synthgen.runtime.files import check_writable, write_atomically
from synthgen.runtime.typer_command import option_help
from synthgen.text.toml_text import read_toml

STARTER = Path(__file__).with_name("starter.toml")
WIDTH = 100


def init(file: options.NewExperiment = "experiment.toml", *, preset: options.PresetFile = None) -> Path:
    """Write an experiment file that can be run, with all further options of a comparison as comments.

    Example: `evaluator init --preset mixture mixture.toml`

    Returns its path. UserError for a file that exists, or a preset that does not.
    """
    source, path = preset_path(preset) if preset else STARTER, Path(file)
    if path.suffix != ".toml":
        raise UserError(f"{path}: an experiment file is TOML; give a name that ends in .toml")
    if path.exists():
        raise UserError(f"{path} exists; give another name, or remove it")
    check_writable(path.parent, f"to {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, experiment_text(source))
    return path


def experiment_text(source: Path) -> str:
    """Return an experiment file with each option that it leaves out as a comment, before its first table."""
    text = source.read_text(encoding="utf-8")
    own, table, tables = text.partition("\n[")
    others = "\n".join(_comments(set(read_toml(source))))
    head = "# Further options with their default values. Remove the # before an option to set it."
    return f"{own}\n{head}\n#\n{others}\n{table}{tables}"


def _comments(used_keys: set[str]) -> Iterator[str]:
    """Yield each option that a file does not give: its help, and a line to take the # from."""
    hints = get_type_hints(CompareArguments, include_extras=True)
    defaults = {each.name: each.default for each in fields(CompareArguments) if each.default is not MISSING}
    yield '# Folder for data, store and report.\n#folder = "runs/NAME"\n#'
    for key, parameter in known_keys().items():
        if key not in (*used_keys, "store", "out"):
            yield from (f"# {line}" for line in textwrap.wrap(option_help(hints[parameter]), WIDTH))
            default = defaults[parameter]
            yield f"#{key} = {'…' if default in (None, ()) or default == '' else json.dumps(default)}\n#"
