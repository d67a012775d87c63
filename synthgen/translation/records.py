"""A translation job, and what its ledger keeps of a row: its texts, its projected answers, its scores, the way back."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgen.corpora.any_folder import InputDataset
from synthgen.dataset.ledger import Ledger, StoredReply
from synthgen.filters.labels.checkpoint import SpanVerifier
from synthgen.formats import Format
from synthgen.formats.base import Row
from synthgen.translation.answers.alignment import Aligner
from synthgen.translation.backends.base import Backend, Outcome, Piece, Translation, TranslationFailure
from synthgen.translation.quality import LIMITS
from synthgen.translation.quality_estimation import Estimator

TEXTS, ANSWERS, REANSWERS, ESTIMATES, RETURNED = 0, 1, 2, 8, 9
"""Steps of a row in the ledger: its translation, its projected answers, the same after a model answered its translated
question, its texts' scores by an estimator, and its texts translated back."""


@dataclass(frozen=True, slots=True)
class TranslationJob:
    """One set, one backend, one language, one folder to write.

    `codes` are what the backend calls the languages. `round_trip` is the number of rows translated back; an aligner and
    a model that answers the translated questions help to project answers; the estimator scores translations.
    """

    dataset: InputDataset
    backend: Backend
    codes: tuple[str, str]
    target: str
    out: Path
    round_trip: int
    estimator: Estimator | None
    aligner: Aligner | None
    answerer: SpanVerifier | None

    @property
    def source(self) -> str:
        """The language of the rows."""
        return self.dataset.language

    @property
    def format(self) -> Format:
        """The format of the rows."""
        return self.dataset.format

    @property
    def answerer_key(self) -> str:
        """The key of the model that answers the translated questions; empty without one."""
        return digest(self.answerer.revision) if self.answerer else ""

    @property
    def estimator_key(self) -> str:
        """The key of the command that scores translations; empty without one."""
        return digest(self.estimator.command) if self.estimator else ""

    def settings(self) -> dict[str, Any]:
        """Return what determines the translations; the ledger compares it before it goes on."""
        backend = self.backend
        model = {"mt": backend.ref, "revision": backend.revision, "backend": backend.name, "how": backend.settings}
        if self.aligner:
            model["aligner"] = f"{self.aligner.ref} {self.aligner.revision}"
        return model | {"source": self.dataset.content_hash, "from": self.source, "to": self.target}

    def criteria(self) -> dict[str, Any]:
        """Return what decides about a translated row: it can change without a row being translated again."""
        criteria: dict[str, Any] = {"round_trip_rows": self.round_trip, **LIMITS}
        if self.answerer:
            criteria["qa"] = self.answerer.metadata()
        if each := self.estimator:
            criteria["estimator"] = {"command": each.public_command, "least": each.least, "most": each.most}
        return criteria

    def rows(self) -> Iterator[tuple[int, Row]]:
        """Yield the rows of the set with their numbers."""
        yield from enumerate(row for table in self.dataset.tables() for row in table.to_pylist())


def translation_reply(
    settings: Mapping[str, Any], number: int, step: int, texts: dict[str, str], outcome: Outcome, spent: tuple[int, int]
) -> StoredReply:
    """Return what became of a row's texts as the ledger keeps it: translations with pieces, or why there are none.

    `spent` are the tokens that nothing else accounts for yet: what a batch took is with the first outcome of the batch.
    """
    key = digest(json.dumps([settings, texts], sort_keys=True))
    if isinstance(outcome, TranslationFailure):
        error = json.dumps([outcome.reason, outcome.evidence], ensure_ascii=False)
        return StoredReply(number, step, key, "http" if outcome.failed else "ok", "", error, *spent)
    translations = {
        path: {"text": each.text, "pieces": [[*piece.source, *piece.target] for piece in each.pieces]}
        for path, each in zip(texts, outcome, strict=True)
    }
    return json_reply(number, step, key, translations, spent)


def json_reply(number: int, step: int, key: str, value: Any, spent: tuple[int, int] = (0, 0)) -> StoredReply:  # noqa: ANN401
    """Return what a step gave of a row, as the ledger keeps it; `key` says by whom."""
    return StoredReply(number, step, key, "ok", json.dumps(value, ensure_ascii=False), "", *spent)


def digest(text: str) -> str:
    """Return the key of a request."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def read_translation(ledger: Ledger, slot: int, step: int = TEXTS) -> dict[str, Translation]:
    """Return a row's translated texts by path as the ledger has them; empty when there are none."""
    reply = last_reply(ledger, slot, step)
    return {
        path: Translation(each["text"], tuple(Piece((a, b), (c, d)) for a, b, c, d in each["pieces"]))
        for path, each in (json.loads(reply.text) if reply and reply.text else {}).items()
    }


def read_answers(ledger: Ledger, slot: int, answerer_key: str = "") -> list[dict[str, Any]]:
    """Return one record for each answer of a row, with what the model of a key answered where one is given."""
    reply = last_reply(ledger, slot, REANSWERS, answerer_key) if answerer_key else None
    reply = reply or last_reply(ledger, slot, ANSWERS)
    return list(json.loads(reply.text)) if reply else []


def read_estimates(ledger: Ledger, key: str) -> dict[int, dict[str, float]]:
    """Return the scores that an estimator gave, by slot and path; none without a key."""
    scores: dict[int, dict[str, float]] = {}
    if not key:
        return scores
    for reply in ledger.replies():
        if (reply.step, reply.request_key) == (ESTIMATES, key):
            scores.setdefault(reply.slot, {}).update(json.loads(reply.text))
    return scores


def last_reply(ledger: Ledger, slot: int, step: int, key: str = "") -> StoredReply | None:
    """Return the last reply for a row and step, by a key where one is given; None when there is none."""
    last = None
    for reply in ledger.replies(slot):
        if reply.step == step and key in ("", reply.request_key):
            last = reply
    return last
