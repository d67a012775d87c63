"""The summary of an arm's data in arms.json, from the manifests of its dataset folders, and the link to its card."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthgen.dataset.manifest import Manifest

CARD = "README.md"


def data_facts(manifest: Manifest) -> dict[str, Any]:
    """Return licence, language, labels and quality figures of one dataset folder; what was not measured is absent.

    Lengths are medians in XLM-R tokens, shares of distinct texts and kept labels in percent, checks without settings.
    """
    statistics = manifest.statistics
    facts = {
        "licence": manifest.licence,
        "language": manifest.language,
        "labels": dict(manifest.label_counts) if len(manifest.label_counts) > 1 else {},
        "median_tokens": _figure_by_field(statistics.get("xlmr_tokens"), "median"),
        "distinct_texts_%": {name: round(100 * share, 1) for name, share in _numbers(statistics.get("distinct_share"))},
        "self_BLEU": _figure_by_field(statistics.get("self_bleu"), "value"),
        "word_overlap": dict(_numbers(statistics.get("word_overlap"))),
    }
    checks = {
        f"check_{name}": dict(_numbers(check)) if isinstance(check, Mapping) else check
        for name, check in manifest.checks.items()
        if name != "set_language"  # the language is a fact of its own
        if name != "filtered_before"
    }
    return {name: value for name, value in {**facts, **checks}.items() if value not in ("", {}, None)}


def _figure_by_field(statistic: object, key: str) -> dict[str, Any]:
    """Return one figure per field: {"premise": {"median": 18}} and "median" give {"premise": 18}."""
    values = statistic if isinstance(statistic, Mapping) else {}
    return {name: inner[key] for name, inner in values.items() if isinstance(inner, Mapping) and key in inner}


def _numbers(statistic: object) -> list[tuple[str, float]]:
    values = statistic if isinstance(statistic, Mapping) else {}
    return [(name, value) for name, value in values.items() if isinstance(value, int | float)]


def card_link(folder: Path, page_folder: Path) -> str | None:
    """Return the relative link from a report's folder to the card of a dataset folder; None where there is no way.

    Folders that share nothing but the root of the file system are not linked: the link would tell where they are.
    """
    card, start = (folder / CARD).resolve(), page_folder.resolve()
    if not card.is_file() or card.anchor != start.anchor or os.path.commonpath([card, start]) == card.anchor:
        return None
    return Path(os.path.relpath(card, start)).as_posix()
