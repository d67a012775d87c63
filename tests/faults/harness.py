"""A fault at every change that a command makes to files: it dies before or after it, the disk is full, the disk fails.

Each attempt is a fork of one warmed process. After the fault the same command is given again: it has to end well and
leave what an undisturbed run leaves, byte for byte apart from times. It is given once for each state of the folder:
most faults leave what another one left.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from synthgen.publishing.verify import verify
from tests.faults.commands import Command

SECONDS_PER_ATTEMPT = 300
"""After this an attempt hangs: an idle machine takes half a second, one with twenty processes a core half a minute."""


class Fault(IntEnum):
    """What goes wrong at a change, by its number in inject.c."""

    DIES_BEFORE = 1
    DIES_AFTER = 2
    DISK_FULL = 3
    DISK_FAILS = 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a forked command ended: its exit code, negative for a signal, what it printed, the changes it made."""

    code: int
    said: str
    changes: int


class Trial:
    """One command, its undisturbed result in `folder`, and attempts there with faults."""

    def __init__(self, command: Command, folder: Path, states: Path) -> None:
        """Run the command undisturbed; RuntimeError when that does not end well.

        `states` is a folder for the names of states from which the same command has ended well.
        """
        self.command, self._root, self._log, self._states = command, folder / "work", folder / "log", states
        folder.mkdir(parents=True)
        states.mkdir(exist_ok=True)
        outcome = self._fresh_run(0, 0)
        if outcome.code:
            raise RuntimeError(f"{command.name} ends with {outcome.code}: {outcome.said}")
        self.changes, self._expected = outcome.changes, contents(self._root)

    @staticmethod
    def warm(command: Command, folder: Path) -> None:
        """Run a command in this process, so that what it imports and loads is there in every fork."""
        folder.mkdir(parents=True)
        here = Path.cwd()
        os.chdir(folder)
        command.prepare(folder)
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
            _exit_code(command.run, folder)
        for name in command.sets:
            verify(folder / name)
        os.chdir(here)

    def faults_of(self, change: int, fault: Fault) -> Iterator[str]:
        """Yield what is wrong with the command when this change goes wrong, and with the same command after it."""
        first = self._fresh_run(change, fault)
        yield from _told_wrongly(first, fault, change)
        if first.code == 0 and (differing := self._differing(left_over=False)):
            yield f"exit 0, but {differing}"
        state = self._states / state_of(self._root)
        if state.exists():
            return
        again = self._run(0, 0)
        if again.code:
            yield f"the same command ends with {again.code}: {again.said}"
        elif differing := self._differing():
            yield f"after the same command {differing}"
        else:
            state.touch()

    def _fresh_run(self, change: int, fault: int) -> Outcome:
        shutil.rmtree(self._root, ignore_errors=True)
        for name in ("tmp", "cache"):
            (self._root / name).mkdir(parents=True)
        self.command.prepare(self._root)
        return self._run(change, fault)

    def _run(self, change: int, fault: int) -> Outcome:
        said, counted = self._log.with_suffix(".txt"), self._log.with_suffix(".count")
        counted.unlink(missing_ok=True)
        if not (child := os.fork()):
            self._be_the_command(change, fault, said, counted)
        code = _wait(child)
        changes = int(counted.read_text()) if counted.exists() else 0
        return Outcome(code, said.read_text(errors="replace").strip(), changes)

    def _be_the_command(self, change: int, fault: int, said: Path, counted: Path) -> None:
        """Run the command in this forked process, and end it."""
        code = 70
        try:
            os.setsid()
            os.chdir(self._root)
            os.environ |= {"TMPDIR": str(self._root / "tmp"), "SYNTHGEN_CACHE": str(self._root / "cache")}
            output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(output, 1)
            os.dup2(output, 2)
            library = ctypes.CDLL(None)
            library.fault_arm(os.fsencode(self._root), ctypes.c_long(change), fault)
            code = _exit_code(self.command.run, self._root)
            counted.write_text(str(library.fault_count()))
            library.fault_arm(b"", ctypes.c_long(0), 0)
            for name in self.command.sets if code == 0 else ():
                if faults := verify(self._root / name).faults:
                    print(f"{name} is not verified: {faults}")
                    code = 71
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _differing(self, *, left_over: bool = True) -> str:
        """Return how the folder differs from that of the undisturbed run; an empty text when it does not."""
        found, expected = contents(self._root), self._expected
        kinds = [f"{name} is lost" for name in expected if name not in found]
        kinds += [f"{name} differs" for name in expected if name in found and found[name] != expected[name]]
        kinds += [f"{name} is left over" for name in found if left_over and name not in expected]
        return "; ".join(kinds[:4])


