"""`evaluator targets`."""

from __future__ import annotations

from typing import Any

from evaluator.benchmark.registry import load_all


def targets() -> list[dict[str, Any]]:
    """List the test tasks, their languages, metrics and English training source.

    Example: `evaluator targets --json`

    Returns {name, languages, metrics, train_source, licence} of each.
    """
    return [target.to_json() for target in load_all()]
