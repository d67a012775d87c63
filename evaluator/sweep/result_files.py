"""The files that `report` reads: results.jsonl, arms.json and the item scores of a finished graph."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from evaluator.experiment.arms import Arm
from evaluator.experiment.definition import Experiment
from evaluator.experiment.graph import data_revision
from evaluator.experiment.jobs import Graph, IntermediateJob, PlannedScore
from evaluator.experiment.record import experiment_record
from evaluator.reporting.data_summary import card_link, data_facts
from evaluator.stats.results import Cell as ResultCell
from evaluator.stats.results import ResultRow, TrainedRun, write_item_ids, write_item_scores, write_results
from evaluator.store import Store
from evaluator.store.tables import ARMS_NAME, RECORD_NAME, RESULTS_NAME, seal_tables
from evaluator.sweep.scoring import read_items
from evaluator.sweep.training_counts import training_counts
from synthgen.runtime.files import write_atomically
from synthgen.runtime.provenance import public_name


def write_tables(experiment: Experiment, graph: Graph, store: Store, folder: Path) -> None:
    """Write results.jsonl, arms.json, experiment.json and the item scores to `folder` and the store."""
    scored = [cell for cell in graph.cells if store.is_finished(cell.scores)]
    rows = [row for cell in scored for row in result_rows(cell, experiment.arguments.split, store)]
    rows += _failed_rows(experiment, graph, rows)
    folder.mkdir(parents=True, exist_ok=True)
    record = json.dumps(experiment_record(experiment), ensure_ascii=False, indent=2)
    for place in (folder, store.root):
        write_results(place / RESULTS_NAME, rows)
        arms = {
            arm.name: _arm_facts(experiment, arm, place) | _inputs(graph, arm, store) | _training(graph, arm, store)
            for arm in experiment.arms
        }
        write_atomically(place / ARMS_NAME, json.dumps(arms, ensure_ascii=False, indent=2) + "\n")
        write_atomically(place / RECORD_NAME, record + "\n")
    _write_items(scored, store, (folder, store.root))
    for place in (folder, store.root):
        seal_tables(place)


def result_rows(cell: PlannedScore, split: str, store: Store) -> list[ResultRow]:
    """Return one row per metric of a scored cell."""
    scored = store.results(cell.scores)
    return [
        ResultRow(
            arm=cell.arm.name,
            size=cell.size,
            arm_n=cell.arm_n,
            seed=cell.seed,
            target=cell.target.name,
            language=cell.language,
            split=split,
            metric=metric,
            value=value,
            n=scored["n"],
            data_revision=scored["data_revision"],
        )
        for metric, value in scored["metrics"].items()
    ]


def _failed_rows(experiment: Experiment, graph: Graph, rows: Sequence[ResultRow]) -> Iterator[ResultRow]:
    """Yield a row without a value for each metric of each cell that has no scores: its run failed."""
    done = {(row.run, row.target, row.language) for row in rows}
    beside = {row.cell: row for row in rows}
    split, root = experiment.arguments.split, experiment.data_root
    for planned in graph.cells:
        run, target = TrainedRun(planned.arm.name, planned.size, planned.seed), planned.target
        if (run, target.name, planned.language) in done:
            continue
        for metric in target.metrics:
            cell = ResultCell(target.name, planned.language, metric)
            known = beside.get(cell)
            revision = known.data_revision if known else data_revision(target, root, planned.language, split)
            yield ResultRow(
                **run._asdict(), **cell._asdict(), arm_n=planned.arm_n, split=split, value=None,
                n=known.n if known else 0, data_revision=revision,
            )  # fmt: skip


def _write_items(cells: Sequence[PlannedScore], store: Store, places: Sequence[Path]) -> None:
    """Write the item scores per target, language and metric, all runs together, beside each results.jsonl."""
    scores: dict[ResultCell, dict[TrainedRun, Any]] = {}
    ids: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
    for cell in cells:
        items = read_items(cell, store)
        ids[cell.target.name, cell.language] = items["ids"], items.get("clusters", [])
        for metric, values in items["scores"].items():
            key = ResultCell(cell.target.name, cell.language, metric)
            scores.setdefault(key, {})[TrainedRun(cell.arm.name, cell.size, cell.seed)] = values
    for place in places:
        for (target, language), (names, clusters) in ids.items():
            write_item_ids(place, target, language, names, clusters)
        for key, by_run in scores.items():
            write_item_scores(place, key, by_run)


def _arm_facts(experiment: Experiment, arm: Arm, place: Path) -> dict[str, Any]:
    """Return what arms.json in the folder `place` says of an arm; links to data cards are relative to that folder."""
    encoder = experiment.arm_models.get(arm.name, experiment.model)
    facts = {"encoder": public_name(encoder.ref), "encoder_revision": encoder.revision, "encoder_note": encoder.note}
    links = [link for part in arm.all_parts if (link := card_link(part.folder, place))]
    data = {part.folder.name: data_facts(part.manifest) for part in arm.all_parts}
    return {**arm.facts(), **facts, "data": data, "dataset_card": links}


def _training(graph: Graph, arm: Arm, store: Store) -> dict[str, Any]:
    counts = training_counts(graph, arm.name, store)
    return {"training": counts} if counts else {}


def _inputs(graph: Graph, arm: Arm, store: Store) -> dict[str, Any]:
    """Return the share of an arm's items that fill the length of their stage, and of its windows that hold no answer.

    Both are those of the run that has most of them; runs of before they were counted have none.
    """
    jobs = [job for job in graph.jobs if isinstance(job, IntermediateJob) and job.arm == arm.name]
    done = [store.results(job.node).get("inputs", {}) for job in jobs if store.is_finished(job.node)]
    counts = [each for inputs in done for each in inputs.values()]
    shares = {
        name: [round(100 * each[key] / max(each["features"], 1), 2) for each in counts if key in each]
        for name, key in (("items_cut_%", "full"), ("windows_without_answer_%", "without_answer"))
    }
    return {name: max(each) for name, each in shares.items() if each}
