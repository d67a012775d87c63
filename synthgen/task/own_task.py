"""`synthgen tasks --new` and `--check`: a commented task file to start from, and all faults of one at once."""

from pathlib import Path

from synthgen.formats import FORMATS
from synthgen.runtime.own_files import OwnFileCheck, check_file, new_file
from synthgen.task.registry import SUFFIX, prompt_files
from synthgen.task.task_file import check_task_text

_SKELETONS = {name: Path(__file__).parent / "skeletons" / f"{name}{SUFFIX}" for name in FORMATS}


def new_task(format_: str, path: Path | None) -> Path:
    """Write a commented task file of a format to start from, and return its path.

    UserError for no file, an unknown format, and a file that is there or cannot be written.
    """
    return new_file(path, _SKELETONS, format_, "task", prompt_files())


def check_task(path: Path) -> OwnFileCheck:
    """Return the name of the task that a file defines, and all that is wrong with the file."""
    return check_file(path, "task", prompt_files(), lambda text: check_task_text(path.stem, text)[1])
