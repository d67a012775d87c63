"""The registry of filters: every `FilterSpec` at the top level of a module of the subpackages, in the order of `place`.

`synthgen make` asks filters about one row at a time: `check` says whether it may be kept given those kept before,
`add_kept` is called once for each that was kept. `synthgen filter` gives them whole sets. Filters never change a row.
A new filter is a file with a class that cites its source, and a spec beside it.
"""

import pkgutil
from collections import Counter
from importlib import import_module
from types import ModuleType

from synthgen import filters
from synthgen.filters.base import FilterSpec
from synthgen.filters.rows.edits import TextCleaning


def find_specs(package: ModuleType) -> tuple[FilterSpec, ...]:
    """Return the specs of the filters in a package's subpackages; ValueError where two have one name or place."""
    names = [each.name for each in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    inner = [name for name in names if name.count(".") > package.__name__.count(".") + 1]
    values = [value for name in inner for value in vars(import_module(name)).values()]
    specs = {id(value): value for value in values if isinstance(value, FilterSpec)}
    ordered = sorted(specs.values(), key=lambda spec: spec.place)
    for key in ("name", "place"):
        repeated, count = Counter(getattr(spec, key) for spec in ordered).most_common(1)[0]
        if count > 1:
            raise ValueError(f"{count} filters of {package.__name__} have the {key} {repeated!r}")
    return tuple(ordered)


ORDER = find_specs(filters)
EDITS = {TextCleaning.name: TextCleaning}
