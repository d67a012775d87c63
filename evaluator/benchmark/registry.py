"""The targets that are known: the package's, those of `$SYNTHGEN_TARGETS` and other packages, files that are named.

A module or a TOML file of `evaluator.benchmark.targets` is found by existing.
"""

import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from evaluator.benchmark import targets as folder
from evaluator.benchmark.averages import AVERAGES, XTREME, XTREME_R
from evaluator.benchmark.target import Target
from evaluator.benchmark.target_file import parse_target
from synthgen.errors import UserError, unknown
from synthgen.runtime.own_files import check_name, is_file_name, named_file, own_files, read_own_text

VARIABLE, GROUP, SUFFIX = "SYNTHGEN_TARGETS", "evaluator.targets", ".toml"
GROUPS = {"all": AVERAGES[XTREME_R], "xtreme9": AVERAGES[XTREME]}
"""What --targets may name beside single targets."""


def target_names() -> tuple[str, ...]:
    """Return the names of all targets in the order of tables: of the averages, the package's others, one's own."""
    return (*shipped_names(), *own_target_files())


def shipped_names() -> tuple[str, ...]:
    """Return the names of the package's targets in the order of tables."""
    return tuple(dict.fromkeys((*AVERAGES[XTREME_R], *AVERAGES[XTREME], *sorted({*_modules(), *_tables()}))))


def _modules() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(folder.__path__)]


def _tables() -> dict[str, Path]:
    """Return the TOML files of the package that no module goes with: each is a target by itself."""
    files = {path.stem: path for place in folder.__path__ for path in sorted(Path(place).glob(f"*{SUFFIX}"))}
    return {name: path for name, path in files.items() if not path.with_suffix(".py").is_file()}


def own_target_files() -> dict[str, Path]:
    """Return the target files of folders in `$SYNTHGEN_TARGETS` and of other packages, by name."""
    files: dict[str, Path] = {}
    for path in own_files(VARIABLE, GROUP, SUFFIX):
        check_name(path, "target")
        if path.stem in shipped_names() or files.setdefault(path.stem, path).resolve() != path.resolve():
            raise UserError(f"{path}: there is a target '{path.stem}' already; rename one of the two")
    return files


def taken_names() -> dict[str, Path | None]:
    """Return the names of targets, those of one's own with their files."""
    return {**dict.fromkeys([*shipped_names(), *GROUPS]), **own_target_files()}


def find(name: str, groups: Iterable[str] = ()) -> Target:
    """Return a target by its name or file; UserError with the nearest name, where `groups` might have been named."""
    if is_file_name(name, SUFFIX):
        return _read(named_file(name, {key: path or key for key, path in taken_names().items()}, "target"))
    if name in _tables():
        return _read(_tables()[name])
    if name in _modules():
        target: Target = import_module(f"{folder.__name__}.{name}").TARGET
        return target
    if name not in (own := own_target_files()):
        raise unknown("target", name, [*shipped_names(), *own, *groups, *(["FILE.toml"] if groups else [])])
    return _read(own[name])


def _read(path: Path) -> Target:
    is_shipped = str(path.parent) in folder.__path__
    where = f"targets/{path.name}" if is_shipped else str(path)
    return parse_target(path.stem, read_own_text(path, "target"), where=where)


def of_run(name: str, definition: str) -> Target:
    """Return the target of a run: one of the package, or the one that a definition of one's own gives."""
    return parse_target(name, definition) if definition else find(name)


def load_all() -> tuple[Target, ...]:
    """Return every target in the order of tables."""
    return tuple(map(find, target_names()))


def select(names: Sequence[str]) -> tuple[Target, ...]:
    """Return targets by name or file, in the order of tables and once each.

    `all` are the ten of XTREME-R, `xtreme9` the nine of XTREME.

    >>> [target.name for target in select(["xtreme9", "xcopa"])][:3]
    ['xnli', 'xcopa', 'udpos']
    """
    chosen: dict[str, Target] = {}
    for name in names:
        for target in [find(each, GROUPS) for each in GROUPS.get(name) or (name,)]:
            if chosen.setdefault(target.name, target).definition != target.definition:
                raise UserError(f"--targets has two different targets '{target.name}'; rename one of the files")
    order = {name: number for number, name in enumerate(shipped_names())}
    return tuple(sorted(chosen.values(), key=lambda target: order.get(target.name, len(order))))


def check_languages(names: Sequence[str], targets: Sequence[Target]) -> None:
    """Raise UserError for a language that none of the targets has."""
    known = sorted({language for target in targets for language in target.languages})
    for name in names:
        if name not in known:
            raise unknown("language", name, known, where=f"targets {', '.join(target.name for target in targets)}")


def own_averages(targets: Iterable[Target]) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """Return the averages of one's own: of each the targets that name it, with their languages."""
    averages: dict[str, dict[str, tuple[str, ...]]] = {}
    for target in targets:
        if target.average:
            averages.setdefault(target.average, {})[target.name] = target.languages
    return averages


def targets() -> list[dict[str, Any]]:
    """List the targets with their languages, metrics and English training set.

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
