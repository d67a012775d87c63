"""The methods text of a report, filled in with its own numbers, and the references it cites."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from evaluator.reporting.training import training_paragraph
from evaluator.stats.comparison import Comparison
from evaluator.stats.item_bootstrap import DRAWS


def resource(name: str) -> str:
    """Return the text of a file that ships with this package."""
    return files("evaluator.reporting").joinpath(name).read_text(encoding="utf-8")


def paragraphs(comparison: Comparison, record: Mapping[str, Any]) -> list[str]:
    """Return the methods section, ready to paste: how models were trained, and how they are compared."""
    estimand = comparison.estimand
    targets = "; ".join(
        f"{name} ({len(entry['languages'])} languages, {' and '.join(entry['metrics'])})"
        for name, entry in estimand["targets"].items()
    )
    items = all(pair.estimate.items_resampled for pair in comparison.headline())
    values = {
        "estimand": estimand["text"],
        "hash": estimand["hash"],
        "targets": targets,
        "coverage": f"seeds {'and test items' if items else 'only (item scores were not stored for all results)'}",
        "draws": DRAWS,
        "clusters": _clusters(comparison),
        "margin": comparison.margin,
    }
    statistics = [" ".join(text.split()).format(**values) for text in resource("methods.txt").split("\n\n")]
    return [training_paragraph(record), *statistics]


def _clusters(comparison: Comparison) -> str:
    counts = ", ".join(f"{each.items:,} of {name} in {each.clusters:,}" for name, each in comparison.clusters.items())
    return f", and items that share a premise or a paragraph are resampled as one cluster ({counts})" if counts else ""
