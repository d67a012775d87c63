"""The answers of translated passages: every way tried on a batch of rows, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from synthgen.errors import UserError
from synthgen.filters.labels.checkpoint import SpanVerifier
from synthgen.formats.base import Row
from synthgen.translation.answers.alignment import Aligner
from synthgen.translation.answers.candidates import (
    Candidate,
    Span,
    aligned,
    consensus,
    from_markers,
    region,
    round_trip_matches,
    search,
    snap_to_words,
    wrap_in_marker,
)
from synthgen.translation.backends.base import Backend, Translation, TranslationFailure

Texts = dict[str, Translation]
Records = list[dict[str, Any]]


@dataclass(slots=True)
class ProjectedAnswer:
    """One answer on its way into the translation: where it was, its passage, what each way says."""

    source: str
    passage: Translation
    span: Span
    alone: str
    candidates: dict[str, Span] = field(default_factory=dict)
    found: Candidate | None = None

    @property
    def text(self) -> str:
        """The source's answer."""
        return self.source[slice(*self.span)]

    def to_json(self) -> dict[str, Any]:
        """Return what the ledger keeps."""
        facts: dict[str, Any] = {"candidates": {way: list(span) for way, span in self.candidates.items()}}
        if self.found is None:
            return facts | {"reason": "answer not found" if not self.candidates else "answer uncertain"}
        start, end = self.found.span
        return facts | {"text": self.passage.text[start:end], "start": start, "ways": list(self.found.ways)}


@dataclass(frozen=True, slots=True)
class AnswerProjector:
    """Recovers the answers of rows; `aligner` adds the third way."""

    backend: Backend
    aligner: Aligner | None = None

    def recover(self, rows: Sequence[tuple[Row, Texts]], source: str, target: str) -> list[Records]:
        """Return for each row one record an answer: text and start, or the reason; and every way's stretch."""
        answers = [_answers(row, texts) for row, texts in rows]
        flat = [each for row in answers for each in row]
        self._by_markers(flat, source, target)
        for each in flat:
            _by_search(each)
        self._by_alignment(flat)
        for each in flat:
            each.found = consensus(each.candidates)
        self._by_round_trip([(each, way) for each in flat for way in each.candidates], source, target)
        return [[each.to_json() for each in row] for row in answers]

    def ask_again(
        self, rows: Sequence[tuple[Row, Texts, Records]], answerer: SpanVerifier, source: str, target: str
    ) -> list[Records]:
        """Return the records of `recover` with one more way: what a model answers to the translated question.

        It reads the whole passage, and its answer is the best one inside the stretch that the old answer must be in.
        """
        answers = [_remembered(row, texts, found) for row, texts, found in rows]
        flat = [(each, texts) for (_, texts, _), row in zip(rows, answers, strict=True) for each in row]
        asked = [{"context": texts["context"].text, "question": texts["question"].text} for _, texts in flat]
        within = [region(each.passage, each.span)[1] for each, _ in flat]
        for (each, _), span in zip(flat, answerer.places(asked, within), strict=True):
            _keep(each, "asking", span and snap_to_words(each.passage.text, span))
            each.found = consensus(each.candidates) or each.found
        self._by_round_trip([(each, "asking") for each, _ in flat if "asking" in each.candidates], source, target)
        return [[each.to_json() for each in row] for row in answers]

    def _by_markers(self, answers: Sequence[ProjectedAnswer], source: str, target: str) -> None:
        asked = []
        for each in answers:
            if (found := wrap_in_marker(each.source, region(each.passage, each.span)[0], each.span)) is not None:
                asked.append((each, *found))
        outcomes = self.backend.translate([(text,) for _, text, _ in asked], source, target) if asked else []
        for (each, _, markers), outcome in zip(asked, outcomes, strict=True):
            if not isinstance(outcome, TranslationFailure):
                stretch = region(each.passage, each.span)[1]
                _keep(each, "markers", from_markers(each.passage.text, stretch, outcome[0].text, markers))

    def _by_alignment(self, answers: Sequence[ProjectedAnswer]) -> None:
        if self.aligner is None:
            return
        regions = [region(each.passage, each.span) for each in answers]
        pairs = [
            (each.source[slice(*old)], (each.span[0] - old[0], each.span[1] - old[0]), each.passage.text[slice(*new)])
            for each, (old, new) in zip(answers, regions, strict=True)
        ]
        for each, (_, new), places in zip(answers, regions, self.aligner.align(pairs), strict=True):
            _keep(each, "alignment", aligned(each.passage.text, new, places))

    def _by_round_trip(self, tried: Sequence[tuple[ProjectedAnswer, str]], source: str, target: str) -> None:
        """Believe a way's stretch that no other way confirms when its translation back is the source's answer."""
        try:
            self.backend.check(target, source)
        except UserError:
            return
        asked = [(each, way) for each, way in tried if each.found is None]
        texts = [(each.passage.text[slice(*each.candidates[way])],) for each, way in asked]
        outcomes = self.backend.translate(texts, target, source) if texts else []
        for (each, way), outcome in zip(asked, outcomes, strict=True):
            if (
                each.found is None
                and not isinstance(outcome, TranslationFailure)
                and round_trip_matches(each.text, outcome[0].text)
            ):
                each.found = Candidate(each.candidates[way], (way, "round trip"))


def _answers(row: Row, texts: Texts) -> list[ProjectedAnswer]:
    pairs = zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True)
    return [
        ProjectedAnswer(
            row["context"], texts["context"], (start, start + len(text)), texts[f"answers.text.{number}"].text
        )
        for number, (text, start) in enumerate(pairs)
    ]


def _remembered(row: Row, texts: Texts, records: Records) -> list[ProjectedAnswer]:
    """Return a row's answers with what is recorded of them."""
    answers = _answers(row, texts)
    for each, record in zip(answers, records, strict=True):
        each.candidates = {way: (start, end) for way, (start, end) in record["candidates"].items()}
        if "text" in record:
            each.found = Candidate((record["start"], record["start"] + len(record["text"])), tuple(record["ways"]))
    return answers


def _by_search(answer: ProjectedAnswer) -> None:
    """Look for the answer translated by itself; of several places the one about as far into the stretch as before."""
    (start, end), new = region(answer.passage, answer.span)
    share = (answer.span[0] - start) / max(1, end - start)
    _keep(answer, "search", search(answer.passage.text, new, answer.alone, share=share))


def _keep(answer: ProjectedAnswer, way: str, span: Span | None) -> None:
    if span is not None:
        answer.candidates[way] = span
