"""Output folders: checks of `--out`, and drafts that take its place when they are whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from synthgen.dataset.layout import FINGERPRINTS_NAME, LEDGER_NAME
from synthgen.dataset.manifest import is_finished, read_manifest
from synthgen.errors import UserError, plain_os_error
from synthgen.runtime.drafts import ANY, sweep
from synthgen.runtime.files import check_writable, draft_folder

_REPLACED = ("data", "rejected", "README.md", "croissant.json", FINGERPRINTS_NAME)


def make_folder(out: Path) -> None:
    """Make a folder that a run writes to, unless it is there; UserError when it cannot be made."""
    with plain_os_error(f"--out {out} cannot be a folder", "give another --out"):
        out.mkdir(parents=True, exist_ok=True)


def make_run_folder(out: Path) -> None:
    """Make a folder that a run with a ledger writes to, or take the one where it was; see `refuse_foreign`."""
    refuse_foreign(out)
    make_folder(out)
    sweep_set(out)


def sweep_set(folder: Path) -> None:
    """Remove the drafts of ended processes from a set's folder, also those of files that are not written again."""
    for place in (folder, folder / "data", folder / "figures"):
        sweep(place, ANY)


def refuse_foreign(out: Path) -> None:
    """Raise UserError when a folder holds what a run with a ledger would replace and no run of ours has written."""
    if (place := next((each for each in (out, *out.parents) if each.exists()), out)).is_file():
        raise UserError(f"--out {out} cannot be a folder: {place} is a file; give another --out")
    if (out / LEDGER_NAME).exists():
        return
    refuse_inside(out)
    if is_finished(out):
        manifest = read_manifest(out)
        raise UserError(f"{out} contains a finished {manifest.origin} {manifest.task} set; give another --out")
    if foreign := next((name for name in _REPLACED if (out / name).exists()), None):
        raise UserError(f"{out} has files that synthgen did not write: {foreign}; give another --out")


def refuse_inside(out: Path) -> None:
    """Raise UserError for a place inside a finished folder, which would hold more than its manifest lists."""
    if around := next((each for each in out.absolute().parents if is_finished(each)), None):
        raise UserError(f"--out {out} is inside {around.name}, a finished folder; give another --out")


@contextmanager
def drafted(out: Path) -> Iterator[Path]:
    """Yield an empty folder beside `out` that takes its place when the block ends well and is removed when it does not.

    UserError when `out` cannot be made, or is there and holds something.
    """
    refuse_taken(out)
    out = out.resolve()
    make_folder(out.parent)
    check_writable(out.parent, f"to {out.parent}")
    with draft_folder(out) as draft:
        yield draft


def refuse_taken(out: Path) -> None:
    """Raise UserError when a folder cannot be made at `out`: something is there, or its name is none."""
    with plain_os_error(f"cannot write to {out}"):
        is_taken = out.exists() and (not out.is_dir() or any(out.iterdir()))
    if is_taken:
        raise UserError(f"{out} exists and is not a dataset folder; give another --out")
    refuse_inside(out)
    if out.is_mount() or out.resolve() == Path.cwd():
        raise UserError(f"{out} cannot be replaced: name a folder inside it")
