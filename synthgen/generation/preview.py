"""`synthgen make --preview`: some items with prompts, replies, parsed row and verdict, before anything is spent."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from synthgen import console
from synthgen.dataset.ledger import Ledger, StoredVerdict
from synthgen.errors import UserError, refuse
from synthgen.generation.context_length import check_context_length
from synthgen.generation.controller import Controller
from synthgen.generation.loop import Usage, answered, check_requests
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
    if "like" not in {kind.needs for kind, _ in run.plan.stages}:
        refuse(f"--preview {count} measures nothing, and no filter needs a real set", like=run.subject.like)
    small = replace(run, n=count)
    if run.serving.engine == "vllm":
        check_context_length(run.script, run.model.path)
    ledger = Ledger(Path(":memory:"))
    with run.serving.open(run.seed) as start, ExitStack() as stack:
        controller = open_controller(small.with_judge(ledger, start), ledger)
        for filter_ in controller.filters:
            stack.callback(filter_.close)
        check_requests(controller, served := start())
        spent = Usage()
        for reply, request in answered(controller, served, budget=count * len(run.task.steps)):
            controller.take(reply, request, "")
            spent.add(reply)
        controller.judge_written()
    spent.kept = controller.kept
    console.stderr.print(f"{spent.projected(run.n)}, at {count} rows at a time", highlight=False)
    return [_shown(controller, item) for item in ledger.verdicts()]


def _shown(controller: Controller, item: StoredVerdict) -> dict[str, Any]:
    replies = list(controller.ledger.replies(item.slot))
    return {
        "id": controller.row_id(item.slot),
        "label": controller.ledger.cell(item.slot),
        "prompts": [reply.prompt for reply in replies if reply.prompt],
        "replies": [reply.text or reply.error for reply in replies],
        "row": item.row,
        "verdict": f"{item.verdict} {item.reason} {item.evidence}".strip(),
    }
