"""`evaluator compare`: build the graph, say what it costs, run what is missing, score, report."""

from pathlib import Path

from evaluator.experiment.arguments import CompareArguments
from evaluator.experiment.call import takes
from evaluator.experiment.definition import Experiment, define, open_store
from evaluator.experiment.graph import build
from evaluator.experiment.jobs import Graph
from evaluator.reporting.report import check_page, report
from evaluator.stats.comparison import Comparison
from evaluator.sweep.overlap import write_overlap
from evaluator.sweep.plan import announce, plan_graph
from evaluator.sweep.plan_file import add_cost, add_look, fix_plan
from evaluator.sweep.result_files import write_tables
from evaluator.sweep.runner import run_jobs
from evaluator.sweep.scoring import score_all
from evaluator.sweep.tracked import TrackedSweep
from evaluator.tracking.tracker import tracking
from synthgen.errors import IncompleteError
from synthgen.runtime.lock import only_writer


@takes(CompareArguments)
def compare(arguments: CompareArguments) -> Comparison:
    """Train and score every arm on every target; report all differences with intervals. Run it again to resume.

    Example: `evaluator compare none=none real=runs/real synthetic=runs/synthetic --targets xnli,udpos --seeds 3`

    Example: `evaluator compare experiment.toml --seeds 5`

    Returns the comparison; the report is written to `out`, its tables to the same folder. Every argument is checked
    before anything is trained: UserError for a wrong one. A failed run has a null score in the results;
    IncompleteError names it after the report of the others is written.
    """
    return carry_out(arguments)


def carry_out(arguments: CompareArguments) -> Comparison:
    """Do what `compare` does."""
    return run_experiment(arguments, define(arguments))


def run_experiment(arguments: CompareArguments, experiment: Experiment) -> Comparison:
    """Run what an experiment lacks, score and report it; IncompleteError as in `compare`."""
    graph, store, page = build(experiment), open_store(experiment), check_page(arguments.out)
    with only_writer(page), tracking(arguments.track, page.parent) as tracker:
        return _run(arguments, experiment, graph, TrackedSweep(tracker, store), page)


def _run(
    arguments: CompareArguments, experiment: Experiment, graph: Graph, tracked: TrackedSweep, page: Path
) -> Comparison:
    """Run what is missing, score and report."""
    store = tracked.store
    planned = plan_graph(experiment, graph, store)
    if planned.jobs:
        announce(planned)
    folders = (page.parent, store.root)
    fixed = fix_plan(planned, experiment, folders)
    write_overlap(experiment, store, folders)
    work, ray, workers = {job.key: job.work for job in planned.jobs}, arguments.ray, planned.workers
    unscored = tracked.unscored(graph.cells)
    failure = run_jobs(graph.jobs, tracked, work, ray=ray, workers=workers, keep_weights=arguments.keep_weights)
    score_all(experiment, graph, store)
    write_tables(experiment, graph, store, page.parent)
    add_look(fixed, experiment, folders)
    add_cost(fixed, graph, store, folders)
    comparison = report(store.root, out=page)
    tracked.results(unscored, comparison)
    if failure is not None:
        again = "run the command again, or leave out a seed with --seeds, such as 0,2-4"
        raise IncompleteError(f"{failure}; {page} reports the other runs; {again}")
    return comparison
