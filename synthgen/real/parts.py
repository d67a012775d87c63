"""The files a task's rows are read from, local or fetched, and the one stream of rows they make together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain, count
from pathlib import Path
from typing import Any

from synthgen.dataset import file_sha256
from synthgen.errors import UserError
from synthgen.formats import Format
from synthgen.formats.base import Row
from synthgen.real.files import SAMPLE_LICENCE, CorpusFile, files_format, find_files, is_sample, sample_file
from synthgen.real.hub import Fetched, fetch_split, read_hub_parquet
from synthgen.real.items import Item, Reader
from synthgen.real.sources import HubSplit, Source, find_sources


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a task's rows; `id_prefix` names its rows, `parent` is what the manifest says of it."""

    source: Source
    path: Path
    reader: Reader
    language: str
    id_prefix: str
    parent: dict[str, Any]

    @property
    def licence(self) -> str:
        """The licence of the file's rows: the corpus's, or that of the samples that ship with the packages."""
        return SAMPLE_LICENCE if is_sample(self.path) else self.source.licence

    def manifest_entry(self) -> dict[str, Any]:
        """Return the part as one of a manifest's parents."""
        return {**self.parent, "role": "source", "licence": self.licence}


@dataclass(frozen=True, slots=True)
class Corpus:
    """The parts of a task's real data in reading order, and the format of their rows."""

    format: Format
    parts: tuple[Part, ...]

    def items(self) -> Iterator[Item]:
        """Yield every row with `id` and `language`, the same ones in the same order each time.

        Ids are the corpus's own where it has them, else `<file>-<number>`; a repeated one gets a suffix. A row that
        an earlier file of the same corpus has too carries that as its fault.
        """
        taken: set[str] = set()
        for part in self.parts:
            known = {key for other in self._earlier(part) for key in self._keys(other)}
            for number, item in enumerate(part.reader(part.path, self.format)):
                row_id = _free_id(item.id or f"{part.id_prefix}-{number:07d}", taken)
                taken.add(row_id)
                repeated = bool(known) and not item.fault and row_key(item.row, self.format) in known
                row = {**item.row, "id": row_id, "language": part.language}
                yield Item(row, row_id, "in an earlier file" if repeated else item.fault, item.note)

    def _earlier(self, part: Part) -> list[Part]:
        """Return the parts before this one in the same folder: other extracts of the corpus, which may overlap it."""
        if "hub" in part.parent:
            return []
        siblings = [other for other in self.parts if other.path.parent == part.path.parent]
        return siblings[: siblings.index(part)]

    def _keys(self, part: Part) -> Iterator[bytes]:
        return (row_key(item.row, self.format) for item in part.reader(part.path, self.format) if not item.fault)


def _free_id(name: str, taken: set[str]) -> str:
    """Return the name, or the first of name-2, name-3, … that is free."""
    candidates = chain([name], (f"{name}-{number}" for number in count(2)))
    return next(candidate for candidate in candidates if candidate not in taken)


def row_key(row: Row, format_: Format) -> bytes:
    """Return what two copies of a row share although one is word-tokenised: the letters and digits of its texts."""
    texts = [str(row[column]) for column in (format_.text_columns or format_.columns[:1])]
    letters = ["".join(re.findall(r"\w+", text.casefold())) for text in texts]
    return blake2b("\t".join(letters).encode(), digest_size=16).digest()


def open_corpus(task: str, source: str | Path) -> Corpus:
    """Return the corpus of a task from "hub", "sample" or a path, fetched where need be."""
    sources = find_sources(task)
    if source == "hub":
        return _hub_corpus(task, sources)
    files = find_files(sources, sample_file(task) if source == "sample" else Path(source).expanduser())
    return Corpus(files_format(files), tuple(_local_part(file) for file in files))


def _local_part(file: CorpusFile) -> Part:
    parent = {"file": file.name, "sha256": file_sha256(file.path), "split": file.split, "corpus": file.source.name}
    stem = Path(file.name).with_suffix("").as_posix().replace("/", "-")
    return Part(file.source, file.path, file.reader, file.language, f"{file.source.name}-{stem}", parent)


def _hub_corpus(task: str, sources: tuple[Source, ...]) -> Corpus:
    """Return the corpus as the hub has it; UserError for a task that no hub may carry."""
    if missing := [source for source in sources if not source.hub]:
        raise UserError(f"{task} is not on the hub ({missing[0].licence}): give --from PATH with {missing[0].official}")
    splits = [(source, split) for source in sources for split in source.hub]
    parts = [_hub_part(source, split, fetched) for source, split in splits for fetched in fetch_split(split, source)]
    return Corpus(sources[0].format, tuple(parts))


def _hub_part(source: Source, split: HubSplit, fetched: Fetched) -> Part:
    parent = {
        **{"hub": split.repo, "revision": fetched.revision, "file": fetched.name, "sha256": file_sha256(fetched.path)},
        **{"split": split.split, "corpus": source.name},
    }
    shard = re.search(r"\d+", Path(fetched.name).stem.removeprefix(split.split))
    prefix = f"{source.name}-{split.split}-{shard.group() if shard else '0'}"
    return Part(source, fetched.path, read_hub_parquet, "en", prefix, parent)
