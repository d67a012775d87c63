"""Which files of a path are a corpus's training rows: one named file, a corpus's folder, or a whole data root."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from synthgen.corpora.catalogue import ENTRIES, CorpusEntry
from synthgen.corpora.readers.item import Reader
from synthgen.corpora.readers.tagged import CCG_TAG_FILE, ccg_labels
from synthgen.corpora.translations import TRANSLATIONS
from synthgen.dataset.samples import MNLI_SAMPLE, XTREME_R_SAMPLES
from synthgen.errors import UserError
from synthgen.formats import Format
from synthgen.formats.tags import TagsFormat
from synthgen.text.languages import ENGLISH
from synthgen.text.set_language import language_of_name

SAMPLES = {"mnli": MNLI_SAMPLE, "udpos": XTREME_R_SAMPLES / "udpos" / "train-en.tsv"}
"""The small files of our own that stand in where neither the hub nor the real files can be had."""
SPLITS_BY_PREFERENCE = ("train", "unstated", "validation", "test")

_SPLIT_WORDS = {"train": "train", "dev": "validation", "val": "validation", "test": "test"}


@dataclass(frozen=True, slots=True)
class CorpusFile:
    """One file to read: its corpus, its name inside the corpus's folder, its reader, the split that it states."""

    source: CorpusEntry
    path: Path
    name: str
    reader: Reader
    split: str

    @property
    def stated_languages(self) -> Mapping[str, str]:
        """The language by what states it; the corpora are English, other people's files of their form need not be."""
        return {"the file's name": language_of_name(self.path.name), "the corpus": ENGLISH}


def find_files(sources: tuple[CorpusEntry, ...], path: Path) -> list[CorpusFile]:
    """Return the files to import for a task, in reading order; UserError says what was looked for where.

    A file is taken as it is. In a folder each corpus gives the files of its best split: training files where there
    are any, else validation, else test, so that a sample of a corpus can stand in for it. The split is recorded.
    """
    if path.is_file():
        if len(sources) > 1:
            names = ", ".join(source.name for source in sources)
            raise UserError(f"{path} is one file, and the task pools {names}: give the folder that holds all of them")
        return [_corpus_file(sources[0], path, path.parent)]
    if not path.is_dir():
        raise UserError(f"no file or folder at {path}")
    files = {source.name: _best_split(source, path) for source in sources}
    if missing := [source for source in sources if not files[source.name]]:
        names = "; ".join(f"{source.name}: {source.official}" for source in missing)
        places = ", ".join(f"{folder}/" for source in missing for folder in source.places)
        patterns = ", ".join(dict.fromkeys(pattern for source in missing for pattern in source.files))
        raise UserError(f"{path} has no files of {names} (looked in it and in {places} for {patterns})")
    return list(chain.from_iterable(files.values()))


def files_format(files: list[CorpusFile]) -> Format:
    """Return the format of the files' rows; CCG's tag set is in the files, as no list of it may ship."""
    if files[0].source is ENTRIES["ccg"]:
        return TagsFormat(("tokens", "tags"), ccg_labels([file.path for file in files]))
    return files[0].source.format


SAMPLE_LICENCE = "CC0-1.0"


def is_sample(path: Path) -> bool:
    """Say whether a file is one of the samples that ship with the packages."""
    return any(path.resolve().is_relative_to(folder) for folder in (MNLI_SAMPLE.parent, XTREME_R_SAMPLES))


def sample_file(task: str) -> Path:
    """Return the sample that ships for a task; UserError names the tasks that have one."""
    if task not in SAMPLES:
        raise UserError(f"no sample ships for {task}; tasks with a sample: {', '.join(SAMPLES)}")
    return SAMPLES[task]


def split_of(name: str) -> str:
    """Return the split a file's name states: its first split word decides.

    >>> [split_of(name) for name in ("train_9k.json", "dev_matched_1-5000.jsonl", "valid.csv", "squad_sample.json")]
    ['train', 'validation', 'validation', 'unstated']
    """
    match = re.search("|".join(_SPLIT_WORDS), name.lower())
    return _SPLIT_WORDS[match.group()] if match else "unstated"


def _best_split(source: CorpusEntry, path: Path) -> list[CorpusFile]:
    """Return the files of a corpus's best split in the first of its folders that has some; the path may be one."""
    inside = [name.partition("/")[2] for name in source.places]
    for folder in (*(path / name for name in source.places), path, *(path / name for name in inside if name)):
        paths = (path for pattern in source.files for path in sorted(folder.glob(pattern)) if _reads(source, path))
        files = [_corpus_file(source, file, folder) for file in paths]
        for split in SPLITS_BY_PREFERENCE:
            if of_split := [file for file in files if file.split == split]:
                return _in_preferred_forms(of_split)
    return []


def _in_preferred_forms(files: list[CorpusFile]) -> list[CorpusFile]:
    """Return the files by suffix preference, one form of each: MultiNLI ships the same rows as .jsonl and as .tsv."""
    suffixes = list(files[0].source.readers)
    forms: dict[Path, CorpusFile] = {}
    for file in sorted(files, key=lambda file: suffixes.index(file.path.suffix)):
        forms.setdefault(file.path.with_suffix(""), file)
    return list(forms.values())


def _reads(source: CorpusEntry, file: Path) -> bool:
    is_translated = any(each.source.name == source.name and each.language_of(file.name) for each in TRANSLATIONS)
    return file.is_file() and file.suffix in source.readers and file.name != CCG_TAG_FILE and not is_translated


def _corpus_file(source: CorpusEntry, path: Path, folder: Path) -> CorpusFile:
    suffix = ".jsonl" if path.suffix == ".json" and ".json" not in source.readers else path.suffix
    if not (reader := source.readers.get(suffix)):
        known = ", ".join(source.readers)
        raise UserError(f"cannot read {path} for {source.name}: the suffix is '{path.suffix}', allowed {known}")
    name = path.relative_to(folder).as_posix()
    return CorpusFile(source, path, name, reader, split_of(path.name))
