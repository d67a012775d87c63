"""`synthgen make`: exactly n kept rows of a task, written by a model, as a dataset folder.

The controller decides what to ask, an engine answers, the ledger remembers. This module connects the three, shows how
far the run is, and writes the folder when every cell is full.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from synthgen import __version__, console
from synthgen.context_length import check_context_length
from synthgen.controller import Controller
from synthgen.datacard import write_card
from synthgen.dataset import (
    Manifest,
    Rejection,
    finish,
    is_finished,
    read_manifest,
    row_features,
    scale_counts,
    write_rejected,
    write_rows,
)
from synthgen.engines import DEFAULT_TIMEOUT, Engine, Request, check_engine, open_engine, resolve_model
from synthgen.errors import IncompleteError, UserError
from synthgen.filters import Subject
from synthgen.filters.plan import Plan, read_plan, write_reports
from synthgen.filters.verify import readers_of
from synthgen.formats.base import Row
from synthgen.formats.tags import TagsFormat
from synthgen.grounding import read_grounding
from synthgen.judges import Judging, StartEngine
from synthgen.ledger import Ledger, StoredVerdict, unwritable
from synthgen.licences import Part, derive, parts_of
from synthgen.likeness import check_like, measure, warn_of_artefacts
from synthgen.packs import PREFIX, ResolvedModel, resolve
from synthgen.provenance import command_line, hardware, public_name
from synthgen.serving import Spent, check_requests, serve
from synthgen.slots import Script, parser_version
from synthgen.statistics import describe
from synthgen.task import Task, find_task
from synthgen.teacher import Teacher

DEFAULT_MODEL = "Qwen/Qwen3-4B-Instruct-2507"
REQUESTS_PER_ROW = 25
"""Default request budget for each row and step: a set that accepts fewer than one slot in 25 ends with exit 3."""


@dataclass(frozen=True, slots=True)
class Run:
    """The settings of one run that determine its rows; another value of any of them is another run."""

    task: Task
    n: int
    model: ResolvedModel
    engine: str
    seed: int
    script: Script
    plan: Plan
    subject: Subject

    def settings(self) -> dict[str, Any]:
        """Return what the ledger compares before it resumes."""
        return {
            "task": self.task.name,
            "n": self.n,
            "model": self.model.ref,
            "revision": self.model.revision,
            "engine": self.engine,
            "seed": self.seed,
            "decoding": "json" if self.script.structured else "plain",
            "prompt_hash": self.task.prompt_hash,
            **self.script.grounding.settings(),
        }

    def versions(self) -> dict[str, str]:
        """Return what verdicts follow from beside the replies: the versions of the parser and of the filters."""
        return {"parser": parser_version(), "filters": self.plan.hash()}


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
        task, seed=seed, structured=_structured(decoding, model), shots=shots, passages=passages, teacher=teacher
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
    out.mkdir(parents=True, exist_ok=True)
    _refuse_foreign_folder(out)
    ledger = Ledger(out / "ledger.sqlite")
    try:
        ledger.claim(run.settings(), where=out, prompt_text=found.prompt_text)
        if is_finished(out) and _is_current(run, ledger, made := read_manifest(out)):
            return made
        with _opened_once(started_engine or partial(_start_engine, run, timeout, ray)) as start:
            judging = Judging(judge or "", found.definitions, ledger, (resolved, start), timeout)
            run = replace(run, subject=replace(subject, judging=judging))
            return _generate(run, ledger, out, budget, start)
    finally:
        ledger.close()


def _is_current(run: Run, ledger: Ledger, made: Manifest) -> bool:
    """Say whether a finished set is what its replies come to today; if not, they are parsed and filtered anew."""
    if made.checks.get("filters") != run.plan.record(run.subject):
        return False
    before, now = ledger.judged_by(), run.versions()
    changed = [name for name in before if before[name] != now[name]]
    if changed:
        told = f"the {' and the '.join(changed)} changed since this set was made: the stored replies are judged anew"
        console.stderr.print(told, highlight=False)
    return not changed


def default_folder(task: str, n: int | str, seed: int) -> Path:
    """Return where a set goes when no folder is named."""
    return Path("runs") / f"{task}-n{resolve_n(n, find_task(task))}-s{seed}"


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
    count: int = 5,
    timeout: float = DEFAULT_TIMEOUT,
) -> list[dict[str, Any]]:
    """Return prompts, replies, parsed row and verdict of `count` items; nothing is written to disk.

    On stderr: what all `n` rows will take at the cost of these.
    """
    script = open_script(
        task, seed=seed, structured=_structured(decoding, model), shots=shots, passages=passages, teacher=teacher
    )
    found = script.task
    subject = Subject(found.format, found.language, found.prompt_text)
    resolved = resolve_model(engine, model, timeout=timeout)
    run = Run(found, count, resolved, engine, seed, script, read_plan(), subject)
    ledger = Ledger(Path(":memory:"))
    controller = _controller(run, ledger)
    if engine == "vllm":
        check_context_length(script, run.model.path)
    in_flight: dict[tuple[int, int], Request] = {}

    def next_request() -> Request | None:
        request = controller.next_request() if controller.requests < count * len(found.steps) else None
        if request is not None:
            in_flight[request.tag] = request
        return request

    with closing(_start_engine(run, timeout, None)) as served:
        check_requests(controller, served)
        spent = Spent()
        for reply in served.run(next_request):
            controller.take(reply, in_flight.pop(reply.tag), "")
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


def open_script(
    task: str,
    *,
    seed: int,
    structured: bool,
    shots: Path | None = None,
    passages: Path | None = None,
    teacher: Path | None = None,
) -> Script:
    """Return what the slots of a task ask for, with the real text and the teacher it is given.

    A teacher brings its tag set, which becomes that of the task. Raises UserError where one is missing or of no use.
    """
    found = find_task(task)
    if (teacher is not None) != isinstance(found.format, TagsFormat):
        needs = "needs --teacher CKPT, a token classifier made by evaluator train" if teacher is None else "has no use"
        raise UserError(f"{task} {needs}" + ("" if teacher is None else f" for --teacher {teacher}: it is not tagged"))
    grounding = read_grounding(found, shots=shots, passages=passages, seed=seed)
    if teacher is None or not isinstance(found.format, TagsFormat):
        return Script(found, seed=seed, structured=structured, grounding=grounding)
    tagger = Teacher(teacher)
    found = replace(found, format=TagsFormat(found.format.columns, tagger.labels))
    grounding = replace(grounding, parents=(*grounding.parents, tagger.parent()))
    return Script(found, seed=seed, structured=structured, grounding=grounding, teacher=tagger)


def resolve_n(n: int | str, task: Task) -> int:
    """Return the number of rows that `--n` asks for.

    >>> resolve_n("10x", find_task("mnli"))
    3927020
    """
    if n in ("real", "10x"):
        return task.real_size * (10 if n == "10x" else 1)
    try:
        number = int(n)
    except ValueError:
        raise UserError(f"--n '{n}' is not a number; give a whole number, 'real' or '10x'") from None
    if number < 1:
        raise UserError(f"--n {number} is less than 1; give a whole number, 'real' or '10x'")
    return number


def _structured(decoding: str | None, model: str) -> bool:
    if decoding not in (None, "plain", "json"):
        raise UserError(f"--decoding '{decoding}' is neither 'plain' nor 'json'")
    # Measured (LOG.md): the bundled 135M model keeps more rows per second from plain few-shot completion.
    return decoding == "json" or (decoding is None and not model.startswith(PREFIX))


def _refuse_foreign_folder(out: Path) -> None:
    if is_finished(out) and not (out / "ledger.sqlite").exists():
        manifest = read_manifest(out)
        raise UserError(f"{out} holds a finished {manifest.origin} {manifest.task} set; give another --out")


def _generate(run: Run, ledger: Ledger, out: Path, budget: int, start: StartEngine) -> Manifest:
    controller = _controller(run, ledger)
    try:
        controller.resume(key=lambda request: request.key(run.model.ref, run.model.revision), versions=run.versions())
        started_at, versions = time.monotonic(), {}
        if not controller.is_full:
            if run.engine == "vllm":
                check_context_length(run.script, run.model.path)
            served = start()
            versions = served.versions
            check_requests(controller, served)
            serve(controller, served, run.model, budget=budget, rows=run.n)
        ledger.commit()
        if controller.is_full:
            return _write_folder(run, controller, out, seconds=time.monotonic() - started_at, versions=versions)
    except (IncompleteError, sqlite3.OperationalError, OSError) as error:
        if (fault := unwritable(error)) is None:
            raise
        kept = f"{controller.kept} of {run.n} rows are kept in {out}/ledger.sqlite; the same command goes on"
        raise IncompleteError(f"{fault}. {kept}") from None
    finally:
        for filter_ in controller.filters:
            filter_.close()
    raise IncompleteError(_why_incomplete(controller, out, budget))


@contextmanager
def _opened_once(engine: Engine | StartEngine) -> Iterator[StartEngine]:
    """Yield what gives the engine, started by the first who asks and stopped at the end; a running one runs on."""
    with ExitStack() as stack:
        yield cache(lambda: stack.enter_context(closing(engine())) if callable(engine) else engine)


def _controller(run: Run, ledger: Ledger) -> Controller:
    quotas = scale_counts(run.task.label_counts, run.n)
    filters = run.plan.build(run.subject)
    return Controller(run.task, quotas, seed=run.seed, filters=filters, ledger=ledger, script=run.script)


def _start_engine(run: Run, timeout: float, ray: str | None) -> Engine:
    console.stderr.print(f"model {run.model.ref} ({run.model.licence}), engine {run.engine}: starting", highlight=False)
    return open_engine(run.engine, run.model, seed=run.seed, timeout=timeout, ray=ray)


def _why_incomplete(controller: Controller, out: Path, budget: int) -> str:
    cell, tally = max(controller.tallies.items(), key=lambda item: item[1].quota - item[1].kept)
    reasons = ", ".join(f"{reason} ({count})" for reason, count in controller.reasons.most_common(3)) or "none"
    return (
        f"the budget of {budget} requests is spent with {controller.kept} rows kept; '{cell}' has {tally.kept} of "
        f"{tally.quota} at an acceptance of {tally.acceptance:.0%}; commonest rejections: {reasons}. "
        f"Everything is kept in {out}/ledger.sqlite; the same command with a larger --max-requests goes on"
    )


def _write_folder(run: Run, controller: Controller, out: Path, *, seconds: float, versions: dict[str, str]) -> Manifest:
    ledger, format_ = controller.ledger, run.task.format
    files = write_rows(out, _kept_rows(controller), row_features(format_))
    files |= write_rejected(out, _rejections(controller)) | write_reports(out, controller.filters)
    checks = run.plan.checks(run.subject, controller.filters)
    parents = (*run.script.grounding.parents, *readers_of(checks))
    tallies = controller.tallies
    counts = {name: sum(getattr(tally, name) for tally in tallies.values()) for name in ("kept", "rejected", "failed")}
    manifest = Manifest(
        task=run.task.name,
        format=format_.name,
        columns=format_.columns,
        labels=format_.labels,
        origin="synthetic",
        language=run.task.language,
        licence=derive([Part("generator", run.model.ref, run.model.licence), *parts_of(None, parents)]),
        parents=parents,
        n=run.n,
        asked=sum(counts.values()),
        kept=counts["kept"],
        failed=counts["failed"],
        rejected=dict(controller.reasons.most_common()),
        label_counts={cell: tally.kept for cell, tally in tallies.items()},
        seed=run.seed,
        files=files,
        attempts={name: controller.attempts[name] for name in ("ok", "bad", "http", "timeout")},
        model={
            "ref": public_name(run.model.ref),
            "revision": run.model.revision,
            "licence": run.model.licence,
            "note": run.model.note,
        },
        engine=run.engine,
        prompt_hash=run.task.prompt_hash,
        prompt_text=run.task.prompt_text,
        parser_hash=parser_version(),
        filters_hash=run.plan.hash(),
        checks=checks | measure(out, format_, run.subject.like),
        sampling={step.name: step.sampling for step in run.task.steps} | {"decoding": run.settings()["decoding"]},
        versions={"synthgen-evaluator": __version__, **versions},
        tokens=ledger.token_totals(),
        seconds=round(seconds, 1),
        statistics=describe(format_, _kept_rows(controller)) | {"acceptance": _acceptance(controller)},
        hardware=hardware(),
        command=command_line(),
    )
    write_card(out, manifest)
    warn_of_artefacts(manifest.checks["artefacts"])
    return finish(out, manifest)


def _acceptance(controller: Controller) -> dict[str, float]:
    """Return each label's share of kept among kept, rejected and failed, surplus rows included."""
    return {cell: round(tally.acceptance, 4) for cell, tally in controller.tallies.items() if tally.kept}


def _kept_rows(controller: Controller) -> Iterator[Row]:
    for verdict in controller.ledger.verdicts("kept"):
        yield {**verdict.row, "id": controller.row_id(verdict.slot), "language": controller.task.language}


def _rejections(controller: Controller) -> Iterator[Rejection]:
    for item in controller.ledger.verdicts("rejected"):
        yield Rejection(controller.row_id(item.slot), item.reason, item.stage, item.evidence, item.row)
