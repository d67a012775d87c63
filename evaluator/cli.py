"""The `evaluator` command: each subcommand parses, calls one public function and prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

import evaluator
from synthgen.console import new_app, print_json, run, stderr, stdout

app = new_app("evaluator", "What intermediate-task data does to zero-shot cross-lingual transfer on XTREME-R.")
data_app = typer.Typer(help="The official files: what is there, and fetching them.", no_args_is_help=True)
app.add_typer(data_app, name="data")

Json = Annotated[bool, typer.Option("--json", help="Print machine-readable output on stdout.")]
DataRoot = Annotated[
    Path | None, typer.Option(help="Folder of the official files; default $SYNTHGEN_DATA, else ../shared/data.")
]
Targets = Annotated[str, typer.Option(help="Comma-separated; `all` is XTREME-R's ten, `xtreme9` the older nine.")]
Languages = Annotated[str, typer.Option(help="BCP-47 codes, comma-separated; default: all of each target.")]
Model = Annotated[str, typer.Option(help="Encoder: hub id, local folder or pack:NAME.")]
Recipe = Annotated[str, typer.Option(help="xtreme (-large or -base by the encoder), phang2020, small, or a TOML file.")]
Cap = Annotated[int | None, typer.Option(help="Fewer examples per target, drawn by seed, for quick looks.")]
Arms = Annotated[
    list[str], typer.Argument(help="name=DATASET[:N][+DATASET…][+mlm:CORPUS], name=none, name=own, name=model:REF")
]
SplitName = Annotated[str, typer.Option(help="test or dev")]
Sizes = Annotated[str, typer.Option(help="full, or numbers of intermediate rows, comma-separated")]
Seeds = Annotated[int, typer.Option(help="Runs per arm and size; a seed redraws rows, order, initialisation.")]
Match = Annotated[str, typer.Option(help="epochs, or updates: every arm gets the updates of the largest")]
Select = Annotated[str, typer.Option(help="last, or en-dev: best on English dev items; never another language's")]
Preset = Annotated[
    str | None, typer.Option(help="phang2020 or synthetic-vs-real: all its arms, made from the datasets named.")
]
KeepHeads = Annotated[
    bool, typer.Option(help="Go on with the intermediate head where a target has its format and labels; else dropped.")
]
StoreFolder = Annotated[str, typer.Option(help="Where finished runs are kept and found again: a folder, or s3://…")]
Ray = Annotated[
    str | None, typer.Option(help="Run on Ray: auto (the cluster here, else this machine), local, or HOST:PORT.")
]
Workers = Annotated[int, typer.Option(help="Runs at once per GPU, or on the cores of each machine.")]


def main() -> None:
    """Run the command line."""
    run(app)


def names(text: str) -> list[str]:
    """Return the names of a comma-separated list."""
    return [name.strip() for name in text.split(",") if name.strip()]


@app.command()
def targets(as_json: Json = False) -> None:
    """List the test tasks, their languages, metrics and English training source.

    Example: `evaluator targets --json`
    """
    found = evaluator.targets()
    if as_json:
        return print_json(found)
    table = Table(box=None, pad_edge=False)
    for column in ("target", "languages", "metrics", "trained on", "licence"):
        table.add_column(column)
    for target in found:
        languages = f"{len(target['languages'])}: {' '.join(target['languages'])}"
        table.add_row(target["name"], languages, " ".join(target["metrics"]), target["train_source"], target["licence"])
    stdout.print(table)
    return None


@data_app.command("check")
def data_check(data_root: DataRoot = None, targets: Targets = "", as_json: Json = False) -> None:
    """Print what the data root holds: rows, hash and labels per target, language and split.

    Example: `evaluator data check --data-root DIR --targets xnli,udpos`
    """
    rows = evaluator.data_check(data_root=data_root, targets=names(targets))
    if as_json:
        return print_json(rows)
    table = Table(box=None, pad_edge=False)
    for column in ("target", "language", "split", "rows", "hash", "labelled"):
        table.add_column(column, justify="right" if column == "rows" else "left")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    stdout.print(table)
    return None


@data_app.command("fetch")
def data_fetch(
    data_root: Annotated[Path, typer.Option(help="Where the files go.")],
    targets: Targets = "",
    languages: Languages = "",
    as_json: Json = False,
) -> None:
    """Fetch the official files from the hub into the layout of a data root; the same command goes on where it stopped.

    Example: `evaluator data fetch --data-root data --targets xnli,udpos,tatoeba`
    """
    files = evaluator.data_fetch(data_root=data_root, targets=names(targets), languages=names(languages))
    if as_json:
        return print_json(files)
    stdout.print(f"{len(files)} files in {data_root}")
    return None


def _cell(value: Any) -> str:  # noqa: ANN401 - a JSON value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


@app.command()
def train(
    dataset: Annotated[Path, typer.Argument(help="A finished dataset folder.")],
    out: Annotated[Path, typer.Option(help="Where the checkpoint folder goes; refused when it exists.")],
    model: Model = evaluator.DEFAULT_MODEL,
    recipe: Recipe = "xtreme",
    seed: int = 0,
    as_json: Json = False,
) -> None:
    """Train the encoder on a dataset folder and write a plain checkpoint: weights, tokenizer, labels, manifest.

    Example: `evaluator train runs/mnli-n200-s0 --out runs/mnli-model --model pack:multilingual-e5-small --recipe small`
    """
    manifest = evaluator.train(dataset, out=out, model=model, recipe=recipe, seed=seed)
    if as_json:
        return print_json(manifest)
    training = manifest["results"]["training"]
    stdout.print(
        f"{out}: {training['steps']} steps, {training['examples']} examples, loss {training['final_loss']:.3f}"
    )
    return None


@app.command()
def compare(
    arms: Arms,
    targets: Targets = "",
    languages: Languages = "",
    split: SplitName = "test",
    sizes: Sizes = "full",
    seeds: Seeds = 5,
    match: Match = "epochs",
    model: Model = evaluator.DEFAULT_MODEL,
    recipe: Recipe = "xtreme",
    select: Select = "last",
    keep_heads: KeepHeads = False,
    preset: Preset = None,
    data_root: DataRoot = None,
    store: StoreFolder = "runs/store",
    out: Annotated[Path, typer.Option(help="The HTML page; its tables go beside it.")] = Path(
        "runs/compare/report.html"
    ),
    max_train_examples: Cap = None,
    max_eval_examples: Cap = None,
    margin: Annotated[float, typer.Option(help="Points within which arms count as equivalent.")] = 0.5,
    keep_weights: Annotated[
        bool, typer.Option(help="Keep the weights of target models, not only predictions.")
    ] = False,
    ray: Ray = None,
    workers: Workers = 1,
    as_json: Json = False,
) -> None:
    """Train and score every arm on every target, and say how sure the differences are. The same command again resumes.

    Example: `evaluator compare none=none real=runs/real synthetic=runs/synthetic --targets xnli,udpos --seeds 3`
    """
    comparison = evaluator.compare(
        arms,
        targets=names(targets),
        languages=names(languages),
        split=split,
        sizes=names(sizes),
        seeds=seeds,
        match=match,
        model=model,
        recipe=recipe,
        select=select,
        keep_heads=keep_heads,
        preset=preset,
        data_root=data_root,
        store=store,
        out=out,
        max_train_examples=max_train_examples,
        max_eval_examples=max_eval_examples,
        margin=margin,
        keep_weights=keep_weights,
        ray=ray,
        workers=workers,
    )
    _show(comparison, out, as_json)


@app.command()
def plan(
    arms: Arms,
    targets: Targets = "",
    languages: Languages = "",
    split: SplitName = "test",
    sizes: Sizes = "full",
    seeds: Seeds = 5,
    match: Match = "epochs",
    model: Model = evaluator.DEFAULT_MODEL,
    recipe: Recipe = "xtreme",
    select: Select = "last",
    keep_heads: KeepHeads = False,
    preset: Preset = None,
    data_root: DataRoot = None,
    store: StoreFolder = "runs/store",
    max_train_examples: Cap = None,
    max_eval_examples: Cap = None,
    ray: Ray = None,
    workers: Workers = 1,
    as_json: Json = False,
) -> None:
    """Print what `compare` with the same arguments would run, and its cost: exact counts, estimated time.

    Example: `evaluator plan none=none real=runs/real --targets all --seeds 5`
    """
    found = evaluator.plan(
        arms,
        targets=names(targets),
        languages=names(languages),
        split=split,
        sizes=names(sizes),
        seeds=seeds,
        match=match,
        model=model,
        recipe=recipe,
        select=select,
        keep_heads=keep_heads,
        preset=preset,
        data_root=data_root,
        store=store,
        max_train_examples=max_train_examples,
        max_eval_examples=max_eval_examples,
        ray=ray,
        workers=workers,
    )
    if as_json:
        return print_json(found)
    arms_table = Table(box=None, pad_edge=False)
    for column in ("arm", "rows", "data"):
        arms_table.add_column(column, justify="right" if column == "rows" else "left")
    for arm in found["arms"]:
        data = " + ".join(arm["tasks"]) or arm["model"] or "target training only"
        arms_table.add_row(arm["name"], _cell(arm["rows"]), f"{arm['origin'] or ''} {data}".strip())
    stdout.print(arms_table)
    stdout.print()
    table = Table(box=None, pad_edge=False)
    for column in ("run", "steps", "training tokens", "inference tokens"):
        table.add_column(column, justify="left" if column == "run" else "right")
    for job in found["jobs"]:
        numbers = (job["steps"], job["training_tokens"], job["inference_tokens"])
        table.add_row(job["label"], *(f"{number:,}" for number in numbers))
    stdout.print(table)
    for name, value in found.items():
        if not isinstance(value, list):
            stdout.print(f"{name}: {_cell(value)}", highlight=False)
    return None


@app.command()
def score(
    target: str,
    language: Annotated[str, typer.Option(help="BCP-47 code")],
    predictions: Annotated[Path, typer.Option(help="The prediction file; design.md §5 has the formats.")],
    data_root: DataRoot = None,
    split: str = "test",
    as_json: Json = False,
) -> None:
    """Print the metrics of a prediction file, in percent, and how many items lack a prediction.

    Example: `evaluator score udpos --language es --predictions tags.txt --data-root DIR`
    """
    found = evaluator.score(target, language=language, predictions=predictions, data_root=data_root, split=split)
    if as_json:
        return print_json(found)
    metrics = "  ".join(f"{name} {value:.2f}" for name, value in found["metrics"].items())
    counts = f"n {found['n']}, missing {found['missing']}, extra {found['extra']}, gold {found['gold'][0]}"
    stdout.print(f"{found['target']} {found['language']} {found['split']}  {metrics}  ({counts})")
    for what in ("missing", "extra"):
        if named := found[f"{what}_ids"]:
            more = f" and {found[what] - len(named)} more" if found[what] > len(named) else ""
            stderr.print(f"{what}: {', '.join(named)}{more}", highlight=False)
    return None


@app.command()
def report(
    source: Annotated[Path, typer.Argument(help="A results.jsonl or a store folder.")],
    out: Annotated[Path, typer.Option(help="The HTML page; comparison.json goes beside it.")],
    margin: Annotated[float, typer.Option(help="Points within which arms count as equivalent.")] = 0.5,
    as_json: Json = False,
) -> None:
    """Compare the arms of finished results: intervals, verdicts, curves.

    Example: `evaluator report runs/store --out report.html`
    """
    _show(evaluator.report(source, out=out, margin=margin), out, as_json)


def _show(comparison: Any, out: Path, as_json: bool) -> None:  # noqa: ANN401 - Comparison, imported only when made
    from evaluator.report import terminal_summary

    if as_json:
        return print_json(comparison.document())
    stdout.print(terminal_summary(comparison))
    stdout.print(f"report: {out}")
    return None
