"""The `evaluator` command: a table of commands, each a public function of that name, and its output."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.table import Table

from evaluator import options
from synthgen.console import new_app, note, note_next, note_next_on_data, one_line, print_lines, stdout
from synthgen.errors import listed, refuse
from synthgen.runtime.entry import run
from synthgen.runtime.files import format_size
from synthgen.runtime.own_files import OwnFileCheck, is_file_name, own_file_document, print_own_file
from synthgen.runtime.typer_command import Arguments, add_command

Json = Mapping[str, Any]


MOST_LANGUAGES = 20
"""Codes of a target in the list of targets; --json has all."""


def main() -> None:
    """Run the command line."""
    run(app)


def targets(
    file: options.OwnFile = None, *, new: options.NewTarget = None, check: options.CheckedTarget = None
) -> list[dict[str, Any]] | OwnFileCheck | Path:
    """List the targets: languages, metrics, English training set; --new starts a target file, --check checks one.

    Exit code 2 if --check finds a fault.

    Example: `evaluator targets --new pair my_target.toml`

    Example: `evaluator targets --check my_target.toml`
    """
    from evaluator.benchmark import own_target, registry

    if new is not None:
        refuse("--new writes a file without faults", check=check)
        return own_target.new_target(new, file)
    refuse("the argument FILE is for --new FORMAT; give both", file=file)
    return registry.targets() if check is None else own_target.check_target(check)


def print_targets(targets: Sequence[Json] | OwnFileCheck | Path, _: Arguments) -> None:
    """Print a line for each target, or what became of a file of the user's own."""
    if isinstance(targets, OwnFileCheck | Path):
        print_own_file(targets, "target", "evaluator targets", "evaluator data check --targets")
        return
    rows = (
        (t["name"], f"{len(t['languages'])}: {listed(t['languages'], MOST_LANGUAGES)}", " ".join(t["metrics"]),
         t["train_source"], t["licence"])
        for t in targets
    )  # fmt: skip
    _print_table(("target", "languages", "metrics", "trained on", "licence"), rows)
    note_next("evaluator data check", "evaluator data fetch --data-root data")


def print_models(rows: Sequence[Json], arguments: Arguments) -> None:
    """Print a line for each family of encoders, or for each target that a model was checked for."""
    if arguments.get("check"):
        cells = ((row["target"], row["head"], row["fits"], row["reason"]) for row in rows)
        _print_table(("target", "head", "fits", "reason"), cells)
        model, fitting = shlex.quote(arguments["check"]), [row["target"] for row in rows if row["fits"]]
        if targets := [name for name in fitting if ":" not in name]:
            note_next_on_data(f"evaluator plan none=none --model {model} --targets {','.join(targets)}")
        return
    for row in rows:
        stdout.print(f"{row['family']}: {', '.join(row['examples'])}", markup=False)
        stdout.print(f"  recipes {', '.join(row['recipes'])}. {row['note']}", markup=False)
    note_next(f"evaluator models --check {rows[0]['examples'][0]}")


def print_data_check(rows: Sequence[Json], arguments: Arguments) -> None:
    """Print a line for each target, language and split that is there, and what the targets that were named lack."""
    from evaluator.benchmark.data_root import lacking_files
    from evaluator.benchmark.registry import select

    _print_table(("target", "language", "split", "rows", "hash", "labelled"), (row.values() for row in rows))
    named = arguments["targets"]
    for line in lacking_files(arguments["data_root"], named):
        note(line)
    root = f" --data-root {shlex.quote(str(arguments['data_root']))}" if arguments["data_root"] else ""
    if plan := _plan_for_available(rows, {select([ref])[0].name: ref for ref in named if is_file_name(ref, ".toml")}):
        note_next(f"{plan}{root}")
    elif not named or any(target.hub_files for target in select(named)):
        targets = f" --targets {shlex.quote(','.join(named))}" if named else ""
        note_next(f"evaluator data fetch{root or ' --data-root data'}{targets}")
    else:
        note_next("run the same command again when these files exist")


