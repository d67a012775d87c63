"""Ledger records of a translated row: its texts, its projected answers, its scores, the way back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from synthgen.dataset.ledger import Ledger, StoredReply
from synthgen.translation.backends.base import Outcome, Piece, Translation, TranslationFailure

TEXTS, ANSWERS, REANSWERS, ESTIMATES, RETURNED = 0, 1, 2, 8, 9
"""Steps of a row in the ledger: its translation, its projected answers, the same after a model answered its translated
question, its texts' scores by an estimator, and its texts translated back."""


def stored(
    settings: Mapping[str, Any], number: int, step: int, texts: dict[str, str], outcome: Outcome, spent: tuple[int, int]
) -> StoredReply:
    """Return an outcome as the ledger keeps it: texts and pieces as JSON, or why there are none.

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
    reply = (answerer_key and last_reply(ledger, slot, REANSWERS, answerer_key)) or last_reply(ledger, slot, ANSWERS)
    return list(json.loads(reply.text)) if reply else []


def read_estimates(ledger: Ledger, key: str) -> dict[int, dict[str, float]]:
    """Return the scores that an estimator gave, by slot and path; none without a key."""
    scores: dict[int, dict[str, float]] = {}
    for reply in ledger.replies() if key else ():
        if (reply.step, reply.request_key) == (ESTIMATES, key):
            scores.setdefault(reply.slot, {}).update(json.loads(reply.text))
    return scores


def last_reply(ledger: Ledger, slot: int, step: int, key: str = "") -> StoredReply | None:
    """Return the last reply for a row and step, by a key where one is given; None when there is none."""
    replies = (each for each in reversed(list(ledger.replies(slot))) if each.step == step)
    return next((each for each in replies if not key or each.request_key == key), None)
