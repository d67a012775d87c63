"""A target: its files, gold answers and metric, one frozen object per module of `targets`.

What is no code, such as languages, licence and places of files, stands in a TOML file beside the module (`facts`).
`files` reads the formats, `metrics` computes the scores, and `training.heads` turn records into predictions; a target
names its head, since heads import torch.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from synthgen.errors import UserError, unknown
from synthgen.runtime.integrity import known_sha256
from synthgen.text.toml_text import read_toml


class UnlabelledError(UserError):
    """An official file that is in order but has no labels, as test files are often released: never scored silently."""

    def __init__(self, path: Path, rows: int, reason: str) -> None:
        super().__init__(f"{path} is not labelled: {reason}")
        self.path, self.rows = path, rows


@dataclass(frozen=True, slots=True)
class DataSource:
    """One file of a target, or alternatives in order of preference, and where it comes from.

    `paths` are relative to the data root and may contain `{language}`; `not_for` names languages without such a file.
    """

    paths: tuple[str, ...]
    origin: str
    not_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HubFile:
    """One official file made of one hub split.

    `path` and `config` may contain `{language}` (as in file names) and `{name}` (the language in English). `language`
    limits the file to one language. The revision is resolved at the first fetch and locked.
    """

    path: str
    repository: str
    config: str
    split: str
    write: Callable[[Iterable[Mapping[str, Any]]], str]
    language: str | None = None


@dataclass(frozen=True, slots=True)
class DataRoot:
    """The folder of the official files, in the layout of XTREME's own download.

    `planned` are folders that an experiment will write: a file in them is not missing.
    """

    path: Path
    planned: tuple[Path, ...] = ()

    def find(self, source: DataSource, language: str = "en") -> Path:
        """Return the first of the alternatives that exists; UserError says which files, and where they come from."""
        names = [path.format(language=language) for path in source.paths]
        if language in source.not_for:
            raise UserError(f"there is no {names[0]} to score: {source.origin}")
        for name in names:
            if (self.path / name).is_file():
                return self.path / name
        raise UserError(f"no {' or '.join(names)} in the data root {self.path}; it comes from {source.origin}")

    def has(self, source: DataSource, language: str = "en") -> bool:
        """Say whether one of the alternatives is there."""
        return language not in source.not_for and any(path.is_file() for path in self._paths(source, language))

    def lacks(self, source: DataSource, language: str) -> bool:
        """Say whether none of the alternatives is there, and none lies in a planned folder."""
        if language in source.not_for or self.has(source, language):
            return False
        paths = [path.resolve() for path in self._paths(source, language)]
        return not any(path.is_relative_to(folder.resolve()) for path in paths for folder in self.planned)

    def _paths(self, source: DataSource, language: str) -> list[Path]:
        return [self.path / path.format(language=language) for path in source.paths]


@dataclass(frozen=True, slots=True)
class Split:
    """The test items of one language, or the training items.

    Lengths: `ids`, `records` and `gold` are parallel; `pool` holds the candidates of a retrieval target and `pool_ids`
    their names. Ids of parallel sets are equal across languages. `clusters` has a name for what each item shares with
    others, its premise or paragraph; it is empty where items share nothing.
    """

    language: str
    ids: tuple[str, ...]
    records: tuple[Any, ...]
    gold: tuple[Any, ...]
    files: tuple[Path, ...]
    pool: tuple[Any, ...] = ()
    pool_ids: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse lists that do not line up, and ids that name two items."""
        if not len(self.ids) == len(self.records) == len(self.gold):
            names = ", ".join(map(str, self.files))
            raise UserError(f"{len(self.ids)} ids, {len(self.records)} items and {len(self.gold)} labels in {names}")
        if self.clusters and len(self.clusters) != len(self.ids):
            raise UserError(
                f"{len(self.clusters)} sources of {len(self.ids)} items in {', '.join(map(str, self.files))}"
            )
        if len(set(self.ids)) < len(self.ids):
            [(name, count)] = Counter(self.ids).most_common(1)
            raise UserError(f"the id {name} names {count} items in {', '.join(map(str, self.files))}")

    @classmethod
    def of(
        cls,
        language: str,
        items: Iterable[tuple[str, Any, Any]],
        *files: Path,
        pool: Iterable[tuple[str, Any]] = (),
        sources: Iterable[str] = (),
    ) -> Split:
        """Return a split of (id, record, gold) items and a pool of (id, candidate) pairs.

        `sources` are what items share with others, such as their paragraph: as text, which names a cluster by its hash.
        """
        ids, records, gold = tuple(zip(*items, strict=True)) or ((), (), ())
        pool_ids, candidates = tuple(zip(*pool, strict=True)) or ((), ())
        return cls(language, ids, records, gold, files, candidates, pool_ids, tuple(map(_cluster, sources)))

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, indices: Sequence[int]) -> Split:
        """Return the chosen items; the pool stays whole."""
        ids, records, gold = (tuple(column[i] for i in indices) for column in (self.ids, self.records, self.gold))
        clusters = tuple(self.clusters[i] for i in indices) if self.clusters else ()
        return replace(self, ids=ids, records=records, gold=gold, clusters=clusters)


