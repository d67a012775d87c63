"""Label verification: a row stays when a second reader, who never saw its label or answer, says the same of it.

Two readers may stand one after the other, a checkpoint and an engine as judge: a row stays when both agree. Disputed
rows are kept in `rejected/` with what the reader said: many are hard, not wrong. How many labels are wrong is estimated
from real rows given with --against that the reader was not trained on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from synthgen.dataset.manifest import is_finished, read_manifest
from synthgen.dataset.shards import read_rows
from synthgen.filters.base import BaseFilter, Drop, FilterContext, FilterSpec
from synthgen.filters.labels.agreement import Agreement, evidence
from synthgen.filters.labels.annotator import Annotation, Annotator
from synthgen.filters.labels.checkpoint import open_verifier
from synthgen.filters.labels.llm_judge import open_judge
from synthgen.formats.base import Row
from synthgen.formats.span import SpanFormat


@dataclass(frozen=True, slots=True)
class VerifySettings:
    """A label is disputed when the checkpoint gives another one at least this probability; an answer, below this F1."""

    min_confidence: float = 0.0
    min_f1: float = 0.5
    calibration_rows: int = 2_000

    def __post_init__(self) -> None:
        """Refuse what is no probability and no F1."""
        for name, value in (("min_confidence", self.min_confidence), ("min_f1", self.min_f1)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} is {value}; allowed is 0 to 1")


@dataclass(frozen=True, slots=True)
class LabelCheckSettings:
    """Which model judges (else that of --judge), the F1 below which an answer is disputed, rows to calibrate with."""

    model: str = ""
    min_f1: float = 0.5
    calibration_rows: int = 500

    def __post_init__(self) -> None:
        """Refuse what is no F1."""
        if not 0 <= self.min_f1 <= 1:
            raise ValueError(f"min_f1 is {self.min_f1}; allowed is 0 to 1")


class Verify(BaseFilter):
    """Drops rows of which a reader says something else; counts agreement by label."""

    VERSION = 1
    """Raise it for the readers (verifiers, judges) and for what counts as agreement too."""

    def __init__(
        self, name: str, subject: FilterContext, settings: VerifySettings | LabelCheckSettings, reader: Annotator
    ) -> None:
        """Compare rows with what `reader` says of them."""
        self.name, self._subject, self._settings, self._reader = name, subject, settings, reader
        self._agreement = Agreement(subject.format, settings.min_f1)
        self._prepared: dict[str, Annotation | None] = {}

    rows_at_once = 64

    def check(self, row_id: str, row: Row) -> Drop | None:
        """Return a verdict with what the reader says."""
        if row_id in self._prepared:
            return self._verdict(row, self._prepared.pop(row_id))
        return self.check_batch([(row_id, row)])[0]

    def prepare(self, rows: Sequence[tuple[str, Row]]) -> None:
        """Let the reader read several rows together."""
        ids = (row_id for row_id, _ in rows)
        self._prepared = dict(zip(ids, self._reader.read([row for _, row in rows]), strict=True))

    def check_batch(self, rows: Sequence[tuple[str, Row]]) -> list[Drop | None]:
        """Return the verdicts of several rows, read in batches."""
        said = self._reader.read([row for _, row in rows])
        return [self._verdict(row, each) for (_, row), each in zip(rows, said, strict=True)]

    def facts(self) -> dict[str, Any]:
        """Return who read, agreement, confusion and the noise estimate, under the filter's own name."""
        return {self.name: self._reader.facts() | self._agreement.facts(self._calibration())}

    def close(self) -> None:
        """Stop the reader."""
        self._reader.close()

    def _verdict(self, row: Row, said: Annotation | None) -> Drop | None:
        found = self._agreement.add(row, said)
        if found is None:
            return None
        if said is None:
            return Drop("not judged", evidence(found))
        sure = said.shares.get(said.text, 1.0)
        if isinstance(self._settings, VerifySettings) and sure < self._settings.min_confidence:
            return None
        reason = "disputed answer" if isinstance(self._subject.format, SpanFormat) else "disputed label"
        return Drop(reason, evidence(found))

    def _calibration(self) -> Agreement | None:
        """Return the reader's agreement with real rows that it was not trained on, None when there are none."""
        for folder in self._subject.against:
            if not self._calibrates(folder):
                continue
            rows = list(islice(read_rows(folder), self._settings.calibration_rows))
            found = Agreement(self._subject.format, self._settings.min_f1)
            for row, said in zip(rows, self._reader.read(rows), strict=True):
                found.add(row, said)
            return found
        return None

    def _calibrates(self, folder: Path) -> bool:
        if not is_finished(folder):
            return False
        manifest, format_ = read_manifest(folder), self._subject.format
        same = (manifest.format, manifest.columns) == (format_.name, format_.columns)
        return same and manifest.origin == "real" and manifest.content_hash not in self._reader.trained_on()


def readers_of(checks: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return a manifest's parents for the readers that a set's checks name: what chose its rows has a licence too."""
    roles = {"verify": "verifier", "judge": "judge"}
    facts = checks.get("verification", {})
    keys = ("name", "revision", "licence")
    return tuple({"role": roles[each], **{key: facts[each][key] for key in keys}} for each in roles if each in facts)


def _build_verify(context: FilterContext, settings: VerifySettings) -> Verify:
    if context.verifier is None:
        raise ValueError("the filter verify needs a verifier")
    return Verify("verify", context, settings, open_verifier(context.verifier, context.format))


def _build_judge(context: FilterContext, settings: LabelCheckSettings) -> Verify:
    return Verify("judge", context, settings, open_judge(context.format, context.judging, settings.model))


VERIFY = FilterSpec(
    "verify",
    _build_verify,
    VerifySettings,
    runs="verifier",
    needs="verifier",
    check="verification",
    place=100,
    version=Verify.VERSION,
)
JUDGE = FilterSpec(
    "judge", _build_judge, LabelCheckSettings, runs="judge", check="verification", place=110, version=Verify.VERSION
)
