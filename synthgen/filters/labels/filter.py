"""Label checks: a row stays when an annotator, who never saw its label or answer, gives it the same one.

Two annotators may follow one another, a checkpoint and an LLM judge: a row stays when both agree. Disputed rows are
kept in `rejected/` with the annotator's label: many are hard, not wrong. How many labels are wrong is estimated from
real rows given with --against that the annotator was not trained on.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from synthgen.dataset.manifest import is_finished, read_intact_manifest
from synthgen.dataset.shards import SoftLabel, read_rows
from synthgen.errors import UserError
from synthgen.filters.base import Drop, Filter, FilterContext, FilterSpec
from synthgen.filters.labels.agreement import Agreement
from synthgen.filters.labels.annotator import Annotation, Annotator
from synthgen.filters.labels.checkpoint import open_verifier
from synthgen.filters.labels.llm_judge import open_judge
from synthgen.formats.base import Row
from synthgen.formats.span import SpanFormat

CHECK = "verification"
"""The key of both annotators' metadata in a manifest's `checks`."""


@dataclass(frozen=True, slots=True)
class VerifySettings:
    """A label is disputed when the checkpoint gives another one at least this probability; an answer, below this F1.

    With `probabilities` rows that stay have those of all labels, and of their own, as the columns `label_probs` and
    `weight`: at `min_confidence = 1.0` nearly every row stays, for a recipe that trains on them.
    """

    min_confidence: float = 0.0
    min_f1: float = 0.5
    calibration_rows: int = 2_000
    probabilities: bool = False

    def __post_init__(self) -> None:
        _refuse_no_share(min_confidence=self.min_confidence, min_f1=self.min_f1)


@dataclass(frozen=True, slots=True)
class LabelCheckSettings:
    """The LLM judge (else that of --judge), the F1 below which an answer is disputed, rows to calibrate with."""

    model: str = ""
    min_f1: float = 0.5
    calibration_rows: int = 500

    def __post_init__(self) -> None:
        _refuse_no_share(min_f1=self.min_f1)


def _refuse_no_share(**values: float) -> None:
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name} is {value}; allowed: 0 to 1")


class Verify(Filter):
    """Drops rows that an annotator labels otherwise; counts agreement by label."""

    VERSION = 3
    """Raise it for the annotators (checkpoint, LLM judge) and for what counts as agreement too."""

    def __init__(
        self, name: str, context: FilterContext, settings: VerifySettings | LabelCheckSettings, annotator: Annotator
    ) -> None:
        self.name, self._context, self._settings, self._annotator = name, context, settings, annotator
        self.is_slow, self.needs_loop = True, annotator.asks_engine
        self.rows_at_once = annotator.rows_at_once
        self._min_confidence = settings.min_confidence if isinstance(settings, VerifySettings) else 0.0
        self._agreement = Agreement(context.format, settings.min_f1)
        self._precomputed: dict[str, Annotation] = {}
        self._keeps_soft_labels = isinstance(settings, VerifySettings) and settings.probabilities
        self._soft_labels: dict[str, SoftLabel] = {}

    def check(self, row_id: str, row: Row) -> Drop | None:
        """Return a drop with the annotator's label or answer where it differs."""
        if row_id in self._precomputed:
            return self._compare(row_id, row, self._precomputed.pop(row_id))
        return self.check_batch([(row_id, row)])[0]

    def precompute(self, rows: Sequence[tuple[str, Row]]) -> None:
        """Annotate several rows together."""
        ids = (row_id for row_id, _ in rows)
        self._precomputed = dict(zip(ids, self._annotator.read([row for _, row in rows]), strict=True))

    def check_batch(self, rows: Sequence[tuple[str, Row]]) -> list[Drop | None]:
        """Return the results of several rows, annotated together."""
        annotations = self._annotator.read([row for _, row in rows])
        return [self._compare(*row, annotation) for row, annotation in zip(rows, annotations, strict=True)]

    def soft_labels(self) -> Mapping[str, SoftLabel]:
        """Return the checkpoint's probabilities, where they are asked for."""
        return self._soft_labels

    def metadata(self) -> dict[str, Any]:
        """Return the annotator, agreement, confusion and the noise estimate, under the filter's own name."""
        return {self.name: self._annotator.metadata() | self._agreement.metadata(self._calibration())}

    @property
    def progress(self) -> str:
        """What a line of progress says of the annotator."""
        return self._annotator.progress

    def close(self) -> None:
        """Stop the annotator."""
        self._annotator.close()

    def _compare(self, row_id: str, row: Row, annotation: Annotation) -> Drop | None:
        if self._keeps_soft_labels:
            format_, shares = self._context.format, annotation.shares
            every = np.array([shares[label] for label in format_.labels], dtype=np.float32)
            self._soft_labels[row_id] = every, shares[format_.cell(row)]
        difference = self._agreement.add(row, annotation)
        is_unsure = annotation.shares.get(annotation.text, 1.0) < self._min_confidence
        if difference is None or (is_unsure and not annotation.unread):
            return None
        return Drop(self._reason(annotation), json.dumps(difference, ensure_ascii=False))

    def _reason(self, annotation: Annotation) -> str:
        if annotation.unread:
            return "not judged"
        return "disputed answer" if isinstance(self._context.format, SpanFormat) else "disputed label"

    def _calibration(self) -> Agreement | None:
        """Return the agreement with real rows that the annotator was not trained on, None when there are none."""
        folder = next(filter(self._calibrates, self._context.against), None)
        if folder is None:
            return None
        rows = list(islice(read_rows(folder), self._settings.calibration_rows))
        agreement = Agreement(self._context.format, self._settings.min_f1)
        for row, annotation in zip(rows, self._annotator.read(rows), strict=True):
            agreement.add(row, annotation)
        return agreement

    def _calibrates(self, folder: Path) -> bool:
        if not is_finished(folder):
            return False
        manifest, format_ = read_intact_manifest(folder), self._context.format
        same = (manifest.format, manifest.columns) == (format_.name, format_.columns)
        return same and manifest.origin == "real" and manifest.content_hash not in self._annotator.trained_on()


