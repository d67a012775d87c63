"""Which files of a folder or an archive are data, and which split of a corpus each is by its name."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from synthgen import console
from synthgen.errors import UserError

SPLITS_BY_PREFERENCE = ("train", "unstated", "validation", "test")
_SPLIT_WORDS = {"train": "train", "dev": "validation", "val": "validation", "test": "test"}
_WORD = re.compile(r"(?<![a-z])(train|dev|val|test)(ing|id|idation|elopment)?(?![a-z])")
_ABOUT = re.compile(
    r"(readme|licen[cs]e|copying|notice|citation|changelog|croissant|dataset_infos?|dataset_dict|state|metadata|config"
    r"|package|requirements|tags_to_id)(\.\w+)*"
)
"""Names, in lower case, of files that are about a data set."""
_OTHER_ENDINGS = re.compile(
    r"\.(md|rst|py|ipynb|sh|ya?ml|toml|cfg|ini|lock|log|pdf|png|jpe?g|svg|gif|html|css|js|bib|sqlite|pt|bin|safetensors"
    r"|pkl|np[yz]|model|vocab|idx|lst|gitattributes|gitignore|incomplete|sha256|md5)"
)
_PART = re.compile(r"(.*?)(\d{3,})-of-(\d{3,})(?!\d)(.*)", re.DOTALL)
_OWN_CACHE = re.compile(r"cache-[0-9a-f]+.*\.arrow")


def is_data_name(name: str) -> bool:
    """Say whether a file may hold rows, by its path: no hidden file, no leftover of macOS, nothing about the set.

    >>> [is_data_name(name) for name in ("data/train.jsonl", "__MACOSX/._train.jsonl", "README.md", "state.json")]
    [True, False, False, False]
    """
    path = PurePosixPath(name)
    is_hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    is_other = any(map(re.Pattern.fullmatch, (_ABOUT, _OWN_CACHE), [path.name.lower()] * 2))
    return not is_hidden and not is_other and not _OTHER_ENDINGS.fullmatch(path.suffix.lower())


def split_of(name: str) -> str:
    """Return the split a file's name states: its first split word decides.

    >>> [split_of(name) for name in ("train_9k.json", "dev_matched_1-5000.jsonl", "valid.csv", "squad_sample.json")]
    ['train', 'validation', 'validation', 'unstated']
    """
    match = re.search("|".join(_SPLIT_WORDS), name.lower())
    return _SPLIT_WORDS[match.group()] if match else "unstated"


def split_of_path(path: Path) -> str:
    """Return the split that a file's name states as a word, else its nearest folder that states one.

    >>> [split_of_path(Path(name)) for name in ("data/test-00000-of-1.parquet", "train/0.parquet", "contest.parquet")]
    ['test', 'train', 'unstated']
    """
    stated = (_WORD.search(name.lower()) for name in path.parts[::-1])
    return split_of(next((match[1] for match in stated if match), ""))


def best_split(paths: Sequence[Path], where: str, split: str | None = None) -> list[Path]:
    """Return the files of one split, by their paths in a folder or archive: that asked for, else the first there is of
    train, unstated, validation, test. The files left out are named on standard error.

    UserError when the split that is asked for is not there, or one of its files is missing.
    """
    if split:
        chosen = of_split(paths, split)
        if not chosen:
            names = ", ".join(dict.fromkeys(map(split_of_path, paths)))
            raise UserError(f"{where} has no split '{split}'; it has {names}")
        kind = f"the split {split}"
    else:
        splits = {path: split_of_path(path) for path in paths}
        best = min(splits.values(), key=SPLITS_BY_PREFERENCE.index)
        kind = "what states no split" if best == "unstated" else f"the {best} split"
        chosen = [path for path in paths if splits[path] == best]
    if others := [path.as_posix() for path in paths if path not in chosen]:
        line = f"{where}: only {kind} is read; left out: {', '.join(others)}"
        console.note(line)
    refuse_missing_parts(chosen, where)
    return chosen


def refuse_missing_parts(paths: Iterable[Path], where: str) -> None:
    """Raise UserError where files say by their names that there are more of them: `train-00000-of-00002.parquet`."""
    numbers: dict[tuple[str, ...], set[int]] = {}
    for path in paths:
        if match := _PART.fullmatch(path.as_posix()):
            before, number, count, after = match.groups()
            numbers.setdefault((before, count, after), set()).add(int(number))
    for (before, count, after), present in numbers.items():
        if missing := sorted(set(range(int(count))) - present):
            name = f"{before}{missing[0]:0{len(count)}d}-of-{count}{after}"
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise UserError(f"{where} has no {name}{more}: fetch what is missing, or give a file that is there alone")


def of_split(paths: Sequence[Path], split: str) -> list[Path]:
    """Return the files whose path has the split as a word, else those of its kind: validation, dev and val are one."""
    named = re.compile(rf"(?<![a-z0-9]){re.escape(split.lower())}(?![a-z0-9])")
    exact = [path for path in paths if named.search(path.as_posix().lower())]
    kind = split_of(split) if _WORD.fullmatch(split.lower()) or split == "unstated" else None
    return exact or [path for path in paths if split_of_path(path) == kind]
