"""The console of both commands: results to stdout, progress to stderr, errors as one line with an exit code."""

import json
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from tempfile import gettempdir
from types import FrameType
from typing import Any, NoReturn

import typer
from rich import progress as bars
from rich.console import Console

from synthgen import __version__
from synthgen.errors import IncompleteError, UserError, is_disk_full

stdout = Console(soft_wrap=True)
stderr = Console(stderr=True, soft_wrap=True)

SECONDS_BETWEEN_LINES = 20.0


def new_app(name: str, summary: str) -> typer.Typer:
    """Return a command group with `--version` and plain tracebacks."""
    app = typer.Typer(
        name=name, help=summary, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="markdown"
    )

    @app.callback()
    def _root(
        show_version: bool = typer.Option(False, "--version", is_eager=True, help="Print the version and stop."),
    ) -> None:
        if show_version:
            stdout.print(f"{name} {__version__}", highlight=False)
            raise typer.Exit

    app.info.invoke_without_command = True
    return app


def print_lines(lines: Iterable[str]) -> None:
    """Write lines to stdout as they are: data never becomes markup."""
    for line in lines:
        stdout.print(line, markup=False, highlight=False)


def run(app: typer.Typer) -> NoReturn:
    """Run a command group: exit 0 done, 2 wrong input, 3 incomplete, 130 interrupted; a bug keeps its traceback.

    A file that cannot be read or written is no bug.
    """
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, _interrupted)
    try:
        app()
    except (UserError, IncompleteError) as error:
        _fail(error, error.exit_code)
    except OSError as error:
        if is_disk_full(error):
            advice = f"make room on the disk, or for temporary files ({gettempdir()}) set TMPDIR"
            _fail(f"{error}: {advice}; then give the same command again", IncompleteError.exit_code)
        if error.filename is None:
            raise
        _fail(error, UserError.exit_code)
    sys.exit(0)


def _fail(error: Exception | str, exit_code: int) -> NoReturn:
    message = str(error).replace("[", r"\[")
    stderr.print(f"[bold red]error:[/] {message}", highlight=False)
    sys.exit(exit_code)


def _interrupted(_signal: int, _frame: FrameType | None) -> NoReturn:
    """End with exit code 130; what is open is closed on the way out, so the state stays resumable."""
    stderr.print("stopped; to go on, give the same command again", highlight=False)
    raise SystemExit(130)


def print_json(value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Write one JSON document to stdout, keys in the order given."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


@contextmanager
def progress() -> Iterator[bars.Progress]:
    """Yield a progress display on stderr: a live bar on a terminal, a line every 20 s in a log."""
    columns = (
        bars.SpinnerColumn(),
        bars.TextColumn("[progress.description]{task.description}"),
        bars.BarColumn(bar_width=24),
        bars.MofNCompleteColumn(),
        bars.TimeElapsedColumn(),
        bars.TimeRemainingColumn(),
        bars.TextColumn("{task.fields[note]}"),
    )
    with bars.Progress(*columns, console=stderr, disable=not stderr.is_terminal) as bar:
        done = threading.Event()
        if not stderr.is_terminal:
            threading.Thread(target=_print_lines, args=(bar, done), daemon=True).start()
        try:
            yield bar
        finally:
            done.set()


def _print_lines(bar: bars.Progress, done: threading.Event) -> None:
    """Print where each unfinished task is, until `done` is set."""
    while not done.wait(SECONDS_BETWEEN_LINES):
        for task in bar.tasks:
            if not task.finished:
                count = "" if task.total is None else f"{task.completed:.0f}/{task.total:.0f} "
                stderr.print(f"{task.description}: {count}{task.fields.get('note', '')}", markup=False, highlight=False)
