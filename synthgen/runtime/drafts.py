"""Names of files and folders that are being written, and the removal of those that nobody writes any more.

    .NAME.HOST-PROCESS-START.RANDOM.draft

HOST, PROCESS and START say who writes. A draft whose process has ended is removed by the next command that writes to
its folder.
"""

import os
import platform
import re
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path

from synthgen.runtime.lock import SUFFIX, remove_free

DRAFT_DAYS = 7
"""After this a draft of another machine is taken to be abandoned."""
ANY = "*"

_HOST = re.sub(r"\W", "_", platform.node())
_DRAFT = re.compile(r"\..+\.(?P<host>\w*)-(?P<process>\d+)-(?P<start>\d+)\.[0-9a-f]{8}\.draft")
_OLD_FILE = r"(?P<process>\d+)"
_OLD_FOLDER = r"(?P<host>.*)-(?P<writer>\d+)(\.[0-9a-f]{8})?\.draft"


def draft_name(name: str) -> str:
    """Return a name that no other draft has for what this process writes and will call `name`."""
    process = os.getpid()
    return f".{name[:100]}.{_HOST}-{process}-{_start(process) or 0}.{secrets.token_hex(4)}.draft"


def is_draft(name: str) -> bool:
    """Return whether a file or folder of this name is, or was, being written.

    >>> is_draft(draft_name("README.md")), is_draft(".README.md.4711"), is_draft(".README.md")
    (True, True, False)
    """
    return bool(_DRAFT.fullmatch(name) or _old_pattern(ANY).fullmatch(name))


def sweep(folder: Path, name: str = "") -> None:
    """Remove a folder's drafts whose writers have ended, and those that earlier versions left for `name` or ANY file.

    Also locks that nobody has. A folder that cannot be read or changed is left as it is.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for path in [folder / entry.name for entry in entries if entry.name.startswith(".")]:
            if path.name.endswith(SUFFIX):
                remove_free(path)
            elif _is_abandoned(path, name):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _is_abandoned(path: Path, name: str) -> bool:
    if writer := _DRAFT.fullmatch(path.name):
        is_here, process, start = writer["host"] == _HOST, writer["process"], int(writer["start"])
    elif name and (writer := _old_pattern(name).fullmatch(path.name)):
        is_here, process, start = writer["host"] in (None, platform.node()), writer["process"] or writer["writer"], 0
    else:
        return False
    if not is_here:
        return time.time() - path.stat().st_mtime > DRAFT_DAYS * 86_400
    now = _start(int(process))
    return now is None or (0 not in (start, now) and start != now)


def _old_pattern(name: str) -> re.Pattern[str]:
    """Return the pattern of the drafts that versions before December 2026 made for a name."""
    return re.compile(rf"\.{'.+' if name == ANY else re.escape(name[:100])}\.(?:{_OLD_FILE}|{_OLD_FOLDER})")


def _start(process: int) -> int | None:
    """Return when a process started, in ticks, or 0 where no /proc says so; None when it has ended."""
    try:
        state, *fields = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
        return None if state in (b"Z", b"X") else int(fields[18])
    except (FileNotFoundError, ProcessLookupError):
        return None if Path("/proc/self/stat").exists() or not _is_running(process) else 0


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass  # somebody else's
    return True
