"""The user's cache folder: packs, vectors, hashes and all that can be made again."""

import os
from pathlib import Path


def cache_root() -> Path:
    """Return the user cache: `$SYNTHGEN_CACHE`, else `synthgen` in `$XDG_CACHE_HOME` or `~/.cache`."""
    if named := os.environ.get("SYNTHGEN_CACHE"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "synthgen"