def _plan_for_available(rows: Sequence[Json], own: Mapping[str, str]) -> str:
    """Return the plan over the targets and languages that can be trained and scored; `own` has files by name."""
    from evaluator.benchmark.data_root import languages_there
    from evaluator.benchmark.registry import select

    trained, available = {row["target"] for row in rows if row["split"] == "train"}, dict[str, list[str]]()
    for row in rows:
        if row["split"] == "test" and row["labelled"]:
            available.setdefault(row["target"], []).append(row["language"])
    targets = {name: select([own.get(name, name)])[0] for name in available}
    available = {name: codes for name, codes in available.items() if name in trained or not targets[name].train}
    if not available:
        return ""
    codes = languages_there({name: target.languages for name, target in targets.items()}, available)
    names = shlex.quote(",".join(own.get(name, name) for name in available))
    return f"evaluator plan none=none --targets {names}" + (f" --languages {codes}" if codes else "")


def print_fetched(files: Sequence[Json], arguments: Arguments) -> None:
    """Print how many files were fetched."""
    print_lines([f"{len(files)} files in {arguments['data_root']}"])
    note_next(f"evaluator data check --data-root {shlex.quote(str(arguments['data_root']))}")


def print_store_check(check: Any, _: Arguments) -> None:  # noqa: ANN401 - StoreCheck, not imported here
    """Print a line for each fault of a store, and how many nodes were read."""
    store, is_left = shlex.quote(check.store), check.faults and not check.removed
    way_out = f"evaluator store repair {store} removes it" if is_left else "removed; `compare` computes it again"
    print_lines(f"{name}: {fault}; {way_out}" for name, fault in check.faults.items())
    print_lines([f"{check.store}: {check.nodes} nodes read, {len(check.faults) or 'none'} with faults"])
    if check.removed:
        note_next("run the same `evaluator compare` command again; it computes the removed runs")
    else:
        note_next(f"evaluator store {'repair' if is_left else 'size'} {store}")


def print_store_nodes(nodes: Sequence[Json], arguments: Arguments) -> None:
    """Print a line for each node, and which command says what they take."""
    _print_table(("kind", "key", "what", "size"), map(_sized, nodes))
    note_next(f"evaluator store size {_store(arguments)}")


def print_store_sizes(kinds: Sequence[Json], arguments: Arguments) -> None:
    """Print a line for each kind of nodes, and which command makes room."""
    _print_table(("kind", "nodes", "size"), map(_sized, kinds))
    note_next(f"evaluator store clean {_store(arguments)}")


def print_cleaned(removed: Sequence[Json], arguments: Arguments) -> None:
    """Print what was removed."""
    print_lines(f"{each['kind']}: {each['nodes']} nodes, {format_size(each['bytes'])} removed" for each in removed)
    note_next(f"evaluator store size {_store(arguments)}")


def print_packed(packed: Any, arguments: Arguments) -> None:  # noqa: ANN401 - PackedRuns, not imported here
    """Print how many nodes an archive and a store share now."""
    if "out" in arguments:
        print_lines([f"{packed.archive}: {packed.nodes} nodes of {packed.store}"])
        note_next(f"evaluator store unpack {shlex.quote(str(packed.archive))} --store STORE, on another machine")
    else:
        print_lines([f"{packed.store}: has the {packed.nodes} nodes of {packed.archive}"])
        note_next(f"run the same `evaluator compare` command with --store {shlex.quote(str(packed.store))}")


def _sized(node: Json) -> Iterable[Any]:
    return {**node, "bytes": format_size(node["bytes"])}.values()


def _store(arguments: Arguments) -> str:
    return shlex.quote(str(arguments["store"]))


def print_published(published: Any, arguments: Arguments) -> None:  # noqa: ANN401 - Publication, not imported here
    """Print what was sent where, or would be."""
    print_lines(published.lines())
    if arguments["dry_run"]:
        note_next(arguments.line(without="dry_run"))


