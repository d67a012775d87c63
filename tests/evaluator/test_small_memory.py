"""Readers of rows where a GPU has no room: on the CPU where the model does not fit, in parts where a batch does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from evaluator.training.heads.pair import PairHead
from evaluator.training.heads.span import SpanHead
from evaluator.training.heads.tags import TagsHead
from evaluator.training.jobs import save
from evaluator.training.tokenisation import load_tokenizer
from synthgen.filters.labels.checkpoint import open_verifier
from synthgen.formats.base import ParseError
from synthgen.formats.pair import PairFormat
from synthgen.formats.span import SpanFormat
from synthgen.generation.teacher import Teacher
from synthgen.models.device import read_in_parts, to_device
from synthgen.models.sentence_encoder import SentenceEncoder
from synthgen.translation.answers.alignment import Aligner
from tests.evaluator.conftest import sentence

LABELS, ANSWERS = ("entailment", "neutral", "contradiction"), ("answerable",)
TEXTS = [sentence(number) for number in range(21)]
PAIRS = [{"premise": text, "hypothesis": other, "label": 0} for text, other in zip(TEXTS, TEXTS[::-1], strict=True)]
QUESTIONS = [
    {"id": "x", "title": "", "context": text, "question": other, "answers": {"text": [text[:3]], "answer_start": [0]}}
    for text, other in zip(TEXTS, TEXTS[::-1], strict=True)
]


def shares(folder: Path) -> np.ndarray:
    said = open_verifier(folder, PairFormat(("premise", "hypothesis"), LABELS)).read(PAIRS)
    return np.array([list(each.shares.values()) for each in said])


def answers(folder: Path) -> list[str]:
    return [each.text for each in open_verifier(folder, SpanFormat(ANSWERS)).read(QUESTIONS)]


def tags(folder: Path) -> list[str]:
    found = Teacher(folder).read(TEXTS)
    return [str(each) if isinstance(each, ParseError) else each["tags"] for each in found]


def places(folder: Path) -> list[Any]:
    return Aligner(str(folder)).align([(text, (0, len(text)), text) for text in TEXTS])


READERS: dict[str, tuple[Any, Callable[[Path], Any]]] = {
    "verifier of pairs": (PairHead(LABELS), shares),
    "verifier of answers": (SpanHead(ANSWERS), answers),
    "teacher": (TagsHead(("A", "B", "C")), tags),
    "sentence encoder": (None, lambda folder: SentenceEncoder(str(folder), "").embed(TEXTS)),
    "aligner": (None, places),
}


@contextmanager
def room_for(most: int) -> Iterator[list[int]]:
    """Let no model of this process read more texts at a time; gives the numbers that were too many."""
    refused: list[int] = []

    def hook(module: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
        if isinstance(module, torch.nn.Embedding) and len(inputs[0]) > most:
            refused.append(len(inputs[0]))
            raise torch.OutOfMemoryError("CUDA out of memory")

    handle = torch.nn.modules.module.register_module_forward_pre_hook(hook)
    try:
        yield refused
    finally:
        handle.remove()


@pytest.mark.parametrize("name", READERS)
def test_what_does_not_fit_together_is_read_in_parts_and_says_the_same(
    name: str, tiny_model: Path, tmp_path: Path
) -> None:
    head, read = READERS[name]
    if head is not None:
        save(head.build(tiny_model, seed=0), load_tokenizer(tiny_model), tmp_path)
    folder = tmp_path if head is not None else tiny_model
    expected = read(folder)
    with room_for(4) as refused:
        found = read(folder)
    assert refused
    assert np.allclose(found, expected, atol=1e-5) if isinstance(expected, np.ndarray) else found == expected


def test_one_that_does_not_fit_alone_is_not_tried_for_ever() -> None:
    def read(items: list[int]) -> list[int]:
        if 3 in items:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return items

    assert read_in_parts(read, [1, 2, 4, 5]) == [1, 2, 4, 5]
    with pytest.raises(torch.OutOfMemoryError):
        read_in_parts(read, [1, 2, 3, 4, 5])


class Fake(torch.nn.Module):
    """Notes where it is put; `room` says whether a GPU holds it."""

    def __init__(self, *, room: bool) -> None:
        super().__init__()
        self.room, self.devices = room, list[str]()

    def to(self, device: str) -> Fake:  # type: ignore[override]
        self.devices.append(device)
        if device == "cuda" and not self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self


def test_a_reader_is_on_the_gpu_where_that_has_room_and_says_where_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert to_device(Fake(room=True)).devices == []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert to_device(Fake(room=True)).devices == ["cuda"]
    assert not capsys.readouterr().err
    assert to_device(Fake(room=False)).devices == ["cuda", "cpu"]
    assert "no room for a model that reads rows; it runs on the CPU" in capsys.readouterr().err
