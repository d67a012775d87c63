"""`evaluator run`: a whole experiment from one file: its data, its runs, its report."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluator import options
from evaluator.experiment.arguments import CompareArguments
from evaluator.experiment.call import file_arguments
from evaluator.experiment.definition import check_model
from evaluator.experiment.file import ExperimentFile, parse_experiment
from evaluator.experiment.steps import Fault, error_text
from evaluator.stats.comparison import Comparison
from evaluator.sweep.compare import carry_out
from evaluator.sweep.until_resolved import run_until_resolved
from evaluator.tracking.backend import check_tracker
from synthgen.errors import UserError, refuse
from synthgen.runtime.notebook import html_table


@dataclass(frozen=True, slots=True)
class ExperimentRun:
    """What `run` did: the faults that --check found, the comparison where one was made, and the next command.

    `end` is why --until-resolved stopped.
    """

    file: str
    next: str
    faults: tuple[str, ...] = ()
    comparison: Comparison | None = None
    end: str = ""

    @property
    def exit_code(self) -> int:
        """0, or that of wrong input where the file has faults."""
        return UserError.exit_code if self.faults else 0

    def _repr_html_(self) -> str:
        next_ = [{"faults": fault} for fault in self.faults] or [{"next": self.next}]
        return html_table(self.file, next_) + (self.comparison._repr_html_() if self.comparison else "")

    def document(self) -> dict[str, Any]:
        """Return the JSON object of the command."""
        document = {"file": self.file, "faults": list(self.faults), "next": self.next, "end": self.end}
        return document | ({"comparison": self.comparison.document()} if self.comparison else {})


def run(
    experiment: options.ExperimentFile,
    *,
    changes: options.Changes = (),
    check: options.CheckFile = False,
    only_data: options.OnlyData = False,
    until_resolved: options.UntilResolved = False,
    budget: options.Budget = None,
    track: options.Track = None,
) -> ExperimentRun:
    """Make the data of an experiment file, train and score its arms, write the report. Run the command again to resume.

    Example: `evaluator run experiment.toml --set seeds=3 --set data.real.n=500`

    Returns the comparison, or with `check` every fault of the file. A finished data step is not repeated; a step whose
    options have changed since is refused. UserError names the first fault with its line, before anything is made;
    IncompleteError as in `compare`.
    """
    check_tracker(track)
    if until_resolved != (budget is not None):
        raise UserError("give --until-resolved and --budget HOURS together")
    path = Path(experiment)
    file = parse_experiment(path, changes)
    faults = tuple(dict.fromkeys(map(file.describe, sorted(_faults(file), key=file.line))))
    if check:
        refuse("--check only lists faults", only_data=only_data, until_resolved=until_resolved)
        return ExperimentRun(str(path), f"evaluator run {path}", faults)
    if faults:
        more = f" ({len(faults) - 1} more: evaluator run {path} --check)" if len(faults) > 1 else ""
        raise UserError(faults[0] + more)
    if not only_data:
        check_model(file_arguments(CompareArguments, file, needs_data=False))
    file.steps.run()
    if only_data:
        refuse("--only-data trains nothing", until_resolved=until_resolved)
        return ExperimentRun(str(path), f"evaluator plan {path}")
    overrides: dict[str, Any] = {"track": track} if track else {}
    arguments = file_arguments(CompareArguments, parse_experiment(path, changes), **overrides)
    if budget is not None:
        comparison, end = run_until_resolved(arguments, budget)
        return ExperimentRun(str(path), f"open {comparison.page}", comparison=comparison, end=end)
    comparison = carry_out(arguments)
    is_open = any(pair.needed_seeds for pair in comparison.headline())
    more = f", or evaluator run {path} --until-resolved --budget HOURS" if is_open else ""
    return ExperimentRun(str(path), f"open {comparison.page}{more}", comparison=comparison)


def _faults(file: ExperimentFile) -> Iterator[Fault]:
    """Yield what is wrong with a file, its steps and its options; where one cannot be read others go unchecked."""
    yield from file.faults
    yield from file.steps.changes()
    yield from file.steps.directions()
    yield from file.steps.combinations()
    try:
        arguments = file_arguments(CompareArguments, file, needs_data=False)
    except UserError as error:  # of its preset
        yield Fault(("preset",), str(error))
        return
    messages = {fault.message for fault in file.faults}
    planned = [folder for step in file.steps.steps if not step.is_done for folder in step.folders]
    for key, check in (*arguments.checks(), *arguments.data_checks(planned)):
        try:
            check()
        except (UserError, OSError) as error:  # a later check may need what an earlier one has refused
            if str(error) not in messages:
                yield Fault((key,), error_text(key, error))
            messages.add(str(error))
