"""The files a task's rows are read from, local or fetched, and the one stream of rows they make together."""

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, count, zip_longest
from pathlib import Path
from typing import Any

from synthgen import console
from synthgen.corpora.catalogue import CorpusEntry, HubSplit, find_sources
from synthgen.corpora.hub_files import FetchedFile, fetch_split, read_hub_parquet
from synthgen.corpora.local_files import (
    CorpusFile,
    files_format,
    find_files,
    has_release,
    of_language,
    other_files,
    sample_file,
    shipped_licence,
)
from synthgen.corpora.readers.item import TOLERATED, TOLERATED_ELSEWHERE, Item, Reader
from synthgen.corpora.readers.record_rows import RecordReader, open_reader, read_records
from synthgen.corpora.stated_facts import StatedFacts
from synthgen.corpora.translation_pairs import EnglishRows, row_key
from synthgen.corpora.translations import (
    TranslatedFile,
    Translation,
    find_translation,
    has_translation,
    refuse_without_translation,
    translations_of,
    with_english,
)
from synthgen.dataset.licences import UNKNOWN, derive, parts_of
from synthgen.dataset.manifest import REPEATED
from synthgen.errors import UserError
from synthgen.formats import Format
from synthgen.formats.base import Row
from synthgen.formats.texts import texts_of_sound_rows
from synthgen.runtime.files import file_sha256
from synthgen.runtime.provenance import public_name
from synthgen.task.registry import task_name
from synthgen.text.languages import ENGLISH, base_language
from synthgen.text.parquet import count_rows
from synthgen.text.set_language import CORPUS, SetLanguage, set_language, together


@dataclass(frozen=True, slots=True)
class CorpusPart:
    """One file of a task's rows; `id_prefix` and numbers from `first` on name its rows, `parent` is what the manifest
    says of it. Of a translation, `english` is the file with the English rows on the same lines, where one is needed.
    `records` reads a file of records in tables; `terms` is its licence where it is not the corpus's.
    """

    source: CorpusEntry
    path: Path
    reader: Reader
    set_language: SetLanguage
    id_prefix: str
    parent: dict[str, Any]
    translation: Translation | None = None
    english: Path | None = None
    first: int = 0
    records: RecordReader | None = None
    terms: str = ""

    @property
    def language(self) -> str:
        """The code of the language of its rows."""
        return self.set_language.code

    @property
    def licence(self) -> str:
        """The licence of the file itself: the corpus's, the translation's, or that of a file that ships here."""
        return shipped_licence(self.path) or self.terms or (self.translation or self.source).licence

    def sound_rows(self, format_: Format) -> Iterator[Row]:
        """Return the rows without a fault, by the columns and labels that were given for files of records."""
        if self.records:
            return self.records.rows()
        return (item.row for item in self.reader(self.path, format_) if not item.fault)

    def manifest_entry(self) -> dict[str, Any]:
        """Return the part as one of a manifest's parents."""
        role = {"role": "translation", "by": self.translation.by} if self.translation else {"role": "source"}
        return {**self.parent, **role, "licence": self.licence}

    def items(self, format_: Format) -> Iterable[Item]:
        """Yield the items of the file, with their English rows where another file has those."""
        items = self.reader(self.path, format_)
        if self.english is None:
            return items
        return with_english(items, self.reader(self.english, format_), self.path.name)