def annotator_parents(checks: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return a manifest's parents for the annotators that a set's checks name: what chose its rows has a licence."""
    metadata = checks.get(CHECK, {})
    parents = []
    for name, role in (("verify", "verifier"), ("judge", "judge")):
        if name in metadata:
            parents.append({"role": role} | {key: metadata[name][key] for key in ("name", "revision", "licence")})
    return tuple(parents)


def soft_label_model(checks: Mapping[str, Any]) -> dict[str, Any]:
    """Return whose probabilities of labels a set's rows have, by its checks."""
    return {key: checks[CHECK]["verify"][key] for key in ("name", "revision")}


def judge_cost(checks: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a set's checks say a judge cost; nothing where it had no price."""
    return dict(checks.get(CHECK, {}).get("judge", {}).get("cost", {}))


def _build_verify(context: FilterContext, settings: VerifySettings) -> Verify:
    if context.verifier is None:
        raise ValueError("the filter verify needs a model: give --verifier CKPT")
    if settings.probabilities and isinstance(context.format, SpanFormat):
        raise UserError("[verify] probabilities = true needs labels; span rows have answers instead")
    return Verify("verify", context, settings, open_verifier(context.verifier, context.format))


def _build_judge(context: FilterContext, settings: LabelCheckSettings) -> Verify:
    return Verify("judge", context, settings, open_judge(context.format, context.judge, settings.model))


VERIFY = FilterSpec(
    Verify,
    VerifySettings,
    name="verify",
    builder=_build_verify,
    runs="verifier",
    needs="verifier",
    check=CHECK,
    place=100,
)
JUDGE = FilterSpec(Verify, LabelCheckSettings, name="judge", builder=_build_judge, runs="judge", check=CHECK, place=110)
