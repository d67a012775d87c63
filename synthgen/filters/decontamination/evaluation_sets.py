"""Evaluation items, read for decontamination only: the texts of a dataset folder's rows or of a data root's files.

A data root is a folder of official files in XTREME's layout, of any human corpora, or of dataset folders. Every file
counts, whatever its language, whose name does not say `train` and which is in no folder of that name below the root.
Nothing read here is ever written out: contamination reports hold hashes.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgen.corpora.any_folder import open_set
from synthgen.dataset.manifest import is_finished
from synthgen.errors import UserError, plain_os_error
from synthgen.filters.decontamination.evaluation_files import SUFFIXES, UNREADABLE, file_kind, read_items
from synthgen.filters.dedup.similarity import compared_texts, texts_apart
from synthgen.formats.base import Features
from synthgen.runtime.files import file_sha256

TAGGED, PLAIN = {"udpos", "panx", "ud"}, {"tatoeba", "bucc2018"}
"""Folders whose files hold a token a line, and a sentence a line whatever the files are called."""

_NO_FOLDERS = re.compile(r"rejected|xtreme_mock|train(ing)?([-_. ]?(sets?|data|splits?|files?))?")
_NO_ITEMS = re.compile(
    r"(?<![a-z])train(ing|set)?(?![a-z])|^(licen[cs]es?|readme|provenance|cc-by|(test\.)?(labels|genres))(?![a-z])"
    r"|^(synthgen|croissant|contamination|dataset_infos?)\.json$"
)
_UNREAD = re.compile(
    r"\.(zip|zst|xz|bz2|lz4|7z|rar|tar|tgz|tbz2?|txz|arrow|feather|orc|avro|pq|parq|conll[x0-9]*|iob2?|bio|xml|html?|xlsx?|ods"
    r"|h5|hdf5|pkl|pickle|np[yz]|db|sqlite3?|ya?ml|jsonlines)"
)
"""The endings of files that may hold evaluation data and are not read."""


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """One evaluation set: its name, the SHA-256 of its file or its content hash, the texts of each item.

    `apart` has the same items with every option as a text of its own; in `items` the options of a row are one.
    """

    name: str
    revision: str
    items: tuple[tuple[str, ...], ...]
    apart: tuple[tuple[str, ...], ...]


def read_evaluation_sets(path: Path) -> list[EvaluationSet]:
    """Return the evaluation sets of a path: a file, a dataset folder, or all of a data root but what is to train on.

    Raises UserError when nothing there can be used, or a file cannot be read.
    """
    check_place(path)
    if path.is_dir():
        places = sorted(_places(path, _may_hold_items))
        sets = [_dataset(place) if place.is_dir() else _file(place, path) for place in places]
    else:
        sets = [_file(path, path.parent)] if _may_hold_items(path, path.parent) else []
    if not any(each.items for each in sets):
        raise UserError(
            f"--against {path} has no evaluation items: its files contain no texts of test or development data"
        )
    return [each for each in sets if each.items]


def unread_files(path: Path) -> list[str]:
    """Return the names of the files of a data root whose endings say that they hold data of a kind that is not read."""
    check_place(path)
    places = _places(path, _is_unread_data) if path.is_dir() else ()
    return sorted(place.relative_to(path).as_posix() for place in places if not place.is_dir())


def check_place(path: Path) -> None:
    """Raise UserError when there is no file or folder to read evaluation sets from."""
    with plain_os_error(f"--against {path}"):
        is_there = path.exists()
    if not is_there:
        raise UserError(f"--against {path}: no such file or folder")


def _places(root: Path, is_wanted: Callable[[Path, Path], bool]) -> Iterator[Path]:
    """Yield the dataset folders at and below a folder and all other files that are wanted; links are followed."""
    seen: set[str] = set()
    for place, inner, names in os.walk(root, followlinks=True, onerror=_unreadable):
        folder, real = Path(place), os.path.realpath(place)
        is_new, is_dataset = real not in seen, is_finished(folder)
        seen.add(real)
        if is_new and is_dataset:
            yield folder
        elif is_new:
            yield from (folder / name for name in names if is_wanted(folder / name, root))
        inner[:] = [name for name in inner if is_new and not is_dataset and not _NO_FOLDERS.fullmatch(name.lower())]


def _unreadable(error: OSError) -> None:
    raise UserError(f"--against: cannot read {error.filename}: {error.strerror}")


def _may_hold_items(path: Path, root: Path) -> bool:
    is_data = file_kind(path) in SUFFIXES or not PLAIN.isdisjoint(_folders(path, root))
    return is_data and path.is_file() and not _NO_ITEMS.search(path.name.lower())


def _is_unread_data(path: Path, root: Path) -> bool:
    is_data = not _may_hold_items(path, root) and not _NO_ITEMS.search(path.name.lower())
    return is_data and path.is_file() and bool(_UNREAD.fullmatch(file_kind(path)))


def _folders(path: Path, root: Path) -> tuple[str, ...]:
    """Return the names of the folders that a file is in, from the root on."""
    return (root.resolve().name, *path.relative_to(root).parts[:-1])


def _file(path: Path, root: Path) -> EvaluationSet:
    try:
        items = tuple(dict.fromkeys(read_items(path, is_tagged=not TAGGED.isdisjoint(_folders(path, root)))))
        revision = file_sha256(path)
    except UserError as error:
        raise UserError(f"--against: {error}") from None
    except UNREADABLE as error:
        raise UserError(f"--against: cannot read {path}: {error}") from None
    return EvaluationSet(path.relative_to(root).as_posix(), revision, items, items)


def _dataset(folder: Path) -> EvaluationSet:
    data = open_set(folder)
    rows = (_filled(row, data.features) for table in data.tables() for row in table.to_pylist())
    texts = {tuple(filter(None, texts_apart(data.format, row))): compared_texts(data.format, row) for row in rows}
    texts.pop((), None)
    return EvaluationSet(data.name, data.content_hash, tuple(texts.values()), tuple(texts))


def _filled(value: Any, feature: Features) -> Any:  # noqa: ANN401 - a row or any part of one
    """Return a value with an empty text for every text that it lacks; lists have those that there are."""
    if "_type" not in feature:
        return {name: _filled(value and value[name], inner) for name, inner in feature.items()}
    if feature["_type"] == "List":
        return [_filled(each, feature["feature"]) for each in value or [] if each is not None]
    return "" if value is None and feature.get("dtype") == "string" else value


def item_hash(texts: Iterable[str]) -> str:
    """Return what stands for an item in a report: 64 bits of BLAKE2b, in hexadecimal."""
    return hashlib.blake2b("\x1f".join(texts).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
