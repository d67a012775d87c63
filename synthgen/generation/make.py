"""`synthgen make`: exactly n kept rows of a task, written by a model, as a dataset folder.

The controller chooses the requests, an engine replies, the ledger stores. `loop` connects the three, `write` makes the
folder when every label has its quota; a preview writes nothing.
"""

import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from synthgen import console, options
from synthgen.dataset.folder import make_run_folder, refuse_foreign
from synthgen.dataset.layout import LEDGER_NAME
from synthgen.dataset.ledger import Ledger, StoredVerdict
from synthgen.dataset.ledger_connection import unwritable
from synthgen.dataset.manifest import Manifest, is_damaged, is_finished, read_manifest
from synthgen.engines import ADDRESSES, DEFAULT_TIMEOUT, Engine
from synthgen.engines.arguments import with_gpus
from synthgen.engines.budget import Budget
from synthgen.engines.config import EngineConfig, StartEngine, read_options
from synthgen.errors import IncompleteError, UserError, refuse
from synthgen.filters.base import FilterContext, JudgeConfig
from synthgen.filters.config import closing_all, read_config
from synthgen.formats.texts import shown_fields
from synthgen.generation.controller import Controller
from synthgen.generation.loop import Usage, check_context_length, check_requests, exchanges, serve
from synthgen.generation.run import (
    DEFAULT_MODEL,
    GenerationRun,
    default_folder,
    is_structured,
    open_chain,
    open_controller,
    resolve_n,
)
from synthgen.generation.write import write_folder
from synthgen.runtime.garbage import rare_collections
from synthgen.runtime.ray_cluster import check_address
from synthgen.text.language_id import is_known

MOST_SETS = 1_000
"""Of `--seeds`."""

REQUESTS_PER_ROW = 25
"""Default request budget for each row and step: a set that accepts fewer than one slot in 25 ends with exit 3."""


def make(
    task: options.Task,
    *,
    n: options.Rows = "real",
    language: options.WrittenLanguage = None,
    model: options.Model = DEFAULT_MODEL,
    engine: options.Engine = "vllm",
    out: options.RunFolder = None,
    seed: options.Seed = 0,
    seeds: options.DatasetSeeds = None,
    decoding: options.Decoding = None,
    thinking: options.Thinking = "off",
    filters: options.FilterFile = None,
    against: options.Against = (),
    verifier: options.Verifier = None,
    judge: options.Judge = None,
    like: options.Like = None,
    shots: options.Shots = None,
    passages: options.Passages = None,
    teacher: options.Teacher = None,
    preview: options.Preview = 0,
    max_requests: options.MaxRequests = None,
    price_in: options.PriceIn = None,
    price_out: options.PriceOut = None,
    prices: options.PriceTable = None,
    max_cost: options.MaxCost = None,
    batch: options.Batch = False,
    timeout: options.Timeout = DEFAULT_TIMEOUT,
    ray: options.Ray = None,
    engine_args: options.EngineArgs = None,
    gpus_per_engine: options.GpusPerEngine = None,
    started_engine: Engine | None = None,
) -> Manifest | list[Manifest] | list[dict[str, Any]]:
    """Generate rows of a task until exactly N pass all filters. Run the command again to resume.

    Example: synthgen make --task mnli --n 200 --model pack:smollm2-135m-instruct --out runs/mnli

    Example: synthgen make --task mnli --engine endpoint --model http://localhost:8000/v1 --preview 5

    Example: synthgen make --task mnli --language sw --n 200 --model owner/name --out runs/mnli-sw

    Returns the manifest, with `seeds` those of all sets, or the preview's items. `started_engine` is used instead of a
    new engine. Raises UserError for wrong input, IncompleteError when the request budget or the server ends.
    """
    share = _share(max_cost, seeds)
    money: dict[str, Any] = {"price_in": price_in, "price_out": price_out, "prices": prices, "max_cost": share}
    request_options = read_options(timeout=timeout, thinking=thinking, batch=batch, engine_args=engine_args, **money)
    request_options = replace(request_options, arguments=with_gpus(request_options.arguments, gpus_per_engine, ray=ray))
    if not (structured := is_structured(decoding, model)):
        refuse("--decoding plain completes a text, without a chat", thinking=request_options.thinking and thinking)
    chains = [
        open_chain(
            task,
            each,
            structured,
            shots=shots,
            passages=passages,
            teacher=teacher,
            thinking=request_options.thinking,
            language=language,
        )
        for each in range(seed, seed + (seeds or 1))
    ]
    written = chains[0].task
    if written.asked_language and not is_known(written.language):
        console.note(f"no language identifier knows '{written.language}': the language of the rows is not checked")
    context = FilterContext(
        written.format,
        written.language,
        prompt=written.prompt_text,
        against=tuple(against),
        verifier=verifier,
        like=like,
        judge=JudgeConfig(judge or "", options=request_options),
        is_asked=bool(written.asked_language),
    )
    engine_config = EngineConfig(engine, model, request_options, ray, started_engine)
    run = GenerationRun(chains[0], resolve_n(n, written), engine_config, read_config(filters, context), context)
    if preview:
        refuse(f"--preview {preview} writes no folder", seeds=seeds)
        return _preview(run, preview, out=out, ray=ray, max_requests=max_requests)
    folder = out or default_folder(task, run.n, seed, language)
    if seeds:
        return [_make_folder(replace(run, chain=each), folder / f"s{each.seed}", max_requests) for each in chains]
    return _make_folder(run, folder, max_requests)