def _exit_code(run: Callable[[Path], None], folder: Path) -> int:
    try:
        run(folder)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _wait(child: int) -> int:
    """Return a process's exit code, negative for a signal; what it leaves running counts as a hang."""
    until = time.monotonic() + SECONDS_PER_ATTEMPT
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > until:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return 99
        time.sleep(0.002)
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        return os.waitstatus_to_exitcode(ended[1])
    return 98


def _told_wrongly(outcome: Outcome, fault: Fault, change: int) -> Iterator[str]:
    """Yield what is wrong with how a disturbed command ended."""
    if outcome.code == 0:
        return
    if fault in (Fault.DIES_BEFORE, Fault.DIES_AFTER):
        if outcome.code != -signal.SIGKILL:
            yield f"ended with {outcome.code}, not by the kill at change {change}: {outcome.said}"
        return
    errors = [line for line in outcome.said.splitlines() if line.startswith("error:")]
    if outcome.code not in (2, 3) or len(errors) != 1 or not re.search(r"same command|again", errors[0]):
        yield f"exit {outcome.code}: {outcome.said}"
    elif re.search("Traceback|Exception ignored", outcome.said):
        yield f"a traceback: {outcome.said}"


def state_of(folder: Path) -> str:
    """Return a hash of everything below a folder, without times, its own name and the writers of drafts."""
    found = contents(folder, ledgers=False).items()
    files = sorted((_WRITER.sub("", name), repr(content).replace(str(folder), "")) for name, content in found)
    return hashlib.sha256(repr(files).encode()).hexdigest()


_WRITER = re.compile(r"\.\w+-\d+-\d+\.[0-9a-f]{8}(?=\.draft)")
_DRAFT = re.compile(rf"\.(.+){_WRITER.pattern}\.draft")


def contents(folder: Path, *, ledgers: bool = True) -> dict[str, object]:
    """Return everything below a folder by name, without times: bytes of files, None for folders.

    Ledgers by their rows, or by their bytes too.
    """
    return {path.relative_to(folder).as_posix(): _content(path, ledgers) for path in sorted(folder.rglob("*"))}


def _content(path: Path, ledgers: bool) -> object:
    if path.is_dir():
        return None
    name = Path(_DRAFT.sub(r"\1", path.name))
    if ledgers and path.suffix == ".sqlite":
        return _ledger(path)
    if name.suffix == ".log":
        return b""
    content = path.read_bytes()
    if name.name == "synthgen.json" and b'"inputs"' in content:
        content = re.sub(rb'"sha256": "\w+"', b"", content)  # a node's hash of its own text, times and all
    if name.name == "synthgen.json":
        content = re.sub(rb'"(ledger|manifest)_hash": "\w+"', b"", content)  # of the order of replies, and of times
    if name.name == "tables.json":
        content = re.sub(rb'(\.html|\.md|"plan\.json)": "\w+"', rb"\1", content)  # these have times in them
    if name.suffix in (".json", ".md", ".html"):
        return _TIME.sub(lambda line: _AMOUNT.sub(b"0", line[0]), content)
    return content


_TIME = re.compile(rb"^.*(?:seconds|device.hours|tokens.per.second|\btime(?:,? [\w ]+)?(?:<| [|])).*$", re.MULTILINE)
"""A line with times in it, whose amounts are not compared."""
_AMOUNT = re.compile(rb"(?:\d[\d.,e+\\-]*(?: (?:s|min|h)\b ?)?)+")
"""A number, or a time in one or two units."""


def _ledger(path: Path) -> object:
    """Return what a ledger says, without the order in which it was said."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as ledger:
        tables = {"run": "*", "slots": "*", "verdicts": "*", "judged": "*", "replies": "slot, step, request_key, text"}
        return {
            name: sorted(ledger.execute(f"SELECT {columns} FROM {name}"), key=repr) for name, columns in tables.items()
        }
