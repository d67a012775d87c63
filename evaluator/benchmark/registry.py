"""The targets, each a module of `evaluator.benchmark.targets` that is found by existing, and the published averages."""

import pkgutil
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any

from evaluator.benchmark import targets as folder
from evaluator.benchmark.target import Target
from synthgen.errors import unknown

XTREME_R, XTREME = "XTREME-R", "XTREME"
AVERAGES = {
    XTREME_R: ("xnli", "xcopa", "udpos", "panx", "xquad", "mlqa", "tydiqa", "tatoeba", "mewslix", "lareqa"),
    XTREME: ("xnli", "udpos", "panx", "xquad", "mlqa", "tydiqa", "tatoeba", "pawsx", "bucc2018"),
}
"""The targets of each benchmark's average, in the order of its paper. No other target is ever part of one."""

GROUPS = {"all": AVERAGES[XTREME_R], "xtreme9": AVERAGES[XTREME]}
"""What --targets may name beside single targets."""


def target_names() -> tuple[str, ...]:
    """Return the names of all targets in the order of tables: those of the averages, then the others by name."""
    modules = sorted(module.name for module in pkgutil.iter_modules(folder.__path__))
    return tuple(dict.fromkeys((*AVERAGES[XTREME_R], *AVERAGES[XTREME], *modules)))


def find(name: str, groups: Iterable[str] = ()) -> Target:
    """Return a target by name; UserError with the nearest name, where `groups` might have been named too."""
    if name not in (names := target_names()):
        raise unknown("target", name, [*names, *groups])
    target: Target = import_module(f"{folder.__name__}.{name}").TARGET
    return target


def load_all() -> tuple[Target, ...]:
    """Return every target in the order of tables."""
    return tuple(map(find, target_names()))


def select(names: Sequence[str]) -> tuple[Target, ...]:
    """Return targets by name, in the order of tables and once each; `all` is XTREME-R's ten, `xtreme9` the older nine.

    >>> [target.name for target in select(["xtreme9", "xcopa"])][:3]
    ['xnli', 'xcopa', 'udpos']
    """
    chosen = {each for name in names for each in GROUPS.get(name) or (find(name, GROUPS).name,)}
    return tuple(find(name) for name in target_names() if name in chosen)


def check_languages(names: Sequence[str], targets: Sequence[Target]) -> None:
    """Raise UserError for a language that none of the targets has."""
    known = sorted({language for target in targets for language in target.languages})
    for name in names:
        if name not in known:
            raise unknown("language", name, known, where=f"targets {', '.join(target.name for target in targets)}")


def targets() -> list[dict[str, Any]]:
    """List the test tasks, their languages, metrics and English training source.

    Example: `evaluator targets --json`

    Returns {name, languages, metrics, train_source, licence} of each.
    """
    return [
        {
            "name": target.name,
            "languages": list(target.languages),
            "metrics": list(target.metrics),
            "train_source": target.train_source,
            "licence": target.licence,
        }
        for target in load_all()
    ]