def check_sets(number: int) -> None:
    """Raise UserError for a number of sets that is not allowed."""
    if not 1 <= number <= MOST_SETS:
        raise UserError(f"--seeds {number}; allowed: 1 to {MOST_SETS} sets")


def _share(max_cost: float | None, seeds: int | None) -> float | None:
    """Return what one of several sets may cost; UserError for a number of sets that is none."""
    if seeds is not None:
        check_sets(seeds)
    return max_cost / seeds if max_cost and seeds else max_cost


def _make_folder(run: GenerationRun, out: Path, max_requests: int | None) -> Manifest:
    """Return the manifest of the run's folder: new, resumed or finished already."""
    requests = _request_budget(run, max_requests)
    model, ray = run.context.judge.model, run.engine.ray
    if ray and model and not model.startswith(ADDRESSES):
        raise UserError(
            f"--judge {model} would need engines beside those of --ray; give the address of a server, http://HOST/v1"
        )
    if run.engine.running:
        refuse(
            "started_engine is used instead of a new engine", ray=ray, engine_args=run.engine.options.arguments or None
        )
    if ray:
        check_address(ray)
    refuse_foreign(out)
    settings = run.settings()
    make_run_folder(out)
    with closing(Ledger(out / LEDGER_NAME)) as ledger:
        ledger.claim(settings, where=out, prompt_text=run.task.prompt_text)
        if is_finished(out) and _is_current(run, out, manifest := read_manifest(out)):
            return manifest
        tokens, replies = ledger.token_totals(), ledger.outcomes().total()
        spent = (tokens["prompt"], tokens["output"], replies)
        budget = Budget(requests, run.engine.prices, run.engine.options.money.max_cost, *spent)
        with rare_collections(), run.engine.open(run.chain.seed, ledger, run.n) as start:
            return _generate(run.with_judge(ledger, start, budget), ledger, out, budget, start)


def _request_budget(run: GenerationRun, max_requests: int | None) -> int:
    """Return how many requests the run may make; UserError for fewer than its rows take."""
    least = run.n * len(run.task.steps)
    budget = REQUESTS_PER_ROW * least if max_requests is None else max_requests
    if budget < least:
        raise UserError(
            f"--max-requests {budget} cannot make {run.n} rows: {run.task.name} takes {len(run.task.steps)} requests "
            f"a row, at least {least}"
        )
    return budget


def _is_current(run: GenerationRun, out: Path, manifest: Manifest) -> bool:
    """Say whether a finished set is whole, and what its replies come to today; if not, they are judged again.

    A set of a version that did not record its parser is left as it is.
    """
    if manifest.checks.get("filters") != run.config.record(run.context) or is_damaged(out, manifest):
        return False
    before, now = {"parser": manifest.parser_hash, "filters": manifest.filters_hash}, run.versions()
    changed = [name for name in now if manifest.parser_hash is not None and before[name] != now[name]]
    if changed:
        versions = " and the ".join(changed)
        console.note(
            f"the {versions} changed since this set was made: the stored replies are parsed and filtered again"
        )
    return not changed


