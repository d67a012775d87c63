"""The console of both commands: results to stdout, progress to stderr.

Every text is shown as it is: none is markup; what moves the cursor or turns the direction of writing is spelled out.
"""

import codecs
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich import progress as bars
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from synthgen import __version__
from synthgen.text.escape import MOST_OF_A_LINE as MOST_OF_A_LINE
from synthgen.text.escape import one_line as one_line
from synthgen.text.escape import visible as visible
from synthgen.text.escape import visible_json


class PlainConsole(Console):
    """A console that takes no text as markup, emoji names or something to colour, and shows what cannot be seen."""

    def __init__(self, *, stderr: bool = False) -> None:
        """Write to standard output, or to standard error."""
        super().__init__(stderr=stderr, soft_wrap=True, markup=False, emoji=False, highlight=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the parts of what is printed; those that move the cursor are Rich's own."""
        for part in super().render(renderable, options):
            yield part if part.control else Segment(visible(part.text), part.style)


stdout = PlainConsole()
stderr = PlainConsole(stderr=True)

SECONDS_BETWEEN_LINES = 20.0

_CREDENTIALS = re.compile(r"://[^\s/@?#]{1,500}@")


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
            print_lines([f"{name} {__version__}"])
            raise typer.Exit

    app.info.invoke_without_command = True
    return app


def print_lines(lines: Iterable[object]) -> None:
    """Write each text to stdout as one line, cut to what a person reads."""
    for line in lines:
        stdout.print(one_line(line))


def note(line: object, *, label: str = "") -> None:
    """Write one line to stderr, after a label that stands out; addresses in it without user and password."""
    start = Text(f"{label}: ", style="bold red") if label else Text()
    stderr.print(start + Text(one_line(_CREDENTIALS.sub("://***@", str(line)))))


def note_next(*commands: str) -> None:
    """Print what to do next on standard error, a line each, the last ones of a command."""
    for command in commands:
        note(f"next: {command}")


def print_json(value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Write one JSON document to stdout, keys in the order given, in ASCII where stdout is not UTF-8."""
    is_utf8 = codecs.lookup(sys.stdout.encoding or "ascii").name == "utf-8"
    sys.stdout.write(visible_json(value, ensure_ascii=not is_utf8, indent=2) + "\n")


@contextmanager
def progress() -> Iterator[bars.Progress]:
    """Yield a progress display on stderr: a live bar on a terminal, a line every 20 s in a log."""
    columns = (
        bars.SpinnerColumn(),
        bars.TextColumn("{task.description}", style="progress.description", markup=False),
        bars.BarColumn(bar_width=24),
        bars.MofNCompleteColumn(),
        bars.TimeElapsedColumn(),
        bars.TimeRemainingColumn(),
        bars.TextColumn("{task.fields[note]}", markup=False),
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
                note(f"{task.description}: {count}{task.fields.get('note', '')}")
