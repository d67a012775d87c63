"""What a comparison tells its tracker: each run that it carries out, the scores that it adds, and the verdicts."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from evaluator.experiment.jobs import Job, PlannedScore
from evaluator.reporting.sentences import size_text
from evaluator.stats.comparison import Comparison
from evaluator.store import Store
from evaluator.tracking.tracker import Tracker, Values, training_values


@dataclass(frozen=True, slots=True)
class TrackedSweep:
    """The tracker of a sweep, and the store that its runs go to."""

    tracker: Tracker
    store: Store

    def note(self, job: Job, text: str) -> None:
        """Tell a line of progress; the first begins the run."""
        self.tracker.begin(job.node.key, job.label, job.node.inputs)
        self.tracker.progress(job.node.key, text)

    def finish(self, job: Job) -> None:
        """Tell what a finished run recorded of its training."""
        self.note(job, "")
        self.tracker.end(
            job.node.key, lambda: training_values(self.store.results(job.node)["training"]) if job.stage else {}
        )

    def fail(self, job: Job) -> None:
        """Tell that a run failed; why, only the log here says."""
        self.note(job, "")
        self.tracker.end(job.node.key, lambda: {"failed": 1})

    def unscored(self, cells: Iterable[PlannedScore]) -> list[PlannedScore]:
        """Return the cells without scores, which are to be told when they have them."""
        return [cell for cell in cells if not self.store.is_finished(cell.scores)] if self.tracker.is_on else []

    def results(self, cells: Sequence[PlannedScore], comparison: Comparison) -> None:
        """Tell the scores of cells that have them now, those of an arm, size and seed as one run, then the verdicts."""
        runs: dict[str, list[PlannedScore]] = {}
        for cell in cells:
            rows = f"{cell.arm.name} {cell.arm_n:,}" if cell.arm_n else cell.arm.name
            runs.setdefault(f"scores {rows} seed {cell.seed}", []).append(cell)
        for name, scored in runs.items():
            self._export(name, partial(_scores, scored, self.store))
        if runs:
            self._export("verdicts", partial(_verdicts, comparison))

    def _export(self, name: str, values: Callable[[], Values]) -> None:
        self.tracker.begin(name, name, {})
        self.tracker.end(name, values)


def _scores(cells: Iterable[PlannedScore], store: Store) -> Values:
    return {
        f"{cell.target.name}/{cell.language}/{metric}": value
        for cell in cells
        if store.is_finished(cell.scores)
        for metric, value in store.results(cell.scores)["metrics"].items()
    }


def _verdicts(comparison: Comparison) -> Values:
    """Return the differences over all targets, and what is concluded of each."""
    values: dict[str, float | str] = {}
    for pair in comparison.headline():
        name = f"{pair.a} - {pair.b} {size_text(pair)}"
        values[f"verdict/{name}"] = str(pair.verdict)
        if pair.known:
            values[f"difference/{name}"] = float(pair.estimate.value)
    return values
