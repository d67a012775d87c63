"""Learned quality estimators (MetricX, COMET) in a process of their own, since their requirements conflict with vLLM's.

The process gets one JSON object a line, `{"id", "source", "translation"}`, and prints one a line, `{"id", "score"}`, in
any order, as soon as it likes. It is started without a shell. Every score is kept as it comes, so that a process that
ends early is asked only for the rest the next time.
"""

from __future__ import annotations

import json
import math
import os
import queue
import shlex
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from synthgen.errors import IncompleteError, UserError, refuse
from synthgen.runtime.guard import ended_with_this_process
from synthgen.runtime.provenance import public_command
from synthgen.text.json_text import parse_json

Pairs = Mapping[str, tuple[str, str]]
"""Source and translation by id."""
SILENCE = 600.0
"""Seconds that may pass without a score."""
LONGEST_LINE, LINES_AHEAD = 10_000, 1_000
"""Bytes of a line that are read, and lines that may wait."""


def open_estimator(command: str | None, least: float | None, most: float | None, silence: float) -> Estimator | None:
    """Return the estimator that --qe and the options beside it name, None without; UserError where it cannot start."""
    if command is None:
        refuse("there are no scores without --qe COMMAND", qe_least=least, qe_most=most)
        refuse("it is for --qe COMMAND", qe_silence=None if silence == SILENCE else silence)
        return None
    if least is not None and most is not None and least > most:
        raise UserError(f"--qe-least {least:g} is above --qe-most {most:g}: no score is between them")
    if not silence > 0:
        raise UserError(f"--qe-silence {silence:g}; allowed: seconds above 0")
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
        """The command as others may read it: its program and a hash of the rest."""
        return public_command(self.command)

    def arguments(self) -> list[str]:
        """Return the command's words; UserError when it has none or its program is not there."""
        try:
            words = shlex.split(self.command)
        except ValueError as error:
            raise UserError(f"--qe '{self.command}' is not a command: {error}") from None
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
        with tempfile.TemporaryFile() as requests, tempfile.TemporaryFile() as errors:
            for name, (source, translation) in pairs.items():
                request = {"id": name, "source": source, "translation": translation}
                requests.write(json.dumps(request, ensure_ascii=False).encode() + b"\n")
            requests.seek(0)
            process = self._start(requests, errors)
            try:
                for line in self._lines(process, waiting, len(pairs)):
                    yield self._parse(line, waiting)
                if code := process.wait():
                    last = _last_line(errors)[:200] or "it printed no error"
                    raise _incomplete(f"--qe ended with code {code}: {last}", waiting, len(pairs))
                if waiting:
                    missing = f"{len(waiting)} of {len(pairs)} texts, such as {min(waiting)}"
                    raise UserError(f"--qe ended without a score for {missing}")
            finally:
                process.kill()
                process.wait()

    def _start(self, requests: IO[bytes], errors: IO[bytes]) -> subprocess.Popen[bytes]:
        words = self.arguments()
        try:
            with ended_with_this_process():
                return subprocess.Popen(words, stdin=requests, stdout=subprocess.PIPE, stderr=errors)
        except OSError as error:
            raise UserError(f"--qe cannot start '{words[0]}': {error.strerror or error}") from None

    def _lines(self, process: subprocess.Popen[bytes], waiting: set[str], total: int) -> Iterator[bytes]:
        """Yield the lines that a process prints; IncompleteError when it is silent for too long."""
        lines: queue.Queue[bytes] = queue.Queue(LINES_AHEAD)

        def collect(stream: IO[bytes]) -> None:
            """Queue the lines, an empty one after the last."""
            with stream:
                for line in iter(lambda: stream.readline(LONGEST_LINE), b""):
                    if line.strip():
                        lines.put(line)
            lines.put(b"")

        threading.Thread(target=collect, args=(process.stdout,), daemon=True).start()
        try:
            yield from iter(lambda: lines.get(timeout=self.silence), b"")
        except queue.Empty:
            raise _incomplete(f"--qe gave no score for {self.silence:g} s", waiting, total) from None

    def _parse(self, line: bytes, waiting: set[str]) -> tuple[str, float]:
        try:
            value: Any = parse_json(line.decode(), nan=True)
            name, score = value["id"], value["score"]
        except (ValueError, TypeError, KeyError):
            text = line.decode("utf-8", "replace").strip()[:120]
            raise UserError(f'--qe printed \'{text}\'; expected {{"id": …, "score": …}}') from None
        if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
            raise UserError(f"--qe gave {name} the score {score}; a score is a finite number")
        if name not in waiting:
            raise UserError(f"--qe scored '{name}', which is not in its input or was scored before")
        waiting.remove(name)
        return name, float(score)


def _last_line(stream: IO[bytes]) -> str:
    stream.seek(max(0, stream.seek(0, os.SEEK_END) - LONGEST_LINE))
    return (stream.read().decode("utf-8", "replace").strip().splitlines() or [""])[-1]


def _incomplete(reason: str, waiting: set[str], total: int) -> IncompleteError:
    done = f"{total - len(waiting)} of {total} scores are kept"
    return IncompleteError(f"{reason}; {done}", "run the same command again to continue")
