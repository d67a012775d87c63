"""`evaluator targets --new` and `--check`: a commented target file to start from, and all faults of one at once."""

from pathlib import Path

from evaluator.benchmark.registry import SUFFIX, taken_names
from evaluator.benchmark.target_check import COLUMNS
from evaluator.benchmark.target_file import check_target_text
from synthgen.runtime.own_files import OwnFileCheck, check_file, new_file

_SKELETONS = {name: Path(__file__).parent / "skeletons" / f"{name}{SUFFIX}" for name in COLUMNS}


def new_target(format_: str, path: Path | None) -> Path:
    """Write a commented target file of a format to start from, and return its path.

    UserError for no file, an unknown format, and a file that is there or cannot be written.
    """
    return new_file(path, _SKELETONS, format_, "target", taken_names())


def check_target(path: Path) -> OwnFileCheck:
    """Return the name of the target that a file defines, and all that is wrong with the file."""
    taken = {name: file or name for name, file in taken_names().items()}
    return check_file(path, "target", taken, check_target_text)
