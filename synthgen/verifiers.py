"""Checkpoints that label rows blindly: folders made by `evaluator train`, loaded with transformers' Auto classes.

A verifier sees the texts of a row and never its label. Only local folders with safetensors are loaded, no code of
theirs is run.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from synthgen.dataset import MANIFEST_NAME
from synthgen.errors import UserError, missing_package
from synthgen.formats import Format
from synthgen.formats.base import Row
from synthgen.formats.choice import ChoiceFormat
from synthgen.formats.pair import PairFormat

MAX_LENGTH = 256
BATCH = 32

Floats = npt.NDArray[np.float64]


class Verifier(Protocol):
    """Something that gives each label of a format a probability."""

    def probabilities(self, rows: Sequence[Row]) -> Floats:
        """Return (rows, labels), in the order of the format's labels; rows sum to 1."""


def open_verifier(checkpoint: Path, format_: Format) -> Verifier:
    """Return the verifier of a checkpoint folder; UserError when it cannot judge rows of this format."""
    if not (checkpoint / "config.json").is_file():
        raise UserError(f"--verifier {checkpoint} is not a checkpoint folder: it has no config.json")
    if isinstance(format_, PairFormat):
        return _PairVerifier(checkpoint, format_)
    if isinstance(format_, ChoiceFormat):
        return _ChoiceVerifier(checkpoint, format_)
    raise UserError(f"--verifier {checkpoint}: labels of a {format_.name} set cannot be verified; only pair and choice")


def trained_on(checkpoint: Path) -> frozenset[str]:
    """Return the content hashes of the sets that a checkpoint was trained on, as its manifest has them."""
    path = checkpoint / MANIFEST_NAME
    if not path.is_file():
        return frozenset()
    inputs = json.loads(path.read_text(encoding="utf-8")).get("inputs", {})
    return frozenset(str(part[0]) for part in inputs.get("parts", ()))


class _Checkpoint:
    """A tokenizer and a model that gives logits for texts."""

    def __init__(self, checkpoint: Path, auto_class: str) -> None:
        try:
            import transformers
        except ImportError:
            raise missing_package("transformers", "train", "--verifier") from None
        options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint, **options)
        loader = getattr(transformers, auto_class)
        self.model = loader.from_pretrained(checkpoint, use_safetensors=True, **options).eval()

    def logits(self, first: Sequence[str], second: Sequence[str]) -> Floats:
        """Return the logits of every text pair in order, sorted by length inside so that padding stays small."""
        import torch

        found: list[Floats] = [np.zeros(0)] * len(first)
        order = sorted(range(len(first)), key=lambda i: len(first[i]) + len(second[i]))
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            texts = [[source[i] for i in chosen] for source in (first, second)]
            batch = self.tokenizer(
                *texts, truncation="longest_first", max_length=MAX_LENGTH, padding=True, return_tensors="pt"
            )
            with torch.inference_mode():
                output = self._forward(batch)
            for i, values in zip(chosen, output.float().numpy(), strict=True):
                found[i] = values
        return np.stack(found).astype(np.float64)

    def _forward(self, batch: Any) -> Any:  # noqa: ANN401 - tensors
        return self.model(**batch).logits


class _PairVerifier(_Checkpoint):
    def __init__(self, checkpoint: Path, format_: PairFormat) -> None:
        super().__init__(checkpoint, "AutoModelForSequenceClassification")
        names = [self.model.config.id2label[i] for i in range(self.model.config.num_labels)]
        if sorted(names) != sorted(format_.labels):
            raise UserError(
                f"--verifier {checkpoint} has the labels {', '.join(names)}; the set has {', '.join(format_.labels)}"
            )
        self._format, self._columns = format_, [names.index(label) for label in format_.labels]

    def probabilities(self, rows: Sequence[Row]) -> Floats:
        first, second = ([str(row[field]) for row in rows] for field in self._format.fields)
        return _softmax(self.logits(first, second)[:, self._columns])


class _ChoiceVerifier(_Checkpoint):
    def __init__(self, checkpoint: Path, format_: ChoiceFormat) -> None:
        super().__init__(checkpoint, "AutoModelForMultipleChoice")
        self._format = format_

    def probabilities(self, rows: Sequence[Row]) -> Floats:
        records = [self._format.from_row(row) for row in rows]
        first = [f"{record.context} {record.question}".strip() for record in records for _ in record.options]
        second = [option for record in records for option in record.options]
        return _softmax(self.logits(first, second).reshape(len(rows), -1))

    def _forward(self, batch: Any) -> Any:  # noqa: ANN401 - tensors
        return self.model(**{name: values.unsqueeze(1) for name, values in batch.items()}).logits


def _softmax(logits: Floats) -> Floats:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    normalised: Floats = shifted / shifted.sum(axis=1, keepdims=True)
    return normalised
