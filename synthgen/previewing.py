"""`synthgen make --preview`: some items with prompts, replies, parsed row and verdict, before anything is spent."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from synthgen import console
from synthgen.context_length import check_context_length
from synthgen.controller import Controller
from synthgen.engines import DEFAULT_TIMEOUT, resolve_model
from synthgen.errors import UserError
from synthgen.filters import Subject
from synthgen.filters.plan import read_plan
from synthgen.judges import Judging
from synthgen.ledger import Ledger, StoredVerdict
from synthgen.runs import (
    DEFAULT_MODEL,
    Run,
    is_structured,
    open_controller,
    open_script,
    opened_once,
    resolve_n,
    start_engine,
)
from synthgen.serving import Spent, answered, check_requests


def preview(
    task: str,
    *,
    n: int | str = "real",
    model: str = DEFAULT_MODEL,
    engine: str = "vllm",
    seed: int = 0,
    decoding: str | None = None,
    shots: Path | None = None,
    passages: Path | None = None,
    teacher: Path | None = None,
    filters: Path | None = None,
    against: Sequence[Path] = (),
    verifier: Path | None = None,
    judge: str | None = None,
    count: int = 5,
    timeout: float = DEFAULT_TIMEOUT,
) -> list[dict[str, Any]]:
    """Return prompts, replies, parsed row and verdict of `count` items; nothing is written to disk.

    On stderr: what all `n` rows will take at the cost of these.
    """
    if count < 1:
        raise UserError(f"--preview {count} is less than one item")
    script = open_script(
        task, seed=seed, structured=is_structured(decoding, model), shots=shots, passages=passages, teacher=teacher
    )
    found = script.task
    subject = Subject(
        found.format, found.language, found.prompt_text, tuple(against), verifier, judging=Judging(judge or "")
    )
    plan = read_plan(filters, subject)
    resolved = resolve_model(engine, model, timeout=timeout)
    run = Run(found, count, resolved, engine, seed, script, plan, subject)
    if engine == "vllm":
        check_context_length(script, run.model.path)
    ledger = Ledger(Path(":memory:"))
    with opened_once(partial(start_engine, run, timeout, None)) as start, ExitStack() as stack:
        judging = Judging(judge or "", found.definitions, ledger, (resolved, start), timeout)
        controller = open_controller(replace(run, subject=replace(subject, judging=judging)), ledger)
        for filter_ in controller.filters:
            stack.callback(filter_.close)
        check_requests(controller, served := start())
        spent = Spent()
        for reply, request in answered(controller, served, budget=count * len(found.steps)):
            controller.take(reply, request, "")
            spent.add(reply)
        controller.judge_written()
    spent.kept = controller.kept
    console.stderr.print(f"{spent.projected(resolve_n(n, found))}, at {count} rows at a time", highlight=False)
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
