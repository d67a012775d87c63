"""An experiment file: data, arms and every option of `evaluator compare` in one TOML file.

sizes = [500, "full"]       options of `evaluator compare`, with `_` for `-`; `recipe` may be a table
folder = "runs/mine"        where data, store and report go
[data]                      names of dataset folders and corpora, and the steps that make data (`steps`)
[arms]                      arms as on the command line, with names of data for folders
optional = ["translated"]   names of data that need not be there: what arms have of them is left out
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from evaluator.experiment.arguments import CompareArguments
from evaluator.experiment.arms import MLM, expanded, parse_arm
from evaluator.experiment.steps import DataSteps, Fault, Step, error_text, faults_of, read_step
from synthgen.dataset.manifest import is_finished
from synthgen.errors import UserError, shorten, unknown
from synthgen.runtime.files import check_writable
from synthgen.runtime.public_function import check_bounds, converted
from synthgen.runtime.typer_command import option_names
from synthgen.text.escape import one_line
from synthgen.text.plain_text import read_plain_text
from synthgen.text.toml_text import TomlFault, TomlText, parse_toml, read_toml_text, toml_values

OWN_KEYS = ("folder", "optional", "data", "arms")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_AMOUNT = r"(?:\d+%?|rest|even)$"
_PIECE = re.compile(
    rf"(?P<before>(?:\d+\*)?(?:(?:mlm|shuffled):(?!{_AMOUNT}))?)(?P<name>[^:/+]+)(?P<after>[:/].*)?", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class ExperimentFile:
    """What an experiment file says: steps, arms and options as `compare` takes them, and what is wrong with it.

    `places` are the folders and corpora that names of data stand for.
    """

    path: Path
    text: TomlText
    changed: frozenset[str]
    folder: Path
    places: Mapping[str, str] = field(default_factory=dict)
    steps: DataSteps = field(default_factory=DataSteps)
    arms: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    optional: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()

    def line(self, fault: Fault) -> int:
        """Return the line of the file that a fault is about, 0 where there is none."""
        return 0 if ".".join(fault.keys) in self.changed else self.text.known_line(fault.keys) or 0

    def describe(self, fault: Fault) -> str:
        """Return a fault in one line, with the line of the file or the --set that it is about."""
        if ".".join(fault.keys) in self.changed:
            return one_line(f"--set: {fault.message}")
        line = self.line(fault)
        return one_line(f"{self.path}{f' line {line}' if line else ''}: {fault.message}")

    def arm_texts(self) -> list[str]:
        """Return the arms as `compare` takes them."""
        return [f"{name}={filled(value, self.places)}" for name, value in self.arms.items()]


def is_experiment(arms: Sequence[str]) -> bool:
    """Say whether the arms of a command are one experiment file."""
    return len(arms) == 1 and "=" not in arms[0] and Path(arms[0]).suffix == ".toml"


def read_experiment(path: Path, changes: Sequence[str] = ()) -> ExperimentFile:
    """Return the experiment of a file, changed by texts `KEY=VALUE`; UserError for its first fault."""
    file = parse_experiment(path, changes)
    for fault in file.faults:
        raise UserError(file.describe(fault))
    return file


def parse_experiment(path: Path, changes: Sequence[str] = (), data: Mapping[str, str] | None = None) -> ExperimentFile:
    """Return the experiment of a file with all its faults; UserError for a file that is not TOML.

    `data` are the places of data in place of those that the file names or makes.
    """
    text = read_plain_text(path, "the experiment ")
    values = toml_values(text, path)
    changed = frozenset(_apply(values, change) for change in changes)
    folder, of_folder = Path("runs") / path.stem, list[Fault]()
    if "folder" in values and not (of_folder := faults_of(("folder",), partial(_check_folder, values["folder"]))):
        folder = Path(values["folder"])
    read = _read_data(_table(values, "data") if data is None else data, folder)
    options, of_options = _read_options(values, path)
    optional = tuple(map(str, named)) if isinstance(named := values.get("optional"), list) else ()
    arms = _without(_table(values, "arms"), {name for name in optional if name not in read.places}, read.places)
    store = options.get("store", folder / "store")
    of_arms = _arm_faults(arms, read.places, read.finished)
    return ExperimentFile(
        path=path,
        text=read_toml_text(text),
        changed=changed,
        folder=folder,
        places=read.places,
        steps=DataSteps(tuple(read.steps), folder),
        arms={name: value for name, value in arms.items() if isinstance(value, str)},
        options={"out": folder / "report.html", "store": store, **options},
        optional=optional,
        faults=(
            *_shape_faults(values),
            *of_folder,
            *read.faults,
            *_folder_faults(read.steps, store),
            *of_options,
            *of_arms,
        ),
    )


def _apply(values: dict[str, Any], change: str) -> str:
    """Set a value as `KEY=VALUE` says, and return the key; a value that is not TOML is a text."""
    key, equals, text = change.partition("=")
    try:
        nested: Any = parse_toml(f"{key} = 0")
    except TomlFault:
        nested = {}
    if not equals or not nested:
        raise UserError(f"--set {change}: expected KEY=VALUE, such as seeds=3 or data.real.n=500")
    keys = []
    while isinstance(nested, dict):
        [(name, nested)] = nested.items()
        keys.append(name)
    for name in keys[:-1]:
        values = values.setdefault(name, {})
        if not isinstance(values, dict):
            raise UserError(f"--set {change}: {name} is not a table")
    try:
        values[keys[-1]] = parse_toml(f"x = {text}")["x"]
    except TomlFault:
        values[keys[-1]] = text
    return ".".join(keys)


def known_keys() -> dict[str, str]:
    """Return the keys of an experiment file that are options of `compare`, each with its parameter."""
    return {key: name for key, name in option_names(CompareArguments).items() if name != "arms"}


def _table(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    return table if isinstance(table := values.get(name, {}), dict) else {}


def _shape_faults(values: Mapping[str, Any]) -> Iterator[Fault]:
    for name in ("data", "arms"):
        if not isinstance(values.get(name, {}), dict):
            yield Fault((name,), f"{name}: expected a table [{name}]")
    names = values.get("optional", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        yield Fault(("optional",), f"optional = {shorten(repr(names))}: expected a list of names of data")
    if not _table(values, "arms") and not values.get("preset"):
        yield Fault(("arms",), 'no arm is given; expected a table [arms] with lines such as none = "none"')


def _check_folder(folder: object) -> None:
    check_bounds("folder", folder)
    if not isinstance(folder, str):
        raise UserError(f"folder = {folder!r}: expected a path")
    check_writable(Path(folder), f"to folder = {folder!r}")


def _folder_faults(steps: Sequence[Step], store: Path | str) -> Iterator[Fault]:
    """Yield a fault for each step that writes to the folder of another step or of the store."""
    taken = {Path(store).resolve(): "the store"}
    for step in steps:
        name = f"data.{step.name}"
        if (owner := taken.setdefault(step.folder.resolve(), name)) != name:
            yield Fault(
                ("data", step.name),
                f"{name} writes to {step.folder}, the folder of {owner}; give the step another name",
            )


def _without(arms: Mapping[str, Any], absent: Collection[str], places: Mapping[str, str]) -> dict[str, Any]:
    """Return the arms without parts of absent data; one without a dataset, or now the same as another, is left out."""
    kept: dict[str, Any] = {}
    for name, value in arms.items():
        pieces = _pieces(value)[::2] if isinstance(value, str) else []
        present = [piece for piece in pieces if _data_name(piece) not in absent]
        if present == pieces:
            kept[name] = value
            continue
        rest = "+".join(present)
        if any(_is_dataset(piece, places) for piece in present) and rest not in kept.values():
            kept[name] = rest
    return kept


def _data_name(piece: str) -> str:
    """Return the name of data that a part of an arm may start with, or ""."""
    match = _PIECE.fullmatch(piece)
    return match["name"] if match else ""


def _is_dataset(piece: str, places: Mapping[str, str]) -> bool:
    """Say whether a part of an arm takes rows of a dataset, not lines of a corpus."""
    return not piece.startswith(MLM) and not places.get(_data_name(piece), "").startswith(MLM)


@dataclass
class _Data:
    """What the table [data] says; `finished` are the names of existing folders."""

    places: dict[str, str] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)
    steps: list[Step] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def add(self, name: str, value: object, folder: Path, later: Collection[str]) -> None:
        """Read one entry: a place, or a step that makes one."""
        if not NAME.fullmatch(name):
            self.faults.append(
                Fault(("data", name), f"data.{shorten(name)}: a name consists of letters, digits, '_', '.' and '-'")
            )
        elif isinstance(value, str):
            self.places[name] = value
            faults = faults_of(("data", name), partial(_check_place, f"data.{name}", value))
            self.faults += faults
            if not faults:
                self.finished.add(name)
        elif not isinstance(value, dict):
            allowed = f'the path of a dataset folder, or a table [data.{name}] with a command, such as import = "mnli"'
            self.faults.append(Fault(("data", name), f"data.{name} = {shorten(repr(value))}: expected {allowed}"))
        else:
            step = read_step(name, value, {key: Path(place) for key, place in self.places.items()}, folder, later)
            self.places[name] = str(step.folder if isinstance(step, Step) else folder / name)
            if isinstance(step, Step):
                self.steps.append(step)
                if step.is_done:
                    self.finished.add(name)
            else:
                self.faults += step


def _check_place(where: str, place: str) -> None:
    """Raise UserError where `place` is neither a corpus nor an existing path, or an existing path for each seed."""
    check_bounds(where, place)
    for each in [] if place.startswith(MLM) else expanded(place, where):
        if not Path(each).expanduser().exists():
            raise UserError(f"{where} = {shorten(repr(each))} does not exist; expected the path of a dataset folder")


def _read_data(table: Mapping[str, Any], folder: Path) -> _Data:
    data, names = _Data(), list(table)
    for number, name in enumerate(names):
        data.add(name, table[name], folder, names[number:])
    return data


def _read_options(values: Mapping[str, Any], path: Path) -> tuple[dict[str, Any], list[Fault]]:
    known, options, faults = known_keys(), {}, []
    for key, value in values.items():
        if key in OWN_KEYS:
            continue
        try:
            if (parameter := known.get(key.replace("-", "_"))) is None:
                raise unknown("key", key, [*OWN_KEYS, *known])
            is_table = parameter == "recipe" and isinstance(value, dict) and value != {}  # read by `load_recipe`
            options[parameter] = str(path) if is_table else converted(CompareArguments, parameter, value, key)
        except (UserError, OSError) as error:
            faults.append(Fault((key,), error_text(key, error)))
    return options, faults


def _arm_faults(table: Mapping[str, Any], places: Mapping[str, str], finished: Collection[str]) -> Iterator[Fault]:
    """Yield the faults of arms; arms of data that are not `finished` are parsed later."""
    for name, value in table.items():
        try:
            if not isinstance(value, str):
                raise UserError(f'arms.{name} = {value!r}: expected a text, such as "none" or "real:500+synthetic:500"')
            if set(_names(value, places)) <= set(finished):
                parse_arm(f"{name}={filled(value, places)}")
        except (UserError, OSError) as error:
            yield Fault(("arms", name), error_text(f"arms.{name}", error))


def _names(value: str, places: Mapping[str, str]) -> list[str]:
    """Return the names of data in an arm; UserError for a part that is neither a name nor a dataset folder."""
    names = []
    for piece in _pieces(value)[::2]:
        match = _PIECE.fullmatch(piece)
        if match and match["name"] in places:
            names.append(match["name"])
        elif match and value not in ("none", "own") and not piece.startswith((MLM, "model:")):
            folder = piece[len(match["before"]) :].partition(":")[0]
            for each in expanded(folder, f"'{value}'"):
                if not is_finished(Path(each)):
                    raise unknown("data or dataset folder", each, places)
    return names


def filled(value: str, places: Mapping[str, str]) -> str:
    """Return the text of an arm with folders in place of names of data.

    >>> filled("real:500+mt/de:rest", {"real": "runs/mnli", "mt": "runs/mt"})
    'runs/mnli:500+runs/mt/de:rest'
    """
    pieces = _pieces(value)
    for index in range(0, len(pieces), 2):
        match = _PIECE.fullmatch(pieces[index])
        if match and match["name"] in places:
            pieces[index] = f"{match['before']}{places[match['name']]}{match['after'] or ''}"
    return "".join(pieces)


def _pieces(value: str) -> list[str]:
    """Return the parts of an arm and, between them, what joins them."""
    return re.split(r"( then |\+)", value)
