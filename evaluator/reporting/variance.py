"""Where the uncertainty of each comparison comes from, as a table, and whether seeds draw the rows of an arm."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from evaluator.reporting.averages import Table
from evaluator.reporting.inputs import whole
from evaluator.stats.comparison import Comparison
from evaluator.stats.variance import Component, Decomposition

SOURCES = "Variance of each comparison over all targets, by source"
_DATA_DRAW = {
    True: "part of the seed: each seed draws its own rows",
    False: "not included: all seeds use the same rows",
}


def with_data_draws(decompositions: Iterable[Decomposition], arms: Mapping[str, Any]) -> Iterator[Decomposition]:
    """Yield decompositions that say of each trained arm whether its seeds draw their rows, as arms.json has it."""
    for each in decompositions:
        drawn = {}
        for arm, size in ((each.a, each.size_a), (each.b, each.size_b)):
            entry = arms.get(arm)
            rows, sets = (
                (whole(entry.get(name)) for name in ("rows", "datasets")) if isinstance(entry, dict) else (0, 0)
            )
            if size and rows:
                drawn[arm] = sets > 1 or size < rows
        yield replace(each, data_draw=drawn)


def source_rows(comparison: Comparison) -> Table:
    """Return a row for each comparison and source: standard deviation of one, and share of the interval's variance."""
    rows = []
    for each in comparison.decompositions:
        total = sum(_positive(component.in_difference) for component in each.components)
        names = [each.a, each.b, str(each.size)]
        for component in each.components:
            rows.append([*names, component.source.replace(" x ", " × "), *_shown(component, total)])
        rows += [[*names, f"data draw, {arm}", "", _DATA_DRAW[drawn]] for arm, drawn in each.data_draw.items()]
    return ["a", "b", "size", "source", "standard deviation, points", "share of the variance of the CI"], rows


def _shown(component: Component, total: float) -> list[str]:
    one = "" if component.one is None else f"{_positive(component.one) ** 0.5:.2f}"
    if component.in_difference is None:
        return [one, "fixed: none" if component.source in ("target", "language") else ""]
    return [one, f"{100 * _positive(component.in_difference) / total:.0f} %" if total else ""]


def _positive(variance: float | None) -> float:
    return max(variance or 0.0, 0.0)
