"""plan.json: what an experiment fixed before it ran, and what it took.

The estimand's hash and the plan are written before the first run starts, the real cost at the end. An interrupted
experiment keeps its first plan, so that plan and cost speak of the same runs. The report shows the file, and says so
when the results are of another estimand than was fixed. `history` has every plan there was, with its date, and `looks`
with how many seeds the results were reported: both are only ever added to.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from evaluator.experiment.definition import Experiment, estimand
from evaluator.experiment.jobs import Graph, TargetJob
from evaluator.experiment.record import experiment_record
from evaluator.reporting.training import training_hash
from evaluator.store import Json, Store
from evaluator.store.tables import PLAN_NAME
from evaluator.sweep.plan import CostEstimate
from synthgen.errors import UserError
from synthgen.runtime.files import write_atomically
from synthgen.text.json_text import read_json_object


def fix_plan(plan: CostEstimate, experiment: Experiment, folders: Sequence[Path]) -> Json:
    """Write plan.json to the folders before anything runs, and return it.

    An earlier plan of the same estimand stays when nothing is missing that it did not plan.
    """
    keys, fixed = sorted(job.key for job in plan.jobs), estimand(experiment)["hash"]
    earlier = [_read(folder) for folder in folders]
    same = [each for each in earlier if each.get("estimand_hash") == fixed and set(keys) <= set(each.get("jobs", ()))]
    planned = {key: value for key, value in plan.document().items() if not isinstance(value, list)}
    document = same[0] if same else {"estimand_hash": fixed, "planned": planned, "jobs": keys}
    entry = _planned(experiment)
    before = next((each for each in earlier if _is_of(_entries(each, "history"), entry)), {})
    history = _added(_entries(before, "history"), entry)
    document = {**document, "history": history, "looks": _entries(before, "looks")}
    _write(document, folders)
    return document


def add_look(document: Json, experiment: Experiment, folders: Sequence[Path]) -> None:
    """Add to a fixed plan that its results are reported now, and with how many seeds of each arm."""
    document["looks"] = _added(document["looks"], {"seeds": _most_seeds(experiment)})
    _write(document, folders)


def _planned(experiment: Experiment) -> Json:
    """Return what is fixed before runs, as a line of the history."""
    arguments = experiment.arguments
    return {
        "estimand_hash": estimand(experiment)["hash"],
        "seeds": _most_seeds(experiment),
        "arms": [arm.name for arm in experiment.arms],
        "sizes": [str(size) for size in arguments.sizes],
        "training": training_hash(experiment_record(experiment)),
        "margin": getattr(arguments, "margin", None),
        "primary": list(getattr(arguments, "primary", ())),
        "looks": asdict(experiment.looks) if experiment.looks else None,
    }


def _entries(document: Json, name: str) -> list[Json]:
    entries = document.get(name)
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _is_of(history: Sequence[Json], entry: Json) -> bool:
    """Say whether a history is of this experiment; other experiments may have run in the same store."""
    return bool(history) and all(history[-1].get(name) == entry[name] for name in ("estimand_hash", "arms"))


def _most_seeds(experiment: Experiment) -> int:
    return len(experiment.seeds) + max(map(len, experiment.more_seeds.values()), default=0)


def _added(entries: Sequence[Json], entry: Json) -> list[Json]:
    """Return entries with one more, dated today, unless it says what the last one says."""
    last = {key: value for key, value in entries[-1].items() if key != "date"} if entries else None
    return [*entries, *([] if last == entry else [{"date": datetime.now(UTC).date().isoformat(), **entry}])]


def add_cost(document: Json, graph: Graph, store: Store, folders: Sequence[Path]) -> None:
    """Add to a fixed plan what its runs really took; an experiment that was finished before keeps its figures."""
    planned = set(document["jobs"])
    jobs = [job for job in graph.jobs if job.node.key in planned]
    nodes = [node for job in jobs if isinstance(job, TargetJob) for node in job.predictions.values()]
    models, predictions = (
        [store.results(node) for node in finished if store.is_finished(node)]
        for finished in ((job.node for job in jobs), nodes)
    )
    logs = [results[name] for results in models for name in ("training", "pretraining") if name in results]
    training, tokens = sum(log["seconds"] for log in logs), sum(log["tokens"] for log in logs)
    apart = sum(results.get("seconds_apart", 0.0) for results in models)
    seconds = training + apart + sum(each["seconds"] for each in predictions)
    real = {
        "runs": len(jobs),
        "steps": sum(log["steps"] for log in logs),
        "training_tokens": tokens,
        "inference_tokens": sum(each["tokens"] for each in predictions),
        "seconds": round(seconds, 1),
        "device_hours": round(seconds / 3600, 3),
        "tokens_per_second": round(tokens / training, 1) if training else 0.0,
    }
    _write({**document, "real": real}, folders)


def _read(folder: Path) -> Json:
    try:
        return read_json_object(folder / PLAN_NAME, nan=True)
    except UserError:
        return {}


def _write(document: Json, folders: Sequence[Path]) -> None:
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / PLAN_NAME, json.dumps(document, indent=2) + "\n")
