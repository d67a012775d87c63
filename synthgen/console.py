"""The console of both commands: results to stdout, progress to stderr.

Every text is shown as it is: none is markup; what moves the cursor or turns the direction of writing is spelled out.
"""

import codecs
import os
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

import typer
from rich import progress as bars
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Column
from rich.text import Text

from synthgen import __version__
from synthgen.text.escape import MOST_OF_A_LINE as MOST_OF_A_LINE
from synthgen.text.escape import one_line as one_line
from synthgen.text.escape import visible as visible
from synthgen.text.escape import visible_json


class PlainConsole(Console):
    """A console that takes no text as markup, emoji names or something to colour, and shows what cannot be seen.

    `own_file` is what it writes to while its standard stream is a log of others, else None.
    """

    own_file: IO[str] | None = None

    def __init__(self, *, stderr: bool = False) -> None:
        """Write to standard output, or to standard error."""
        super().__init__(stderr=stderr, soft_wrap=True, markup=False, emoji=False, highlight=False)

    @property
    def file(self) -> IO[str]:
        """Where this writes: `own_file`, else the standard stream as it is at the time."""
        return self.own_file or super().file

    @file.setter
    def file(self, file: IO[str]) -> None:
        self.own_file = file

    @contextmanager
    def writing_to(self, file: IO[str]) -> Iterator[None]:
        """Write to a file in the meantime, which nothing is written to afterwards."""
        with self._lock:
            self.own_file = file
        try:
            yield
        finally:
            with self._lock:
                self.own_file = None

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


def note_next_on_data(command: str) -> None:
    """Print what to do next with official files; before it how to get them, where no data root is here."""
    has_root = Path(os.environ.get("SYNTHGEN_DATA") or "data").is_dir()
    note_next(*(() if has_root else ("evaluator data fetch --data-root data",)), command)


def print_json(value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Write one JSON document to stdout, keys in the order given, in ASCII where stdout is not UTF-8."""
    is_utf8 = codecs.lookup(sys.stdout.encoding or "ascii").name == "utf-8"
    sys.stdout.write(visible_json(value, ensure_ascii=not is_utf8, indent=2) + "\n")


class _Count(bars.MofNCompleteColumn):
    """How much is done of what; nothing where nobody knows how much there is."""

    def render(self, task: bars.Task) -> Text:
        """Return the count of a task."""
        return Text() if task.total is None else super().render(task)


class _Bars(bars.Progress):
    """Bars whose counts and times are never cut: in a narrow terminal bars shrink, then long names are folded.

    What is noted of a task stands below the bars.
    """

    def __init__(self, *columns: bars.ProgressColumn, is_live: bool, is_kept: bool) -> None:
        """Show nothing but on a terminal, and leave nothing there but `is_kept`."""
        quiet = not is_live
        super().__init__(
            *columns, console=stderr, disable=quiet, transient=not is_kept, redirect_stdout=False, redirect_stderr=False
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        """Yield the bars, then the notes."""
        yield self.make_tasks_table(self.tasks)
        for task in self.tasks:
            if text := task.fields["note"]:
                name = f"{task.description}: " if len(self.tasks) > 1 else ""
                yield Text(f"  {name}{text}", no_wrap=False, overflow="fold")


@contextmanager
def progress(*, is_kept: bool = True) -> Iterator[bars.Progress]:
    """Yield a progress display on stderr: a live bar on a terminal, a line every 20 s in a log.

    It stays on the terminal at the end if `is_kept`.
    """
    folded, whole = Column(overflow="fold"), Column(no_wrap=True)
    columns = (
        bars.SpinnerColumn(),
        bars.TextColumn("{task.description}", "progress.description", markup=False, table_column=folded),
        bars.BarColumn(None, table_column=Column(max_width=24)),
        _Count(table_column=whole),
        bars.TimeElapsedColumn(whole),
        bars.TimeRemainingColumn(table_column=whole),
    )
    is_live = stderr.is_terminal
    with _Bars(*columns, is_live=is_live, is_kept=is_kept) as bar:
        done = threading.Event()
        if not is_live:
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
                count = "" if task.total is None else f"{task.completed:.0f}/{task.total:.0f}, "
                text = f", {task.fields['note']}" if task.fields["note"] else ""
                note(f"{task.description}: {count}{timedelta(seconds=int(task.elapsed or 0))}{text}")
