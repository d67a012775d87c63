"""Output of the `synthgen` commands for a person, each from a result and the arguments of the call."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any, cast

from rich.cells import cell_len
from rich.table import Column, Table
from rich.text import Text

from synthgen import console
from synthgen.dataset.manifest import NO_FAULT
from synthgen.errors import UserError, listed
from synthgen.runtime.own_files import OwnFileCheck, print_own_file
from synthgen.runtime.typer_command import Arguments
from synthgen.text.json_text import parse_json

if TYPE_CHECKING:
    from synthgen.cards.summary_tables import SummaryTable
    from synthgen.dataset.manifest import Manifest
    from synthgen.publishing.parcel import Publication


MOST_FAULTS = 100
MOST_OF_A_CELL = 400
MOST_OF_A_WORD = 24
"""Columns of a terminal that a word of a table keeps to itself; a longer one may be cut in two."""


@dataclass(frozen=True, slots=True)
class CardReport:
    """What `synthgen card` did or found; with faults the command ends with the exit code of wrong input."""

    facts: dict[str, Any]

    @property
    def exit_code(self) -> int:
        """0 for a card without faults."""
        return UserError.exit_code if self.facts["faults"] else 0


def print_tasks(facts: Sequence[Mapping[str, Any]] | OwnFileCheck | Path, _: Arguments) -> None:
    """Print the intermediate tasks, or what became of a file of the user's own."""
    if isinstance(facts, OwnFileCheck | Path):
        print_own_file(facts, "task", "synthgen tasks", "synthgen make --preview 3 --task")
        return
    table = Table("task", "format", "real size", "labels", "source", box=None)
    for fact in facts:
        labels = ", ".join(f"{name}: {count:,}" for name, count in fact["label_counts"].items())
        table.add_row(fact["name"], fact["format"], f"{fact['real_size']:,}", labels, fact["source"])
    console.stdout.print(table)
    console.note_next(f"synthgen make --task {facts[0]['name']} --preview 3")


def print_manifest(manifest: Manifest, arguments: Arguments) -> None:
    """Print what the set in the folder `out` holds and what its making came to."""
    _print_set(manifest, arguments["out"])
    _print_next(manifest, arguments["out"])


def _print_set(manifest: Manifest, folder: Path) -> None:
    from synthgen.text.set_language import CORPUS, TASK

    labels = listed(f"{label} {count:,}" for label, count in manifest.label_counts.items())
    examples = console.one_line(f": {manifest.kept:,} {manifest.origin} {manifest.task} rows ({labels})")
    console.stdout.print(Text.assemble((console.one_line(folder), "bold"), examples))
    console.print_lines([manifest.balance()])
    if (language := manifest.checks.get("set_language")) and language["said_by"] not in (CORPUS, TASK):
        counts = f"{language['texts_that_agree']} of {language['texts_identified']} identified texts agree"
        console.print_lines([f"language {manifest.language}, from {language['said_by']}; {counts}"])


def _print_next(manifest: Manifest, folder: Path) -> None:
    """Say which command shows the rows, and why others were rejected."""
    name = shlex.quote(str(folder))
    why = [f"synthgen why {name}"] if manifest.faults else []
    console.note_next(f"synthgen inspect {name}", *why)


def print_make(result: Manifest | Sequence[Manifest] | Sequence[Mapping[str, Any]], arguments: Arguments) -> None:
    """Print the set that was made, or those of several seeds, or the items of a preview."""
    from synthgen.generation.run import default_folder

    if arguments["preview"]:
        _print_preview(cast(Sequence[Mapping[str, Any]], result))
        if not arguments["judge"] and not arguments["verifier"]:
            console.note("the labels were not checked; --judge or --verifier checks them")
        console.note_next(arguments.line(without="preview"))
        return
    folder = arguments["out"] or default_folder(*(arguments[each] for each in ("task", "n", "seed", "language")))
    if not isinstance(result, Sequence):
        _print_set(result, folder)
        _print_next(result, folder)
        return
    for number, manifest in enumerate(cast(Sequence[Manifest], result), start=arguments["seed"]):
        _print_set(manifest, folder / f"s{number}")
    last = arguments["seed"] + len(result) - 1
    arm = shlex.quote(f"synthetic={folder}/s{{{arguments['seed']}..{last}}}")
    inspect = f"synthgen inspect {shlex.quote(str(folder / f's{last}'))}"
    console.note_next(inspect)
    console.note_next_on_data(f"evaluator compare none=none {arm} --targets all")


