"""Checkpoints as second readers say what the evaluator predicts with the same weights."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from evaluator.experiment.recipe import Stage
from evaluator.training import inference
from evaluator.training.heads.base import Head
from evaluator.training.heads.choice import ChoiceHead
from evaluator.training.heads.pair import PairHead
from evaluator.training.heads.span import SpanHead
from evaluator.training.jobs import save
from evaluator.training.tokenisation import load_tokenizer
from synthgen.errors import UserError
from synthgen.filters.labels.checkpoint import SPAN_MAX_LENGTH, SPAN_STRIDE, SpanVerifier, open_verifier
from synthgen.formats import Format
from synthgen.formats.choice import Choice, ChoiceFormat
from synthgen.formats.pair import Pair, PairFormat
from synthgen.formats.span import Span, SpanFormat
from tests.evaluator.conftest import sentence

LABELS = ("entailment", "neutral", "contradiction")


def records(name: str) -> list[Pair | Choice | Span]:
    if name == "pair":
        return [Pair(sentence(i), sentence(3 * i + 1), i % 3) for i in range(40)]
    if name == "choice":
        return [Choice(sentence(i), "", tuple(sentence(7 * i + k) for k in range(4)), i % 4) for i in range(40)]
    contexts = [" ".join(sentence(i + k) for k in range(10 if i % 4 else 120)) for i in range(24)]
    return [Span(context, sentence(i), context[:3], 0) for i, context in enumerate(contexts)]


FORMATS: dict[str, tuple[Format, Head]] = {
    "pair": (PairFormat(("premise", "hypothesis"), LABELS), PairHead(LABELS)),
    "choice": (
        ChoiceFormat(("ctx_a", "ctx_b", "ctx", "endings", "label"), tuple("0123")),
        ChoiceHead(tuple("0123")),
    ),
    "span": (SpanFormat(("answerable",)), SpanHead(("answerable",))),
    "span with none": (
        SpanFormat(("answerable", "unanswerable")),
        SpanHead(("answerable", "unanswerable")),
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_reader_says_what_the_evaluator_predicts(name: str, tiny_model: Path, tmp_path: Path) -> None:
    format_, head = FORMATS[name]
    found = records(name.split(" ")[0])
    tokenizer, model = load_tokenizer(tiny_model), head.build(tiny_model, seed=0)
    with torch.no_grad():  # a fresh head says nearly the same of all
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    save(model, tokenizer, tmp_path)
    stage = Stage(1.0, 1, max_length=SPAN_MAX_LENGTH if "span" in name else 256, stride=SPAN_STRIDE)
    features = head.encode(found, tokenizer, stage)
    (predicted,) = inference.predict(model, head, [(found, features)], 4096)
    said = open_verifier(tmp_path, format_).read([format_.to_row(record) for record in found])
    expected = [format_.labels[place] for place in predicted] if name == "choice" else predicted
    assert [each.text for each in said if each] == expected
    assert len(set(expected)) > 1


def checkpoint(tiny_model: Path, folder: Path, head: Head) -> Path:
    save(head.build(tiny_model, seed=0), load_tokenizer(tiny_model), folder)
    return folder


def test_an_answer_inside_a_stretch_is_the_best_span_there_and_the_best_of_all_in_the_whole_context(
    tiny_model: Path, tmp_path: Path
) -> None:
    format_ = SpanFormat(("answerable",))
    reader = SpanVerifier(checkpoint(tiny_model, tmp_path, SpanHead(("answerable",))), format_)
    rows = [format_.to_row(record) for record in records("span")]
    whole = reader.places(rows, [(0, len(row["context"])) for row in rows])
    said = [each.text for each in reader.read(rows) if each]
    assert [row["context"][slice(*place)] for row, place in zip(rows, whole, strict=True) if place] == said
    stretches = [(len(row["context"]) // 3, len(row["context"]) // 2) for row in rows]
    for stretch, place in zip(stretches, reader.places(rows, stretches), strict=True):
        assert place
        assert stretch[0] <= place[0] < place[1] <= stretch[1]
    assert reader.places(rows[:1], [(1, 2)]) == [None]


@pytest.mark.parametrize(("head", "missing"), [(PairHead(LABELS), "qa_outputs"), (ChoiceHead(tuple("0123")), "qa_out")])
def test_a_checkpoint_of_another_head_is_refused_instead_of_answering_at_random(
    head: Head, missing: str, tiny_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=f"--qa .* was not trained for QuestionAnswering: it has no {missing}"):
        SpanVerifier(checkpoint(tiny_model, tmp_path, head), SpanFormat(("answerable",)), "--qa")
