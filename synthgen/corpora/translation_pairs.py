"""The English rows that a translation, or somebody's rows, are paired with: found by id, else by texts and label."""

from collections import defaultdict
from collections.abc import Container
from hashlib import blake2b
from pathlib import Path
from typing import Any

from synthgen.corpora.readers.item import Item
from synthgen.dataset.manifest import dataset_format, read_intact_manifest
from synthgen.dataset.shards import read_rows
from synthgen.errors import UserError
from synthgen.formats import Format
from synthgen.formats.base import Row
from synthgen.runtime.provenance import public_name
from synthgen.text.words import running_words


def row_key(row: Row, format_: Format) -> bytes:
    """Return what two copies of a row share although one is word-tokenised: the letters and digits of its texts."""
    texts = [str(row[column]) for column in (format_.text_columns or format_.columns[:1])]
    letters = ["".join(running_words(text)) for text in texts]
    return blake2b("\t".join(letters).encode(), digest_size=16).digest()


class EnglishRows:
    """The rows of an English set, to be found again as the sources of translated ones."""

    def __init__(self, folder: Path, task: str) -> None:
        """Read the set; UserError when it is no finished folder of the task's own English rows."""
        self.name, self.manifest = public_name(str(folder)), read_intact_manifest(folder)
        set_task, language = self.manifest.task, self.manifest.language
        if (set_task, language) != (task, "en"):
            raise UserError(f"--pair-with {folder} is a set of {set_task} in '{language}'; expected {task} in 'en'")
        self._format = dataset_format(self.manifest)
        self.ids: set[str] = set()
        self._by_text: defaultdict[tuple[bytes, str], list[str]] = defaultdict(list)
        for row in read_rows(folder):
            self.ids.add(row["id"])
            self._by_text[self._key(row)].append(row["id"])

    def find(self, item: Item, taken: Container[str]) -> str | None:
        """Return the id of the English row that an item was made from, one that is not taken; None when there is none.

        A row with its English texts is found by these and the label, any other by its id.
        """
        own = [] if item.id is None else [item.id]
        ids = own if item.english is None else self._by_text.get(self._key(item.english), [])
        return next((each for each in ids if each in self.ids and each not in taken), None)

    def manifest_entry(self, *, is_source: bool) -> dict[str, Any]:
        """Return the set as one of a manifest's parents: what was translated, or what only has the same ids."""
        of = self.manifest
        facts: dict[str, Any] = {"role": "translated" if is_source else "paired", "name": self.name, "task": of.task}
        facts |= {"origin": of.origin, "rows": of.kept, "content_hash": of.content_hash}
        return facts | ({"licence": of.licence} if is_source else {})

    def _key(self, row: Row) -> tuple[bytes, str]:
        return row_key(row, self._format), self._format.cell(row)
