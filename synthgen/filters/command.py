"""`synthgen filter`: the filters of `synthgen make` over a whole set, real or synthetic, ours or somebody else's.

The rows that stay go to a new folder with a manifest of its own; the others to its `rejected/`, each with the stage
that dropped it, the reason and what shows it. The input is not touched, and nothing is left behind when something
fails in the middle.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from typer import Option

from synthgen import __version__, options
from synthgen.analysis.similarity_to_real import measure, warn_of_artefacts
from synthgen.analysis.text_statistics import describe
from synthgen.cards.card import write_card
from synthgen.corpora.any_folder import InputDataset, open_set
from synthgen.dataset.folder import drafted, refuse_taken
from synthgen.dataset.licences import LicensedSource, derive, parts_of
from synthgen.dataset.manifest import SOFT_LABELS, Manifest, finish, is_finished, read_manifest, refuse_changed
from synthgen.dataset.shards import (
    arrow_schema,
    read_rows,
    row_features,
    with_soft_labels,
    write_rejected,
    write_tables,
)
from synthgen.engines import DEFAULT_TIMEOUT
from synthgen.engines.config import read_options
from synthgen.errors import UserError, excerpt
from synthgen.filters.base import Filter, FilterContext, JudgeConfig
from synthgen.filters.config import FilterConfig, closing_all, read_config, write_reports
from synthgen.filters.labels.filter import annotator_parents, judge_cost, soft_label_model
from synthgen.filters.registry import EDITS, ORDER
from synthgen.filters.set_pipeline import FilteredDataset, filter_dataset, refuse_repeated_ids, workers_for
from synthgen.runtime.cache import cache_root
from synthgen.runtime.drafts import sweep
from synthgen.runtime.lock import only_writer
from synthgen.runtime.provenance import command_line, hardware
from synthgen.runtime.typer_command import OptionCheck
from synthgen.runtime.workers import usable_cores

_PROCESSES = "Number of processes that compare rows [default: every core]; results do not depend on it."
Processes = Annotated[
    int,
    OptionCheck("synthgen.runtime.numbers:from_1"),
    Option(help=_PROCESSES, default_factory=usable_cores, show_default=False),
]


def filter(
    folder: options.Folder,
    *,
    out: options.NewFolder,
    filters: options.FilterFile = None,
    against: options.Against = (),
    verifier: options.Verifier = None,
    judge: options.Judge = None,
    thinking: options.Thinking = "off",
    price_in: options.PriceIn = None,
    price_out: options.PriceOut = None,
    prices: options.PriceTable = None,
    max_cost: options.MaxCost = None,
    batch: options.Batch = False,
    timeout: options.Timeout = DEFAULT_TIMEOUT,
    engine_args: options.EngineArgs = None,
    like: options.Like = None,
    origin: options.Origin = None,
    task: options.FolderTask = None,
    language: options.FolderLanguage = None,
    processes: Processes = 1,
) -> Manifest:
    """Filter a dataset folder, or any folder of Parquet files, and write the rows that pass to a new folder.

    Example: synthgen filter runs/mnli --out runs/mnli-clean --against data

    Returns the new folder's manifest; the same call again returns it too. A script that asks for more than one process
    needs `if __name__ == "__main__":`. Raises UserError for a folder or a configuration that cannot be used, for an
    `out` that holds something else, and when no row would be kept.
    """
    started = time.monotonic()
    if processes < 1:
        raise UserError(f"processes = {processes} is less than 1")
    money: dict[str, Any] = {"price_in": price_in, "price_out": price_out, "prices": prices, "max_cost": max_cost}
    request_options = read_options(timeout=timeout, thinking=thinking, batch=batch, engine_args=engine_args, **money)
    source = open_set(folder, origin=origin, task=task, language=language)
    prompt = source.manifest.prompt_text if source.manifest else ""
    replies = cache_root() / "judged" / source.content_hash[:16]
    context = FilterContext(
        source.format,
        source.language,
        prompt=prompt,
        against=tuple(against),
        verifier=verifier,
        like=like,
        judge=JudgeConfig(judge or "", source.definitions, replies, options=request_options),
    )
    config = read_config(filters, context)
    if not config.has("judge"):
        request_options.refuse("no filter calls a model")
    if not source.manifest and out.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"{out} is inside {folder}, whose files are all read as rows; give another --out")
    if is_finished(out):
        sweep(out.absolute().parent)
        return _same_or_refused(out, config.record(context), source.parent("filtered"))
    refuse_taken(out)
    with only_writer(out):
        refuse_repeated_ids(source)
        return _filter_rows(source, out, config, context, processes, started)


def _filter_rows(
    source: InputDataset, out: Path, config: FilterConfig, context: FilterContext, processes: int, started: float
) -> Manifest:
    built = config.build(context)
    with drafted(out) as draft, closing_all(built), workers_for(source, processes) as workers:
        edits = tuple(EDITS[name](context.format) for name in config.edits)
        dataset = filter_dataset(source, built, edits, workers)
        if not dataset.stays.any():
            reasons = dataset.reasons()
            counts = ", ".join(f"{reason} ({count})" for reason, count in list(reasons.items())[:3])
            example = next(drop.evidence for _, drop in dataset.dropped.values() if drop.reason in list(reasons)[:1])
            shown = f", such as {excerpt(example)}" if example else ""
            raise UserError(f"no row of {source.name} passes the filters: {counts}{shown}; nothing is written")
        checks = config.checks(context, built) | ({"edits": dict(dataset.edited)} if config.edits else {})
        manifest = _write_rows(draft, dataset, built, checks)
        seconds = round(time.monotonic() - started, 1)
        checks = manifest.checks | measure(draft, source.format, context.like)
        manifest = replace(manifest, filters_hash=config.hash(), checks=checks, seconds=seconds)
        write_card(draft, manifest)
        finish(draft, manifest)
    warn_of_artefacts(manifest.checks["artefacts"])
    return manifest


def _same_or_refused(out: Path, record: dict[str, Any], parent: dict[str, Any]) -> Manifest:
    manifest = read_manifest(out)
    if manifest.checks.get("filters") == record and parent in manifest.parents:
        refuse_changed(out, manifest, f"remove {out} to filter again")
        return manifest
    raise UserError(f"{out} contains another set, filtered from other rows or with other settings; give another --out")


def _write_rows(draft: Path, dataset: FilteredDataset, filters: Sequence[Filter], checks: dict[str, Any]) -> Manifest:
    labels: Counter[str] = Counter()
    source = dataset.source
    soft_labels = next((values for each in filters if (values := each.soft_labels())), {})
    schema, tables = source.schema, dataset.kept(labels)
    if soft_labels:
        is_translated = "translated_from" in source.features
        schema = arrow_schema(row_features(source.format, translated=is_translated, soft_labels=True))
        tables = (with_soft_labels(table, soft_labels, schema) for table in tables)
        checks = checks | {SOFT_LABELS: soft_label_model(checks)}
    files = write_tables(draft, tables, schema, dataset.workers)
    files |= write_rejected(draft, dataset.rejections()) | write_reports(draft, filters)
    earlier = source.manifest or _without_manifest(source)
    annotators = annotator_parents(checks)
    parts = [LicensedSource("filtered", source.name, earlier.licence), *parts_of(None, annotators)]
    return replace(
        earlier,
        licence=derive(parts),
        n=labels.total(),
        asked=source.rows,
        kept=labels.total(),
        failed=0,
        rejected=dataset.reasons(),
        label_counts={cell: labels[cell] for cell in dict.fromkeys([*source.format.labels, *labels]) if labels[cell]},
        files=files,
        attempts=dict.fromkeys(earlier.attempts, 0),
        ledger_hash=None,
        parents=(*earlier.parents, source.parent("filtered"), *annotators),
        versions=earlier.versions | {"synthgen-evaluator": __version__},
        tokens={},
        cost=judge_cost(checks),
        hardware=hardware(),
        statistics=describe(source.format, read_rows(draft)),
        checks=_checks_before(earlier) | checks,
        command=command_line(),
    )


def _checks_before(earlier: Manifest) -> dict[str, Any]:
    """Return the checks of the set that was filtered; what was said of its rows, which are others now, stands apart."""
    of_rows = {spec.check or spec.name for spec in ORDER} | {"filters", "edits", "judged"}
    kept = {name: check for name, check in earlier.checks.items() if name not in of_rows}
    if before := {name: check for name, check in earlier.checks.items() if name in of_rows}:
        kept["filtered_before"] = [*kept.get("filtered_before", []), before]
    return kept


def _without_manifest(source: InputDataset) -> Manifest:
    facts: dict[str, Any] = {name: getattr(source, name) for name in ("task", "origin", "language", "licence")}
    facts |= {"definitions": dict(source.definitions)}
    facts |= {name: getattr(source.format, name) for name in ("columns", "labels")}
    facts["checks"] = {"set_language": source.set_language.facts()} if source.set_language else {}
    facts |= dict.fromkeys(("n", "asked", "kept", "failed", "seed"), 0)
    return Manifest(format=source.format.name, rejected={}, label_counts={}, files={}, **facts)