def _print_preview(items: Sequence[Mapping[str, Any]]) -> None:
    for item in items:
        console.stdout.rule(console.one_line(f"{item['id']} ({item['label']})", most=60))
        for request, reply in zip(item["prompts"], item["replies"], strict=True):
            console.print_lines([*request.split("\n"), f"reply: {reply!r}", ""])
        console.print_lines([*_field_lines(item), f"verdict: {item['verdict']}"])


def print_translations(manifests: Sequence[Manifest], arguments: Arguments) -> None:
    """Print what the set of each language holds."""
    for manifest in manifests:
        folder = arguments["out"] if len(manifests) == 1 else arguments["out"] / manifest.language
        _print_set(manifest, folder)
        _print_next(manifest, folder)


def print_inspection(manifest: Manifest, arguments: Arguments) -> None:
    """Print what was measured of a set, or where its blind sample is."""
    from synthgen.analysis.inspect import PAGE_NAME, summary_tables

    folder, csv = arguments["folder"], arguments["csv"]
    if csv is not None:
        rows = arguments["sample"]
        console.print_lines([f"{csv}: {rows} rows without labels; write your labels into the column 'judged'"])
        console.note_next(f"synthgen inspect {shlex.quote(str(folder))} --judged {shlex.quote(str(csv))}")
        return
    _print_set(manifest, folder)
    for table in summary_tables(folder, manifest):
        _print_table(table)
    console.print_lines([f"page: {arguments['out'] or folder / PAGE_NAME}"])
    console.note_next_on_data(f"evaluator plan none=none {shlex.quote(f'{manifest.origin}={folder}')} --targets all")


def inspection_document(manifest: Manifest, arguments: Arguments) -> dict[str, Any]:
    """Return the manifest as JSON values, or the blind sample's file and rows."""
    csv, rows = arguments["csv"], arguments["sample"]
    return asdict(manifest) if csv is None else {"csv": str(csv), "rows": rows}


def _print_table(content: SummaryTable) -> None:
    title, caption = (Text(console.one_line(text)) if text else None for text in (content.title, content.note))
    table = Table(title=title, caption=caption, title_justify="left", caption_justify="left")
    table.box, table.show_header = None, any(content.columns)
    for number, column in enumerate(content.columns):
        is_number = content.is_number(number)
        table.add_column(
            Text(console.one_line(column, MOST_OF_A_CELL)),
            justify="right" if is_number else "left",
            overflow="fold",
            min_width=min(MOST_OF_A_WORD, _longest_word([column, *(row[number] for row in content.rows)])),
        )
    for row in content.rows:
        table.add_row(*(Text(console.one_line(cell, MOST_OF_A_CELL)) for cell in row))
    console.stdout.print()
    console.stdout.print(table if content.columns else Text("\n").join(filter(None, (title, caption))))


def _longest_word(cells: Sequence[str]) -> int:
    return max((cell_len(word) for cell in cells for word in cell.split()), default=0)


def print_why(answer: Mapping[str, Any] | Sequence[Mapping[str, Any]], arguments: Arguments) -> None:
    """Print the story of one row, or the rejections by reason."""
    if isinstance(answer, Mapping):
        _print_story(answer)
        return
    for kind in answer:
        by = "not needed" if kind["reason"] in NO_FAULT else f"rejected by {kind['stage'] or 'make'}"
        title = console.one_line(f": {kind['count']:,} {by}")
        console.stdout.print(Text.assemble((console.one_line(kind["reason"]), "bold"), title))
        for each in kind["examples"]:
            console.print_lines([f"  {each['id']}", *(f"    {line}" for line in _evidence_lines(each))])
    command = f"synthgen why {shlex.quote(str(arguments['folder']))}"
    if not answer:
        console.print_lines([f"{arguments['folder']}: no row was rejected"])
    elif arguments["reason"] is None:
        console.note_next(f"{command} --reason {shlex.quote(answer[0]['reason'])}")
    else:
        console.note_next(f"{command} {shlex.quote(answer[0]['examples'][0]['id'])}")


