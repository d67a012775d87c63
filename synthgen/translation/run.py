"""One set into one language: translating what is not translated yet, so that a killed run goes on where it was.

Translations go to the ledger as they come, so a row is never translated twice; the verdicts on them are made anew from
the ledger each time and cost no model call.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import NamedTuple, TypeVar

from synthgen import console
from synthgen.dataset.folder import make_run_folder
from synthgen.dataset.layout import LEDGER_NAME
from synthgen.dataset.ledger import Ledger
from synthgen.dataset.ledger_connection import unwritable
from synthgen.dataset.manifest import Manifest, is_damaged, is_finished, read_manifest
from synthgen.errors import IncompleteError, UserError
from synthgen.formats.base import Row
from synthgen.formats.span import SpanFormat
from synthgen.translation import records
from synthgen.translation.answers.projection import AnswerProjector
from synthgen.translation.backends.base import Outcome, TranslationFailure
from synthgen.translation.records import TranslationJob, read_answers, read_translation
from synthgen.translation.rows import source_fault, translatable
from synthgen.translation.write import write

T = TypeVar("T")

ROWS_SORTED_TOGETHER = 4096
QUESTIONS_AT_ONCE = 64


class _TranslatedRow(NamedTuple):
    """A row with its number in the set, its texts by path, and what became of them; None where it has no texts."""

    number: int
    row: Row
    texts: dict[str, str]
    outcome: Outcome | None


def run_job(job: TranslationJob) -> Manifest:
    """Translate what is not yet translated, check every row, write the folder and return its manifest."""
    started = time.monotonic()
    make_run_folder(job.out)
    try:
        with closing(Ledger(job.out / LEDGER_NAME)) as ledger:
            ledger.claim(job.settings(), where=job.out)
            job.backend.use(ledger)
            manifest = read_manifest(job.out) if is_finished(job.out) else None
            if manifest and _is_current(job, manifest):
                return manifest
            _translate_rows(job, ledger)
            _answer_questions(job, ledger)
            _translate_back(job, ledger)
            _estimate(job, ledger)
            return write(job, ledger, seconds=time.monotonic() - started)
    except (IncompleteError, OSError) as error:
        if (fault := unwritable(error)) is None:
            raise
        raise IncompleteError(
            f"{fault}. What is translated is kept in {job.out}; run the same command again to continue"
        ) from None


def _is_current(job: TranslationJob, manifest: Manifest) -> bool:
    """Say whether a finished folder lacks no row, is whole, and was checked by the same criteria."""
    lacks_none = manifest.kept and not manifest.failed
    is_same = lacks_none and manifest.checks["translation"].get("asked") == job.criteria()
    return bool(is_same) and not is_damaged(job.out, manifest)


def _translate_rows(job: TranslationJob, ledger: Ledger) -> None:
    done = {reply.slot for reply in ledger.replies() if reply.step == records.TEXTS and reply.outcome == "ok"}
    if not any(reply.step == records.TEXTS and reply.text for reply in ledger.replies()):
        done = set()  # a translator that came to nothing may be mended
    with console.progress() as bar:
        task = bar.add_task(f"translate to {job.target}", total=job.dataset.rows, completed=len(done), note="")
        for batch in _batches(job, done):
            _translate_batch(job, ledger, batch)
            bar.update(task, advance=len(batch), note=job.backend.budget.cost_note)


def _batches(job: TranslationJob, done: set[int]) -> Iterator[list[tuple[int, Row]]]:
    """Yield the rows not yet done with their numbers, of similar length in each batch.

    Equal passages come together, so that the backend translates a passage once for all its questions. Batches are those
    of a run that was never stopped: what else is in a batch can change a model's last bits.
    """
    first = 0
    for table in job.dataset.tables(max(ROWS_SORTED_TOGETHER, job.backend.items_at_once)):
        rows = list(enumerate(table.to_pylist(), start=first))
        first += table.num_rows
        rows.sort(key=lambda pair: _longest(translatable(job.format, pair[1])))
        for batch in _chunks(rows, job.backend.items_at_once):
            if remaining := [pair for pair in batch if pair[0] not in done]:
                yield remaining


def _longest(texts: dict[str, str]) -> tuple[int, str, int]:
    """Return an item's place in the order: its longest text's length, that text, the length of all."""
    longest = max(texts.values(), key=len, default="")
    return len(longest), longest, sum(map(len, texts.values()))


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _translate_batch(job: TranslationJob, ledger: Ledger, batch: Sequence[tuple[int, Row]]) -> None:
    texts = [translatable(job.format, row) for _, row in batch]
    items = [tuple(each.values()) for each in texts if each]
    translated = iter(job.backend.translate(items, *job.codes) if items else ())
    rows = [
        _TranslatedRow(number, row, each, next(translated) if each else None)
        for (number, row), each in zip(batch, texts, strict=True)
    ]
    # The texts come last: a row that has them is done, and one that was stopped before that is translated anew.
    _project_answers(job, ledger, rows)
    settings, step = job.settings(), records.TEXTS
    for number, row, each, outcome in rows:
        outcome = outcome or TranslationFailure(source_fault(job.format, row) or "nothing to translate")
        ledger.add_reply(records.translation_reply(settings, number, step, each, outcome, job.backend.spent()))
    ledger.commit()


def _project_answers(job: TranslationJob, ledger: Ledger, rows: Sequence[_TranslatedRow]) -> None:
    """Project the answers of translated passages and keep their records beside the translation."""
    if not isinstance(job.format, SpanFormat):
        return
    passages = [
        (number, (row, dict(zip(texts, outcome, strict=True))))
        for number, row, texts, outcome in rows
        if isinstance(outcome, tuple) and row["answers"]["text"]
    ]
    projected = AnswerProjector(job.backend, *job.codes, job.aligner).project([texts for _, texts in passages])
    for (number, _), answers in zip(passages, projected, strict=True):
        ledger.add_reply(records.json_reply(number, records.ANSWERS, "", answers, job.backend.spent()))


def _answer_questions(job: TranslationJob, ledger: Ledger) -> None:
    """Have a model answer the translated questions, and keep the changed records beside those without it."""
    if job.answerer is None:
        return
    step, key = records.REANSWERS, job.answerer_key
    done = {reply.slot for reply in ledger.replies() if (reply.step, reply.request_key) == (step, key)}
    waiting = [(i, row) for i, row in job.rows() if i not in done and read_answers(ledger, i)]
    projector = AnswerProjector(job.backend, *job.codes, job.aligner)
    with console.progress() as bar:
        task = bar.add_task(f"ask again in {job.target}", total=len(waiting) + len(done), completed=len(done), note="")
        for batch in _chunks(waiting, QUESTIONS_AT_ONCE):
            rows = [(row, read_translation(ledger, number), read_answers(ledger, number)) for number, row in batch]
            for (number, _), answers in zip(batch, projector.answer_questions(rows, job.answerer), strict=True):
                ledger.add_reply(records.json_reply(number, step, key, answers, job.backend.spent()))
            ledger.commit()
            bar.advance(task, len(batch))


def _translate_back(job: TranslationJob, ledger: Ledger) -> None:
    """Translate some rows back into the source language, evenly spread, for the round trip's chrF and BLEU."""
    try:
        job.backend.check(*job.codes[::-1])
    except UserError:
        return
    translated: set[int] = set()
    done: set[int] = set()
    for reply in ledger.replies():
        if reply.step == records.TEXTS and reply.text:
            translated.add(reply.slot)
        elif reply.step == records.RETURNED:
            done.add(reply.slot)
    slots = sorted(translated)
    most = min(job.round_trip, len(slots))
    spread = (slots[i * len(slots) // most] for i in range(most))
    settings, step = job.settings(), records.RETURNED
    for batch in _chunks([slot for slot in spread if slot not in done], job.backend.items_at_once):
        texts = [{path: each.text for path, each in read_translation(ledger, slot).items()} for slot in batch]
        outcomes = job.backend.translate([tuple(each.values()) for each in texts], *job.codes[::-1])
        for slot, each, outcome in zip(batch, texts, outcomes, strict=True):
            ledger.add_reply(records.translation_reply(settings, slot, step, each, outcome, job.backend.spent()))
        ledger.commit()


def _estimate(job: TranslationJob, ledger: Ledger) -> None:
    """Have every translated text scored that has no score by this command yet; the answers of a passage stand in it."""
    estimator = job.estimator
    if estimator is None:
        return
    done = records.read_estimates(ledger, job.estimator_key)
    pairs: dict[str, tuple[str, str]] = {}
    for number, row in job.rows():
        texts = translatable(job.format, row)
        for path, new in read_translation(ledger, number).items():
            if not path.startswith("answers.") and path not in done.get(number, {}):
                pairs[f"{number}/{path}"] = (texts[path], new.text)
    if not pairs:
        return
    try:
        for name, score in estimator.scores(pairs):
            slot, _, path = name.partition("/")
            ledger.add_reply(records.json_reply(int(slot), records.ESTIMATES, job.estimator_key, {path: score}))
            ledger.commit_when_due()
    finally:
        ledger.commit()
