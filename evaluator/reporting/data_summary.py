"""What a report says about an arm's data: the funnel, how good it looks, and a link to its card.

All of it is read from the manifests of the dataset folders; `tables` writes it to arms.json, the report shows it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthgen.dataset.manifest import Manifest

CARD = "README.md"


def data_facts(manifest: Manifest) -> dict[str, Any]:
    """Return the facts of one dataset folder that a reader of a comparison asks for; what was not measured is absent.

    Lengths are medians in XLM-R tokens, shares of distinct texts and kept labels in percent.
    """
    statistics = manifest.statistics
    facts = {
        "licence": manifest.licence,
        "language": manifest.language,
        "labels": dict(manifest.label_counts) if len(manifest.label_counts) > 1 else {},
        "median_tokens": _inner(statistics.get("xlmr_tokens"), "median"),
        "distinct_texts_%": {name: round(100 * share, 1) for name, share in _numbers(statistics.get("distinct_share"))},
        "self_BLEU": _inner(statistics.get("self_bleu"), "value"),
        "word_overlap": dict(_numbers(statistics.get("word_overlap"))),
    }
    told = {name: found for name, found in manifest.checks.items() if name != "filtered_before"}
    checks = {f"check_{name}": _plain(found) for name, found in told.items()}
    return {name: value for name, value in {**facts, **checks}.items() if value not in ("", {}, None)}


def _inner(found: object, key: str) -> dict[str, Any]:
    """Return one figure per field: {"premise": {"median": 18}} and "median" give {"premise": 18}."""
    values = found if isinstance(found, Mapping) else {}
    return {name: inner[key] for name, inner in values.items() if isinstance(inner, Mapping) and key in inner}


def _numbers(found: object) -> list[tuple[str, float]]:
    values = found if isinstance(found, Mapping) else {}
    return [(name, value) for name, value in values.items() if isinstance(value, int | float)]


def _plain(found: object) -> object:
    """Return the figures of a check without its settings: numbers, and yes or no."""
    return dict(_numbers(found)) if isinstance(found, Mapping) else found


def card_link(folder: Path, page_folder: Path) -> str | None:
    """Return the relative link from a report's folder to the card of a dataset folder; None where there is no way.

    Folders that share nothing but the root of the file system are not linked: the link would tell where they are.
    """
    card, start = (folder / CARD).resolve(), page_folder.resolve()
    if not card.is_file() or card.anchor != start.anchor or os.path.commonpath([card, start]) == card.anchor:
        return None
    return Path(os.path.relpath(card, start)).as_posix()
