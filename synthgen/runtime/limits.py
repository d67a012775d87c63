"""What the machine lets this process have: open files, address space, a folder to be in."""

import os
import sys
from contextlib import suppress
from pathlib import Path

from synthgen.errors import UserError
from synthgen.runtime.files import format_size

LEAST_ADDRESS_SPACE = 3_000_000_000
"""With less, libraries of numbers and of text end the process without a word."""
MOST_OPEN_FILES = 65_536
_RESERVED_FILES = 48
"""For files of data, libraries and logs that are opened later."""


def open_file_limit() -> int:
    """Return how many files may be open at once."""
    try:
        from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit
    except ImportError:  # not a Unix
        return MOST_OPEN_FILES
    soft, _ = getrlimit(RLIMIT_NOFILE)
    return MOST_OPEN_FILES if soft == RLIM_INFINITY else min(soft, MOST_OPEN_FILES)


def connections_at_once(most: int) -> int:
    """Return how many connections may be open beside the files that are: at most `most`, at least one."""
    try:
        now = len(os.listdir("/dev/fd"))
    except OSError:
        now = _RESERVED_FILES
    return max(1, min(most, open_file_limit() - now - _RESERVED_FILES))


def raise_open_file_limit() -> None:
    """Let this process open as many files as its user may."""
    try:
        from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit
    except ImportError:
        return
    soft, hard = getrlimit(RLIMIT_NOFILE)
    most = MOST_OPEN_FILES if hard == RLIM_INFINITY else min(hard, MOST_OPEN_FILES)
    if soft not in (RLIM_INFINITY, most) and soft < most:
        with suppress(OSError, ValueError):  # macOS has a limit of its own
            setrlimit(RLIMIT_NOFILE, (most, hard))


def check_address_space() -> None:
    """Raise UserError for a limit (`ulimit -v`) that libraries do not survive."""
    try:
        from resource import RLIM_INFINITY, RLIMIT_AS, getrlimit
    except ImportError:
        return
    space, _ = getrlimit(RLIMIT_AS)
    if space != RLIM_INFINITY and space < LEAST_ADDRESS_SPACE:
        needed = f"at least {format_size(LEAST_ADDRESS_SPACE)} are needed, with models more"
        raise UserError(f"the address space is limited to {format_size(space)} (ulimit -v): {needed}")


def check_working_folder() -> None:
    """Raise UserError when the working directory was removed."""
    try:
        Path.cwd()
    except OSError:
        raise UserError("the working directory is gone; change to one that is there") from None


def check_names() -> None:
    """Raise UserError for an argument or a working directory whose bytes are no text here: Arrow opens no such file."""
    for name in (*sys.argv[1:], str(Path.cwd())):
        try:
            name.encode()
        except UnicodeEncodeError:
            way_out = "rename it, or where the locale is not UTF-8 set PYTHONUTF8=1"
            raise UserError(f"'{name}' is not text in {sys.getfilesystemencoding()}: {way_out}") from None
