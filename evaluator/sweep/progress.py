"""Where a sweep stands: one live table on a terminal, one line per finished run in a log.

Runs in this process and on Ray report here.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.live import Live
from rich.table import Table

from evaluator.experiment.jobs import IntermediateJob, Job
from evaluator.sweep.tracked import TrackedSweep
from synthgen.console import note, one_line, stderr
from synthgen.runtime.files import format_duration

NAMED_RUNS = 8
"""Running jobs named below the table."""


@dataclass
class SweepProgress:
    """The state of every job by key; `work` weighs jobs for the estimate, equally where it does not name them."""

    jobs: Mapping[str, Job]
    finished_before: int
    work: Mapping[str, float]
    tracked: TrackedSweep
    started: float = field(default_factory=time.monotonic)
    running: dict[str, str] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)

    def start(self, key: str) -> None:
        """Note that a job begins, or begins again after its machine was lost."""
        self.running[key] = ""

    def note(self, key: str, text: str) -> None:
        """Note what a running job is doing."""
        if key not in self.done:
            self.running[key] = text
            self.tracked.note(self.jobs[key], text)

    def finish(self, key: str, seconds: float) -> None:
        """Note that a job is done, and print a line."""
        self.running.pop(key, None)
        self.done.add(key)
        self.tracked.finish(self.jobs[key])
        count = f"{len(self.done) + self.finished_before} of {len(self.jobs) + self.finished_before}"
        note(f"done  {self.jobs[key].label}  {seconds:.0f} s  {key}  ({count}{self._left()})")

    def fail(self, key: str, message: str) -> None:
        """Note that a job could not be completed, and print a line."""
        self.running.pop(key, None)
        self.failed[key] = message
        self.tracked.fail(self.jobs[key])
        note(f"failed  {self.jobs[key].label}  {key}: {message}")

    def _left(self) -> str:
        """Return the time the rest will take at the pace so far; nothing before anything is done."""
        done = sum(self.work.get(key, 1.0) for key in self.done)
        left = sum(self.work.get(key, 1.0) for key in self.jobs if key not in self.done and key not in self.failed)
        if not done or len(self.done) == len(self.jobs):
            return ""
        return f", {format_duration((time.monotonic() - self.started) * left / done)} left"

    def __rich__(self) -> Table:
        table = Table(box=None, pad_edge=False, caption=self._caption(), caption_justify="left")
        for column in ("runs", "done", "running", "waiting"):
            table.add_column(column, justify="left" if column == "runs" else "right")
        counts: dict[str, Counter[str]] = {}
        for key, job in self.jobs.items():
            kind = "intermediate models" if isinstance(job, IntermediateJob) else job.target
            states = {"done": self.done, "failed": self.failed, "running": self.running}
            state = next((state for state, keys in states.items() if key in keys), "waiting")
            counts.setdefault(kind, Counter())[state] += 1
        for kind, count in counts.items():
            table.add_row(kind, *(str(count[state]) for state in ("done", "running", "waiting")))
        return table

    def _caption(self) -> str:
        lines = [
            one_line(f"{self.jobs[key].label}: {text}", most=200)
            for key, text in list(self.running.items())[:NAMED_RUNS]
        ]
        passed = format_duration(time.monotonic() - self.started)
        failed = [f"failed: {len(self.failed)}"] if self.failed else []
        return "\n".join([*lines, f"{passed} so far{self._left()}", *failed])


@contextmanager
def display(
    jobs: Sequence[Job], finished_before: int, work: Mapping[str, float], tracked: TrackedSweep
) -> Iterator[SweepProgress]:
    """Yield the sweep of these jobs, displayed while the block runs."""
    sweep = SweepProgress({job.node.key: job for job in jobs}, finished_before, work, tracked)
    if not stderr.is_terminal:
        yield sweep
        return
    with Live(sweep, console=stderr, refresh_per_second=2, transient=True):
        yield sweep
