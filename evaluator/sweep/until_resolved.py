"""`evaluator run --until-resolved`: more seeds where they resolve most for their cost, until the budget ends.

Looks are planned before the first run, each after as many more seeds as the file has; every verdict pays for them
(`stats.looks`). What is chosen follows from the results alone, so that a run that was killed goes on as it would have.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count, islice

from evaluator.experiment.arguments import CompareArguments
from evaluator.experiment.definition import Experiment, define, open_store
from evaluator.experiment.graph import build
from evaluator.reporting.sentences import size_text
from evaluator.stats.comparison import Comparison
from evaluator.stats.looks import Looks
from evaluator.stats.pairwise import PairwiseResult
from evaluator.stats.results import Group
from evaluator.store import Store
from evaluator.sweep.compare import run_experiment
from evaluator.sweep.plan import plan_graph, work_of
from synthgen.console import note
from synthgen.errors import IncompleteError, UserError
from synthgen.runtime.files import format_duration

PLANNED_LOOKS = 4


@dataclass(frozen=True, slots=True)
class Step:
    """The seeds that a comparison still needs of each arm at its size, and the work of a look's worth of them."""

    pair: PairwiseResult
    seeds: dict[Group, tuple[int, ...]]
    needed: int
    work: float

    @property
    def name(self) -> str:
        """The comparison in words."""
        return f"the comparison of {self.pair.a} and {self.pair.b} {size_text(self.pair)}"


def run_until_resolved(arguments: CompareArguments, hours: float) -> tuple[Comparison, str]:
    """Run an experiment, then add seeds; return the comparison and why it stopped, with what is next.

    IncompleteError where the experiment itself takes longer than the budget.
    """
    if not hours > 0:
        raise UserError(f"--budget {hours:g}; allowed: hours above 0")
    experiment, deadline = define(arguments), time.monotonic() + 3600 * hours
    if len(experiment.seeds) < 2:
        raise UserError("--until-resolved estimates the variance between seeds; give seeds = 2 or more")
    experiment = replace(experiment, looks=Looks(PLANNED_LOOKS, len(experiment.seeds)))
    store = open_store(experiment)
    _refuse_too_long(experiment, store, deadline)
    comparison = run_experiment(arguments, experiment)
    while step := _next_step(comparison, experiment, store):
        wider = _with_seeds(experiment, step.seeds)
        seconds = _seconds(wider, store)
        if time.monotonic() + seconds > deadline:
            return comparison, f"the next step would exceed the budget: {_described(step, wider, seconds)}"
        note(f"adding {_described(step, wider, seconds)}")
        experiment = wider
        comparison = run_experiment(arguments, experiment)
    return comparison, _end(comparison, experiment)


def _refuse_too_long(experiment: Experiment, store: Store, deadline: float) -> None:
    seconds = _seconds(experiment, store)
    if seconds and time.monotonic() + seconds > deadline:
        raise IncompleteError(
            f"the experiment itself takes about {format_duration(seconds)}, more than --budget",
            "nothing was started: give more hours, or fewer seeds, sizes or targets",
        )


def _seconds(experiment: Experiment, store: Store) -> float:
    cost = plan_graph(experiment, build(experiment), store)
    return cost.seconds / cost.parallel if cost.jobs else 0.0


def _next_step(comparison: Comparison, experiment: Experiment, store: Store) -> Step | None:
    """Return the next seeds of the unresolved comparison that needs the least work; None where no look is left."""
    steps = [_step(pair, experiment, store) for pair in _chosen_pairs(comparison) if pair.needed_seeds]
    return min(filter(None, steps), key=lambda step: step.work * step.needed, default=None)


def _chosen_pairs(comparison: Comparison) -> list[PairwiseResult]:
    """Return the comparisons over all targets that are to be resolved: the primary ones where there are any."""
    pairs = comparison.headline()
    return [pair for pair in pairs if pair.primary] or pairs


def _step(pair: PairwiseResult, experiment: Experiment, store: Store) -> Step | None:
    """Return the seeds of a pair's next look; None where no number would resolve it, or all looks are used."""
    looks, need = experiment.looks, pair.needed_seeds
    groups: Sequence[Group] = ((pair.a, pair.size_a), (pair.b, pair.size_b))
    more = {group: experiment.more_seeds.get(group, ()) for group in groups}
    fewest = len(experiment.seeds) + min(map(len, more.values()))
    if looks is None or need is None or need.seeds is None:
        return None
    if fewest >= looks.planned * looks.seeds:
        return None
    unused = (seed for seed in count() if seed not in experiment.seeds)
    new = tuple(islice(unused, fewest + looks.seeds - len(experiment.seeds)))
    if any(arm.by_seed and max(new) >= len(arm.by_seed) for arm in experiment.arms if arm.name in (pair.a, pair.b)):
        return None  # a seed without a dataset of its own
    seeds = {group: new if len(new) > len(have) else have for group, have in more.items()}
    before, after = build(experiment), build(_with_seeds(experiment, seeds))
    known = {job.node.key for job in before.jobs}
    work = work_of([job for job in after.jobs if job.node.key not in known], store)
    return Step(pair, seeds, -(-(need.seeds - fewest) // looks.seeds), work)


def _with_seeds(experiment: Experiment, seeds: dict[Group, tuple[int, ...]]) -> Experiment:
    return replace(experiment, more_seeds={**experiment.more_seeds, **seeds})


def _described(step: Step, wider: Experiment, seconds: float) -> str:
    seeds = len(wider.seeds) + max(map(len, step.seeds.values()))
    return f"{seeds} seeds per arm for {step.name}, about {format_duration(seconds)}"


def _end(comparison: Comparison, experiment: Experiment) -> str:
    """Say why nothing is left to add."""
    pairs = _chosen_pairs(comparison)
    if not pairs or all(pair.reason is not None or not pair.known for pair in pairs):
        return "no number of seeds can give a verdict here; the report gives the reason"
    still = [pair for pair in pairs if pair.needed_seeds]
    if not still:
        return f"all {'primary ' if pairs[0].primary else ''}comparisons are resolved"
    planned = experiment.looks.planned if experiment.looks else 0
    used = f"all {planned} interim analyses are used, more seeds would not resolve it, or further seeds have no dataset"
    many = f"{len(still)} comparisons are" if len(still) > 1 else "1 comparison is"
    return f"{many} not resolved: {used}; next: more test items, languages or targets"
