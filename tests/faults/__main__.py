"""`python -m tests.faults [--part 10] [--jobs 2] [COMMAND ...]`: every fault at every change, or a fixed part of them.

`--first CHANGE` goes on where a run was stopped.
Needs a C compiler and the GNU C library: `inject.c` is preloaded.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_LIBRARY = "SYNTHGEN_FAULTS"
_ROOM = 1_000_000_000


def preloaded() -> None:
    """Start this process again with the library that injects faults, unless it is there."""
    if _LIBRARY in os.environ:
        return
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    library = folder / "inject.so"
    source = Path(__file__).with_name("inject.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    quiet = {
        "OMP_NUM_THREADS": "1",
        "SYNTHGEN_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONHASHSEED": "0",
        "NO_COLOR": "1",
    }
    quiet |= {"PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_OFFLINE": "1", "COLUMNS": "200", "PYTHONUNBUFFERED": "1"}
    environment = os.environ | quiet | {"LD_PRELOAD": str(library), _LIBRARY: str(folder)}
    os.execve(sys.executable, [sys.executable, "-m", "tests.faults", *sys.argv[1:]], environment)


def _in_memory() -> str | None:
    """Return a folder in memory with room, where a sync takes no time; None where there is none."""
    memory = "/dev/shm"
    return memory if os.path.isdir(memory) and shutil.disk_usage(memory).free > _ROOM else None


if __name__ == "__main__":
    preloaded()
    from tests.faults.run import main

    scratch = Path(tempfile.mkdtemp(prefix="faults-", dir=_in_memory()))
    code = main(scratch)
    for folder in (scratch, os.environ[_LIBRARY]):
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(code)
