"""Agreement of an annotator with the labels of rows, counted for a manifest, with both sides' labels as evidence.

Labels agree when they are the same. Answers agree when their token F1 is at least a threshold, and an unanswerable row
when no answer came back: round-trip consistency (Alberti et al. 2019, Synthetic QA Corpora Generation).
"""

from __future__ import annotations

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
from synthgen.text.words import words_and_letters

NOT_CALIBRATED = "not estimated: no real rows that the reader was not trained on (--against DATASET)"
UNREAD = "unread"
"""The column of a confusion matrix for rows whose annotation could not be read."""


@dataclass(slots=True)
class Agreement:
    """Counts of pairs of (the row's cell, the annotator's cell), how many agreed, and the sums of EM and F1."""

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

    def add(self, row: Row, annotation: Annotation) -> dict[str, Any] | None:
        """Count a row; return None where both agree, else what each says."""
        cell = self.format.cell(row)
        if annotation.unread:
            self.counts[cell, UNREAD] += 1
            return {"said": annotation.unread}
        if isinstance(self.format, SpanFormat):
            return self._add_answer(row["answers"]["text"], cell, annotation.text)
        self.counts[cell, annotation.text] += 1
        if annotation.text == cell:
            self.agreed += 1
            return None
        labels, shares = {"probability": annotation.text, "of the label": cell}, annotation.shares
        rounded = {name: round(shares[label], 3) for name, label in labels.items() if label in shares}
        return {"label": cell, "said": annotation.text, **rounded}

    def _add_answer(self, golds: Sequence[str], cell: str, answer: str) -> dict[str, Any] | None:
        self.counts[cell, ANSWERABLE if answer else UNANSWERABLE] += 1
        guess = squad_normalise(answer)
        normalised = [squad_normalise(gold) for gold in golds] or [""]
        exact = f1 = float(guess in normalised)
        if golds:
            guess_words = words_and_letters(guess)[0]
            f1 = max(token_f1(guess_words, words_and_letters(gold)[0]) for gold in normalised)
        self.exact += exact
        self.f1 += f1
        agrees = max(f1, exact) >= self.min_f1 if golds else not answer
        if agrees:
            self.agreed += 1
            return None
        return {"answers": list(golds), "said": answer, "f1": round(f1, 3)}

    def metadata(self, calibration: Agreement | None) -> dict[str, Any]:
        """Return agreement, the confusion matrix by label, and the share of wrong labels or why there is none."""
        labels = self.format.labels
        columns = dict.fromkeys([*labels, *(predicted for _, predicted in self.counts)])
        metadata: dict[str, Any] = {
            "rows": self.rows,
            "agreement": round(self.agreed / self.rows, 4) if self.rows else None,
            "confusion": {label: {column: self.counts[label, column] for column in columns} for label in labels},
        }
        if isinstance(self.format, SpanFormat) and self.rows:
            metadata |= {"em": round(100 * self.exact / self.rows, 2), "f1": round(100 * self.f1 / self.rows, 2)}
        return metadata | {"noise": self._noise(calibration)}

    def _noise(self, calibration: Agreement | None) -> str | Mapping[str, Any]:
        if calibration is None:
            return NOT_CALIBRATED
        try:
            if isinstance(self.format, SpanFormat):
                noise = estimate_from_agreement(self.agreed, self.rows, (calibration.agreed, calibration.rows))
            else:
                noise = estimate(self._matrix(), calibration._matrix())
        except ValueError as error:
            return f"not estimated: {error}"
        return noise_facts(noise, calibration.agreed / calibration.rows)

    def _matrix(self) -> Any:  # noqa: ANN401 - an array
        """Return the counts (labels, the annotator's labels); rows that were not read are left out."""
        return np.array([[float(self.counts[a, b]) for b in self.format.labels] for a in self.format.labels])