@dataclass(frozen=True, slots=True)
class Corpus:
    """The parts of a task's data in reading order, the format of their rows, and the rows they are paired with."""

    format: Format
    parts: tuple[CorpusPart, ...]
    english: EnglishRows | None = None
    stated: StatedFacts = field(default_factory=StatedFacts)

    @property
    def translation(self) -> Translation | None:
        """The ready-made translation that the rows are of, None for the corpus itself."""
        return self.parts[0].translation

    @property
    def parents(self) -> tuple[dict[str, Any], ...]:
        """What the manifest says the rows are made from: the files, and the English set of a translation."""
        parents = tuple(part.manifest_entry() for part in self.parts)
        if self.english:
            return (*parents, self.english.manifest_entry(is_source=self.translation is not None))
        if not self.translation:
            return parents
        source = self.translation.source
        return (*parents, {"role": "translated", "corpus": source.name, "licence": source.licence})

    @property
    def language(self) -> SetLanguage:
        """The language of the rows."""
        return together([part.set_language for part in self.parts])

    @property
    def licence(self) -> str:
        """The licence of the rows: those of the files side by side, of a translation what its parts leave."""
        if self.translation:
            return derive(parts_of(None, self.parents))
        return "; ".join(dict.fromkeys(part.licence for part in self.parts))

    def items(self) -> Iterator[Item]:
        """Yield every row with `id` and `language`, the same ones in the same order each time.

        Ids are the corpus's own where it has them, else `<file>-<number>`; a repeated one gets a suffix. A row that
        an earlier file of the same corpus has too carries that as its fault. Of what is paired only rows of the English
        set are yielded, under its ids, and faulty ones; a translation says what it was translated from.
        """
        taken: set[str] = set()
        for part in self.parts:
            known = self.earlier_keys(part)
            for number, item in enumerate(part.items(self.format), start=part.first):
                row_id = self._id_of(item, f"{part.id_prefix}-{number:07d}", taken)
                if row_id is None:
                    continue
                taken.add(row_id)
                is_repeated = bool(known) and not item.fault and row_key(item.row, self.format) in known
                row = {**item.row, "id": row_id, "language": part.language}
                if part.translation:
                    row["translated_from"] = row_id
                yield Item(row, row_id, REPEATED if is_repeated else item.fault, item.note)

    @property
    def tolerated(self) -> tuple[str, ...]:
        """The beginnings of the faults that rows may have: empty texts only where a corpus was released with them."""
        is_release = not self.translation and all("corpus" in part.parent for part in self.parts)
        return TOLERATED if is_release else TOLERATED_ELSEWHERE

    def _id_of(self, item: Item, name: str, taken: set[str]) -> str | None:
        """Return the id of a row, None when it is none of the English rows to be paired with."""
        if self.english and not item.fault:
            return self.english.find(item, taken)
        return free_id(item.id or name, taken)

    def earlier_keys(self, part: CorpusPart) -> set[bytes]:
        """Return the keys of the rows before a part in its folder: other extracts of the corpus may overlap it."""
        if "corpus" not in part.parent or "hub" in part.parent:
            return set()
        siblings = [other for other in self.parts if other.path.parent == part.path.parent]
        rows = (row for other in siblings[: siblings.index(part)] for row in other.sound_rows(self.format))
        return {row_key(row, self.format) for row in rows}


def free_id(name: str, taken: Container[str]) -> str:
    """Return a name if it is not taken, else with the first number from 2 that makes it free."""
    if name not in taken:
        return name
    return next(free for number in count(2) if (free := f"{name}-{number}") not in taken)


def open_corpus(
    task: str, source: str | Path, *, stated: StatedFacts | None = None, pair_with: Path | None = None
) -> Corpus:
    """Return the corpus of a task from "hub", "sample" or a path, fetched where need be.

    Where the path is or has a ready-made translation of the task's English set into the language stated, it is that;
    else the language says what the files are in. `pair_with` is the dataset folder of the English rows whose
    translations to keep, or of somebody's files the rows with their ids.
    """
    stated = stated or StatedFacts()
    sources, language, task = find_sources(task), stated.language, task_name(task)
    english = EnglishRows(pair_with, task) if pair_with else None
    if source in ("hub", "sample") and (stated.is_own or stated.split):
        raise UserError(
            f"--from {source} already states licence, origin, source and split of its rows; leave out these options"
        )
    if source == "hub":
        code = base_language(language) if language else ""
        return _translated_hub_corpus(task, code, english) if code else _hub_corpus(task, sources)
    path = sample_file(task) if source == "sample" else Path(source).expanduser()
    file = None if stated.is_own else find_translation(task, path, language)
    if file:
        return Corpus(file.translation.source.format, (_translated_part(file, needs_english=bool(english)),), english)
    is_release = source == "sample" or (not stated.is_own and has_release(sources, path))
    if (english and is_release) or (source == "sample" and language):
        raise UserError(
            f"--{'pair-with' if english else 'language'} is for published translations; "
            f"'{source}' is not one: give a translation's file, or --language with its folder or the hub"
        )
    return replace(_local_corpus(task, sources, path, stated), english=english)


