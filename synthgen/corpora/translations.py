"""Training sets that others have translated by machine: how their files are called, who translated, what pairs a row.

The rows import with `origin` translated and the task of the English set. XTREME's files are described by the readers of
TensorFlow Datasets (xtreme_xnli, xtreme_pawsx, tydi_qa) and google-research/xtreme#37, `facebook/xnli` by its card.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

from synthgen.corpora.catalogue import MNLI, PAWSX, SQUAD_V1, TYDIQA, CorpusEntry, HubSplit
from synthgen.corpora.readers.item import Item, Reader
from synthgen.corpora.readers.pairs import read_pair_tsv, read_translated_tsv
from synthgen.corpora.readers.squad import read_span_json
from synthgen.errors import UserError, unknown

ENGLISH = "en"
_XTREME = "Google for XTREME (Hu et al., ICML 2020), by machine; the release names no system"
_XTREME_LICENCE = "licence not stated (XTREME translations of Google)"
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

        >>> XTREME_XNLI.language_of("en-de-translated.tsv"), XTREME_XNLI.language_of("train-de.tsv")
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


XNLI_MT = Translation(
    name="xnli",
    source=MNLI,
    files="XNLI-MT-1.0/multinli/multinli.train.{language}.tsv",
    reader=read_pair_tsv,
    by="the authors of XNLI (Conneau et al., EMNLP 2018), by machine; the release names no system",
    licence="CC BY-NC 4.0",
    pairing="an id is the number of the row, the same in every language of the release",
    english="multinli.train.en.tsv",
    hub="facebook/xnli",
    hub_languages=("ar", "bg", "de", "el", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh"),
)
XTREME_XNLI = Translation(
    name="xnli-xtreme",
    source=MNLI,
    files="XNLI/translate-train/en-{language}-translated.tsv",
    reader=read_translated_tsv,
    by=_XTREME,
    licence=_XTREME_LICENCE,
    pairing="an id is the number of the line, whose first two cells are the English row; no two languages need agree",
)
XTREME_PAWSX = replace(
    XTREME_XNLI, name="pawsx-xtreme", source=PAWSX, files="PAWSX/translate-train/en-{language}-translated.tsv"
)
XTREME_SQUAD = Translation(
    name="squad-xtreme",
    source=SQUAD_V1,
    files="SQuAD/translate-train/squad.translate.train.en-{language}.json",
    reader=read_span_json,
    by=_XTREME,
    licence=_XTREME_LICENCE,
    pairing="ids are those of the English rows",
)
XTREME_TYDIQA = replace(
    XTREME_SQUAD,
    name="tydiqa-xtreme",
    source=TYDIQA,
    files="TyDiQA-GoldP/translate-train/tydiqa.translate.train.en-{language}.json",
)
TRANSLATIONS = (XNLI_MT, XTREME_XNLI, XTREME_PAWSX, XTREME_SQUAD, XTREME_TYDIQA)


@dataclass(frozen=True, slots=True)
class TranslatedFile:
    """One language's file of a translation."""

    translation: Translation
    path: Path
    language: str


def translations_of(task: str, language: str | None) -> tuple[Translation, ...]:
    """Return the translations of a task's English set; UserError when a language is asked for and there are none."""
    known = tuple(each for each in TRANSLATIONS if each.source.name == task)
    if language and not known:
        tasks = ", ".join(dict.fromkeys(each.source.name for each in TRANSLATIONS))
        raise UserError(
            f"--language {language}: no ready-made translation of {task} is known (there are some of {tasks}); "
            f"synthgen translate makes one"
        )
    if language == ENGLISH:
        raise UserError(f"--language {ENGLISH}: translations are from English; leave it out for {task} itself")
    return known


def find_translation(task: str, path: Path, language: str | None) -> TranslatedFile | None:
    """Return the translated file at a path, None when it is no translation that is meant.

    A file is known by its name; in a folder a translation is looked for when a language is asked for.
    """
    known = translations_of(task, language)
    if path.is_file():
        named = [TranslatedFile(each, path, code) for each in known if (code := each.language_of(path.name))]
        if language and [file.language for file in named] != [language]:
            raise UserError(f"--language {language}: {path.name} is not called {_names(known, language)}")
        return named[0] if named else None
    if language is None:
        return None
    files = [TranslatedFile(each, place, language) for each in known if (place := each.find(path, language))]
    if len(files) > 1:
        both = " and ".join(str(file.path.relative_to(path)) for file in files)
        raise UserError(f"{path} has {both}: give the one that is meant")
    if not files:
        raise UserError(f"{path} has no {_names(known, language)}")
    return files[0]


def with_english(items: Iterable[Item], english: Iterable[Item], where: str) -> Iterator[Item]:
    """Yield translated items with their English rows, which stand on the same lines; UserError when they cannot."""
    for number, (item, row) in enumerate(zip_longest(items, english)):
        if item is None or row is None:
            raise UserError(f"{where}: the English rows and their translations differ in number, from row {number} on")
        if not item.fault and not row.fault and item.row["label"] != row.row["label"]:
            raise UserError(f"{where}: row {number} has another label than its English row; they are not aligned")
        yield replace(item, english=None if row.fault else row.row)


def _names(translations: Iterable[Translation], language: str) -> str:
    return " or ".join(Path(each.files.format(language=language)).name for each in translations)
