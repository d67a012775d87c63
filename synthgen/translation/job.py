"""What is asked: a set into a language, by a translator, with what choices; and whether that can be."""

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
from synthgen.formats.base import Row
from synthgen.formats.span import SpanFormat
from synthgen.models.loading import check_checkpoint
from synthgen.translation.answers.alignment import Aligner
from synthgen.translation.backends.base import Backend
from synthgen.translation.quality import Thresholds, reads_as
from synthgen.translation.quality_estimation import Estimator
from synthgen.translation.records import digest
from synthgen.translation.rows import check_format, translatable

ROWS_READ = 256
"""Rows looked at to see that the set is not in the target language already."""


@dataclass(frozen=True, slots=True)
class Options:
    """What can be chosen besides languages and model.

    `round_trip` is the number of rows translated back, `aligner` an encoder that helps to find answers again, `qa` a
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
    """One set, one translator, one language, one folder to write."""

    opened: InputDataset
    backend: Backend
    target: str
    out: Path
    options: Options
    aligner: Aligner | None = None
    answerer: SpanVerifier | None = None

    @property
    def source(self) -> str:
        """The language of the rows."""
        return self.opened.language

    @property
    def asked(self) -> str:
        """The key of the model that answers the questions again; empty without one."""
        return digest(self.answerer.revision) if self.answerer else ""

    @property
    def estimator(self) -> str:
        """The key of the command that scores translations; empty without one."""
        return digest(self.options.estimator.command) if self.options.estimator else ""

    def settings(self) -> dict[str, Any]:
        """Return what determines the translations; the ledger compares it before it goes on."""
        backend = self.backend
        model = {"mt": backend.ref, "revision": backend.revision, "backend": backend.name, "how": backend.settings}
        if self.aligner:
            model["aligner"] = f"{self.aligner.ref} {self.aligner.revision}"
        return model | {"source": self.opened.content_hash, "from": self.source, "to": self.target}


def check_set(opened: InputDataset, folders: Mapping[str, Path], options: Options) -> None:
    """Raise UserError when a set cannot be translated into languages and folders so, before a model is loaded."""
    check_format(opened.format)
    if repeated := sum(1 for _ in repeated_ids(opened)):
        raise UserError(f"{opened.name} repeats ids in {repeated} rows; a translation is paired with its row by id")
    for name, ref in (("--aligner", options.aligner), ("--qa", options.qa)):
        if ref and not isinstance(opened.format, SpanFormat):
            raise UserError(
                f"{name} {ref} finds answers again; {opened.name} is a {opened.format.name} set without any"
            )
    if options.qa:
        check_checkpoint(options.qa, "--qa")
    for language, out in folders.items():
        _check_language(opened, language)
        refuse_foreign(out)


def _check_language(opened: InputDataset, target: str) -> None:
    """Raise UserError when a set, or most of its first rows, is in the language already."""
    if opened.language == target:
        raise UserError(f"{opened.name} is in '{target}' already; --to names languages to translate it into")
    first = (row for row in next(opened.tables(ROWS_READ)).to_pylist())
    there, judged = reads_as([translatable(opened.format, row) for row in first], opened.language, target)
    if there > judged / 2:
        raise UserError(
            f"{opened.name} says '{opened.language}', but {there} of {judged} texts read as '{target}' already; "
            f"--to names languages to translate it into"
        )


def judgement(job: TranslationJob) -> dict[str, Any]:
    """Return what decides about a translated row: it can change without a row being translated again."""
    options, estimator = job.options, job.options.estimator
    facts: dict[str, Any] = {"round_trip_rows": options.round_trip, **asdict(options.thresholds)}
    if job.answerer:
        facts["qa"] = job.answerer.metadata()
    if estimator:
        facts["estimator"] = {"command": estimator.public_command, "least": estimator.least, "most": estimator.most}
    return facts


def rows_of(opened: InputDataset) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a set with their numbers."""
    yield from enumerate(row for table in opened.tables() for row in table.to_pylist())
