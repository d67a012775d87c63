"""The data steps of an experiment file: each a command of this project with its options, and the folder it writes.

[data.clean]            a name
filter = "real"         the command and its main argument; names of earlier steps stand for their folders
against = ["data"]      its other options, as on the command line, with `_` for `-`
"""

import inspect
import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, get_args, get_type_hints

import synthgen
from synthgen.console import note
from synthgen.dataset.layout import MANIFEST_NAME
from synthgen.errors import IncompleteError, UserError, unknown
from synthgen.runtime.files import format_duration, write_atomically
from synthgen.runtime.public_function import converted
from synthgen.runtime.typer_command import names, option_names
from synthgen.text.json_text import parse_json

COMMANDS = ("make", "import", "filter", "translate", "train")
STEPS_NAME = "steps.json"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of an experiment file: the keys that lead to its place, and one line."""

    keys: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Step:
    """A command that makes data: its options by parameter, as its function takes them, and its folder.

    `table` is what the file says.
    """

    name: str
    command: str
    options: Mapping[str, Any]
    folder: Path
    table: Mapping[str, Any]

    @property
    def is_done(self) -> bool:
        """Whether its folder is finished, or that of each language it is translated to, or of each seed."""
        to = self.options.get("to")
        languages = names(to) if isinstance(to, str) else list(to or ())
        first, sets = int(self.options.get("seed", 0)), self.options.get("seeds")
        folders = [self.folder / language for language in languages] if len(languages) > 1 else [self.folder]
        folders = [self.folder / f"s{seed}" for seed in range(first, first + sets)] if sets else folders
        return all((folder / MANIFEST_NAME).is_file() for folder in folders)

    def run(self) -> None:
        """Carry it out; what is finished returns at once, what was stopped goes on. UserError names the step."""
        try:
            _function(self.command)(**self.options, out=self.folder)
        except (UserError, IncompleteError) as error:
            raise type(error)(f"data.{self.name}: {error}") from None
        if not self.is_done:
            raise UserError(f"data.{self.name}: {self.command} with these options writes no dataset to {self.folder}")


@dataclass(frozen=True, slots=True)
class DataSteps:
    """The steps of an experiment file in order, and the folder that holds what they make."""

    steps: tuple[Step, ...] = ()
    folder: Path = Path()

    def document(self) -> dict[str, Any]:
        """Return what the file says of each step, as JSON values."""
        return {step.name: dict(step.table) for step in self.steps}

    def changes(self) -> Iterator[Fault]:
        """Yield a fault for each option that is another than when the folder of its step was begun."""
        before = _read(self.folder / STEPS_NAME)
        for step in self.steps:
            if not step.folder.exists() or step.name not in before:
                continue
            old, new = before[step.name], _plain(step.table)
            for key in [*new, *(key for key in old if key not in new)]:
                if old.get(key) != new.get(key):
                    change = f"was {_shown(old.get(key))} when {step.folder} was made, is {_shown(new.get(key))} now"
                    advice = f"give the step another name, or remove {step.folder}"
                    yield Fault(("data", step.name, key), f"data.{step.name}.{key} {change}; {advice}")

    def run(self) -> None:
        """Carry out every step; UserError for the first that was done with other options."""
        for fault in self.changes():
            raise UserError(fault.message)
        for number, step in enumerate(self.steps, start=1):
            self._record(step)
            started = time.monotonic()
            note(f"data {number} of {len(self.steps)}: {step.name}, {step.command} to {step.folder}")
            step.run()
            note(f"done  {step.name}  {format_duration(time.monotonic() - started)}")

    def _record(self, step: Step) -> None:
        path = self.folder / STEPS_NAME
        known = {**_read(path), step.name: _plain(step.table)}
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(known, ensure_ascii=False, indent=2) + "\n")


def read_step(
    name: str, table: Mapping[str, Any], places: Mapping[str, Path], folder: Path, later: Collection[str] = ()
) -> Step | list[Fault]:
    """Return a step, or all that is wrong with its table; `places` are the folders of earlier names."""
    commands = [key for key in table if key in COMMANDS]
    if len(commands) != 1:
        allowed = f'exactly one of {", ".join(COMMANDS)} with its main argument, such as import = "mnli"'
        return [Fault(("data", name, commands[1] if commands else ""), f"data.{name} needs {allowed}")]
    function = inspect.unwrap(_function(commands[0]))
    first, *_ = inspect.signature(function).parameters
    named = option_names(function).items()
    known = {commands[0]: first, **{key: parameter for key, parameter in named if parameter != first}}
    options: dict[str, Any] = {}
    faults = []
    for key, value in table.items():
        place = ("data", name, key)
        try:
            if (parameter := known.get(key.replace("-", "_"))) is None:
                raise unknown("option", key, known, where=f"data.{name}, a step of {commands[0]}")
            taken = converted(function, parameter, value, ".".join(place))
            hint, where = get_type_hints(function)[parameter], ".".join(place)
            options[parameter] = taken if parameter == "out" else _placed(taken, hint, places, where, later)
        except UserError as error:
            faults.append(Fault(place, str(error)))
    parameters = {known.get(key.replace("-", "_")) for key in table}
    required = [p.name for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    lacking = [key for key, p in known.items() if p in required and p not in parameters and p != "out"]
    faults += [Fault(("data", name, commands[0]), f"data.{name}: {commands[0]} needs {key} = …") for key in lacking]
    return faults or Step(name, commands[0], options, Path(options.pop("out", None) or folder / name), table)


def _function(command: str) -> Callable[..., Any]:
    function: Callable[..., Any]
    if command == "train":  # of a layer above this one
        function = import_module("evaluator").train
    else:
        function = getattr(synthgen, {"import": "import_task"}.get(command, command))
    return function


def _placed(value: Any, hint: Any, places: Mapping[str, Path], where: str, later: Collection[str]) -> Any:  # noqa: ANN401 - any option
    """Return an option with folders in place of names of data; UserError for a path where nothing is."""
    kinds = (hint, *get_args(hint))
    if Path not in kinds or value is None:
        return value
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(_placed(each, Path, places, where, later) for each in value)
    text = str(value)
    head, _, rest = text.partition("/")
    if head in places:
        return places[head] / rest
    if head in later:
        raise UserError(f"{where}: '{text}' is made by a later step; put its table before this one")
    is_word = str in kinds and "/" not in text and not Path(text).suffix  # hub, sample
    if not is_word and not Path(text).expanduser().exists():
        raise unknown("data or file", text, places, where=where)
    return value


def _plain(table: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a JSON value
    return json.loads(json.dumps(table, default=str))


def _shown(value: object) -> str:
    return "not given" if value is None else json.dumps(value, ensure_ascii=False)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return dict(parse_json(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{path} cannot be read ({error}); remove it: finished steps are found by their folders"
        ) from None
