"""Checkpoints as annotators: folders of `evaluator train`, loaded with transformers' Auto classes.

Sentence pairs and choices are labelled again, questions about a passage answered again. Only local folders with
safetensors are loaded, no code of theirs is run.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from synthgen.analysis.bow_classifier import softmax
from synthgen.dataset.layout import MANIFEST_NAME
from synthgen.dataset.licences import UNKNOWN
from synthgen.errors import UserError
from synthgen.filters.labels.annotator import Annotation, Annotator
from synthgen.formats import Format
from synthgen.formats.answer_windows import best_place
from synthgen.formats.base import Row
from synthgen.formats.choice import ChoiceFormat
from synthgen.formats.pair import PairFormat
from synthgen.formats.span import UNANSWERABLE, SpanFormat
from synthgen.models.device import batch_size, read_in_parts, to_device
from synthgen.models.encoder import choice_scores, head_class, padded_inputs, pair_ids, span_logits, windows
from synthgen.models.loading import check_checkpoint, load_model, load_tokenizer, require, weights_sha256
from synthgen.text.json_text import read_json_object

MAX_LENGTH = 256
SPAN_MAX_LENGTH, SPAN_STRIDE = 384, 128
"""As in the reference's evaluation of question answering (XT run_squad.py)."""

Floats = npt.NDArray[np.float64]
Stretch = tuple[int, int]


def open_verifier(checkpoint: Path, format_: Format) -> _Checkpoint:
    """Return the annotator of a checkpoint folder; UserError when it cannot label rows of this format."""
    check_verifier(checkpoint, format_)
    if isinstance(format_, PairFormat):
        return _PairVerifier(checkpoint, format_)
    if isinstance(format_, ChoiceFormat):
        return _ChoiceVerifier(checkpoint, format_)
    return SpanVerifier(checkpoint, cast(SpanFormat, format_))


def check_verifier(checkpoint: Path, format_: Format) -> None:
    """Raise UserError when a folder is no checkpoint, or none can verify rows of this format."""
    if not isinstance(format_, PairFormat | ChoiceFormat | SpanFormat):
        raise UserError(
            f"--verifier {checkpoint}: a {format_.name} set cannot be verified; possible: pair, choice, span"
        )
    check_checkpoint(checkpoint, "--verifier")


class _Checkpoint(Annotator):
    """A tokenizer and a model, whose outputs a subclass turns into annotations."""

    def __init__(self, checkpoint: Path, head: str, option: str = "--verifier") -> None:
        self._folder = checkpoint
        check_checkpoint(checkpoint, option)
        require(option)
        self.tokenizer, auto_class = load_tokenizer(checkpoint), head_class(head, checkpoint)
        model, loaded = load_model(auto_class, checkpoint, output_loading_info=True)
        if missing := sorted(loaded["missing_keys"]):
            trained_as = auto_class.removeprefix("AutoModelFor")
            raise UserError(f"{option} {checkpoint} was not trained for {trained_as}: it has no {', '.join(missing)}")
        self.model = to_device(model)
        self._batch = batch_size(self.model)

    def metadata(self) -> dict[str, Any]:
        """Return the checkpoint's name, the hash of its weights and its licence."""
        licence = str(self._manifest().get("results", {}).get("licence", UNKNOWN))
        return {"name": self._folder.name, "revision": self.revision, "licence": licence}

    def trained_on(self) -> frozenset[str]:
        """Return the content hashes of the sets that the checkpoint was trained on, as its manifest has them."""
        return frozenset(str(part[0]) for part in self._manifest().get("inputs", {}).get("parts", ()))

    @cached_property
    def revision(self) -> str:
        """The hash of the weights, read once."""
        return weights_sha256(self._folder)

    def _manifest(self) -> dict[str, Any]:
        path = self._folder / MANIFEST_NAME
        return read_json_object(path) if path.is_file() else {}

    def _run(self, sequences: Sequence[Sequence[int]], seconds: Sequence[int]) -> list[Any]:
        """Return the model's output for every sequence of ids, (tokens or classes, ...) each, in their order.

        `seconds` is where their second segments begin.
        """
        outputs: dict[int, Any] = {}
        order = sorted(range(len(sequences)), key=lambda i: len(sequences[i]))
        for start in range(0, len(order), self._batch):
            chosen = order[start : start + self._batch]
            batch = [(sequences[i], seconds[i]) for i in chosen]
            outputs |= zip(chosen, read_in_parts(self._outputs, batch), strict=True)
        return [outputs[i] for i in range(len(sequences))]

    def _outputs(self, batch: Sequence[tuple[Sequence[int], int]]) -> Sequence[Any]:
        import torch

        with torch.inference_mode():
            inputs = padded_inputs(self.model, [ids for ids, _ in batch], [second for _, second in batch])
            outputs: Sequence[Any] = self._forward(inputs).float().cpu().numpy()
        return outputs

    def _forward(self, inputs: Any) -> Any:  # noqa: ANN401 - tensors
        return self.model(**inputs).logits


