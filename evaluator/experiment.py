"""`evaluator compare`: build the graph, say what it costs, run what is missing, score, report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evaluator.comparison import Comparison
from evaluator.cost import announce, plan_graph
from evaluator.definition import DEFAULT_MODEL, define, open_store
from evaluator.graph import build
from evaluator.record import add_cost, fix_plan
from evaluator.report import page_path, report
from evaluator.runner import run_jobs
from evaluator.tables import score_all, write_tables
from synthgen.errors import UserError


def compare(
    arms: Sequence[str],
    *,
    targets: Sequence[str],
    languages: Sequence[str] = (),
    split: str = "test",
    sizes: Sequence[str | int] = ("full",),
    seeds: int = 5,
    match: str = "epochs",
    model: str = DEFAULT_MODEL,
    recipe: str = "xtreme",
    select: str = "last",
    keep_heads: bool = False,
    preset: str | None = None,
    data_root: Path | str | None = None,
    store: Path | str = "runs/store",
    out: Path | str = "runs/compare/report.html",
    max_train_examples: int | None = None,
    max_eval_examples: int | None = None,
    margin: float = 0.5,
    keep_weights: bool = False,
    ray: str | None = None,
    workers: int = 1,
) -> Comparison:
    """Run every missing part of an experiment and return the comparison; the report and its files stand at `out`.

    `arms` are `name=PART[+PART...]`, `name=none` or `name=model:REF`; the README explains the other arguments, which
    are those of the command line. The same call again does nothing twice. `ray` is an address or `auto`; `workers` runs
    share one GPU, or one machine's cores.
    """
    experiment = define(
        arms,
        targets=targets,
        languages=languages,
        split=split,
        sizes=sizes,
        seeds=seeds,
        match=match,
        model=model,
        recipe=recipe,
        select=select,
        keep_heads=keep_heads,
        data_root=data_root,
        max_train_examples=max_train_examples,
        max_eval_examples=max_eval_examples,
        preset=preset,
    )
    if workers < 1:
        raise UserError(f"--workers {workers}: allowed are whole numbers from 1")
    graph, opened, page = build(experiment), open_store(experiment, store), page_path(out)
    planned = plan_graph(experiment, graph, opened, workers=workers, ray=ray)
    if planned.jobs:
        announce(planned)
    folders = (page.parent, opened.root)
    fixed = fix_plan(planned, experiment, folders)
    work = {job.key: job.work for job in planned.jobs}
    run_jobs(graph.jobs, opened, keep_weights=keep_weights, ray=ray, workers=workers, work=work)
    score_all(experiment, graph, opened)
    write_tables(experiment, graph, opened, page.parent)
    add_cost(fixed, graph, opened, folders)
    return report(opened.root, out=page, margin=margin)
