"""The human corpora of `catalogue.toml`: columns, readers, hub address, licence and citation of each."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgen.corpora.readers import choices, pairs, record_rows, tagged
from synthgen.corpora.readers.item import Reader
from synthgen.errors import unknown
from synthgen.formats import Format, format_from_manifest
from synthgen.task.definition import Task
from synthgen.task.registry import is_task, is_task_file, load_task, prompt_files
from synthgen.text.languages import ENGLISH
from synthgen.text.toml_text import read_toml


@dataclass(frozen=True, slots=True)
class HubSplit:
    """The training rows of a corpus on the hub: repository, configuration, split, the branch to resolve, and how the
    ids of the rows begin where other rows are among them.
    """

    repo: str
    config: str
    split: str = "train"
    branch: str = "main"
    ids: str = ""


@dataclass(frozen=True, slots=True)
class CorpusEntry:
    """One human corpus. `readers` maps file suffixes to readers, the preferred one first; `folders` are the names it
    goes by under a data root, `files` the patterns of its files inside one.
    """

    name: str
    format: Format
    readers: dict[str, Reader]
    hub: tuple[HubSplit, ...]
    licence: str
    citation: str
    official: str
    language: str = ENGLISH
    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ("*train*", "*dev*", "*val*", "*test*")

    @property
    def places(self) -> tuple[str, ...]:
        """The corpus's folders under a data root, which is its name where no other is stated."""
        return self.folders or (self.name,)


READERS: dict[str, Reader] = {
    "read_ccg_tsv": tagged.read_ccg_tsv,
    "read_hellaswag_text": choices.read_hellaswag_text,
    "read_records": record_rows.read_records,
    "read_socialiqa_jsonl": choices.read_socialiqa_jsonl,
    "read_tag_file": tagged.read_tag_file,
    "read_translated_tsv": pairs.read_translated_tsv,
}
"""What `catalogue.toml` and `translations.toml` call the readers."""
_TAGS = {"udpos": tagged.UPOS, "panx": tagged.NER_TAGS}


def _read_entry(name: str, table: dict[str, Any]) -> CorpusEntry:
    labels = table.pop("labels", _TAGS.get(name, ()))
    format_ = format_from_manifest(table.pop("format"), table.pop("columns"), labels)
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    values["readers"] = {suffix: READERS[reader] for suffix, reader in table["readers"].items()}
    values["hub"] = tuple(HubSplit(**each) for each in table["hub"])
    return CorpusEntry(name, format_, **values)


_TABLES = read_toml(Path(__file__).with_name("catalogue.toml"))
ENTRIES = {name: _read_entry(name, table) for name, table in _TABLES.items()}
_ANLI_PLUS = ENTRIES["snli"], ENTRIES["mnli"], ENTRIES["anli"]
SOURCES = {"anli_plus": _ANLI_PLUS, **{name: (entry,) for name, entry in ENTRIES.items()}}
"""What `synthgen import TASK` knows: the nine intermediate tasks and the extra sources, with the corpora of each."""


def known_tasks() -> list[str]:
    """Return the names of all tasks that rows can be imported for: those of the catalogue, then the user's own."""
    return list(dict.fromkeys((*SOURCES, *prompt_files())))


def find_sources(task: str) -> tuple[CorpusEntry, ...]:
    """Return the corpora a task is made of, by its name or its file; UserError with the nearest name."""
    if task in SOURCES:
        return SOURCES[task]
    if is_task_file(task) or is_task(task):
        return (_own_entry(load_task(task)),)
    raise unknown("task", task, [*known_tasks(), "FILE.md"])


def _own_entry(task: Task) -> CorpusEntry:
    """Return the corpus of a task of the user's own: no official release, any file with its columns."""
    suffixes = (".tsv", ".conll", ".conllu", ".bio", ".iob2", ".txt") if task.format.name == "tags" else ()
    readers: dict[str, Reader] = dict.fromkeys(suffixes, tagged.read_tag_file)
    facts = (task.licence, task.source, "files of your own")
    return CorpusEntry(task.name, task.format, readers, (), *facts, task.language, files=())
