"""The targets: one file each, in the order in which tables print them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from evaluator.benchmark.target import Target
from synthgen.errors import unknown

NAMES = (
    *("xnli", "xcopa", "udpos", "panx", "xquad", "mlqa", "tydiqa", "tatoeba", "mewslix", "lareqa"),
    *("pawsx", "bucc2018"),
)
"""XTREME-R's ten in the paper's order, then the two that only the older XTREME has."""

ALL = "all"
XTREME9 = "xtreme9"


def find(name: str) -> Target:
    """Return a target by name; UserError with the nearest name."""
    if name not in NAMES:
        raise unknown("target", name, [*NAMES, ALL, XTREME9])
    target: Target = import_module(f"evaluator.benchmark.targets.{name}").TARGET
    return target


def load_all() -> tuple[Target, ...]:
    """Return every target in order."""
    return tuple(find(name) for name in NAMES)


def check_languages(names: Sequence[str], targets: Sequence[Target]) -> None:
    """Raise UserError for a language that none of the targets has."""
    known = sorted({language for target in targets for language in target.languages})
    for name in names:
        if name not in known:
            raise unknown("language", name, known, where=f"targets {', '.join(target.name for target in targets)}")


def select(names: Sequence[str]) -> tuple[Target, ...]:
    """Return targets by name, in table order and once each; `all` is XTREME-R's ten, `xtreme9` the older nine."""
    chosen: set[str] = set()
    for name in names:
        if name == ALL:
            chosen |= {target.name for target in load_all() if target.in_xtreme_r}
        elif name == XTREME9:
            chosen |= {target.name for target in load_all() if target.in_xtreme9}
        else:
            chosen.add(find(name).name)
    return tuple(find(name) for name in NAMES if name in chosen)