def _local_corpus(task: str, sources: tuple[CorpusEntry, ...], path: Path, stated: StatedFacts) -> Corpus:
    """Return an official release's files, or somebody's; say which of their columns are taken for the task's."""
    is_folder = path.is_dir()
    is_release = has_release(sources, path)
    is_pooled = len(sources) > 1 and not stated.is_own
    if is_release or is_pooled or not path.exists():
        files = find_files(sources if is_pooled or is_folder else sources[:1], path, stated.split)
    else:
        if stated.language and is_folder and has_translation(task, path):
            refuse_without_translation(task, path, stated.language)
        files = other_files(sources[0], path, stated.split)
    files = of_language(files, stated.language, str(path))
    format_, is_own = files_format(files), stated.is_foreign or not is_release
    parts = [_local_part(file, format_, stated, path if is_own else None) for file in files]
    if is_release and stated.language and is_folder and any(part.set_language.is_doubtful for part in parts):
        refuse_without_translation(task, path, stated.language)
    if is_release and not is_own and shipped_licence(path) is None:
        names = ", ".join(dict.fromkeys(file.source.name for file in files))
        licences = ", ".join(dict.fromkeys(file.source.licence or UNKNOWN for file in files))
        console.note(
            f"{path}: read as {names}, by the names of its files, so with the licence {licences}; for another set give "
            "--origin, --licence or --source"
        )
    for line in dict.fromkeys(chain(*map(_column_lines, parts), _language_lines(parts))):
        console.note(line)
    return Corpus(format_, _with_prefixes(parts), None, stated)


def _local_part(file: CorpusFile, format_: Format, stated: StatedFacts, own: Path | None) -> CorpusPart:
    """Return a file as a part; `own` is the path that was given where it is no official release."""
    parent: dict[str, Any] = {"file": file.name, "sha256": file_sha256(file.path), "split": file.split}
    reader = read_records if stated.records else file.reader
    tolerated = TOLERATED_ELSEWHERE if own else TOLERATED
    is_table = reader is read_records
    records = open_reader(file.path, format_, stated.records, stated.split, tolerated) if is_table else None
    parent |= ({"name": public_name(own.name)} if own else {"corpus": file.source.name}) | stated.parent_facts()
    if own and records and (columns := records.plan.other_names()):
        parent["columns"] = columns
    rows = records.rows() if records else (each.row for each in file.reader(file.path, format_) if not each.fault)
    candidates = file.stated_languages(is_own=own is not None)
    language = set_language(texts_of_sound_rows(format_, rows), option=stated.language, stated=candidates)
    prefix = f"{file.source.name}-{Path(file.name).with_suffix('').as_posix().replace('/', '-')}"
    terms = stated.licence or (UNKNOWN if own else "")
    return CorpusPart(file.source, file.path, reader, language, prefix, parent, records=records, terms=terms)


def _column_lines(part: CorpusPart) -> Iterator[str]:
    """Yield a line that says which columns were taken by their names, where these are not the task's."""
    if part.records is None:
        return
    plan = part.records.plan
    taken = {ours: theirs for ours, theirs in plan.other_names().items() if ours not in plan.options.columns}
    if taken:
        pairs = ", ".join(f"{ours} is '{theirs}'" for ours, theirs in taken.items())
        known_by = "names" if part.records.file.has_names else "order"
        yield f"columns identified by their {known_by}: {pairs}; --columns names others"