def _field_lines(shown: Mapping[str, Any]) -> list[str]:
    return [f"{name}: {value}" for name, value in shown["fields"].items()]


def _evidence_lines(shown: Mapping[str, Any]) -> list[str]:
    """Return why a row was rejected, where anything says so, and its fields; a line a fact."""
    try:
        facts = parse_json(shown["evidence"])
    except ValueError:
        facts = None
    if not isinstance(facts, dict):
        return [*([f"evidence: {shown['evidence']}"] if shown["evidence"] else []), *_field_lines(shown)]
    return [*(f"evidence, {name}: {value}" for name, value in facts.items()), *_field_lines(shown)]


def _print_story(story: Mapping[str, Any]) -> None:
    title = console.one_line(f": {story['verdict']} {story['reason']}".strip())
    console.stdout.print(Text.assemble((console.one_line(story["id"]), "bold"), title))
    by = [f"rejected by {story['stage']}"] if story["stage"] else []
    console.print_lines(f"  {line}" for line in [*by, *_evidence_lines(story)])
    for reply in story["replies"]:
        if reply["prompt"]:
            prompt = indent(reply["prompt"], "    | ", lambda _: True).split("\n")
            console.print_lines([f"  step {reply['step']} asked:", *prompt])
        answer = repr(reply["text"]) if reply["text"] else reply["error"]
        console.print_lines([f"  step {reply['step']} ({reply['outcome']}): {answer}"])


def print_card_report(result: CardReport, arguments: Arguments) -> None:
    """Print what was found of a card, or where it was written."""
    report = result.facts
    faults = report["faults"]
    console.print_lines(faults[:MOST_FAULTS])
    if len(faults) > MOST_FAULTS:
        console.print_lines([f"and {len(faults) - MOST_FAULTS:,} more faults; --json gives all"])
    if "card" in report:
        console.print_lines([report["card"]])
    elif not report["faults"]:
        done = (
            f"{len(report['recomputed'])} numbers and files were computed again"
            if "recomputed" in report
            else "the card has all disclosures"
        )
        rest = [line.partition(":")[0] for line in report.get("not_recomputed", ())]
        console.print_lines([f"no faults: {done}", *([f"not computed again: {'; '.join(rest)}"] if rest else [])])
    if not faults:
        console.note_next(f"synthgen publish {shlex.quote(str(arguments['folder']))} --to OWNER/NAME --dry-run")


def print_published(published: Publication, arguments: Arguments) -> None:
    """Print what was sent where, or would be."""
    console.print_lines(published.lines())
    if arguments["dry_run"]:
        console.note_next(arguments.line(without="dry_run"))
    elif Path(published.to).is_dir():
        console.note_next(f"synthgen card {shlex.quote(published.to)} --verify")


def print_packs(result: Sequence[Mapping[str, Any]] | Mapping[str, str], _: Arguments) -> None:
    """Print the packs, or where those that were pulled are."""
    if isinstance(result, Mapping):
        console.print_lines(f"{pack}: {folder}" for pack, folder in result.items())
        console.note_next("synthgen packs")
        return
    table = Table(Column("pack", no_wrap=True, min_width=22), "kind", "licence", "what it is", "in the cache", box=None)
    for fact in result:
        cells = (str(fact[key]) for key in ("name", "kind", "licence", "derived"))
        table.add_row(*cells, "yes" if fact["cached"] else "no")
    console.stdout.print(table)
    if lacking := [fact["name"] for fact in result if not fact["cached"]]:
        console.note_next(f"synthgen packs pull {lacking[0]}")
