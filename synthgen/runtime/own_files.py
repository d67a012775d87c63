"""Tasks and targets of the user's own: a file that is named, the files of a folder, or those of another package.

A package gives its files by an entry point whose value is the package they lie in; it is found, not imported.
"""

import errno
import os
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from synthgen.console import note_next, print_lines
from synthgen.errors import UserError, plain_os_error, unknown
from synthgen.runtime.files import write_atomically
from synthgen.text.plain_text import read_plain_text
from synthgen.text.toml_text import Fault

_NAME = re.compile(r"\w[\w-]*")


def is_file_name(ref: str, suffix: str) -> bool:
    """Say whether a reference is a file, and no name.

    >>> is_file_name("mnli", ".md"), is_file_name("my_task.md", ".md"), is_file_name("./mnli", ".md")
    (False, True, True)
    """
    return ref.endswith(suffix) or os.sep in ref or "/" in ref


def own_files(variable: str, group: str, suffix: str) -> Iterator[Path]:
    """Yield the files with a suffix of the folders in an environment variable, then of the packages of a group.

    UserError for a folder or a package that is not there.
    """
    for name in filter(None, os.environ.get(variable, "").split(os.pathsep)):
        if not (folder := Path(name).expanduser()).is_dir():
            raise UserError(
                f"{variable} names {name}, which is not a folder; name folders, with '{os.pathsep}' between"
            )
        yield from _files(folder, suffix)
    for folder in _package_folders(group):
        yield from _files(folder, suffix)


def _files(folder: Path, suffix: str) -> list[Path]:
    return [path for path in sorted(folder.glob(f"*{suffix}")) if path.stem.upper() != "README" and path.is_file()]


@cache
def _package_folders(group: str) -> tuple[Path, ...]:
    """Return the folders of the packages that the entry points of a group name."""
    folders: list[Path] = []
    for point in sorted(entry_points(group=group)):
        try:
            spec = find_spec(point.module)
        except Exception as error:  # the parent package may do anything when it is imported
            raise UserError(f"{_described(point, group)}: {type(error).__name__}: {error}") from None
        if spec is None or not spec.submodule_search_locations:
            raise UserError(f"{_described(point, group)}: there is no such package; its value names one with the files")
        folders += map(Path, spec.submodule_search_locations)
    return tuple(dict.fromkeys(folders))


def _described(point: EntryPoint, group: str) -> str:
    package = (point.dist and point.dist.name) or "a package"
    return f"entry point {point.name} = {point.value} of {package} (group {group})"


def named_file(ref: str, names: Mapping[str, object], kind: str) -> Path:
    """Return the file of a reference; UserError where it is not there, or has the name of another one.

    `names` maps the names that are taken to their files, or to anything else where they are no files.
    """
    path = Path(ref).expanduser()
    if not path.is_file():
        raise UserError(f"no {kind} file at {ref}" + (", which is a folder" if path.is_dir() else ""))
    check_name(path, kind)
    taken = names.get(path.stem)
    if taken is not None and not (isinstance(taken, Path) and taken.resolve() == path.resolve()):
        raise UserError(f"{ref}: there is a {kind} '{path.stem}' already; give the file another name")
    return path


def check_name(path: Path, kind: str) -> None:
    """Raise UserError for a file whose name is no name of a task or target."""
    if not _NAME.fullmatch(path.stem):
        raise UserError(f"{path}: the file's name is the {kind}'s; allowed: letters, digits, '_' and '-'")


def read_own_text(path: Path, kind: str) -> str:
    """Return the text of a file that the user wrote; UserError when it cannot be read or is not UTF-8."""
    return read_plain_text(path, f"the {kind} file ")


@dataclass(frozen=True, slots=True)
class OwnFileCheck:
    """What `--check` says of a file of the user's own: the name of what it defines, and its faults."""

    file: str
    name: str
    faults: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """2 when there is a fault."""
        return UserError.exit_code if self.faults else 0


def check_file(
    path: Path, kind: str, taken: Mapping[str, object], faults_of: Callable[[str], Iterable[Fault]]
) -> OwnFileCheck:
    """Return the name of what a file defines, and all that is wrong with its name and, by `faults_of`, its text.

    UserError for a file that is not there or cannot be read.
    """
    if not path.is_file():
        named_file(str(path), {}, kind)
    faults = [f"{path}:{fault.line}: {fault.message}" for fault in faults_of(read_own_text(path, kind))]
    try:
        check_name(path, kind)
        named_file(str(path), taken, kind)
    except UserError as error:
        faults.insert(0, str(error))
    return OwnFileCheck(str(path), path.stem, tuple(faults))


def new_file(
    path: Path | None, skeletons: Mapping[str, Path], format_: str, kind: str, taken: Mapping[str, object]
) -> Path:
    """Write the skeleton of a format to a new file and return its path.

    UserError for no file, an unknown format, a name that is taken, and a file that is there or cannot be written.
    """
    if path is None:
        raise UserError(f"--new needs a format and a file: --new FORMAT FILE; the formats: {', '.join(skeletons)}")
    if format_ not in skeletons:
        raise unknown("format", format_, skeletons, where="--new")
    suffix = skeletons[format_].suffix
    if path.suffix != suffix:
        raise UserError(f"{path} does not end in {suffix}; call it {path.stem or kind}{suffix}")
    check_name(path, kind)
    if path.stem in taken:
        raise UserError(f"{path}: there is a {kind} '{path.stem}' already; give the file another name")
    text, advice = skeletons[format_].read_text(encoding="utf-8"), "give a new file in a folder that is there"
    with plain_os_error(f"cannot write {path}", advice):
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        write_atomically(path, text)
    return path


def own_file_document(result: Any, arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a JSON value
    """Return the JSON value of a check, of a new file, or of a list."""
    if isinstance(result, OwnFileCheck):
        return {"file": result.file, "name": result.name, "faults": list(result.faults)}
    return {"file": str(result)} if isinstance(result, Path) else result


def print_own_file(result: OwnFileCheck | Path, kind: str, command: str, use: str) -> None:
    """Print what became of a new file, or the faults of one, one a line, and the next command: a check, or its use."""
    file = shlex.quote(str(result if isinstance(result, Path) else result.file))
    if isinstance(result, Path):
        print_lines([f"{result}: a {kind} to change"])
    else:
        print_lines(result.faults or [f"{result.file}: the {kind} '{result.name}' has no faults"])
    is_checked = isinstance(result, OwnFileCheck) and not result.faults
    note_next(f"{use} {file}" if is_checked else f"{command} --check {file}")
