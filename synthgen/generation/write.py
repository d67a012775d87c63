"""The dataset folder of a complete run: rows, rejections, filter reports, manifest and card."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from synthgen import __version__
from synthgen.analysis.similarity_to_real import measure, warn_of_artefacts
from synthgen.analysis.text_statistics import describe
from synthgen.cards.card import write_card
from synthgen.dataset.layout import MANIFEST_NAME
from synthgen.dataset.licences import LicensedSource, derive, parts_of
from synthgen.dataset.manifest import Manifest, finish, is_finished, read_manifest
from synthgen.dataset.shards import Rejection, read_rows, row_features, write_rejected, write_rows
from synthgen.filters.config import write_reports
from synthgen.filters.labels.filter import annotator_parents
from synthgen.formats.base import Row
from synthgen.formats.texts import texts_of_sound_rows
from synthgen.generation.controller import Controller
from synthgen.generation.run import GenerationRun
from synthgen.runtime.provenance import command_line, hardware, public_name
from synthgen.task.definition import Task
from synthgen.text.set_language import set_language


def write_folder(
    run: GenerationRun,
    controller: Controller,
    out: Path,
    *,
    seconds: float,
    cost: dict[str, Any],
    free: Callable[[], None] = lambda: None,
) -> Manifest:
    """Write the folder and return its manifest, which is written last.

    `free` is called when no model is asked any more: a large set is written for minutes, which no GPU need wait.
    """
    ledger, format_ = controller.ledger, run.task.format
    earlier = read_manifest(out).versions if is_finished(out) else {}  # of the engine that wrote replies kept since
    (out / MANIFEST_NAME).unlink(missing_ok=True)  # a set made anew is not finished while its rows are half written
    reports, checks = write_reports(out, controller.filters), run.config.checks(run.context, controller.filters)
    for filter_ in controller.filters:  # what they hold of a large set is more than all that follows needs
        filter_.close()
    free()
    files = write_rows(out, _kept_rows(controller), row_features(format_))
    rejected = ((controller.row_id(item.slot), item) for item in ledger.verdicts("rejected"))
    rejections = (Rejection(row_id, item.reason, item.stage, item.evidence, item.row) for row_id, item in rejected)
    files |= write_rejected(out, rejections) | reports
    acceptance = {cell: round(each.acceptance, 4) for cell, each in controller.counters.items() if each.kept}
    manifest = Manifest(
        **_settings(run, (*run.chain.grounding.parents, *annotator_parents(checks))),
        **_counts(controller),
        files=files,
        checks=checks | measure(out, format_, run.context.like) | _of_language(run.task, out),
        versions={**earlier, "synthgen-evaluator": __version__, **ledger.engine_versions()},
        ledger_hash=ledger.content_hash(),
        tokens=ledger.token_totals(),
        cost=cost,
        seconds=round(seconds, 1),
        statistics=describe(format_, _kept_rows(controller)) | {"acceptance": acceptance},
        hardware=hardware(),
        command=command_line(),
    )
    write_card(out, manifest)
    warn_of_artefacts(manifest.checks["artefacts"])
    return finish(out, manifest)


def _settings(run: GenerationRun, parents: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """Return the manifest's keys that follow from the settings of the run and the sets and models it used."""
    task, model, settings = run.task, run.model, run.settings()
    model_facts = {name: getattr(model, name) for name in ("revision", "licence", "note")}
    if run.engine.options.arguments:
        model_facts["engine_args"] = run.engine.manifest_arguments
    return {
        "task": task.name,
        "format": task.format.name,
        "columns": task.format.columns,
        "labels": task.format.labels,
        "origin": "synthetic",
        "language": task.language,
        "licence": derive(
            [LicensedSource("generator", public_name(model.ref), model.licence), *parts_of(None, parents)]
        ),
        "parents": parents,
        "n": run.n,
        "seed": settings["seed"],
        "model": {"ref": public_name(model.ref), **model_facts},
        "engine": settings["engine"],
        "prompt_hash": task.prompt_hash,
        "prompt_text": task.prompt_text,
        "definitions": task.definitions,
        "parser_hash": run.versions()["parser"],
        "filters_hash": run.versions()["filters"],
        "sampling": {step.name: step.sampling for step in task.steps} | {"decoding": settings["decoding"]},
    }


def _of_language(task: Task, out: Path) -> dict[str, Any]:
    """Return what the manifest says of rows in another language than that of the task's file."""
    if not task.asked_language:
        return {}
    language = set_language(texts_of_sound_rows(task.format, read_rows(out)), option=task.language)
    return {"set_language": language.facts(), "prompt_language": task.prompt_language}


def _counts(controller: Controller) -> dict[str, Any]:
    counters = controller.counters
    totals = {name: sum(getattr(each, name) for each in counters.values()) for name in ("kept", "rejected", "failed")}
    return {
        "asked": sum(totals.values()),
        "kept": totals["kept"],
        "failed": totals["failed"],
        "rejected": dict(controller.reasons.most_common()),
        "label_counts": {cell: counter.kept for cell, counter in counters.items()},
        "attempts": {name: controller.attempts[name] for name in ("ok", "bad", "http", "timeout")},
    }


def _kept_rows(controller: Controller) -> Iterator[Row]:
    for verdict in controller.ledger.verdicts("kept"):
        yield {**verdict.row, "id": controller.row_id(verdict.slot), "language": controller.chain.task.language}
