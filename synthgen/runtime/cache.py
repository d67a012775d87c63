"""The user's cache folder: packs, vectors, hashes and all that can be made again."""

import os
import shlex
import stat
from contextlib import suppress
from pathlib import Path

from synthgen.errors import UserError


def cache_root() -> Path:
    """Return the user cache: `$SYNTHGEN_CACHE`, else `synthgen` in `$XDG_CACHE_HOME` or `~/.cache`.

    It is made for its owner alone: it holds models that are run and replies that were paid for. UserError for one that
    others may write.
    """
    if named := os.environ.get("SYNTHGEN_CACHE"):
        root = Path(named).expanduser()
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "synthgen"
    with suppress(OSError):  # who writes to it says why that is not possible
        root.parent.mkdir(parents=True, exist_ok=True)
        root.mkdir(mode=0o700, exist_ok=True)
    refuse_shared(root)
    return root


def refuse_shared(folder: Path) -> None:
    """Raise UserError when others than its owner may write to a folder of programs and models."""
    with suppress(FileNotFoundError):
        if folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            advice = f"chmod -R go-w {shlex.quote(str(folder))}"
            raise UserError(f"{folder} may be written by others, and models and programs in it are run: {advice}")
