"""The tracker of a command: one thread tells a package what the logs have, so that no run waits for it or fails by it.

Only names that reports have too are told, and JSON values of keys, without paths. A tracker that fails, or that takes
too long at the end, is said once.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

from evaluator.tracking.backend import OpenRun, TrackedRun, opener
from synthgen.console import note
from synthgen.errors import first_line
from synthgen.runtime.provenance import public_values

LONGEST_END, LONGEST_INTERRUPTED = 30.0, 3.0
"""Seconds that a tracker has at the end for what it was told, and where the command is interrupted."""

Values = Mapping[str, float | str]
_STEP = re.compile(r"(?:(\w+) )?step (\d+)/(\d+) loss (\S+)")


def step_text(step: int, steps: int, loss: float, stage: str = "") -> str:
    """Return a training's line of progress, with the name of a stage that another follows."""
    return f"{stage} step {step}/{steps} loss {loss:.3f}".lstrip()


def step_values(text: str) -> tuple[str, int, int, float] | None:
    """Return stage, step, steps and loss of a line of progress; None for any other.

    >>> step_values(step_text(3, 10, 0.5)), step_values("predicting")
    (('', 3, 10, 0.5), None)
    """
    match = _STEP.fullmatch(text)
    return (match[1] or "", int(match[2]), int(match[3]), float(match[4])) if match else None


def training_values(training: Mapping[str, Any]) -> Values:
    """Return the counts of a training as a manifest has them, and its tokens per second."""
    names = ("steps", "examples", "tokens", "seconds", "first_loss", "final_loss")
    values = {name: training[name] for name in names if training.get(name) is not None}
    return values | ({"tokens/s": training["tokens"] / training["seconds"]} if training["seconds"] else {})


class Tracker:
    """What a command tells; nothing happens without `make`, which opens the tracker's package in the thread."""

    def __init__(self, name: str = "", make: Callable[[], OpenRun] | None = None) -> None:
        self._name, self._make = name, make
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._open: OpenRun | None = None
        self._runs: dict[str, TrackedRun] = {}
        self._begun: set[str] = set()
        self._stages: dict[str, dict[str, int]] = {}
        self._failed = False
        self._thread = Thread(target=self._work, daemon=True, name=f"tracker {name}")
        if make:
            self._thread.start()

    @property
    def is_on(self) -> bool:
        """Whether there is anything to tell."""
        return self._make is not None and not self._failed

    def begin(self, key: str, name: str, config: Mapping[str, Any]) -> None:
        """Begin a run, unless it has begun."""
        if self._make and key not in self._begun:
            self._begun.add(key)
            public = public_values({**config, "key": key})
            self._queue.put(lambda: self._begin(key, name, public))

    def progress(self, key: str, text: str) -> None:
        """Tell a line of progress of a run, where it has a loss."""
        if self._make and (values := step_values(text)):
            self._queue.put(lambda: self._step(key, *values))

    def end(self, key: str, values: Callable[[], Values]) -> None:
        """Tell the last values of a run, which are asked for in the tracker's own thread."""
        if self._make:
            self._queue.put(lambda: self._end(key, values()))

    def close(self, longest: float) -> None:
        """Wait until all is told, but not for long."""
        if not self._make:
            return
        self._queue.put(None)
        self._thread.join(longest)
        if self._thread.is_alive():
            self._fail(f"it did not receive all values within {longest:.0f} s")

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            self._do(task)
        for run in self._runs.values():  # which were interrupted: what they have said is kept
            self._do(run.finish)

    def _do(self, task: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            task()
        except (Exception, SystemExit) as error:  # of whatever package
            self._fail(first_line(error))

    def _fail(self, reason: str) -> None:
        if not self._failed:
            self._failed = True
            note(f"--track {self._name} stops here, the runs continue: {reason}")

    def _begin(self, key: str, name: str, config: Mapping[str, Any]) -> None:
        if self._open is None and self._make:
            self._open = self._make()
        if self._open:
            self._runs[key] = self._open(name, config)

    def _step(self, key: str, stage: str, step: int, steps: int, loss: float) -> None:
        """Tell the loss of a step; those of a second stage follow all steps of the first, logged or not.

        A run that began again, since its machine was lost, has the same steps again.
        """
        stages = self._stages.setdefault(key, {})
        stages[stage] = steps
        before = list(stages).index(stage)
        self._log(key, {"loss": loss}, sum(list(stages.values())[:before]) + step)

    def _log(self, key: str, values: Values, step: int | None) -> None:
        if values and key in self._runs:
            self._runs[key].log(dict(values), step)

    def _end(self, key: str, values: Values) -> None:
        self._log(key, values, None)
        if run := self._runs.pop(key, None):
            run.finish()


@contextmanager
def tracking(name: str | None, folder: Path) -> Iterator[Tracker]:
    """Yield the tracker of a command, closed at its end; `folder` is where one that writes files does so.

    What its package prints goes to stderr: stdout has results alone.
    """
    if name is None:
        yield Tracker()
        return
    with redirect_stdout(sys.stderr):
        tracker = Tracker(name, lambda: opener(name, folder))
        longest = LONGEST_END
        try:
            yield tracker
        except KeyboardInterrupt:
            longest = LONGEST_INTERRUPTED
            raise
        finally:
            tracker.close(longest)
