"""Label verification: a row stays when a model that never saw its label gives it the same one.

Disputed rows are kept in `rejected/` with what the verifier said: many are hard, not wrong. How many labels are wrong
is estimated in `synthgen.noise` from the real rows given with --against that the verifier was not trained on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from synthgen.dataset import is_finished, read_manifest, read_rows
from synthgen.filters.base import BaseFilter, Subject, Verdict
from synthgen.formats.base import Row
from synthgen.noise import Floats, confusion, facts
from synthgen.verifiers import Verifier, open_verifier, trained_on


@dataclass(frozen=True, slots=True)
class VerifySettings:
    """A row is disputed when the verifier gives another label at least this probability."""

    min_confidence: float = 0.0
    calibration_rows: int = 2_000

    def __post_init__(self) -> None:
        """Refuse what is no probability."""
        if not 0 <= self.min_confidence <= 1:
            raise ValueError(f"min_confidence is {self.min_confidence}; allowed is 0 to 1")


class Verify(BaseFilter):
    """Drops rows whose label a checkpoint does not give them; counts agreement by label."""

    name = "verify"

    def __init__(self, subject: Subject, settings: VerifySettings, verifier: Verifier | None = None) -> None:
        """Open the subject's checkpoint, unless a verifier is handed over open."""
        self._format, self._subject, self._settings = subject.format, subject, settings
        if verifier is None:
            assert subject.verifier is not None, "the plan runs this filter only with a verifier"
            verifier = open_verifier(subject.verifier, subject.format)
        self._verifier = verifier
        self._counts = np.zeros((len(self._format.labels), len(self._format.labels)))

    def judge(self, row_id: str, row: Row) -> Verdict | None:
        """Return a verdict with the label the verifier gives and its probability."""
        return self.judge_many([(row_id, row)])[0]

    def judge_many(self, rows: Sequence[tuple[str, Row]]) -> list[Verdict | None]:
        """Return the verdicts of several rows, relabelled in batches."""
        labels = self._labels([row for _, row in rows])
        found = self._verifier.probabilities([row for _, row in rows])
        self._counts += confusion(labels, list(found.argmax(axis=1)), len(self._format.labels))
        return [self._verdict(label, shares) for label, shares in zip(labels, found, strict=True)]

    def facts(self) -> dict[str, Any]:
        """Return agreement, confusion and the noise estimate."""
        calibration = self._calibration()
        name = {"verifier": self._subject.verifier.name} if self._subject.verifier else {}
        return name | facts(self._counts, calibration, self._format.labels)

    def _labels(self, rows: Sequence[Row]) -> list[int]:
        return [self._format.labels.index(self._format.cell(row)) for row in rows]

    def _verdict(self, label: int, shares: Floats) -> Verdict | None:
        best = int(shares.argmax())
        if best == label or shares[best] < self._settings.min_confidence:
            return None
        names = self._format.labels
        evidence = {"label": names[label], "verifier": names[best], "probability": round(float(shares[best]), 3)}
        return Verdict("disputed label", json.dumps(evidence | {"of the label": round(float(shares[label]), 3)}))

    def _calibration(self) -> Floats | None:
        """Return the verifier's confusion counts on real rows that it was not trained on, None when there are none."""
        for folder in self._subject.against:
            if not self._calibrates(folder):
                continue
            rows = list(islice(read_rows(folder), self._settings.calibration_rows))
            found = self._verifier.probabilities(rows).argmax(axis=1)
            return confusion(self._labels(rows), list(found), len(self._format.labels))
        return None

    def _calibrates(self, folder: Path) -> bool:
        if not is_finished(folder):
            return False
        manifest = read_manifest(folder)
        seen = trained_on(self._subject.verifier) if self._subject.verifier else frozenset()
        same = (manifest.format, manifest.columns) == (self._format.name, self._format.columns)
        return same and manifest.origin == "real" and manifest.content_hash not in seen