class _Classifier(_Checkpoint):
    """A checkpoint that gives each label a probability."""

    _labels: tuple[str, ...]
    _columns: Sequence[int] | slice = slice(None)
    """The columns of the logits (rows, labels) in the order of the format's labels."""

    def read(self, rows: Sequence[Row]) -> list[Annotation]:
        """Return the likeliest label of each row, with the probabilities of all."""
        first, second = zip(*(pair for row in rows for pair in self._pairs(row)), strict=True)
        logits = np.stack(self._run(*pair_ids(first, second, self.tokenizer, MAX_LENGTH)))
        by_row = softmax(logits.astype(np.float64).reshape(len(rows), -1)[:, self._columns])
        probabilities = (dict(zip(self._labels, map(float, row), strict=True)) for row in by_row)
        return [Annotation(max(row, key=lambda label: row[label]), row) for row in probabilities]

    @abstractmethod
    def _pairs(self, row: Row) -> Iterable[tuple[str, str]]:
        """Return the text pairs of a row that the model gives logits, all labels' at once or one each."""


class _PairVerifier(_Classifier):
    def __init__(self, checkpoint: Path, format_: PairFormat) -> None:
        super().__init__(checkpoint, "pair")
        names = [self.model.config.id2label[i] for i in range(self.model.config.num_labels)]
        if sorted(names) != sorted(format_.labels):
            raise UserError(
                f"--verifier {checkpoint} has the labels {', '.join(names)}; the set has {', '.join(format_.labels)}"
            )
        self._fields = format_.fields
        self._labels, self._columns = format_.labels, [names.index(label) for label in format_.labels]

    def _pairs(self, row: Row) -> Iterable[tuple[str, str]]:
        first, second = self._fields
        return [(str(row[first]), str(row[second]))]


class _ChoiceVerifier(_Classifier):
    def __init__(self, checkpoint: Path, format_: ChoiceFormat) -> None:
        super().__init__(checkpoint, "choice")
        self._format, self._labels = format_, format_.labels

    def _pairs(self, row: Row) -> Iterable[tuple[str, str]]:
        record = self._format.from_row(row)
        return product([f"{record.context} {record.question}".strip()], record.options)

    def _forward(self, inputs: Any) -> Any:  # noqa: ANN401 - tensors
        return choice_scores(self.model, inputs, 1)


class SpanVerifier(_Checkpoint):
    """A checkpoint that answers questions: "" where the passage does not say, if the set has such questions."""

    def __init__(self, checkpoint: Path, format_: SpanFormat, option: str = "--verifier") -> None:
        """Load it; UserError, naming `option`, for a folder that is no such checkpoint."""
        super().__init__(checkpoint, "span", option)
        self._format = format_

    def read(self, rows: Sequence[Row]) -> list[Annotation]:
        """Return the answer to each row's question."""
        may_be_none = UNANSWERABLE in self._format.labels
        places = (best_place(scored, may_be_none=may_be_none) for scored in self._scored(rows))
        answered = zip(rows, places, strict=True)
        return [Annotation(row["context"][slice(*place)].strip() if place else "") for row, place in answered]

    def places(self, rows: Sequence[Row], within: Sequence[Stretch]) -> list[Stretch | None]:
        """Return where in each context the best answer is that touches nothing but the stretch of `within`."""
        return [best_place(scored, within=each) for scored, each in zip(self._scored(rows), within, strict=True)]

    def _scored(self, rows: Sequence[Row]) -> Iterator[Iterable[tuple[Any, Any]]]:
        """Yield for each row its windows' logits and places."""
        options = {"max_length": SPAN_MAX_LENGTH, "stride": SPAN_STRIDE}
        windows_of = [list(windows(row["question"], row["context"], self.tokenizer, **options)) for row in rows]
        every = [window for row_windows in windows_of for window in row_windows]
        logits = iter(self._run([window.ids for window in every], [window.second for window in every]))
        for row_windows in windows_of:
            yield [(next(logits)[: len(window.ids)], window.places) for window in row_windows]

    def _forward(self, inputs: Any) -> Any:  # noqa: ANN401 - tensors
        import torch

        return torch.stack(span_logits(self.model, inputs), dim=-1)
