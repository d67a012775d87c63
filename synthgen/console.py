"""The shell that both command sets share: results to stdout, progress to stderr, errors as one line with an exit code."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from types import FrameType
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from synthgen.errors import IncompleteError, UserError

stdout = Console(soft_wrap=True)
stderr = Console(stderr=True, soft_wrap=True)


def package_version() -> str:
    """Return the installed version of this distribution, `0+source` for a bare checkout."""
    try:
        return version("synthgen-evaluator")
    except PackageNotFoundError:
        return "0+source"


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
            raise typer.Exit(_print(f"{name} {package_version()}"))

    app.info.invoke_without_command = True
    return app


def _print(text: str) -> int:
    stdout.print(text, highlight=False)
    return 0


def run(app: typer.Typer) -> NoReturn:
    """Run a command group: exit 0 done, 2 wrong input, 3 incomplete; a bug keeps its traceback."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        app()
    except (UserError, IncompleteError) as error:
        stderr.print(f"[bold red]error:[/] {_plain(error)}", highlight=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        stderr.print("stopped; the same command continues where it was", highlight=False)
        sys.exit(130)
    sys.exit(0)


def _plain(error: Exception) -> str:
    return str(error).replace("[", r"\[")


def _terminated(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def print_json(value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Write one JSON document to stdout, keys in the order given."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


@contextmanager
def progress() -> Iterator[Progress]:
    """Yield a progress display on stderr that shows count, elapsed and remaining time."""
    columns = (
        SpinnerColumn(),
        TextColumn("[progress.description]{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=stderr, transient=False) as bar:
        yield bar
