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
from synthgen.dataset.manifest import is_finished, read_manifest
from synthgen.errors import IncompleteError, UserError, unknown
from synthgen.runtime.files import check_writable, format_duration, write_atomically
from synthgen.runtime.public_function import converted
from synthgen.runtime.typer_command import names, option_names
from synthgen.text.json_text import parse_json
from synthgen.text.languages import ENGLISH, find_language_code

COMMANDS = ("make", "import", "filter", "translate", "train")
STEPS_NAME = "steps.json"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of an experiment file: the keys that lead to its place, and one line."""

    keys: tuple[str, ...]
    message: str


def faults_of(keys: tuple[str, ...], check: Callable[[], object]) -> list[Fault]:
    """Return the fault that a check raises; none for an allowed value."""
    try:
        check()
    except (UserError, OSError) as error:
        return [Fault(keys, error_text(".".join(keys), error))]
    return []


def error_text(where: str, error: UserError | OSError) -> str:
    """Return what is wrong with a value, with its place, which a message of the file system does not name."""
    return str(error) if isinstance(error, UserError) else f"{where}: {error.strerror}"


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
        return all(map(is_finished, self.folders))

    @property
    def folders(self) -> list[Path]:
        """The folders that it writes."""
        first, sets = int(self.options.get("seed", 0)), self.options.get("seeds")
        seeds = [self.folder / f"s{seed}" for seed in range(first, first + sets)] if sets else []
        return seeds or list(self.translations) or [self.folder]

    @property
    def translations(self) -> dict[Path, str]:
        """The folders of a translation, each with its language."""
        to = self.options.get("to") or ()
        codes = [find_language_code(each) or each for each in (names(to) if isinstance(to, str) else to)]
        return {self.folder / code if len(codes) > 1 else self.folder: code for code in codes}

    def languages(self, known: Mapping[Path, str]) -> dict[Path, str]:
        """Return the languages of the sets it writes, by folder, "" where unknown; `known` are those of other sets."""
        if self.translations:
            return self.translations
        if self.command == "filter":
            return {self.folder: language_of(self.options["folder"], known)}
        default = ENGLISH if self.options.get("source") in ("hub", "sample") else ""
        return {self.folder: find_language_code(self.options.get("language") or default)}

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
            if step.name not in before or not step.folder.exists():
                continue
            old, new = before[step.name], _plain(step.table)
            for key in [*new, *(key for key in old if key not in new)]:
                if old.get(key) != new.get(key):
                    change = f"was {_shown(old.get(key))} when {step.folder} was made, is {_shown(new.get(key))} now"
                    advice = f"give the step another name, or remove {step.folder}"
                    yield Fault(("data", step.name, key), f"data.{step.name}.{key} {change}; {advice}")

    def directions(self) -> Iterator[Fault]:
        """Yield a fault for each step that translates into an unknown language, or one that its translator lacks."""
        known: dict[Path, str] = {}
        for step in self.steps:
            if step.command == "translate":
                options = {name: step.options[name] for name in ("to", "mt") if name in step.options}
                check = import_module("synthgen.translation.command").check_languages
                try:
                    check(**options, source=language_of(step.options["folder"], known))
                except UserError as error:
                    yield Fault(("data", step.name, "to"), f"data.{step.name}.to: {error}")
            known |= step.languages(known)

    def combinations(self) -> Iterator[Fault]:
        """Yield a fault for each step whose options exclude or need others, as its command says when it runs."""
        for step in self.steps:
            try:
                _check_import(step.options) if step.command == "import" else _check_prices(step.options)
            except UserError as error:
                yield Fault(("data", step.name), f"data.{step.name}: {error}")

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
    function, known = inspect.unwrap(_function(commands[0])), step_keys(commands[0])
    hints = get_type_hints(function)
    options: dict[str, Any] = {}
    faults = []
    for key, value in table.items():
        where = f"data.{name}.{key}"
        try:
            if (parameter := known.get(key.replace("-", "_"))) is None:
                raise unknown("option", key, known, where=f"data.{name}, a step of {commands[0]}")
            taken = converted(function, parameter, value, where)
            if parameter == "out":
                check_writable(Path(taken), f"to {where} = {taken}")
            else:
                taken = _placed(taken, hints[parameter], places, where, later)
            options[parameter] = taken
        except (UserError, OSError) as error:
            faults.append(Fault(("data", name, key), error_text(where, error)))
    parameters = {known.get(key.replace("-", "_")) for key in table}
    required = [p.name for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    lacking = [key for key, p in known.items() if p in required and p not in parameters and p != "out"]
    faults += [Fault(("data", name, commands[0]), f"data.{name}: {commands[0]} needs {key} = …") for key in lacking]
    own_folder = Path(options.pop("out", None) or folder / name)
    return faults or Step(name, commands[0], options, own_folder, table)


def _check_prices(options: Mapping[str, Any]) -> None:
    """Raise UserError for a price without the other, or a limit of money without prices."""
    import_module("synthgen.engines.prices").PriceOptions(
        *map(options.get, ("price_in", "price_out", "prices", "max_cost"))
    )


def _check_import(options: Mapping[str, Any]) -> None:
    """Raise UserError for columns, labels and facts of an import that its task does not have."""
    check = import_module("synthgen.corpora.stated_facts").stated_facts
    stated = check(options["task"], {**options, "source": options.get("source_text")})
    if stated.records.faults:
        raise UserError("; ".join(stated.records.faults))


def language_of(folder: Path, known: Mapping[Path, str]) -> str:
    """Return the language of a finished set, or of one that a step will write; "" where it is not known yet."""
    if not is_finished(folder):
        return known.get(folder, "")
    try:
        return read_manifest(folder).language
    except UserError:
        return ""


def step_keys(command: str) -> dict[str, str]:
    """Return the keys of a step's table, each with the parameter of the command that takes it."""
    function = inspect.unwrap(_function(command))
    first, *_ = inspect.signature(function).parameters
    named = option_names(function).items()
    return {command: first, **{key: parameter for key, parameter in named if parameter not in (first, "preview")}}


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
        raise UserError(f"{where}: '{text}' is made by a later step; put the table of that step first")
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
            f"{path} cannot be read ({error}); remove it: finished steps are recognised by their folders"
        ) from None