def print_training(manifest: Json, arguments: Arguments) -> None:
    """Print the steps, examples and final loss of a training."""
    log = manifest["results"]["training"]
    counts = f"{log['steps']} steps, {log['examples']} examples, loss {log['final_loss']:.3f}"
    print_lines([f"{arguments['out']}: {counts}"])
    arm = shlex.quote(f"trained=model:{arguments['out']}")
    note_next_on_data(f"evaluator compare none=none {arm} --targets all")


def print_plan(plan: Json, arguments: Arguments) -> None:
    """Print the arms of an experiment, its runs, and their totals."""
    from evaluator.reporting.inputs import plan_fact, plan_name

    if "assumed_device" in plan:
        _print_assumed(plan, arguments)
        note_next("evaluator init experiment.toml, for a file that also makes the data")
        return
    data = [" + ".join(arm["tasks"]) or arm["model"] or "target training only" for arm in plan["arms"]]
    arms = (
        (arm["name"], arm["rows"], f"{arm['origin'] or ''} {text}".strip())
        for arm, text in zip(plan["arms"], data, strict=True)
    )
    _print_table(("arm", "rows", "data"), arms)
    print_lines([""])
    jobs = ((job["label"], job["steps"], job["training_tokens"], job["inference_tokens"]) for job in plan["jobs"])
    _print_table(("run", "steps", "training tokens", "inference tokens"), jobs)
    facts = {name: value for name, value in plan.items() if not isinstance(value, list)}
    print_lines(f"{plan_name(name)}: {plan_fact(name, value)}" for name, value in facts.items())
    from evaluator.experiment.file import is_experiment

    is_file = is_experiment(arguments["arms"]) and len(arguments.words) == 3
    note_next(arguments.line(command="run" if is_file else "compare"))


def _print_assumed(plan: Json, arguments: Arguments) -> None:
    """Print what an experiment would take on a device that is not here."""
    hours = ((*job.values(), _between(job["hours"])) for job in plan["jobs"])
    columns = ("run", "runs", "steps", "training tokens", "inference tokens", "hours of one run")
    _print_table(columns, ((*each[:5], each[-1]) for each in hours))
    tokens = (plan["training_tokens"] + plan["inference_tokens"]) / 1e6
    lines = [
        "",
        f"{plan['runs']:,} runs of {plan['model']} ({plan['recipe']}), {plan['steps']:,} steps, {tokens:,.0f} M tokens",
        f"{_between(plan['device_hours_between'])} hours on one {plan['assumed_device']}, one run after the other",
    ]
    if money := plan.get("money_between"):
        lines.append(f"money: {_between(money)}, at {arguments['price_per_hour']:g} per hour")
    else:
        lines.append("money: not known; give --price-per-hour")
    print_lines(
        [
            *lines,
            "estimated from row counts and data sheets, not measured; `evaluator plan` measures the speed of a machine",
        ]
    )


def _between(limits: Sequence[float]) -> str:
    return " to ".join(f"{each:,.2f}" if each < 10 else f"{each:,.0f}" for each in limits)


def print_score(score: Json, _: Arguments) -> None:
    """Print the metrics in one line, and name the first missing and extra predictions."""
    metrics = "  ".join(f"{name} {value:.2f}" for name, value in score["metrics"].items())
    counts = f"n {score['n']}, missing {score['missing']}, extra {score['extra']}, gold {score['gold'][0]}"
    print_lines([f"{score['target']} {score['language']} {score['split']}  {metrics}  ({counts})"])
    for what in ("missing", "extra"):
        if ids := score[f"{what}_ids"]:
            more = f" and {score[what] - len(ids)} more" if score[what] > len(ids) else ""
            note(f"{what}: {listed(ids)}{more}")


def print_comparison(comparison: Any, _: Arguments) -> None:  # noqa: ANN401 - Comparison, not imported here
    """Print the verdicts, where the page is, and the next command, unless the page has no scores beside it."""
    from evaluator.store.tables import RESULTS_NAME

    _print_verdicts(comparison)
    folder = Path(comparison.page).parent
    if (folder / RESULTS_NAME).is_file():
        note_next(f"evaluator publish {shlex.quote(str(folder))} --to OWNER/NAME --dry-run")


