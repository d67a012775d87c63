"""Learned quality estimators (MetricX, COMET) in a process of their own, since their requirements conflict with vLLM's.

The process gets one JSON object a line, `{"id", "source", "translation"}`, and prints one a line, `{"id", "score"}`, in
any order, as soon as it likes. It is started without a shell. Every score is kept as it comes, so that a process that
ends early is asked only for the rest the next time.
"""

from __future__ import annotations

import json
import math
import queue
import shlex
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from synthgen.errors import IncompleteError, UserError, refuse

Pairs = Mapping[str, tuple[str, str]]
"""Source and translation by id."""


SILENCE = 600.0
"""Seconds that may pass without a score."""


def open_estimator(command: str | None, least: float | None, most: float | None, silence: float) -> Estimator | None:
    """Return the estimator that --qe and the options beside it name, None without; UserError where it cannot start."""
    if command is None:
        refuse("it is for scores, and no --qe COMMAND gives them", qe_least=least, qe_most=most)
        refuse("there is no --qe COMMAND to wait for", qe_silence=None if silence == SILENCE else silence)
        return None
    if least is not None and most is not None and least > most:
        raise UserError(f"--qe-least {least:g} is above --qe-most {most:g}: no score is within the two")
    if not silence > 0:
        raise UserError(f"--qe-silence {silence:g} is no time to wait; give seconds above 0")
    estimator = Estimator(command, least, most, silence)
    estimator.arguments()
    return estimator


@dataclass(frozen=True, slots=True)
class Estimator:
    """A command that scores translations. A text scoring below `least` or above `most` rejects its row.

    Of COMET's scores more is better, of MetricX's less. `silence` is how many seconds may pass without a score.
    """

    command: str
    least: float | None = None
    most: float | None = None
    silence: float = SILENCE

    @property
    def public_command(self) -> str:
        """The command as others may read it: without folders."""
        return shlex.join(Path(part).name if "/" in part else part for part in self.arguments())

    def arguments(self) -> list[str]:
        """Return the command's words; UserError when it has none or its program is not there."""
        try:
            words = shlex.split(self.command)
        except ValueError as error:
            raise UserError(f"--qe '{self.command}' is no command: {error}") from None
        if not words:
            raise UserError("--qe is empty; give a command that reads JSON lines and prints JSON lines")
        if shutil.which(words[0]) is None:
            raise UserError(f"--qe cannot start '{words[0]}': no such program")
        return words

    def allows(self, score: float) -> bool:
        """Say whether a score is within the thresholds."""
        return (self.least is None or score >= self.least) and (self.most is None or score <= self.most)

    def scores(self, pairs: Pairs) -> Iterator[tuple[str, float]]:
        """Yield id and score of every pair, in the order they come.

        Raises UserError for a command that cannot be started or does not answer as described, IncompleteError when it
        fails or falls silent.
        """
        waiting = set(pairs)
        with tempfile.TemporaryFile() as said:
            process = self._started(said)
            lines = _fed(process, pairs)
            try:
                while (line := self._next(lines, waiting, len(pairs))) is not None:
                    yield self._score(line, waiting)
                self._check_end(process, said, waiting, len(pairs))
            finally:
                process.kill()
                process.wait()

    def _started(self, said: IO[bytes]) -> subprocess.Popen[bytes]:
        words = self.arguments()
        try:
            return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said)
        except OSError as error:
            raise UserError(f"--qe cannot start '{words[0]}': {error.strerror or error}") from None

    def _next(self, lines: queue.Queue[bytes | None], waiting: set[str], asked: int) -> bytes | None:
        try:
            return lines.get(timeout=self.silence)
        except queue.Empty:
            done = f"{asked - len(waiting)} of {asked} texts have their score, which is kept"
            raise IncompleteError(
                f"--qe gave no score for {self.silence:g} s; {done}; the same command goes on"
            ) from None

    def _score(self, line: bytes, waiting: set[str]) -> tuple[str, float]:
        shown = line.decode("utf-8", "replace").strip()[:120]
        try:
            found: Any = json.loads(line)
            name, score = found["id"], found["score"]
        except (ValueError, TypeError, KeyError):
            raise UserError(f'--qe printed \'{shown}\'; expected {{"id": …, "score": …}}') from None
        if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
            raise UserError(f"--qe gave {name} the score {score}; a score is a finite number")
        if name not in waiting:
            raise UserError(f"--qe scored '{name}', which was not asked for or has its score already")
        waiting.remove(name)
        return name, float(score)

    def _check_end(self, process: subprocess.Popen[bytes], said: IO[bytes], waiting: set[str], asked: int) -> None:
        done = f"{asked - len(waiting)} of {asked} texts have their score, which is kept"
        if code := process.wait():
            said.seek(0)
            last = (said.read().decode("utf-8", "replace").strip().splitlines() or ["nothing on its error stream"])[-1]
            raise IncompleteError(f"--qe ended with code {code}: {last[:200]}; {done}; the same command goes on")
        if waiting:
            raise UserError(f"--qe ended without a score for {len(waiting)} of {asked} texts, such as {min(waiting)}")


def _fed(process: subprocess.Popen[bytes], pairs: Pairs) -> queue.Queue[bytes | None]:
    """Return the lines that a process prints while it is given the pairs; None after the last."""
    lines: queue.Queue[bytes | None] = queue.Queue()
    given, printed = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)

    def write() -> None:
        try:
            with given:
                for name, (source, translation) in pairs.items():
                    line = json.dumps({"id": name, "source": source, "translation": translation}, ensure_ascii=False)
                    given.write(line.encode() + b"\n")
        except BrokenPipeError:  # it ended early; its exit code says more
            pass

    def read() -> None:
        with printed:
            for line in printed:
                if line.strip():
                    lines.put(line)
        lines.put(None)

    for work in (write, read):
        threading.Thread(target=work, daemon=True).start()
    return lines
