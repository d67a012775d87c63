"""One set into one language: translating what is not translated yet, so that a killed run goes on where it was.

Translations go to the ledger as they come, so a row is never translated twice; the verdicts on them are made anew from
the ledger each time and cost no model call.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from typing import Any

from synthgen import console
from synthgen.dataset.folder import make_run_folder
from synthgen.dataset.layout import LEDGER_NAME
from synthgen.dataset.ledger import Ledger, StoredReply, unwritable
from synthgen.dataset.manifest import Manifest, is_finished, read_manifest
from synthgen.errors import IncompleteError, UserError
from synthgen.formats.base import Row
from synthgen.formats.span import SpanFormat
from synthgen.translation import write as folder
from synthgen.translation.answers.projection import AnswerProjector
from synthgen.translation.backends.base import Outcome, TranslationFailure
from synthgen.translation.job import TranslationJob, judgement, rows_of
from synthgen.translation.records import (
    ANSWERS,
    ASKED,
    ESTIMATES,
    RETURNED,
    TEXTS,
    read_answers,
    read_estimates,
    read_translation,
    stored,
)
from synthgen.translation.rows import source_fault, translatable

ROWS_SORTED_TOGETHER = 4096
QUESTIONS_AT_ONCE = 64


def run_job(job: TranslationJob) -> Manifest:
    """Translate what is not yet translated, judge every row, write the folder and return its manifest."""
    started = time.monotonic()
    make_run_folder(job.out)
    ledger = Ledger(job.out / LEDGER_NAME)
    try:
        ledger.claim(job.settings(), where=job.out)
        if is_finished(job.out) and _is_as_asked(job, read_manifest(job.out)):
            return read_manifest(job.out)
        _translate_rows(job, ledger)
        if not any(reply.outcome == "ok" for reply in ledger.replies()):
            raise IncompleteError(
                f"{job.backend.ref} translated none of {job.opened.rows} rows; the same command tries again"
            )
        _ask_again(job, ledger)
        _translate_back(job, ledger)
        _estimate(job, ledger)
        return folder.write(job, ledger, seconds=time.monotonic() - started)
    except (sqlite3.OperationalError, OSError) as error:
        if (fault := unwritable(error)) is None:
            raise
        raise IncompleteError(f"{fault}. What is translated is kept in {job.out}; the same command goes on") from None
    finally:
        ledger.close()


def _is_as_asked(job: TranslationJob, manifest: Manifest) -> bool:
    """Say whether a finished folder lacks no row and was judged as it is to be judged now."""
    return manifest.failed == 0 and manifest.checks["translation"].get("asked") == judgement(job)


def _translate_rows(job: TranslationJob, ledger: Ledger) -> None:
    done = {reply.slot for reply in ledger.replies() if reply.step == TEXTS and reply.outcome == "ok"}
    with console.progress() as bar:
        shown = bar.add_task(f"translate to {job.target}", total=job.opened.rows, completed=len(done), note="")
        for batch in _batches(job, done):
            _translate_batch(job, ledger, batch)
            bar.advance(shown, len(batch))


def _batches(job: TranslationJob, done: set[int]) -> Iterator[list[tuple[int, Row]]]:
    """Yield the rows not yet done with their numbers, of similar length in each batch; equal passages come together.

    A passage is then translated once for all its questions, which are a batch or two: the backend asks a text once.
    Batches are those of a run that was never stopped: what else is in a batch can change a model's last bits.
    """
    first = 0
    for table in job.opened.tables(ROWS_SORTED_TOGETHER):
        rows = list(enumerate(table.to_pylist(), start=first))
        first += table.num_rows
        rows.sort(key=lambda pair: _longest(translatable(job.opened.format, pair[1])))
        for start in range(0, len(rows), job.backend.items_at_once):
            if batch := [pair for pair in rows[start : start + job.backend.items_at_once] if pair[0] not in done]:
                yield batch


def _longest(texts: dict[str, str]) -> tuple[int, str, int]:
    """Return an item's place in the order: its longest text's length, that text, the length of all."""
    longest = max(texts.values(), key=len, default="")
    return len(longest), longest, sum(map(len, texts.values()))


def _translate_batch(job: TranslationJob, ledger: Ledger, batch: Sequence[tuple[int, Row]]) -> None:
    """Translate some rows and make the translations durable."""
    texts = [translatable(job.opened.format, row) for _, row in batch]
    asked = [index for index, each in enumerate(texts) if each]
    items = [tuple(texts[index].values()) for index in asked]
    outcomes: dict[int, Outcome] = dict(
        zip(asked, job.backend.translate(items, job.source, job.target) if items else [], strict=True)
    )
    # The texts come last: a row that has them is done, and one that was stopped before that is translated anew.
    _find_answers(job, ledger, batch, {index: (texts[index], outcome) for index, outcome in outcomes.items()})
    settings = job.settings()
    for index, (number, row) in enumerate(batch):
        outcome = outcomes.get(index) or TranslationFailure(
            source_fault(job.opened.format, row) or "nothing to translate"
        )
        ledger.add_reply(stored(settings, number, TEXTS, texts[index], outcome, job.backend.spent()))
    ledger.commit()


def _find_answers(
    job: TranslationJob,
    ledger: Ledger,
    batch: Sequence[tuple[int, Row]],
    done: dict[int, tuple[dict[str, str], Outcome]],
) -> None:
    """Find the answers of translated passages again and keep what came of it beside the translation."""
    if not isinstance(job.opened.format, SpanFormat):
        return
    rows = [
        (batch[index], dict(zip(texts, outcome, strict=True)))
        for index, (texts, outcome) in done.items()
        if not isinstance(outcome, TranslationFailure) and batch[index][1]["answers"]["text"]
    ]
    found = AnswerProjector(job.backend, job.aligner).recover(
        [(row, new) for (_, row), new in rows], job.source, job.target
    )
    for ((number, _), _), answers in zip(rows, found, strict=True):
        ledger.add_reply(_answers_reply(job, number, ANSWERS, "", answers))


def _ask_again(job: TranslationJob, ledger: Ledger) -> None:
    """Have the questions answered in the translation, and keep what that changes beside what was found without it."""
    if job.answerer is None:
        return
    done = {reply.slot for reply in ledger.replies() if (reply.step, reply.request_key) == (ASKED, job.asked)}
    waiting = [(i, row) for i, row in rows_of(job.opened) if i not in done and read_answers(ledger, i)]
    recovery = AnswerProjector(job.backend, job.aligner)
    with console.progress() as bar:
        shown = bar.add_task(f"ask again in {job.target}", total=len(waiting) + len(done), completed=len(done), note="")
        for start in range(0, len(waiting), QUESTIONS_AT_ONCE):
            batch = waiting[start : start + QUESTIONS_AT_ONCE]
            rows = [(row, read_translation(ledger, number), read_answers(ledger, number)) for number, row in batch]
            found = recovery.ask_again(rows, job.answerer, job.source, job.target)
            for (number, _), answers in zip(batch, found, strict=True):
                ledger.add_reply(_answers_reply(job, number, ASKED, job.asked, answers))
            ledger.commit()
            bar.advance(shown, len(batch))


def _answers_reply(job: TranslationJob, number: int, step: int, key: str, answers: list[dict[str, Any]]) -> StoredReply:
    text = json.dumps(answers, ensure_ascii=False)
    return StoredReply(number, step, key, "ok", text, "", *job.backend.spent())


def _translate_back(job: TranslationJob, ledger: Ledger) -> None:
    """Translate some rows back into the source language, evenly spread, for the round trip's chrF and BLEU."""
    try:
        job.backend.check(job.target, job.source)
    except UserError:
        return
    slots = sorted({reply.slot for reply in ledger.replies() if reply.step == TEXTS and reply.text})
    done = {reply.slot for reply in ledger.replies() if reply.step == RETURNED}
    most = min(job.options.round_trip, len(slots))
    wanted = [slots[i * len(slots) // most] for i in range(most)]
    waiting, settings = [slot for slot in wanted if slot not in done], job.settings()
    for start in range(0, len(waiting), job.backend.items_at_once):
        batch = waiting[start : start + job.backend.items_at_once]
        texts = [{path: each.text for path, each in read_translation(ledger, slot).items()} for slot in batch]
        outcomes = job.backend.translate([tuple(each.values()) for each in texts], job.target, job.source)
        for slot, asked, outcome in zip(batch, texts, outcomes, strict=True):
            ledger.add_reply(stored(settings, slot, RETURNED, asked, outcome, job.backend.spent()))
        ledger.commit()


def _estimate(job: TranslationJob, ledger: Ledger) -> None:
    """Have every translated text scored that has no score by this command yet; the answers of a passage stand in it."""
    if not (estimator := job.options.estimator):
        return
    done = read_estimates(ledger, job.estimator)
    pairs: dict[str, tuple[str, str]] = {}
    for number, row in rows_of(job.opened):
        texts = translatable(job.opened.format, row)
        for path, new in read_translation(ledger, number).items():
            if not path.startswith("answers.") and path not in done.get(number, {}):
                pairs[f"{number}/{path}"] = (texts[path], new.text)
    if not pairs:
        return
    try:
        for name, score in estimator.scores(pairs):
            slot, _, path = name.partition("/")
            text = json.dumps({path: score})
            ledger.add_reply(StoredReply(int(slot), ESTIMATES, job.estimator, "ok", text, "", 0, 0))
            ledger.commit_when_due()
    finally:
        ledger.commit()
