"""Answer projection on batches of rows: every way tried, and the records of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from synthgen.errors import UserError
from synthgen.filters.labels.checkpoint import SpanVerifier
from synthgen.formats.base import Row
from synthgen.translation.answers import candidates
from synthgen.translation.answers.alignment import Aligner
from synthgen.translation.answers.candidates import Projection, Span, consensus, region
from synthgen.translation.backends.base import Backend, Translation, TranslationFailure

Texts = dict[str, Translation]
Records = list[dict[str, Any]]


@dataclass(slots=True)
class ProjectedAnswer:
    """One answer of a row: its span in the source, the translated passage, each way's candidate, and the projection.

    `alone` is the answer translated by itself.
    """

    source: str
    passage: Translation
    span: Span
    alone: str
    candidates: dict[str, Span] = field(default_factory=dict)
    projection: Projection | None = None

    @property
    def text(self) -> str:
        """The source's answer."""
        return self.source[slice(*self.span)]

    def to_json(self) -> dict[str, Any]:
        """Return what the ledger keeps."""
        record: dict[str, Any] = {"candidates": {way: list(span) for way, span in self.candidates.items()}}
        if self.projection is None:
            return record | {"reason": "answer uncertain" if self.candidates else "answer not found"}
        start, end = self.projection.span
        return record | {"text": self.passage.text[start:end], "start": start, "ways": list(self.projection.ways)}

    def add(self, way: str, span: Span | None) -> None:
        """Note a way's candidate, if it has one."""
        if span is not None:
            self.candidates[way] = span


@dataclass(frozen=True, slots=True)
class AnswerProjector:
    """Projects the answers of rows from a source into a target language; `aligner` adds the third way."""

    backend: Backend
    source: str
    target: str
    aligner: Aligner | None = None

    def project(self, rows: Sequence[tuple[Row, Texts]]) -> list[Records]:
        """Return for each row one record an answer: text and start, or the reason; and every way's candidate."""
        answers = [_answers(row, texts) for row, texts in rows]
        flat = [each for row in answers for each in row]
        self._by_markers(flat)
        for each in flat:
            _by_search(each)
        self._by_alignment(flat)
        for each in flat:
            each.projection = consensus(each.candidates)
        self._by_round_trip([(each, way) for each in flat for way in each.candidates])
        return [[each.to_json() for each in row] for row in answers]

    def answer_questions(self, rows: Sequence[tuple[Row, Texts, Records]], answerer: SpanVerifier) -> list[Records]:
        """Return the records of `project` with one more way: what a model answers to the translated question.

        It reads the whole passage, and its answer is the best one inside the region of the source's answer.
        """
        answers = [_with_records(_answers(row, texts), records) for row, texts, records in rows]
        flat = [each for row in answers for each in row]
        questions = [
            {"context": texts["context"].text, "question": texts["question"].text}
            for (_, texts, _), row in zip(rows, answers, strict=True)
            for _ in row
        ]
        regions = [region(each.passage, each.span)[1] for each in flat]
        for each, span in zip(flat, answerer.places(questions, regions), strict=True):
            each.add("asking", span and candidates.snap_to_words(each.passage.text, span))
            each.projection = consensus(each.candidates) or each.projection
        self._by_round_trip([(each, "asking") for each in flat if "asking" in each.candidates])
        return [[each.to_json() for each in row] for row in answers]

    def _by_markers(self, answers: Sequence[ProjectedAnswer]) -> None:
        requests = []
        for each in answers:
            stretch, region_ = region(each.passage, each.span)
            if (wrapped := candidates.wrap_in_marker(each.source, stretch, each.span)) is not None:
                requests.append((each, region_, *wrapped))
        outcomes = self._translate([text for _, _, text, _ in requests], self.source, self.target)
        for (each, region_, _, markers), translation in zip(requests, outcomes, strict=True):
            if translation is not None:
                each.add("markers", candidates.from_markers(each.passage.text, region_, translation, markers))

    def _by_alignment(self, answers: Sequence[ProjectedAnswer]) -> None:
        if self.aligner is None:
            return
        regions = [region(each.passage, each.span) for each in answers]
        pairs = [
            (each.source[slice(*old)], (each.span[0] - old[0], each.span[1] - old[0]), each.passage.text[slice(*new)])
            for each, (old, new) in zip(answers, regions, strict=True)
        ]
        for each, (_, new), places in zip(answers, regions, self.aligner.align(pairs), strict=True):
            each.add("alignment", candidates.aligned(each.passage.text, new, places))

    def _by_round_trip(self, pairs: Sequence[tuple[ProjectedAnswer, str]]) -> None:
        """Accept a way's candidate that no other way confirms when its translation back is the source's answer."""
        try:
            self.backend.check(self.target, self.source)
        except UserError:
            return
        open_pairs = [(each, way) for each, way in pairs if each.projection is None]
        texts = [each.passage.text[slice(*each.candidates[way])] for each, way in open_pairs]
        for (each, way), back in zip(open_pairs, self._translate(texts, self.target, self.source), strict=True):
            if each.projection is None and back is not None and candidates.round_trip_matches(each.text, back):
                each.projection = Projection(each.candidates[way], (way, "round trip"))

    def _translate(self, texts: Sequence[str], source: str, target: str) -> list[str | None]:
        outcomes = self.backend.translate([(text,) for text in texts], source, target) if texts else []
        return [None if isinstance(each, TranslationFailure) else each[0].text for each in outcomes]


def _answers(row: Row, texts: Texts) -> list[ProjectedAnswer]:
    passage = texts["context"]
    return [
        ProjectedAnswer(row["context"], passage, (start, start + len(text)), texts[f"answers.text.{number}"].text)
        for number, (text, start) in enumerate(zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True))
    ]


def _with_records(answers: list[ProjectedAnswer], records: Records) -> list[ProjectedAnswer]:
    for each, record in zip(answers, records, strict=True):
        each.candidates = {way: (start, end) for way, (start, end) in record["candidates"].items()}
        if "text" in record:
            span = (record["start"], record["start"] + len(record["text"]))
            each.projection = Projection(span, tuple(record["ways"]))
    return answers


def _by_search(answer: ProjectedAnswer) -> None:
    """Look for the answer translated by itself; of several places the one about as far into the region as before."""
    (start, end), new = region(answer.passage, answer.span)
    share = (answer.span[0] - start) / max(1, end - start)
    answer.add("search", candidates.search(answer.passage.text, new, answer.alone, share=share))
