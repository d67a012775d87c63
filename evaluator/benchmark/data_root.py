"""The data root: where it is, what it holds, and what is missing."""

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluator import options
from evaluator.benchmark.registry import load_all, select
from evaluator.benchmark.target import DataRoot, Target, UnlabelledError, revision
from synthgen.dataset.samples import SAMPLES
from synthgen.errors import UserError


def default_root(named: Path | str | None, planned: Sequence[Path] = ()) -> DataRoot:
    """Return the named data root, else $SYNTHGEN_DATA, else `data` in the current folder; UserError for no folder.

    `sample` names the files that ship with this package: udpos and tatoeba in a few languages. `planned` are folders
    that an experiment will write.
    """
    if named == "sample":
        return DataRoot(SAMPLES)
    variable = os.environ.get("SYNTHGEN_DATA")
    path = Path(named or variable or "data")
    if not path.is_dir() and not any(each.resolve().is_relative_to(path.resolve()) for each in planned):
        place = f"{path} (SYNTHGEN_DATA)" if variable and not named else path
        fetch = f"`evaluator data fetch --data-root {shlex.quote(str(path))}` fetches all files, with --targets some"
        raise UserError(f"no data root at {place}: {fetch}; or name their folder with --data-root")
    return DataRoot(path, tuple(planned))


def data_check(*, data_root: options.DataRoot = None, targets: options.TargetNames = ()) -> list[dict[str, Any]]:
    """List the official files in the data root: rows, hash and labels per target, language and split.

    Example: `evaluator data check --data-root DIR --targets xnli,udpos`

    Returns {target, language, split, rows, hash, labelled} per file set that is there. Files without labels are counted
    too. Raises UserError for a file that is not in its official format.
    """
    root = default_root(data_root)
    chosen = select(targets) if targets else load_all()
    return [row for target in chosen for row in _check(target, root)]


def _check(target: Target, root: DataRoot) -> Iterator[dict[str, Any]]:
    if target.train and all(root.has(source) for source in target.train_sources):
        items = target.train(root)
        yield _file_set(target, "en", "train", len(items), items.files)
    for split, sources in target.sources.items():
        for language in (code for code in target.languages if root.has(sources[0], target.file_code(code))):
            try:
                items = target.load(root, language, split)
            except UnlabelledError as error:
                yield _file_set(target, language, split, error.rows, [error.path], labelled=False)
            else:
                yield _file_set(target, language, split, len(items), items.files)


def _file_set(
    target: Target, language: str, split: str, rows: int, files: Sequence[Path], *, labelled: bool = True
) -> dict[str, Any]:
    about = {"target": target.name, "language": language, "split": split}
    return {**about, "rows": rows, "hash": revision(files), "labelled": labelled}


def missing_files(target: Target, root: DataRoot, languages: Sequence[str], split: str) -> list[str]:
    """Return what a run over these languages lacks, one sentence per place it comes from."""
    lacking: dict[str, list[str]] = {}
    files = [(source, target.file_code(language)) for language in languages for source in target.split_sources(split)]
    files += [(source, "en") for source in target.train_sources]
    for source, code in files:
        if root.lacks(source, code):
            name = " or ".join(path.format(language=code) for path in source.paths)
            names = lacking.setdefault(source.origin, [])
            if name not in names:
                names.append(name)
    return [f"{target.name} lacks {_listed(names)}, which come from {origin}" for origin, names in lacking.items()]


def lacking_files(data_root: Path | str | None, targets: Sequence[str]) -> list[str]:
    """Return what a data root lacks of these targets in all languages, as `missing_files` says it."""
    root = default_root(data_root)
    return [line for each in select(targets) for line in missing_files(each, root, each.languages, "test")]


def languages_there(wanted: Mapping[str, Sequence[str]], available: Mapping[str, Sequence[str]]) -> str:
    """Return what `--languages` takes the languages that are there of those wanted with, by target; empty for all.

    >>> wanted = {"a": ["de", "en", "sw"], "b": ["de", "en"]}
    >>> languages_there(wanted, {"a": ["de", "en"], "b": ["de", "en"]})
    'de,en'
    >>> languages_there(wanted, {"a": ["de", "sw"], "b": ["en"]})
    'a:de,a:sw,b:en'
    """
    if all(set(wanted[name]) == set(present) for name, present in available.items()):
        return ""
    codes = sorted({code for present in available.values() for code in present})
    if all(set(wanted[name]).intersection(codes) == set(present) for name, present in available.items()):
        return ",".join(codes)
    return ",".join(f"{name}:{code}" for name, present in available.items() for code in present)


def trains_on(target: Target, root: DataRoot, split: str, language: str) -> Path | None:
    """Return the training file that holds a split's items of a language, or their translations; None if none does.

    Some roots have only the development file of a target to train on.
    """
    sources = target.sources.get(split, ())
    if not sources or not all(root.has(source) for source in target.train_sources):
        return None
    trained = {root.find(source) for source in target.train_sources}
    same = {language, "en"} if target.is_parallel or target.is_translated else {language}
    codes = [target.file_code(code) for code in same if code in target.languages]
    scored = {root.find(sources[0], code) for code in codes if root.has(sources[0], code)}
    return min(trained & scored, default=None)


def trained_on(target: Target, root: DataRoot, languages: Sequence[str], split: str) -> list[str]:
    """Return why some languages of a split cannot be scored: their items train the target. One sentence a language."""
    faults = []
    for language in languages:
        source = target.split_sources(split)[0]
        if language in source.not_for:
            faults.append(f"{target.name} has no {split} items for {language}: {source.origin}")
        elif path := trains_on(target, root, split, language):
            faults.append(f"{target.name} {language} {split}: its items are also training items, in {path}")
    return faults


def _listed(names: Sequence[str], limit: int = 4) -> str:
    more = f" and {len(names) - limit} more files" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