def _print_verdicts(comparison: Any) -> None:  # noqa: ANN401 - Comparison, not imported here
    from evaluator.reporting.report import terminal_summary

    stdout.print(terminal_summary(comparison))
    print_lines([f"report: {comparison.page}"])


def print_run(result: Any, arguments: Arguments) -> None:  # noqa: ANN401 - ExperimentRun, not imported here
    """Print the faults of an experiment file, or its verdicts, and the next command."""
    if result.comparison:
        _print_verdicts(result.comparison)
    if result.end:
        print_lines([f"--until-resolved: {result.end}"])
    if result.faults:
        print_lines([*result.faults, f"{result.file}: faults: {len(result.faults)}"])
    else:
        print_lines([f"{result.file}: no faults"] if arguments["check"] else [])
        note_next(result.next)


def print_init(path: Path, _: Arguments) -> None:
    """Print where the file is, and the next command."""
    print_lines([f"{path}: written"])
    note_next(f"evaluator run {shlex.quote(str(path))} --check")


def _run_json(result: Any, _: Arguments) -> Any:  # noqa: ANN401 - ExperimentRun, not imported here
    return result.document()


def _comparison_json(comparison: Any, _: Arguments) -> Any:  # noqa: ANN401 - Comparison, not imported here
    return comparison.document()


def _print_table(columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        is_count = column.startswith("hours") or column in (
            "rows",
            "runs",
            "nodes",
            "size",
            "steps",
            "training tokens",
            "inference tokens",
        )
        table.add_column(column, justify="right" if is_count else "left")
    for row in rows:
        table.add_row(*map(_cell, row))
    stdout.print(table)


def _cell(value: Any) -> str:  # noqa: ANN401 - a JSON value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else one_line(value)


app = new_app(
    "evaluator", "Measure the effect of intermediate-task data on zero-shot cross-lingual transfer (XTREME-R)."
)
data_app = typer.Typer(help="Check and fetch the official files of the targets.", no_args_is_help=True)
app.add_typer(data_app, name="data")
store_app = typer.Typer(help="List, check, repair, clean, pack and unpack finished runs.", no_args_is_help=True)
app.add_typer(store_app, name="store")

add_command(app, "targets", targets, print_targets, own_file_document)
add_command(app, "models", "evaluator.experiment.encoders:models", print_models)
add_command(data_app, "check", "evaluator.benchmark.data_root:data_check", print_data_check)
add_command(data_app, "fetch", "evaluator.benchmark.fetch:data_fetch", print_fetched)
add_command(store_app, "list", "evaluator.store.commands:store_list", print_store_nodes)
add_command(store_app, "size", "evaluator.store.commands:store_size", print_store_sizes)
add_command(store_app, "clean", "evaluator.store.commands:store_clean", print_cleaned)
add_command(store_app, "check", "evaluator.store.commands:store_check", print_store_check)
add_command(store_app, "repair", "evaluator.store.commands:store_repair", print_store_check)
add_command(store_app, "pack", "evaluator.store.archive:store_pack", print_packed)
add_command(store_app, "unpack", "evaluator.store.archive:store_unpack", print_packed)
add_command(app, "init", "evaluator.experiment.starter:init", print_init, lambda path, _: {"file": str(path)})
add_command(app, "run", "evaluator.sweep.run:run", print_run, _run_json)
add_command(app, "train", "evaluator.training.train:train", print_training)
add_command(app, "compare", "evaluator.sweep.compare:compare", print_comparison, _comparison_json)
add_command(app, "plan", "evaluator.sweep.plan:plan", print_plan)
add_command(app, "score", "evaluator.benchmark.score_file:score", print_score)
add_command(app, "publish", "evaluator.sweep.publish:publish", print_published)
add_command(app, "report", "evaluator.reporting.report:report", print_comparison, _comparison_json)