def _language_lines(parts: Sequence[CorpusPart]) -> Iterator[str]:
    """Yield a line that says which files are in which language, where there are several."""
    files: dict[str, list[str]] = {}
    for part in parts:
        files.setdefault(part.language, []).append(part.parent["file"])
    if len(files) > 1:
        named = "; ".join(f"{code}: {', '.join(names)}" for code, names in files.items())
        yield f"several languages in one set ({named}): --language CODE takes the files of one, if their names state it"


def _with_prefixes(parts: Sequence[CorpusPart]) -> tuple[CorpusPart, ...]:
    """Return the parts, each with a prefix of ids of its own."""
    seen, result = Counter[str](), list[CorpusPart]()
    for part in parts:
        seen[part.id_prefix] += 1
        more = f"-{seen[part.id_prefix]}" if seen[part.id_prefix] > 1 else ""
        result.append(replace(part, id_prefix=part.id_prefix + more))
    return tuple(result)


def _translated_part(file: TranslatedFile, *, needs_english: bool) -> CorpusPart:
    """Return the part of a translation's local file; UserError when the English rows are needed and not beside it."""
    release, path = file.translation, file.path
    beside = path.with_name(release.english) if release.english and needs_english else None
    if beside and not beside.is_file():
        raise UserError(f"--pair-with needs the file with the English rows of the same lines; it is missing: {beside}")
    parent = {"file": path.name, "sha256": file_sha256(path), "split": "train", "corpus": release.source.name}
    prefix = f"{release.name}-train" if release.english else f"{release.name}-{file.language}-train"
    language = SetLanguage(file.language, "the translation")
    return CorpusPart(release.source, path, release.reader, language, prefix, parent, release, beside)


def _translated_hub_corpus(task: str, language: str, english: EnglishRows | None) -> Corpus:
    """Return a language of a translation that the hub has."""
    translation = next((each for each in translations_of(task, language) if each.hub), None)
    if translation is None:
        raise UserError(f"--language {language}: the hub has no translation of {task}; give --from PATH with its file")
    parts = _hub_corpus(task, (translation.on_hub(language),)).parts
    beside = _hub_corpus(task, (translation.on_hub("en"),)).parts if english else ()
    if english and len(beside) != len(parts):
        raise UserError(f"{translation.hub} has {len(parts)} files of {language} and {len(beside)} of en")
    rows = [count_rows(part.path) for part in parts]
    facts: dict[str, Any] = {"source": translation.source, "translation": translation}
    facts["set_language"] = SetLanguage(language, "the translation")
    translated = tuple(
        replace(part, **facts, id_prefix=f"{translation.name}-train", first=sum(rows[:number]), english=path)
        for number, (part, path) in enumerate(zip_longest(parts, [part.path for part in beside]))
    )
    return Corpus(translation.source.format, translated, english)


def _hub_corpus(task: str, sources: tuple[CorpusEntry, ...]) -> Corpus:
    """Return the corpus as the hub has it; UserError for a task that no hub may carry."""
    if missing := [source for source in sources if not source.hub]:
        why = f" ({missing[0].licence})" if missing[0].licence else ""
        raise UserError(f"{task} is not on the hub{why}: give --from PATH with {missing[0].official}")
    splits = [(source, split) for source in sources for split in source.hub]
    parts = [_hub_part(source, split, fetched) for source, split in splits for fetched in fetch_split(split, source)]
    return Corpus(sources[0].format, tuple(parts))


def _hub_part(source: CorpusEntry, split: HubSplit, fetched: FetchedFile) -> CorpusPart:
    parent = {"hub": split.repo, "revision": fetched.revision, "file": fetched.name}
    parent |= {"sha256": file_sha256(fetched.path), "split": split.split, "corpus": source.name}
    shard = re.search(r"\d+", Path(fetched.name).stem.removeprefix(split.split))
    prefix = f"{source.name}-{split.split}-{shard.group() if shard else '0'}"
    language = SetLanguage(ENGLISH, CORPUS)
    return CorpusPart(source, fetched.path, partial(read_hub_parquet, ids=split.ids), language, prefix, parent)