def _generate(run: GenerationRun, ledger: Ledger, out: Path, budget: Budget, start: StartEngine) -> Manifest:
    """Resume, make requests until the set is complete or the budget spent, and write the folder."""
    controller = open_controller(run, ledger)
    versions: dict[str, str] = {}
    before = -1
    engine: Engine | None = None
    try:
        with closing_all(controller.filters), closing(controller):
            controller.resume(versions=run.versions())
            start_time = time.monotonic()
            while not controller.settle() and before < controller.requests and budget.allows(controller.requests, 0):
                before = controller.requests
                if run.engine.name == "vllm" and not versions:
                    check_context_length(run.chain, run.model.path, run.engine.context_length)
                engine = start()
                ledger.add_engine(versions := engine.versions)
                check_requests(controller, engine)
                serve(controller, engine, budget=budget, rows=run.n)
            ledger.commit()
            if controller.is_full:
                seconds = time.monotonic() - start_time
                free = engine.close if engine is not None and run.engine.running is None else lambda: None
                return write_folder(run, controller, out, seconds=seconds, cost=budget.facts(), free=free)
    except (IncompleteError, OSError) as error:
        if (fault := unwritable(error)) is None:
            raise
        kept = (
            f"{controller.kept} of {run.n} rows are kept in {out}/ledger.sqlite; run the same command again to continue"
        )
        raise IncompleteError(f"{fault}. {kept}") from None
    raise IncompleteError(_shortfall(controller, out, budget))


def _shortfall(controller: Controller, out: Path, budget: Budget) -> str:
    """Return the message for a spent budget: the label furthest from its quota, rejections, failures."""
    cell, counter = max(controller.counters.items(), key=lambda item: item[1].quota - item[1].kept)
    reasons = ", ".join(f"{reason} ({count})" for reason, count in controller.reasons.most_common(3)) or "none"
    failed = f"; {failures}" if (failures := controller.failed_requests) else ""
    spent, option = f"the budget of {budget.requests} requests is spent", "--max-requests"
    if budget.is_spent():
        spent, option = budget.fault, "--max-cost"
    return (
        f"{spent} with {controller.kept} rows kept; '{cell}' has {counter.kept} of "
        f"{counter.quota} at an acceptance of {counter.acceptance:.0%}; most frequent rejections: {reasons}{failed}. "
        f"Everything is kept in {out}/ledger.sqlite; the same command with a larger {option} continues"
    )


def _preview(
    run: GenerationRun, count: int, *, out: Path | None, ray: str | None, max_requests: int | None
) -> list[dict[str, Any]]:
    """Return prompts, replies, parsed row and verdict of `count` items of a run; nothing is written to disk.

    On stderr: what all rows of the run will take at the cost of these. UserError for options without a use.
    """
    if count < 1:
        raise UserError(f"--preview {count}; allowed: 1 or more")
    refuse(f"--preview {count} writes no folder", out=out)
    refuse(f"--preview {count} sends its requests directly", batch=run.engine.options.batch)
    refuse(f"--preview {count} starts one engine, in this process", ray=ray)
    money = run.engine.options.money
    refuse(f"--preview {count} requests {count} items and no more", max_requests=max_requests, max_cost=money.max_cost)
    if "like" not in {spec.needs for spec, _ in run.config.stages}:
        refuse(f"--preview {count} measures nothing, and no filter needs a real set", like=run.context.like)
    if run.engine.name == "vllm":
        check_context_length(run.chain, run.model.path, run.engine.context_length)
    ledger = Ledger(Path(":memory:"))
    with run.engine.open(run.chain.seed, ledger, count) as start:
        usage = Usage(budget := Budget(count * len(run.task.steps), run.engine.prices))
        controller = open_controller(replace(run, n=count).with_judge(ledger, start, budget), ledger)
        with closing_all(controller.filters), closing(controller):
            check_requests(controller, engine := start())
            with console.progress(is_kept=False) as bar:
                line = bar.add_task("preview: replies", total=count * len(run.task.steps), note="")
                for reply in exchanges(controller, engine, budget=budget):
                    controller.take(reply)
                    bar.advance(line)
            controller.check_complete()
    usage.kept = controller.kept
    console.note(f"{usage.projection(run.n)}, at {count} {'row' if count == 1 else 'rows'} at a time")
    return [_item(controller, verdict) for verdict in ledger.verdicts()]


def _item(controller: Controller, verdict: StoredVerdict) -> dict[str, Any]:
    replies, prompts = list(controller.ledger.replies(verdict.slot)), list[str]()
    prompt_of_step: dict[int, str] = {}  # what is asked again is stored once
    for reply in replies:
        prompt_of_step[reply.step] = reply.prompt or prompt_of_step.get(reply.step, "")
        prompts.append(prompt_of_step[reply.step])
    return {
        "id": controller.row_id(verdict.slot),
        "label": controller.ledger.cell(verdict.slot),
        "prompts": prompts,
        "replies": [reply.text or reply.error for reply in replies],
        "row": verdict.row,
        "fields": shown_fields(verdict.row, controller.chain.task.format),
        "verdict": f"{verdict.verdict} {verdict.reason} {verdict.evidence}".strip(),
    }