def _cluster(source: str) -> str:
    return hashlib.blake2b(source.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


@dataclass(frozen=True, slots=True)
class SplitScores:
    """Percentages by metric, and what each item contributed: 0-1, or (tp, predicted, gold) for a corpus metric."""

    metrics: dict[str, float]
    items: dict[str, list[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One test task of XTREME-R (or XTREME).

    `head` names a module of `training.heads`; `labels` are its classes in model order. `sources` maps a split to its
    files; `read(root, language, split)` reads them. `train` reads the English training items, None when the target is
    scored with the intermediate encoder. `metrics` has the main metric first. `score(split, predictions)` takes one
    prediction per item. `parse` reads a prediction file of `evaluator score` into {id: prediction}. Retrieval targets
    have `rank(split, query vectors, pool vectors)`; `join` gives the splits of all languages one pool. `pretrain` reads
    the items of a stage before the training proper, with its own labels. `cap` makes a smaller test set; `file_code` is
    the language's name in file names; `scores_missing` says that an item without a prediction counts 0.
    `definition` is the text of the file that defines the target, where one does, and `average` an average of one's own
    that it counts for. `hub_files` make the files from the hub; none means that they must be obtained by hand.
    `is_parallel` says that the languages hold the same items under the same ids, `is_translated` that they hold the
    same items in another order; `clusters` what items share, as a word: `premise`; `new_in_xtreme_r` are the languages
    that the older XTREME did not have. `version` goes up when `rank` would give something else for the same vectors.
    """

    name: str
    title: str
    head: str
    languages: tuple[str, ...]
    labels: tuple[str, ...] = ()
    metrics: tuple[str, ...]
    train_source: str
    hub: str
    licence: str
    citation: str
    is_parallel: bool
    is_translated: bool = False
    sources: Mapping[str, tuple[DataSource, ...]]
    train_sources: tuple[DataSource, ...] = ()
    read: Callable[[DataRoot, str, str], Split]
    train: Callable[[DataRoot], Split] | None = None
    score: Callable[[Split, Sequence[Any]], SplitScores]
    parse: Callable[[str, Split], dict[str, Any]]
    rank: Callable[[Split, Any, Any], list[Any]] | None = None
    cap: Callable[[Split, Sequence[int]], Split] = Split.take
    file_code: Callable[[str], str] = str
    join: Callable[[Sequence[Split]], list[Split]] | None = None
    pretrain: Callable[[DataRoot], Split] | None = None
    pretrain_labels: tuple[str, ...] = ()
    scores_missing: bool = False
    hub_files: tuple[HubFile, ...] = ()
    new_in_xtreme_r: tuple[str, ...] = ()
    clusters: str = ""
    definition: str = ""
    average: str = ""
    version: int = 1

    def check_language(self, language: str) -> None:
        """Raise UserError for a language outside the target."""
        if language not in self.languages:
            raise unknown("language", language, self.languages, where=f"target {self.name}")

    def split_sources(self, split: str) -> tuple[DataSource, ...]:
        """Return the files of a split; UserError when the target has no such split."""
        if split not in self.sources:
            raise unknown("split", split, self.sources, where=f"target {self.name}")
        return self.sources[split]

    def load(self, root: DataRoot, language: str, split: str) -> Split:
        """Return the labelled items of a language."""
        self.check_language(language)
        self.split_sources(split)
        return self.read(root, language, split)


def revision(paths: Sequence[Path]) -> str:
    """Return 16 hex digits of a hash over the files' bytes, not their names: which data a score was computed on."""
    digests = b"".join(bytes.fromhex(known_sha256(path)) for path in paths)
    return hashlib.sha256(digests).hexdigest()[:16]


def one_file(
    read: Callable[[Path, str], Split], sources: Mapping[str, tuple[DataSource, ...]]
) -> Callable[[DataRoot, str, str], Split]:
    """Return the `read` of a target that has a language's items in one file, which `read(path, language)` reads."""
    return lambda root, language, split: read(root.find(sources[split][0], language), language)


def facts(module: str) -> dict[str, Any]:
    """Return what the TOML file beside a target's module says of it, as arguments of `Target`.

    UserError names a key that is none.
    """
    path = Path(module).with_suffix(".toml")
    return facts_of(path.stem, read_toml(path), where=str(path))


def facts_of(name: str, table: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    """Return what the table of a TOML file says of a target, as arguments of `Target`.

    `format` is the head; `origin` says where the files come from, unless a source says it itself; `languages` may be a
    table of codes and what the files call them.
    """
    values, origin = dict(table), table.get("origin", "")
    known = ["format", "origin", *(field.name for field in fields(Target) if field.name != "head")]
    if wrong := next((key for key in values if key not in known), None):
        raise unknown("key", wrong, known, where=where)
    values.pop("origin", None)
    values["head"] = values.pop("format")
    sources = {split: _sources(files, origin) for split, files in values.pop("sources").items()}
    if "train_sources" in values:
        values["train_sources"] = _sources(values["train_sources"], origin)
    if isinstance(names := values["languages"], Mapping):
        values["file_code"] = names.__getitem__
    for key in ("languages", "new_in_xtreme_r"):
        if value := values.get(key):
            values[key] = codes(*([value] if isinstance(value, str) else value))
    lists = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
    return {"name": name, **values, **lists, "sources": sources}


def _sources(files: Iterable[Mapping[str, Any]], origin: str) -> tuple[DataSource, ...]:
    return tuple(
        DataSource(tuple(file["paths"]), file.get("origin", origin), tuple(file.get("not_for", ()))) for file in files
    )


def codes(*lines: str) -> tuple[str, ...]:
    """Return language codes written with spaces between them."""
    return tuple(" ".join(lines).split())
