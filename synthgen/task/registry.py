"""The tasks that are known: those of the package, of `$SYNTHGEN_TASKS`, of other packages, and files that are named."""

from pathlib import Path
from typing import Any

from synthgen.errors import UserError, unknown
from synthgen.runtime.own_files import check_name, is_file_name, named_file, own_files, read_own_text
from synthgen.task.definition import Task
from synthgen.task.task_file import parse_task

VARIABLE, GROUP, SUFFIX = "SYNTHGEN_TASKS", "synthgen.tasks", ".md"


def prompts_folder() -> Path:
    """Return the folder of prompt files: beside the package in a checkout, inside it in an installed wheel."""
    inside = Path(__file__).parents[1] / "prompts"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "prompts"


def prompt_files() -> dict[str, Path]:
    """Return the files by task: the package's, those of folders in `$SYNTHGEN_TASKS`, those of other packages."""
    files = {path.stem: path for path in _shipped()}
    for path in own_files(VARIABLE, GROUP, SUFFIX):
        check_name(path, "task")
        if files.setdefault(path.stem, path).resolve() != path.resolve():
            raise UserError(f"{path}: {files[path.stem]} defines the task '{path.stem}' already; rename one of the two")
    return files


def _shipped() -> list[Path]:
    return sorted(prompts_folder().glob("*.md"))


def task_names() -> list[str]:
    """Return the names of all tasks: those of the package, largest real set first, then the others likewise."""
    shipped = {path.stem for path in _shipped()}
    every = sorted(map(load_task, prompt_files()), key=lambda task: (task.name not in shipped, -task.real_size))
    return [task.name for task in every]


def tasks() -> list[dict[str, Any]]:
    """List the intermediate tasks: format, real size, labels, licence, source.

    Example: synthgen tasks --json

    Returns the facts of each, the task with the largest real set first; tasks of your own come after the package's.
    """
    same = ("real_size", "label_counts", "licence", "source")
    return [
        {"name": task.name, "format": task.format.name, "columns": list(task.format.columns)}
        | {name: getattr(task, name) for name in same}
        for task in map(load_task, task_names())
    ]


def task_name(ref: str) -> str:
    """Return the name of a task that is named or given by its file."""
    return load_task(ref).name if is_task_file(ref) else ref


def is_task_file(ref: str) -> bool:
    """Say whether a reference to a task is its file."""
    return is_file_name(ref, SUFFIX)


def is_task(ref: str) -> bool:
    """Say whether a task is defined by a file, the package's or another."""
    return is_task_file(ref) or _shipped_file(ref).is_file() or ref in prompt_files()


def definitions(task: str) -> dict[str, str]:
    """Return what the labels of a task mean in words; nothing for a source that has no task file.

    >>> definitions("mnli")["neutral"]
    'possibly true, but not settled by the first sentence'
    """
    return load_task(task).definitions if is_task(task) else {}


def load_task(ref: str) -> Task:
    """Return the task of a name or a file; UserError with the nearest name, or with all faults of its file."""
    if is_task_file(ref):
        return read_task_file(named_file(ref, prompt_files(), "task"))
    if _shipped_file(ref).is_file():
        return read_task_file(_shipped_file(ref))
    if ref not in (files := prompt_files()):
        raise unknown("task", ref, [*files, "FILE.md"])
    return read_task_file(files[ref])


def _shipped_file(name: str) -> Path:
    return prompts_folder() / f"{name}{SUFFIX}"


def read_task_file(path: Path) -> Task:
    """Return the task of a file; UserError lists every fault with its line."""
    where = f"prompts/{path.name}" if path.parent == prompts_folder() else str(path)
    return parse_task(path.stem, read_own_text(path, "task"), where=where)
