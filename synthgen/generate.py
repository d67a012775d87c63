"""`synthgen make`: exactly n kept rows of a task, written by a model, as a dataset folder.

The controller decides what to ask, an engine answers, the ledger remembers. This module connects the three; `serving`
shows how far the run is, `made` writes the folder when every cell is full.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from synthgen import console
from synthgen.context_length import check_context_length
from synthgen.controller import Controller
from synthgen.dataset import LEDGER_NAME, Manifest, is_finished, make_run_folder, read_manifest
from synthgen.engines import DEFAULT_TIMEOUT, Engine, check_engine, resolve_model
from synthgen.errors import IncompleteError, UserError
from synthgen.filters import Subject
from synthgen.filters.plan import read_plan
from synthgen.judges import Judging, StartEngine
from synthgen.ledger import Ledger, unwritable
from synthgen.likeness import check_like
from synthgen.made import write_folder
from synthgen.packs import resolve
from synthgen.runs import (
    DEFAULT_MODEL,
    Run,
    default_folder,
    is_structured,
    open_controller,
    open_script,
    opened_once,
    resolve_n,
    start_engine,
)
from synthgen.serving import check_requests, serve

REQUESTS_PER_ROW = 25
"""Default request budget for each row and step: a set that accepts fewer than one slot in 25 ends with exit 3."""


def make(
    task: str,
    *,
    n: int | str = "real",
    model: str = DEFAULT_MODEL,
    engine: str = "vllm",
    out: Path | None = None,
    seed: int = 0,
    decoding: str | None = None,
    filters: Path | None = None,
    against: Sequence[Path] = (),
    verifier: Path | None = None,
    judge: str | None = None,
    like: Path | None = None,
    shots: Path | None = None,
    passages: Path | None = None,
    teacher: Path | None = None,
    max_requests: int | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    ray: str | None = None,
    started_engine: Engine | None = None,
) -> Manifest:
    """Generate exactly `n` kept rows of `task` and return the manifest of the folder they are in.

    `n` is a number, `real` (the size of the real training set) or `10x`. The same call again resumes an interrupted
    run and returns a finished one at once. `timeout` is how long an endpoint may take for a reply, in seconds; `ray`,
    an address or `auto`, puts one engine on each GPU of a cluster; `started_engine` serves instead of a new engine, for
    notebooks that make several sets with one. `filters` is a TOML file (see `synthgen.filters.plan`), `against` are
    evaluation sets to keep out, `verifier` is a checkpoint and `judge` a model that read the rows again (see
    `synthgen.judges.open_judge`; the model that writes may judge too), `like` a real set that the rows are compared
    with; changing them judges the stored replies anew.
    Raises UserError for wrong input or a folder that holds another run, IncompleteError when the request budget ends
    before every label has its quota or the server is gone; what was generated stays in the ledger.
    """
    script = open_script(
        task, seed=seed, structured=is_structured(decoding, model), shots=shots, passages=passages, teacher=teacher
    )
    found = script.task
    wanted = resolve_n(n, found)
    if started_engine is None:
        check_engine(engine)
    budget = max_requests if max_requests is not None else REQUESTS_PER_ROW * wanted * len(found.steps)
    if budget < wanted * len(found.steps):
        raise UserError(
            f"--max-requests {budget} cannot make {wanted} rows: {task} takes {len(found.steps)} requests a row, "
            f"at least {wanted * len(found.steps)}"
        )
    out = out or default_folder(task, wanted, seed)
    subject = Subject(
        found.format, found.language, found.prompt_text, tuple(against), verifier, like, Judging(judge or "")
    )
    plan = read_plan(filters, subject)
    check_like(like, found.format)
    if ray and judge and not judge.startswith(("http://", "https://")):
        raise UserError(f"--judge {judge} would need engines beside those of --ray; give an endpoint, http://HOST/v1")
    resolved = resolve(model) if started_engine is not None else resolve_model(engine, model, timeout=timeout)
    run = Run(found, wanted, resolved, engine, seed, script, plan, subject)
    make_run_folder(out)
    ledger = Ledger(out / LEDGER_NAME)
    try:
        ledger.claim(run.settings(), where=out, prompt_text=found.prompt_text)
        if is_finished(out) and _is_current(run, made := read_manifest(out)):
            return made
        with opened_once(started_engine or partial(start_engine, run, timeout, ray)) as start:
            judging = Judging(judge or "", found.definitions, ledger, (resolved, start), timeout)
            run = replace(run, subject=replace(subject, judging=judging))
            return _generate(run, ledger, out, budget, start)
    finally:
        ledger.close()


def _is_current(run: Run, made: Manifest) -> bool:
    """Say whether a finished set is what its replies come to today; if not, they are parsed and filtered anew.

    A set of a version that did not record its parser is left as it is.
    """
    if made.checks.get("filters") != run.plan.record(run.subject):
        return False
    before, now = {"parser": made.parser_hash, "filters": made.filters_hash}, run.versions()
    changed = [name for name in now if made.parser_hash is not None and before[name] != now[name]]
    if changed:
        told = f"the {' and the '.join(changed)} changed since this set was made: the stored replies are judged anew"
        console.stderr.print(told, highlight=False)
    return not changed


def _generate(run: Run, ledger: Ledger, out: Path, budget: int, start: StartEngine) -> Manifest:
    controller = open_controller(run, ledger)
    try:
        controller.resume(key=lambda request: request.key(run.model.ref, run.model.revision), versions=run.versions())
        started_at = time.monotonic()
        versions: dict[str, str] = {}
        asked = -1
        while not controller.settle() and asked < controller.requests < budget:
            asked = controller.requests
            if run.engine == "vllm" and not versions:
                check_context_length(run.script, run.model.path)
            served = start()
            versions = served.versions
            check_requests(controller, served)
            serve(controller, served, run.model, budget=budget, rows=run.n)
        ledger.commit()
        if controller.is_full:
            return write_folder(run, controller, out, seconds=time.monotonic() - started_at, versions=versions)
    except (IncompleteError, sqlite3.OperationalError, OSError) as error:
        if (fault := unwritable(error)) is None:
            raise
        kept = f"{controller.kept} of {run.n} rows are kept in {out}/ledger.sqlite; the same command goes on"
        raise IncompleteError(f"{fault}. {kept}") from None
    finally:
        for filter_ in controller.filters:
            filter_.close()
    raise IncompleteError(_why_incomplete(controller, out, budget))


def _why_incomplete(controller: Controller, out: Path, budget: int) -> str:
    cell, tally = max(controller.tallies.items(), key=lambda item: item[1].quota - item[1].kept)
    reasons = ", ".join(f"{reason} ({count})" for reason, count in controller.reasons.most_common(3)) or "none"
    return (
        f"the budget of {budget} requests is spent with {controller.kept} rows kept; '{cell}' has {tally.kept} of "
        f"{tally.quota} at an acceptance of {tally.acceptance:.0%}; commonest rejections: {reasons}. "
        f"Everything is kept in {out}/ledger.sqlite; the same command with a larger --max-requests goes on"
    )
