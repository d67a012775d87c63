"""`synthgen why`: why rows of a set were rejected; one row from its requests to its verdict, read from the ledger."""

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from synthgen import options
from synthgen.dataset.ledger import Ledger
from synthgen.dataset.manifest import Manifest, dataset_format, is_finished, read_intact_manifest, read_manifest
from synthgen.dataset.rejections import reasons
from synthgen.dataset.shards import Rejection, read_rejected, read_rows
from synthgen.errors import UserError, unknown
from synthgen.formats.base import Format
from synthgen.formats.texts import shown_fields
from synthgen.generation.slots import slot_id
from synthgen.text.digits import whole_number

EXAMPLES, EXAMPLES_OF_ONE = 2, 20
"""Rejections shown of each reason, and of the one that was asked for."""


def why(
    folder: options.Folder, row_id: options.RowId = None, *, reason: options.Reason = None
) -> dict[str, Any] | list[dict[str, Any]]:
    """List the reasons for rejections, with examples; or show the prompts, replies and verdict of one row.

    Example: synthgen why runs/mnli

    Example: synthgen why runs/mnli --reason "near duplicate"

    Example: synthgen why runs/mnli mnli-s0-0000042

    Returns without an id, for each reason, the commonest first, {reason, stage, count, examples}, each example {id,
    evidence, row, fields}; `reason` may be a reason or a stage (the filter's name). With an id {id, verdict, reason,
    stage, evidence, row, fields, replies}. `row` is as it is stored, `fields` its texts, labels by name, by path. Each
    of `replies` has the step, the request's key and prompt (empty for a retry of the one before), the outcome, the text
    or the error, and the tokens. Raises UserError for an unknown id or reason.
    """
    folder = Path(folder)
    if row_id is None:
        return _reasons(folder, reason)
    if reason is not None:
        raise UserError("--reason lists the rejections of a reason; give either --reason or the id of a row")
    return _story(folder, row_id)


def _reasons(folder: Path, wanted: str | None) -> list[dict[str, Any]]:
    format_ = dataset_format(_manifest(folder))
    kinds = reasons(folder, EXAMPLES if wanted is None else EXAMPLES_OF_ONE)
    shown = [kind for kind in kinds if wanted is None or wanted in (kind.reason, kind.stage)]
    if kinds and wanted is not None and not shown:
        names = sorted({name for kind in kinds for name in (kind.reason, kind.stage) if name})
        raise unknown("reason", wanted, names, where=str(folder))
    return [{**asdict(kind), "examples": [_example(each, format_) for each in kind.examples]} for kind in shown]


def _manifest(folder: Path) -> Manifest:
    return read_intact_manifest(folder, *(["rejected"] if (folder / "rejected").is_dir() else []))


def _example(rejection: Rejection, format_: Format) -> dict[str, Any]:
    fields = shown_fields(rejection.row, format_)
    return {"id": rejection.id, "evidence": rejection.evidence, "row": rejection.row, "fields": fields}


def _story(folder: Path, row_id: str) -> dict[str, Any]:
    path = folder / "ledger.sqlite"
    if not path.is_file() or (is_finished(folder) and read_manifest(folder).origin == "translated"):
        return _without_ledger(folder, row_id)
    if (slot := whole_number(row_id.rpartition("-")[2])) is None:
        raise UserError(f"'{row_id}' is not an id of {folder}; ids end in a slot number, as in mnli-s0-0000042")
    with closing(Ledger(path, read_only=True)) as ledger:
        settings = ledger.settings()
        own_id = slot_id(settings["task"], settings["seed"], slot, settings.get("language", ""))
        verdict = ledger.verdict(slot) if row_id == own_id else None
        if verdict is None:
            raise UserError(f"no example '{row_id}' in {folder}")
        facts = {name: value for name, value in asdict(verdict).items() if name != "slot"}
        fields = shown_fields(verdict.row, dataset_format(read_manifest(folder)) if is_finished(folder) else None)
        if "label" in fields:
            fields["label"] = ledger.cell(slot)
        return {
            "id": row_id,
            **facts,
            "fields": fields,
            "replies": [asdict(reply) for reply in ledger.replies(slot)],
        }


def _without_ledger(folder: Path, row_id: str) -> dict[str, Any]:
    """Return the story of a row as the published files of its folder have it."""
    format_ = dataset_format(_manifest(folder))
    for rejection in read_rejected(folder):
        if rejection.id == row_id:
            facts = asdict(rejection) | {"fields": shown_fields(rejection.row, format_)}
            return {"verdict": "rejected", **facts, "replies": []}
    for row in read_rows(folder):
        if row["id"] == row_id:
            empty = dict.fromkeys(("reason", "stage", "evidence"), "")
            fields = shown_fields(row, format_)
            return {"id": row_id, "verdict": "kept", **empty, "row": row, "fields": fields, "replies": []}
    raise UserError(f"no example '{row_id}' in {folder}")
