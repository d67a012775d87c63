"""`evaluator targets`."""

from __future__ import annotations

from typing import Any

from evaluator.targets import load_all


def targets() -> list[dict[str, Any]]:
    """Return every target: {name, languages, metrics, train_source, licence}."""
    return [target.to_json() for target in load_all()]
