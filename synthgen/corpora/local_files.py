"""Which files of a path are a corpus's training rows: one named file, a corpus's folder, or a whole data root."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import chain
from pathlib import Path

from synthgen import console
from synthgen.corpora.catalogue import ENTRIES, CorpusEntry
from synthgen.corpora.readers.columns import names_both
from synthgen.corpora.readers.item import Reader
from synthgen.corpora.readers.record_rows import read_records
from synthgen.corpora.readers.records import open_records
from synthgen.corpora.readers.splits import (
    SPLITS_BY_PREFERENCE,
    best_split,
    is_data_name,
    of_split,
    refuse_missing_parts,
    split_of,
    split_of_path,
)
from synthgen.corpora.readers.tagged import CCG_TAG_FILE, ccg_labels
from synthgen.corpora.translations import TRANSLATIONS
from synthgen.dataset.layout import MANIFEST_NAME
from synthgen.dataset.samples import MNLI_SAMPLE, SAMPLES, SNLI_ROWS
from synthgen.errors import UserError
from synthgen.formats import Format
from synthgen.formats.tags import TagsFormat
from synthgen.text.languages import base_language
from synthgen.text.set_language import CORPUS, TASK, language_of_name

_SHIPPED = {
    "snli": (SNLI_ROWS, "CC BY-SA 4.0"),
    "mnli": (MNLI_SAMPLE, "CC0-1.0"),
    "udpos": (SAMPLES / "udpos" / "train-en.tsv", "CC BY-SA 4.0"),
}
"""The files of `--from sample` with their licences: rows of released sets, of mnli a few of our own."""


@dataclass(frozen=True, slots=True)
class CorpusFile:
    """One file to read: its corpus, its name inside the corpus's folder, its reader, the split that it states."""

    source: CorpusEntry
    path: Path
    name: str
    reader: Reader
    split: str

    def stated_languages(self, *, is_own: bool = False) -> Mapping[str, str]:
        """Return the language by what states it: the corpora are English, other people's files need not be.

        `is_own` files have the columns of the corpus's task and come from elsewhere.
        """
        folder = language_of_name(Path(self.name).parent.as_posix())
        of_names = {"the file's name": language_of_name(self.path.name), "its folder's name": folder}
        return of_names | {TASK if is_own else CORPUS: self.source.language}


def find_files(sources: tuple[CorpusEntry, ...], path: Path, split: str | None = None) -> list[CorpusFile]:
    """Return the files to import for a task, in reading order; UserError says what was looked for where.

    A file is taken as it is. In a folder each corpus gives the files of its best split: training files where there
    are any, else validation, else test, so that a sample of a corpus can stand in for it. The split is recorded.
    """
    if path.is_file():
        if len(sources) > 1:
            names = ", ".join(source.name for source in sources)
            raise UserError(f"{path} is one file, and the task pools {names}: give the folder that holds all of them")
        return [corpus_file(sources[0], path, path.parent)]
    if not path.is_dir():
        raise UserError(f"no file or folder at {path}")
    splits = {source.name: _best_split(source, path, split) for source in sources}
    files = {name: chosen for name, (chosen, _) in splits.items()}
    if missing := [source for source in sources if not files[source.name]]:
        names = "; ".join(f"{source.name}: {source.official}" for source in missing)
        places = ", ".join(f"{folder}/" for source in missing for folder in source.places)
        patterns = ", ".join(dict.fromkeys(pattern for source in missing for pattern in source.files))
        raise UserError(f"{path} has no files of {names} (looked in it and in {places} for {patterns})")
    if others := [name for _, left_out in splits.values() for name in left_out]:
        console.note(f"{path}: left out: {', '.join(others)}")
    refuse_missing_parts([Path(file.name) for chosen in files.values() for file in chosen], str(path))
    return list(chain.from_iterable(files.values()))


def has_release(sources: tuple[CorpusEntry, ...], path: Path) -> bool:
    """Say whether a path is an official file, or a folder with files of one of the corpora, by their names."""
    if path.is_file():
        is_named = any(fnmatch(path.name, pattern) for source in sources for pattern in source.files)
        return is_named and any(path.suffix in source.readers for source in sources)
    return any(_best_split(source, path, None)[0] for source in sources)


def other_files(source: CorpusEntry, path: Path, split: str | None) -> list[CorpusFile]:
    """Return the files of one split in somebody's folder of data; UserError when it has none, or those of ours.

    A hub-cache folder has the files of its main revision. Of several kinds of files one is read; the others are named.
    """
    if path.is_file():
        return [corpus_file(source, path, path.parent)]
    if (path / MANIFEST_NAME).is_file():
        raise UserError(
            f"{path} is a dataset folder of synthgen already: filter, translate and compare take it as it is"
        )
    root = _snapshot(path)
    names = [each.relative_to(root) for each in sorted(root.rglob("*")) if not each.is_dir()]
    data = [name for name in names if is_data_name(name.as_posix()) and _is_data(root / name)]
    if not data:
        raise UserError(f"{path} has no data files; it has {', '.join(map(str, names[:8])) or 'no files'}")
    kinds = [_ending(name) for name in data]
    best = min(kinds, key=lambda kind: _ENDINGS.index(kind) if kind in _ENDINGS else len(_ENDINGS))
    if others := [name.as_posix() for name, kind in zip(data, kinds, strict=True) if kind != best]:
        console.note(f"{path}: left out: {', '.join(others)}")
    chosen = best_split([name for name, kind in zip(data, kinds, strict=True) if kind == best], str(path), split)
    return [corpus_file(source, root / name, root) for name in chosen]


