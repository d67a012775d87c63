"""Training sets that others have translated by machine, which `translations.toml` lists.

The rows import with `origin` translated and the task of the English set.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from synthgen.corpora.catalogue import ENTRIES, READERS, CorpusEntry, HubSplit
from synthgen.corpora.readers.item import Item, Reader
from synthgen.errors import UserError, unknown
from synthgen.text.languages import ENGLISH, base_language
from synthgen.text.toml_text import read_toml

_CODE = r"(?P<language>[a-z]{2,3})"


@dataclass(frozen=True, slots=True)
class Translation:
    """A training set as others have translated it.

    `files` is the path of a language's file in the release; `english` the name of the file beside it, or of the hub's
    configuration, that has the English rows on the same lines. `pairing` says what the ids of the rows are.
    """

    name: str
    source: CorpusEntry
    files: str
    reader: Reader
    by: str
    licence: str
    pairing: str
    english: str = ""
    hub: str = ""
    hub_languages: tuple[str, ...] = ()

    def language_of(self, name: str) -> str | None:
        """Return the language that a file's name states, None for the name of another file.

        >>> [release] = (each for each in TRANSLATIONS if each.name == "xnli-xtreme")
        >>> release.language_of("en-de-translated.tsv"), release.language_of("train-de.tsv")
        ('de', None)
        """
        pattern = re.escape(Path(self.files).name).replace(r"\{language\}", _CODE)
        match = re.fullmatch(pattern, name)
        return match["language"] if match and match["language"] != ENGLISH else None

    def on_hub(self, language: str) -> CorpusEntry:
        """Return the source that a language's rows are fetched from; the English ones stand on the same lines."""
        if language not in (ENGLISH, *self.hub_languages):
            raise unknown("--language", language, self.hub_languages, where=self.hub)
        official = Path(self.files.format(language=language)).name
        return replace(self.source, hub=(HubSplit(self.hub, language),), official=official)

    def find(self, folder: Path, language: str) -> Path | None:
        """Return a language's file in its release's folder, or in a folder above or below that one."""
        parts = Path(self.files.format(language=language)).parts
        places = (folder.joinpath(*parts[start:]) for start in range(len(parts)))
        return next(filter(Path.is_file, places), None)


def _read_release(name: str, table: dict[str, Any]) -> Translation:
    source, reader, languages = ENTRIES[table["source"]], READERS[table["reader"]], table.get("hub_languages", ())
    return Translation(name, **{**table, "source": source, "reader": reader, "hub_languages": tuple(languages)})


_TABLES = read_toml(Path(__file__).with_name("translations.toml"))
TRANSLATIONS = tuple(_read_release(name, table) for name, table in _TABLES.items())


def _translations(task: str) -> tuple[Translation, ...]:
    return tuple(each for each in TRANSLATIONS if each.source.name == task)


@dataclass(frozen=True, slots=True)
class TranslatedFile:
    """One language's file of a translation."""

    translation: Translation
    path: Path
    language: str


def translations_of(task: str, language: str | None) -> tuple[Translation, ...]:
    """Return the translations of a task's English set; UserError when a language is asked for that has none."""
    known = _translations(task)
    if language and not known:
        tasks = ", ".join(dict.fromkeys(each.source.name for each in TRANSLATIONS))
        raise UserError(
            f"--language {language}: no published translation of {task} is known, only of {tasks}; "
            f"synthgen translate makes one"
        )
    if language == ENGLISH:
        raise UserError(
            f"--language {ENGLISH}: translations are from English; leave the option out to import {task} itself"
        )
    return known


def find_translation(task: str, path: Path, language: str | None) -> TranslatedFile | None:
    """Return the translated file at a path, None when it is no translation that is meant.

    A file is known by its name; in a folder a translation is looked for when a language is asked for. UserError for a
    translation into another language.
    """
    known = _translations(task)
    if path.is_file():
        named = [TranslatedFile(each, path, code) for each in known if (code := each.language_of(path.name))]
        if language and named and named[0].language != base_language(language):
            raise UserError(
                f"--language {language}: by its name, {path.name} is a translation into {named[0].language}"
            )
        return named[0] if named else None
    if language in (None, ENGLISH):
        return None
    code = base_language(language)
    files = [TranslatedFile(each, place, language) for each in known if (place := each.find(path, code))]
    if len(files) > 1:
        both = " and ".join(str(file.path.relative_to(path)) for file in files)
        raise UserError(f"{path} has {both}: give the path of one of them")
    return files[0] if files else None


def has_translation(task: str, path: Path) -> bool:
    """Say whether a folder has a file that is called as a translation of the task's English set is."""
    return any(each.language_of(place.name) for each in _translations(task) for place in path.rglob("*"))


def refuse_without_translation(task: str, path: Path, language: str) -> None:
    """Raise UserError for a folder without any of the translations known, if there are such of the task."""
    code = base_language(language)
    if names := " or ".join(Path(each.files.format(language=code)).name for each in _translations(task)):
        raise UserError(f"{path} has no {names}, and no files of {task} whose texts are identified as {language}")


def with_english(items: Iterable[Item], english: Iterable[Item], where: str) -> Iterator[Item]:
    """Yield translated items with their English rows, which stand on the same lines; UserError when they cannot."""
    for number, (item, row) in enumerate(zip_longest(items, english)):
        if item is None or row is None:
            raise UserError(f"{where}: the English rows and their translations differ in number, from row {number} on")
        if not item.fault and not row.fault and item.row["label"] != row.row["label"]:
            raise UserError(f"{where}: row {number} has another label than its English row; they are not aligned")
        yield replace(item, english=None if row.fault else row.row)
