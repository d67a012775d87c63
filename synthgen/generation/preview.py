"""`synthgen make --preview`: a few items with prompts, replies, parsed row and verdict, before anything is spent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from synthgen import console
from synthgen.dataset.ledger import Ledger, StoredVerdict
from synthgen.errors import UserError, refuse
from synthgen.filters.config import closing_all
from synthgen.generation.context_length import check_context_length
from synthgen.generation.controller import Controller
from synthgen.generation.loop import Usage, check_requests, exchanges
from synthgen.generation.run import GenerationRun, open_controller


def preview_items(
    run: GenerationRun, count: int, *, out: Path | None, ray: str | None, max_requests: int | None
) -> list[dict[str, Any]]:
    """Return prompts, replies, parsed row and verdict of `count` items of a run; nothing is written to disk.

    On stderr: what all rows of the run will take at the cost of these. UserError for options without a use.
    """
    if count < 1:
        raise UserError(f"--preview {count} is less than one item")
    refuse(f"--preview {count} writes no folder", out=out)
    refuse(f"--preview {count} starts one engine, here", ray=ray)
    refuse(f"--preview {count} asks for {count} items and no more", max_requests=max_requests)
    if "like" not in {spec.needs for spec, _ in run.config.stages}:
        refuse(f"--preview {count} measures nothing, and no filter needs a real set", like=run.context.like)
    if run.engine.name == "vllm":
        check_context_length(run.chain, run.model.path)
    ledger = Ledger(Path(":memory:"))
    with run.engine.open(run.chain.seed) as start:
        controller = open_controller(replace(run, n=count).with_judge(ledger, start), ledger)
        with closing_all(controller.filters):
            check_requests(controller, engine := start())
            usage = Usage()
            for reply, request in exchanges(controller, engine, budget=count * len(run.task.steps)):
                controller.take(reply, request, "")
                usage.add(reply)
            controller.check_complete()
    usage.kept = controller.kept
    console.stderr.print(f"{usage.projection(run.n)}, at {count} rows at a time", highlight=False)
    return [_item(controller, verdict) for verdict in ledger.verdicts()]


def _item(controller: Controller, verdict: StoredVerdict) -> dict[str, Any]:
    replies = list(controller.ledger.replies(verdict.slot))
    return {
        "id": controller.row_id(verdict.slot),
        "label": controller.ledger.cell(verdict.slot),
        "prompts": [reply.prompt for reply in replies if reply.prompt],
        "replies": [reply.text or reply.error for reply in replies],
        "row": verdict.row,
        "verdict": f"{verdict.verdict} {verdict.reason} {verdict.evidence}".strip(),
    }