_ENDINGS = (".parquet", ".arrow", ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt")


def _ending(name: Path) -> str:
    return next((suffix.lower() for suffix in name.suffixes[::-1] if suffix.lower() in _ENDINGS), name.suffix.lower())


def _snapshot(path: Path) -> Path:
    """Return the folder of the main revision in a hub-cache folder, any other folder as it is."""
    revisions = sorted((path / "snapshots").iterdir()) if (path / "snapshots").is_dir() else []
    if not revisions:
        return path
    with suppress(OSError):
        revision = path / "snapshots" / (path / "refs" / "main").read_text(encoding="utf-8").strip()
        if revision.is_dir():
            return revision
    if len(revisions) > 1:
        raise UserError(f"{path} has {len(revisions)} revisions and no refs/main: give one of its snapshots/")
    return revisions[0]


def of_language(files: list[CorpusFile], language: str | None, where: str) -> list[CorpusFile]:
    """Return those files of a language, where names of files or folders state it and others; say which are left out."""
    stated = [next(filter(None, list(file.stated_languages().values())[:2]), "") for file in files]
    same = [bool(language) and base_language(code) == base_language(str(language)) for code in stated]
    if not any(same) or not any(stated[place] and not each for place, each in enumerate(same)):
        return files
    console.note(
        f"{where}: left out: {', '.join(file.name for file, each in zip(files, same, strict=True) if not each)}"
    )
    return [file for file, each in zip(files, same, strict=True) if each]


def files_format(files: list[CorpusFile]) -> Format:
    """Return the format of the files' rows; CCG's tag set is in the files, as no list of it may ship."""
    if files[0].source is ENTRIES["ccg"]:
        return TagsFormat(("tokens", "tags"), ccg_labels([file.path for file in files]))
    format_, name = files[0].source.format, files[0].source.name
    if format_.name == "tags" and not format_.labels:
        raise UserError(f"the file of {name} names no tags; add the tag set to its header: tags = ['O', 'B-X', …]")
    return format_


def is_sample(path: Path) -> bool:
    """Say whether a file is the one that was written for this project, of no released set."""
    return path.resolve() == MNLI_SAMPLE.resolve()


def shipped_licence(path: Path) -> str | None:
    """Return the licence of a file that ships with the package, None for any other file."""
    return next((licence for file, licence in _SHIPPED.values() if file.resolve() == path.resolve()), None)


def sample_file(task: str) -> Path:
    """Return the file that ships for a task; UserError names the tasks that have one."""
    if task not in _SHIPPED:
        raise UserError(f"no sample ships for {task}; tasks with a sample: {', '.join(_SHIPPED)}")
    return _SHIPPED[task][0]


def _best_split(source: CorpusEntry, path: Path, wanted: str | None) -> tuple[list[CorpusFile], list[str]]:
    """Return the files of a corpus's best split in the first of its folders that has some, which the path may be, and
    the names of what is not read there.
    """
    inside = [name.partition("/")[2] for name in source.places]
    for folder in (*(path / name for name in source.places), path, *(path / name for name in inside if name)):
        matches = (file for pattern in source.files for file in sorted(folder.glob(pattern)))
        paths = dict.fromkeys(filter(_is_data, matches))
        files = [corpus_file(source, file, folder) for file in paths if _reads(source, file)]
        if wanted:
            named = of_split([Path(file.name) for file in files], wanted)
            of_best = [file for file in files if Path(file.name) in named]
        else:
            best = min((file.split for file in files), key=SPLITS_BY_PREFERENCE.index, default="")
            of_best = [file for file in files if file.split == best]
        if chosen := _in_preferred_forms(of_best):
            taken = {file.path for file in chosen}
            return chosen, [file.relative_to(folder).as_posix() for file in paths if file not in taken]
    return [], []


def _in_preferred_forms(files: list[CorpusFile]) -> list[CorpusFile]:
    """Return the files by suffix preference, one form of each: MultiNLI ships the same rows as .jsonl and as .tsv."""
    forms: dict[Path, CorpusFile] = {}
    for file in sorted(files, key=lambda file: list(file.source.readers).index(file.path.suffix)):
        forms.setdefault(file.path.with_suffix(""), file)
    return list(forms.values())


def _is_data(path: Path) -> bool:
    """Say whether a path is a file of data by its name; UserError for a link to nothing."""
    if path.is_symlink() and not path.exists() and is_data_name(path.name):
        raise UserError(f"{path} is a link to a file that is not there: fetch it, or remove the link")
    return path.is_file() and is_data_name(path.name)


def _reads(source: CorpusEntry, file: Path) -> bool:
    is_translated = any(each.source.name == source.name and each.language_of(file.name) for each in TRANSLATIONS)
    return file.suffix in source.readers and file.name != CCG_TAG_FILE and not is_translated


def corpus_file(source: CorpusEntry, path: Path, folder: Path) -> CorpusFile:
    """Return a file of a corpus with its reader: by its suffix, else by its content."""
    name = path.relative_to(folder).as_posix()
    reader = _reader(source, path)
    split = split_of(path.name)
    split = split_of_path(Path(name)) if split == "unstated" else split
    return CorpusFile(source, path, name, reader, split)


def _reader(source: CorpusEntry, path: Path) -> Reader:
    """Return the reader of a file: by its suffix, else records, but of text that names no columns the corpus's own."""
    of_text = [reader for reader in source.readers.values() if reader is not read_records]
    reader = source.readers.get(path.suffix, read_records)
    if not of_text or source.format.name != "tags" or (path.suffix in source.readers and reader is read_records):
        return reader
    file = open_records(path)
    is_record = file.dialect is None or names_both(source.format, file.dialect.names)
    return read_records if is_record else of_text[0]
