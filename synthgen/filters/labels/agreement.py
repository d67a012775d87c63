"""Does a second reader say of a row what the row has? Counted for a manifest, with what both sides say as evidence.

Labels agree when they are the same. Answers agree when their token F1 is at least a threshold, and an unanswerable row
when no answer came back: round-trip consistency (Alberti et al. 2019, Synthetic QA Corpora Generation).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from synthgen.analysis.label_noise import estimate, estimate_from_agreement, noise_facts
from synthgen.filters.labels.annotator import Annotation
from synthgen.formats import Format
from synthgen.formats.answer_match import squad_normalise, token_f1
from synthgen.formats.base import Row
from synthgen.formats.span import ANSWERABLE, UNANSWERABLE, SpanFormat

NOT_CALIBRATED = "not estimated: no real rows that the reader was not trained on (--against DATASET)"
UNREAD = "unread"
"""The column of a confusion matrix for rows that no sense was made of."""


@dataclass(slots=True)
class Agreement:
    """Counts of what was said of rows: pairs of (cell of the row, cell said), how many agreed, sums of EM and F1."""

    format: Format
    min_f1: float = 1.0
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    agreed: int = 0
    exact: float = 0.0
    f1: float = 0.0

    @property
    def rows(self) -> int:
        """How many rows were counted."""
        return self.counts.total()

    def add(self, row: Row, said: Annotation | None) -> dict[str, Any] | None:
        """Count a row; return None where both agree, else what each says."""
        cell = self.format.cell(row)
        if said is None:
            self.counts[cell, UNREAD] += 1
            return {"said": "nothing that can be read"}
        if isinstance(self.format, SpanFormat):
            return self._add_answer(row["answers"]["text"], cell, said.text)
        self.counts[cell, said.text] += 1
        if said.text == cell:
            self.agreed += 1
            return None
        known = {"probability": said.text, "of the label": cell}
        shares = {name: round(said.shares[label], 3) for name, label in known.items() if label in said.shares}
        return {"label": cell, "said": said.text, **shares}

    def _add_answer(self, answers: Sequence[str], cell: str, said: str) -> dict[str, Any] | None:
        self.counts[cell, ANSWERABLE if said else UNANSWERABLE] += 1
        guess = squad_normalise(said)
        golds = [squad_normalise(answer) for answer in answers] or [""]
        exact = float(guess in golds)
        overlap = max(token_f1(guess.split(), gold.split()) for gold in golds) if answers else exact
        self.exact, self.f1 = self.exact + exact, self.f1 + overlap
        if (max(overlap, exact) >= self.min_f1) if answers else not said:
            self.agreed += 1
            return None
        return {"answers": list(answers), "said": said, "f1": round(overlap, 3)}

    def facts(self, calibration: Agreement | None) -> dict[str, Any]:
        """Return agreement, the confusion matrix by label, and the share of wrong labels or why there is none."""
        said: dict[str, Any] = {
            "rows": self.rows,
            "agreement": round(self.agreed / self.rows, 4) if self.rows else None,
            "confusion": self._confusion(),
        }
        if isinstance(self.format, SpanFormat) and self.rows:
            said |= {"em": round(100 * self.exact / self.rows, 2), "f1": round(100 * self.f1 / self.rows, 2)}
        return said | {"noise": self._noise(calibration)}

    def _confusion(self) -> dict[str, dict[str, int]]:
        columns = dict.fromkeys([*self.format.labels, *(said for _, said in self.counts)])
        return {label: {said: self.counts[label, said] for said in columns} for label in self.format.labels}

    def _noise(self, calibration: Agreement | None) -> str | Mapping[str, Any]:
        if calibration is None:
            return NOT_CALIBRATED
        try:
            if isinstance(self.format, SpanFormat):
                known = (calibration.agreed, calibration.rows)
                noise = estimate_from_agreement(self.agreed, self.rows, known)
            else:
                noise = estimate(self._matrix(), calibration._matrix())
        except ValueError as error:
            return f"not estimated: {error}"
        return noise_facts(noise, calibration.agreed / calibration.rows)

    def _matrix(self) -> Any:  # noqa: ANN401 - an array
        """Return the counts by label and label said, rows that were not read left out."""
        return np.array([[float(self.counts[a, b]) for b in self.format.labels] for a in self.format.labels])


def evidence(found: Mapping[str, Any]) -> str:
    """Return what both sides say as a rejection keeps it."""
    return json.dumps(found, ensure_ascii=False)
