"""The process of a command: its streams and signals, and its errors as one line with an exit code."""

import errno
import os
import signal
import socket
import sys
import threading
import time
from types import FrameType
from typing import Any, NoReturn

import typer

from synthgen.console import note
from synthgen.errors import IncompleteError, UserError, disk_advice
from synthgen.runtime.limits import (
    check_address_space,
    check_names,
    check_working_folder,
    open_file_limit,
    raise_open_file_limit,
)
from synthgen.runtime.streams import FinalLine, prepare_streams

SECONDS_TO_STOP = 1.5
"""After a signal what is open is closed in this time, or the process ends as by `kill -9`, which loses nothing."""
INTERRUPTED = 130
_AGAIN = "then run the same command again"
_STOPPED = "stopped; to continue, run the same command again"


def run(app: typer.Typer) -> NoReturn:
    """Run a command group as what this process is for, ended by signals: see `carry_out`."""
    prepare_streams()
    _stop_at_signals()
    raise_open_file_limit()
    carry_out(app)


def carry_out(app: typer.Typer) -> NoReturn:
    """Run a command group: exit 0 done, 2 wrong input, 3 incomplete, 130 interrupted; a bug keeps its traceback.

    What the machine refuses (a file, memory, a thread) is no bug.
    """
    try:
        check_working_folder()
        check_names()
        check_address_space()
        code = app(standalone_mode=False)
    except (UserError, IncompleteError) as error:
        _fail(error, error.exit_code)
    except _UsageError as error:
        _fail_usage(error)
    except (OSError, MemoryError, ImportError, RuntimeError) as error:
        if getattr(error, "errno", None) == errno.EPIPE:
            sys.stdout = None  # whoever read it has gone: nothing is to be flushed
            sys.exit(1)
        if (refused := refused_by_machine(error)) is None:
            raise
        _fail(refused, refused.exit_code)
    sys.exit(code if isinstance(code, int) else 0)


_UsageError: Any = typer.BadParameter.__base__
"""What Typer raises for wrong options; the copy of click that it brings has no public name."""


def _fail_usage(error: Any) -> NoReturn:  # noqa: ANN401 - Typer's
    """End with what is wrong with the options, or with the help where there are none."""
    message = "" if type(error).__name__ == "NoArgsIsHelpError" else error.format_message().rstrip(".")
    if not message:
        error.show()
        sys.exit(error.exit_code)
    command = error.ctx.command_path if error.ctx else sys.argv[0]
    _fail(f"{message}; see {command} --help", error.exit_code)


def _fail(error: Exception | str, exit_code: int) -> NoReturn:
    note(error, label="error")
    sys.exit(exit_code)


def refused_by_machine(error: Exception) -> UserError | IncompleteError | None:
    """Return what the machine refused, in one line; None for a bug.

    >>> print(refused_by_machine(OSError(errno.EACCES, "Permission denied", "out/data")))
    [Errno 13] Permission denied: 'out/data'
    >>> print(refused_by_machine(RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")))  # doctest: +ELLIPSIS
    the GPU's memory ran out: end what else uses it, ...
    >>> refused_by_machine(RuntimeError("dictionary changed size during iteration"))
    """
    if isinstance(error, OSError) and error.errno != errno.ENOMEM:
        if advice := disk_advice(error):
            return IncompleteError(f"{error}: {advice}; {_AGAIN}")
        if error.errno in (errno.EMFILE, errno.ENFILE):
            return IncompleteError(f"{error}: raise the limit of {open_file_limit()} (ulimit -n); {_AGAIN}")
        return None if error.errno is None else UserError(str(error))
    text = str(error)
    if isinstance(error, MemoryError | OSError) or "failed to map segment" in text or "allocate memory" in text:
        return IncompleteError(f"memory ran out: take less at once, such as --processes 1, or more memory; {_AGAIN}")
    return _refused_at_runtime(text) if isinstance(error, RuntimeError) else None


def _refused_at_runtime(text: str) -> UserError | IncompleteError | None:
    """Return what a RuntimeError with this text is, that of CUDA, a thread or a path; None for a bug."""
    if "out of memory" in text:
        less = "give an engine less of it (--engine-args '{\"gpu_memory_utilization\": 0.8}')"
        return IncompleteError(f"the GPU's memory ran out: end what else uses it, or {less}; {_AGAIN}")
    if "can't start new thread" in text:
        return IncompleteError(f"no thread can be started: allow more processes (ulimit -u) or memory; {_AGAIN}")
    if "home directory" in text:
        return UserError(f"{text} Set HOME, and SYNTHGEN_CACHE to a folder for models and stored replies")
    if text.startswith("Symlink loop"):
        return UserError(f"{text}, a link that leads to itself; give another path, or remove it")
    return None


def _stop_at_signals() -> None:
    """End at SIGINT and SIGTERM, in time also where a library keeps the main thread busy or waits for its own threads.

    What is open is closed on the way out; the state is resumable either way.
    """
    final_line = FinalLine()

    def interrupted(_signal: int, _frame: FrameType | None) -> None:
        if final_line.say(_STOPPED):
            raise SystemExit(INTERRUPTED)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupted)
    received, sender = socket.socketpair()
    sender.setblocking(False)
    signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_end_in_time, args=(received, sender, final_line), daemon=True).start()


def _end_in_time(received: socket.socket, _sender: socket.socket, final_line: FinalLine) -> None:
    """Wait for a signal, and end the process when it has not ended by itself after a while."""
    while received.recv(1)[0] not in (signal.SIGINT, signal.SIGTERM):
        pass
    time.sleep(SECONDS_TO_STOP)
    final_line.say(_STOPPED)
    os._exit(INTERRUPTED)
