"""A translation job: a set into a language, by a backend, with options; and whether that can be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from synthgen.corpora.any_folder import InputDataset
from synthgen.dataset.folder import refuse_foreign
from synthgen.errors import UserError
from synthgen.filters.labels.checkpoint import SpanVerifier
from synthgen.filters.set_pipeline import repeated_ids
from synthgen.formats import Format
from synthgen.formats.base import Row
from synthgen.formats.span import SpanFormat
from synthgen.models.loading import check_checkpoint
from synthgen.translation.answers.alignment import Aligner
from synthgen.translation.backends.base import Backend
from synthgen.translation.quality import Thresholds, count_in_target
from synthgen.translation.quality_estimation import Estimator
from synthgen.translation.records import digest
from synthgen.translation.rows import check_format, translatable

ROWS_READ = 256
"""Rows looked at to see that the set is not in the target language already."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options besides languages and model.

    `round_trip` is the number of rows translated back, `aligner` an encoder that helps to project answers, `qa` a
    checkpoint that answers the translated questions for the same end, `estimator` a command that scores translations.
    """

    round_trip: int = 200
    aligner: str | None = None
    qa: Path | None = None
    estimator: Estimator | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)

    def __post_init__(self) -> None:
        """Refuse a number of rows that cannot be."""
        if self.round_trip < 0:
            raise UserError(f"--round-trip is {self.round_trip}; allowed is 0 or more")


@dataclass(frozen=True, slots=True)
class TranslationJob:
    """One set, one backend, one language, one folder to write."""

    dataset: InputDataset
    backend: Backend
    target: str
    out: Path
    options: Options
    aligner: Aligner | None = None
    answerer: SpanVerifier | None = None

    @property
    def source(self) -> str:
        """The language of the rows."""
        return self.dataset.language

    @property
    def format(self) -> Format:
        """The format of the rows."""
        return self.dataset.format

    @property
    def answerer_key(self) -> str:
        """The key of the model that answers the translated questions; empty without one."""
        return digest(self.answerer.revision) if self.answerer else ""

    @property
    def estimator_key(self) -> str:
        """The key of the command that scores translations; empty without one."""
        return digest(self.options.estimator.command) if self.options.estimator else ""

    def settings(self) -> dict[str, Any]:
        """Return what determines the translations; the ledger compares it before it goes on."""
        backend = self.backend
        model = {"mt": backend.ref, "revision": backend.revision, "backend": backend.name, "how": backend.settings}
        if self.aligner:
            model["aligner"] = f"{self.aligner.ref} {self.aligner.revision}"
        return model | {"source": self.dataset.content_hash, "from": self.source, "to": self.target}

    def criteria(self) -> dict[str, Any]:
        """Return what decides about a translated row: it can change without a row being translated again."""
        options, estimator = self.options, self.options.estimator
        criteria: dict[str, Any] = {"round_trip_rows": options.round_trip, **asdict(options.thresholds)}
        if self.answerer:
            criteria["qa"] = self.answerer.metadata()
        if estimator:
            command = estimator.public_command
            criteria["estimator"] = {"command": command, "least": estimator.least, "most": estimator.most}
        return criteria

    def rows(self) -> Iterator[tuple[int, Row]]:
        """Yield the rows of the set with their numbers."""
        yield from enumerate(row for table in self.dataset.tables() for row in table.to_pylist())


def check_set(dataset: InputDataset, folders: Mapping[str, Path], options: Options) -> None:
    """Raise UserError when a set cannot be translated into languages and folders so, before a model is loaded."""
    check_format(dataset.format)
    if repeated := sum(1 for _ in repeated_ids(dataset)):
        raise UserError(f"{dataset.name} repeats ids in {repeated} rows; a translation is paired with its row by id")
    for name, ref in (("--aligner", options.aligner), ("--qa", options.qa)):
        if ref and not isinstance(dataset.format, SpanFormat):
            kind = f"{dataset.name} is a {dataset.format.name} set without any"
            raise UserError(f"{name} {ref} finds answers again; {kind}")
    if options.qa:
        check_checkpoint(options.qa, "--qa")
    for language, out in folders.items():
        _check_language(dataset, language)
        refuse_foreign(out)


def _check_language(dataset: InputDataset, target: str) -> None:
    """Raise UserError when a set, or most of its first rows, is in the language already."""
    languages = "--to names languages to translate it into"
    if dataset.language == target:
        raise UserError(f"{dataset.name} is in '{target}' already; {languages}")
    rows = next(dataset.tables(ROWS_READ)).to_pylist()
    there, of = count_in_target([translatable(dataset.format, row) for row in rows], dataset.language, target)
    if there > of / 2:
        seen = f"{there} of {of} texts read as '{target}' already"
        raise UserError(f"{dataset.name} says '{dataset.language}', but {seen}; {languages}")
