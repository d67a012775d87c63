"""What the `synthgen` commands print: JSON where it is asked for, else what a person reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from synthgen import console

if TYPE_CHECKING:
    from synthgen.dataset import Manifest
    from synthgen.publish import Publication


def print_tasks(facts: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Print the intermediate tasks."""
    if as_json:
        console.print_json(facts)
        return
    table = Table("task", "format", "real size", "labels", "source", box=None)
    for fact in facts:
        labels = ", ".join(f"{name} {count:,}" for name, count in fact["label_counts"].items())
        table.add_row(fact["name"], fact["format"], f"{fact['real_size']:,}", labels, fact["source"])
    console.stdout.print(table)


def print_manifest(manifest: Manifest, folder: Path, as_json: bool) -> None:
    """Print what a set holds and what its making came to."""
    if as_json:
        console.print_json(asdict(manifest))
        return
    rejected = ", ".join(f"{reason} {count}" for reason, count in manifest.rejected.items()) or "none"
    labels = escape(", ".join(f"{label} {count}" for label, count in manifest.label_counts.items()))
    console.stdout.print(
        f"[bold]{escape(str(folder))}[/]: {manifest.kept} {manifest.origin} {manifest.task} examples ({labels})\n"
        f"asked {manifest.asked} = kept {manifest.kept} + rejected {sum(manifest.rejected.values())} "
        f"+ failed {manifest.failed}; rejected: {escape(rejected)}",
        highlight=False,
    )


def print_preview(shown: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Print previewed items: prompts, replies, row, verdict."""
    if as_json:
        console.print_json(shown)
        return
    for item in shown:
        console.stdout.rule(f"{item['id']} ({item['label']})")
        for request, reply in zip(item["prompts"], item["replies"], strict=True):
            console.stdout.print(f"{request}\n[→] {reply!r}\n", markup=False, highlight=False)
        console.stdout.print(f"row: {item['row']}\nverdict: {item['verdict']}", markup=False, highlight=False)


def print_sheets(sheets: Iterable[Any]) -> None:
    """Print the tables of an inspection."""
    for sheet in sheets:
        table = Table(title=Text(sheet.title), caption=Text(sheet.note), title_justify="left", caption_justify="left")
        table.box, table.show_header = None, any(sheet.columns)
        for number, column in enumerate(sheet.columns):
            number_or_name = sheet.is_number(number) or number == 0
            table.add_column(
                Text(column), justify="right" if sheet.is_number(number) else "left", no_wrap=number_or_name
            )
        for row in sheet.rows:
            table.add_row(*map(Text, row))
        console.stdout.print("", table)


def print_story(story: Mapping[str, Any], as_json: bool) -> None:
    """Print the story of one row."""
    if as_json:
        console.print_json(story)
        return
    title = escape(f"{story['verdict']} {story['reason']}")
    console.stdout.print(f"[bold]{escape(story['id'])}[/]: {title}", highlight=False)
    console.print_lines(f"  {name}: {story[name]}" for name in ("stage", "evidence", "row"))
    for reply in story["replies"]:
        if reply["prompt"]:
            console.print_lines([f"  step {reply['step']} asked:", indent(reply["prompt"], "    | ")])
        said = repr(reply["text"]) if reply["text"] else reply["error"]
        console.print_lines([f"  step {reply['step']} ({reply['outcome']}): {said}"])


def print_card_report(report: Mapping[str, Any], as_json: bool) -> None:
    """Print what was found of a card, or where it was written."""
    if as_json:
        console.print_json(report)
        return
    console.print_lines(report["faults"])
    if "card" in report:
        console.print_lines([report["card"]])
    elif not report["faults"]:
        done = f"{len(report['recomputed'])} figures and files recomputed" if "recomputed" in report else "disclosed"
        console.print_lines([f"no fault: {done}", *(f"not recomputed: {x}" for x in report.get("not_recomputed", ()))])


def print_published(published: Publication, as_json: bool) -> None:
    """Print what was sent where, or would be."""
    if as_json:
        console.print_json(published.to_json())
        return
    console.print_lines(f"{size:>12,} bytes  {name}" for name, size in published.files.items())
    console.print_lines([*(f"step: {step}" for step in published.steps), f"{published.to}: {published.status}"])


def print_packs(facts: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Print the packs."""
    if as_json:
        console.print_json(facts)
        return
    table = Table("pack", "kind", "licence", "what it is", "in the cache", box=None)
    for fact in facts:
        shown = (str(fact[key]) for key in ("name", "kind", "licence", "derived"))
        table.add_row(*shown, "yes" if fact["cached"] else "no")
    console.stdout.print(table)
