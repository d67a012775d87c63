"""plan.json: what an experiment fixed before it ran, and what it took.

The estimand's hash and the plan are written before the first run starts, the real cost at the end. An interrupted
experiment keeps its first plan, so that plan and cost speak of the same runs. The report shows the file, and says so
when the results are of another estimand than was fixed.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from evaluator.experiment.arguments import Experiment, estimand
from evaluator.experiment.jobs import Graph, TargetJob
from evaluator.store import Json, Store
from evaluator.sweep.plan import CostEstimate
from synthgen.runtime.files import write_atomically
from synthgen.text.json_text import parse_json

PLAN_NAME = "plan.json"


def fix_plan(plan: CostEstimate, experiment: Experiment, folders: Sequence[Path]) -> Json:
    """Write plan.json to the folders before anything runs, and return it.

    An earlier plan of the same estimand stays when nothing is missing that it did not plan.
    """
    keys, fixed = sorted(job.key for job in plan.jobs), estimand(experiment)["hash"]
    for before in map(_read, folders):
        if before.get("estimand_hash") == fixed and set(keys) <= set(before.get("jobs", ())):
            document = before
            break
    else:
        planned = {key: value for key, value in plan.document().items() if not isinstance(value, list)}
        document = {"estimand_hash": fixed, "planned": planned, "jobs": keys}
    _write(document, folders)
    return document


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
        return dict(parse_json((folder / PLAN_NAME).read_text(encoding="utf-8"), nan=True))
    except (FileNotFoundError, ValueError, TypeError):
        return {}


def _write(document: Json, folders: Sequence[Path]) -> None:
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / PLAN_NAME, json.dumps(document, indent=2) + "\n")
