"""The overlap of arms with test items, training items and each other, from overlap.json beside the results."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evaluator.reporting.inputs import whole
from evaluator.stats.score_table import Problem

OVERLAPS = "Overlap of the rows of each arm with test items, training items of targets and other arms"
TEST = "test items"
_TEXTS, _KINDS = ("arm", "with", "kind"), ("whole", "text", "run")


def read_overlaps(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the overlaps of overlap.json; entries that are none are left out."""
    entries = document.get("overlaps")
    return [
        {
            **{name: entry[name] for name in _TEXTS},
            "same_task": entry.get("same_task") is True,
            **{name: whole(entry.get(name)) for name in ("rows", *_KINDS)},
        }
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and all(isinstance(entry.get(name), str) for name in _TEXTS)
    ]


def contaminated(overlaps: Iterable[Mapping[str, Any]]) -> list[Problem]:
    """Return a problem for each arm and target of whose test items one stands in the arm's rows, or parts in 0.1 %."""
    return [
        Problem(
            "test items in an arm",
            f"{_count(overlap):,} of {overlap['rows']:,} rows of {overlap['arm']} ({_share(overlap)}) contain a test "
            f"item of {overlap['with']}, one of its texts, or a run of 13 words; synthgen filter --against drops them",
        )
        for overlap in overlaps
        if overlap["kind"] == TEST and (overlap["whole"] or 1000 * _count(overlap) > overlap["rows"])
    ]


def overlap_rows(overlaps: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table."""
    header = ["arm", "overlaps with", "part", "task", "rows", "whole rows", "whole texts", "runs of 13 words", "share"]
    rows = [
        [
            *(overlap[name] for name in _TEXTS), "the same" if overlap["same_task"] else "",
            *(str(overlap[name]) for name in ("rows", *_KINDS)), _share(overlap),
        ]
        for overlap in overlaps
    ]  # fmt: skip
    return header, rows


def _count(overlap: Mapping[str, Any]) -> int:
    return sum(overlap[name] for name in _KINDS)


def _share(overlap: Mapping[str, Any]) -> str:
    return f"{100 * _count(overlap) / max(overlap['rows'], 1):.2f} %"
